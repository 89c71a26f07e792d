//! Changes of the parameters that are not steps.

use perrin::record::EventKind;
use tch::nn::{Init, OptimizerConfig, VarStore};
use tch::{Device, Kind, Tensor, no_grad};

use crate::support::{Problem, assert_close, distance_squared, events, outside_writes, rows};

/// An in-place edit between two steps is an event, part of the global displacement and of no local
/// one.
#[test]
fn an_edit_between_steps() {
    for kind in [Kind::Float, Kind::Double] {
        let problem = Problem::new(kind);
        let folder = tempfile::tempdir().unwrap();
        let mut optimizer = perrin::Options::new()
            .build(tch::nn::sgd(0.9, 0., 0., false), &problem.variables, 1e-2, folder.path())
            .unwrap();
        let origin = problem.theta();
        optimizer.backward_step(&problem.loss(0));
        let before = problem.theta();
        let _ = no_grad(|| problem.variables.trainable_variables()[0].fill_(0.125));
        let edited = problem.theta();
        optimizer.backward_step(&problem.loss(1));
        let after = problem.theta();
        optimizer.backward_step(&problem.loss(2));
        optimizer.finish().unwrap();

        let rows = rows(folder.path()).records;
        assert_close(
            rows[1].local_displacement_squared,
            distance_squared(&after, &edited),
            "local",
        );
        assert_close(
            rows[1].global_displacement_squared,
            distance_squared(&after, &origin),
            "global",
        );
        let told = outside_writes(folder.path());
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].0, told[0].1), (2, 1));
        assert_close(told[0].2, distance_squared(&edited, &before), "jump");
        let first = &events(folder.path())[0];
        assert!(
            matches!(&first.kind, EventKind::OutsideWrite { parameters, .. } if parameters.len() == 1)
        );
    }
}

#[test]
fn a_checkpoint_loaded_between_steps() {
    let mut problem = Problem::new(Kind::Float);
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("checkpoint.safetensors");
    problem.variables.save(&checkpoint).unwrap();
    let mut optimizer = perrin::Options::new()
        .build(
            tch::nn::sgd(0.9, 0., 0., false),
            &problem.variables,
            1e-2,
            folder.path().join("run"),
        )
        .unwrap();
    (0..5).for_each(|number| optimizer.backward_step(&problem.loss(number)));
    problem.variables.load(&checkpoint).unwrap();
    let loaded = problem.theta();
    optimizer.backward_step(&problem.loss(5));
    let after = problem.theta();
    optimizer.finish().unwrap();
    let rows = rows(&folder.path().join("run")).records;
    assert_close(rows[5].local_displacement_squared, distance_squared(&after, &loaded), "local");
    assert_close(rows[5].global_displacement_squared, distance_squared(&after, &loaded), "global");
    assert_eq!(outside_writes(&folder.path().join("run")).len(), 1);
}

/// Weight clipping after every step: counted every time, told at 1, 2, 4, 8 and in the end.
#[test]
fn a_change_at_every_step_is_told_now_and_then() {
    let problem = Problem::new(Kind::Float);
    let folder = tempfile::tempdir().unwrap();
    let mut optimizer = perrin::Options::new()
        .build(tch::nn::sgd(0., 0., 0., false), &problem.variables, 1e-2, folder.path())
        .unwrap();
    for number in 0..13 {
        optimizer.backward_step(&problem.loss(number));
        no_grad(|| {
            problem.variables.trainable_variables().iter_mut().for_each(|tensor| {
                let _ = tensor.clamp_(-0.05, 0.05);
            })
        });
    }
    optimizer.finish().unwrap();
    // The last clipping has no step after it to be noticed at.
    let counts: Vec<_> = outside_writes(folder.path()).iter().map(|told| told.1).collect();
    assert_eq!(counts, [1, 2, 4, 8, 12]);
}

/// The store moves to another kind of element: other memory, another way of measuring, the same
/// run.
#[test]
fn parameters_replaced_between_steps() {
    let mut problem = Problem::new(Kind::Float);
    let folder = tempfile::tempdir().unwrap();
    let mut observer = perrin::Options::new().observe(&problem.variables, folder.path()).unwrap();
    let step = |problem: &Problem| {
        no_grad(|| {
            problem.variables.trainable_variables().iter_mut().for_each(|tensor| {
                let _ = tensor.g_mul_scalar_(1.01);
            })
        })
    };
    let origin = problem.theta();
    step(&problem);
    observer.after_step(None);
    problem.variables.double();
    observer.before_step();
    let before = problem.theta();
    step(&problem);
    observer.after_step(None);
    let after = problem.theta();
    let health = observer.health().unwrap();
    assert_eq!(health.rows_received, 2);
    observer.finish().unwrap();
    let rows = rows(folder.path()).records;
    assert_close(rows[1].local_displacement_squared, distance_squared(&after, &before), "local");
    assert_close(rows[1].global_displacement_squared, distance_squared(&after, &origin), "global");
    // Every element is what it was.
    assert_eq!(outside_writes(folder.path()), []);
}

/// Two moves between two steps, after which the store's new memory may lie where the old one lay.
/// Reading it as what it was would go past its end.
#[test]
fn parameters_replaced_twice_at_one_address() {
    for elements in [1_000, 30_000, 1_000_000] {
        let mut variables = VarStore::new(Device::Cpu);
        let tensor = variables.root().var("a", &[elements], Init::Const(0.5));
        let folder = tempfile::tempdir().unwrap();
        let mut observer = perrin::Options::new().observe(&variables, folder.path()).unwrap();
        variables.half();
        variables.bfloat16();
        let step = |value: f64| no_grad(|| tensor.shallow_clone().g_add_scalar_(value));
        observer.before_step();
        let _ = step(0.25);
        observer.after_step(None);
        variables.float();
        variables.half();
        variables.float();
        observer.before_step();
        let _ = step(1.0);
        observer.after_step(None);
        observer.finish().unwrap();
        let rows = rows(folder.path()).records;
        let count = elements as f64;
        assert_close(rows[0].local_displacement_squared, 0.0625 * count, "bf16");
        assert_close(rows[1].local_displacement_squared, count, "f32");
        assert_close(rows[1].global_displacement_squared, 1.5625 * count, "f32, global");
    }
}

/// An outside write is told also when a variable is added before the next step.
#[test]
fn an_edit_and_an_added_variable() {
    for known_store in [true, false] {
        let variables = VarStore::new(Device::Cpu);
        let tensor = variables.root().ones("a", &[4]);
        let folder = tempfile::tempdir().unwrap();
        let config = tch::nn::sgd(0., 0., 0., false);
        let mut optimizer = if known_store {
            perrin::Options::new().build(config, &variables, 1e-2, folder.path()).unwrap()
        } else {
            perrin::attach(config.build(&variables, 1e-2).unwrap(), folder.path()).unwrap()
        };
        optimizer.backward_step(&tensor.sum(Kind::Float));
        let _ = no_grad(|| tensor.shallow_clone().fill_(3.));
        let _ = variables.root().ones("b", &[2]);
        optimizer.backward_step(&tensor.sum(Kind::Float));
        optimizer.finish().unwrap();
        // A step of 0.01 in each of four elements.
        assert_close(rows(folder.path()).records[1].local_displacement_squared, 4e-4, "local");
        assert_eq!(outside_writes(folder.path()).len(), 1, "store known: {known_store}");
    }
}

/// A second optimizer over the same parameters whose steps libtorch's version counter shows (those
/// of SGD it does not).
#[test]
fn another_optimizer_over_the_same_parameters() {
    let problem = Problem::new(Kind::Float);
    let folder = tempfile::tempdir().unwrap();
    let mut other = tch::nn::adam(0.9, 0.999, 0.).build(&problem.variables, 1e-2).unwrap();
    let mut optimizer = perrin::Options::new()
        .build(tch::nn::sgd(0., 0., 0., false), &problem.variables, 1e-3, folder.path())
        .unwrap();
    let mut local = Vec::new();
    for number in 0..4 {
        other.backward_step(&problem.loss(number));
        let before = problem.theta();
        optimizer.backward_step(&problem.loss(number));
        local.push(distance_squared(&problem.theta(), &before));
    }
    optimizer.finish().unwrap();
    for (row, local) in rows(folder.path()).records.iter().zip(local) {
        assert_close(row.local_displacement_squared, local, "local");
    }
    assert_eq!(
        outside_writes(folder.path()).iter().map(|told| told.1).collect::<Vec<_>>(),
        [1, 2, 4]
    );
}

/// Averaged weights are swapped in for an evaluation after every epoch, and out again; once they
/// are not. Nothing is told but that once, with its length.
#[test]
fn swapped_and_put_back() {
    for kind in [Kind::Float, Kind::Double] {
        for every in [1, 5] {
            let problem = Problem::new(kind);
            let folder = tempfile::tempdir().unwrap();
            let mut optimizer = perrin::Options::new()
                .every_steps(every)
                .build(tch::nn::sgd(0.9, 0., 0., false), &problem.variables, 1e-3, folder.path())
                .unwrap();
            let tensors = problem.variables.trainable_variables();
            let copies =
                || -> Vec<Tensor> { tensors.iter().map(|tensor| tensor.detach().copy()).collect() };
            let write = |values: &[Tensor]| {
                for (tensor, value) in tensors.iter().zip(values) {
                    no_grad(|| tensor.shallow_clone().copy_(value));
                }
            };
            let average = copies();
            let mut jump = 0.;
            for epoch in 1..=60 {
                (0..5)
                    .for_each(|number| optimizer.backward_step(&problem.loss(5 * epoch + number)));
                let (raw, before) = (copies(), problem.theta());
                write(&average);
                if epoch == 37 {
                    jump = distance_squared(&problem.theta(), &before);
                } else {
                    write(&raw);
                }
            }
            optimizer.finish().unwrap();
            let told = outside_writes(folder.path());
            assert_eq!((told.len(), told[0].0, told[0].1), (1, 186, 1), "{told:?}");
            assert_close(told[0].2, jump, "the one change");
        }
    }
}

/// A long change among many short ones is told when it happens.
#[test]
fn a_checkpoint_loaded_among_small_changes() {
    let problem = Problem::new(Kind::Float);
    let folder = tempfile::tempdir().unwrap();
    let mut observer = perrin::Options::new().observe(&problem.variables, folder.path()).unwrap();
    let mut bias = (problem.variables.root() / "first").get("bias").unwrap();
    for step in 1..=20 {
        no_grad(|| {
            let _ = bias.narrow(0, 0, 1).g_add_scalar_(if step == 11 { 3. } else { 0.125 });
        });
        observer.before_step();
        let _ = no_grad(|| bias.g_mul_scalar_(0.99));
        observer.after_step(None);
    }
    observer.finish().unwrap();
    let told = outside_writes(folder.path());
    assert_eq!(told.iter().map(|told| told.0).collect::<Vec<_>>(), [1, 2, 4, 8, 11, 16, 20]);
    assert_close(told[4].2, 9., "the long one");
}

/// An optimizer that makes new tensors instead of writing into the old ones: the same rows as one
/// that writes.
#[test]
fn parameters_replaced_at_every_step() {
    let run = |replaces: bool, before_step: bool| {
        let problem = Problem::new(Kind::Float);
        let folder = tempfile::tempdir().unwrap();
        let directions = crate::projections::directions(3, problem.theta().len());
        let mut observer = perrin::Options::new()
            .project_onto(directions)
            .observe(&problem.variables, folder.path())
            .unwrap();
        for number in 0..40 {
            let loss = problem.loss(number);
            loss.backward();
            if before_step {
                observer.before_step();
            }
            for mut tensor in problem.variables.trainable_variables() {
                let change = tensor.grad() * 1e-2;
                no_grad(|| match replaces {
                    true => tensor.set_data(&(tensor.detach() - change)),
                    false => drop(tensor.g_sub_(&change)),
                });
                tensor.zero_grad();
            }
            observer.after_step(Some(&loss));
        }
        observer.finish().unwrap();
        assert_eq!(outside_writes(folder.path()), []);
        let rows = rows(folder.path());
        let squared = |row: &perrin::record::StepRecord| {
            (row.loss, row.local_displacement_squared, row.global_displacement_squared)
        };
        (rows.records.iter().map(squared).collect::<Vec<_>>(), rows.projections)
    };
    let expected = run(false, true);
    assert_eq!(run(true, true), expected);
    assert_eq!(run(true, false), expected);
}

/// Replaced by fewer elements of the same kind: counted from where it then is, and nothing is read
/// past its end.
#[test]
fn a_parameter_replaced_by_a_shorter_one() {
    let variables = VarStore::new(Device::Cpu);
    let mut tensor = variables.root().var("a", &[100_000], Init::Const(0.5));
    let folder = tempfile::tempdir().unwrap();
    let mut observer = perrin::Options::new().observe(&variables, folder.path()).unwrap();
    no_grad(|| tensor.set_data(&Tensor::ones([10], (Kind::Float, Device::Cpu))));
    observer.before_step();
    let _ = no_grad(|| tensor.g_add_scalar_(1.));
    observer.after_step(None);
    observer.finish().unwrap();
    let rows = rows(folder.path()).records;
    assert_eq!(rows[0].local_displacement_squared, Some(10.));
    assert_eq!(rows[0].global_displacement_squared, Some(10.));
}

/// With rows now and then, a change is an event whose size is known only right after a row and
/// right before one.
#[test]
fn an_edit_between_rows() {
    let problem = Problem::new(Kind::Float);
    let folder = tempfile::tempdir().unwrap();
    let mut optimizer = perrin::Options::new()
        .every_steps(3)
        .build(tch::nn::sgd(0., 0., 0., false), &problem.variables, 1e-2, folder.path())
        .unwrap();
    let edit = || no_grad(|| problem.variables.trainable_variables()[0].g_mul_scalar_(1.5));
    let mut local = 0.;
    for step in 1..=6 {
        if step == 2 || step == 6 {
            let _ = edit();
        }
        let before = problem.theta();
        optimizer.backward_step(&problem.loss(step));
        local = distance_squared(&problem.theta(), &before);
    }
    optimizer.finish().unwrap();
    assert_close(rows(folder.path()).records[1].local_displacement_squared, local, "local");
    let told = outside_writes(folder.path());
    assert_eq!((told.len(), told[0].0, told[0].2), (2, 2, None));
    assert_eq!(told[1].0, 6);
    assert!(told[1].2.unwrap() > 0.);
}

/// NaN in the parameters: logged as such, told once, and training goes on.
#[test]
fn nan_is_logged_as_nan() {
    for kind in [Kind::Float, Kind::Double] {
        let problem = Problem::new(kind);
        let folder = tempfile::tempdir().unwrap();
        let mut optimizer = perrin::Options::new()
            .build(tch::nn::sgd(0., 0., 0., false), &problem.variables, 1e-2, folder.path())
            .unwrap();
        optimizer.backward_step(&problem.loss(0));
        optimizer.backward_step(&(problem.loss(1) * f64::NAN));
        optimizer.backward_step(&problem.loss(2));
        optimizer.finish().unwrap();
        let rows = rows(folder.path()).records;
        assert!(rows[0].local_displacement_squared.unwrap().is_finite());
        assert!(rows[1].local_displacement_squared.unwrap().is_nan());
        assert!(rows[1].loss.unwrap().is_nan());
        assert!(rows[2].global_displacement_squared.unwrap().is_nan());
        let told: Vec<_> = events(folder.path())
            .into_iter()
            .filter(|event| matches!(event.kind, EventKind::NonFinite { .. }))
            .map(|event| event.step)
            .collect();
        assert_eq!(told, [2]);
    }
}

/// A loss that lives elsewhere, or is no scalar, or is missing, never makes a row fail.
#[test]
fn odd_losses() {
    let problem = Problem::new(Kind::Float);
    let folder = tempfile::tempdir().unwrap();
    let mut observer = perrin::Options::new().observe(&problem.variables, folder.path()).unwrap();
    observer.after_step(Some(&Tensor::from(2.5f64)));
    observer.after_step(Some(&Tensor::from_slice(&[1f32, 2.])));
    observer.after_step(None);
    observer.set_next_loss(0.5);
    observer.after_step(None);
    // A loss that is seen goes before one that was given, which is not kept for a later step.
    observer.set_next_loss(9.);
    observer.after_step(Some(&Tensor::from(1f32)));
    observer.after_step(None);
    observer.finish().unwrap();
    let losses: Vec<_> = rows(folder.path()).records.iter().map(|row| row.loss).collect();
    assert_eq!(losses, [Some(2.5), None, None, Some(0.5), Some(1.), None]);
}
