//! perrin in the programs people have: what README says, word by word, and the places where an
//! optimizer stands.
#![deny(warnings)]

use std::path::Path;

use perrin::{AttachError, Error, Step};
use tch::nn::{self, OptimizerConfig};
use tch::{Kind, TchError, Tensor};

use crate::support::{Problem, events, rows};

/// README's two lines, with the names they have there, in a program that denies warnings.
#[test]
fn the_two_lines() -> Result<(), Box<dyn std::error::Error>> {
    let problem = Problem::new(Kind::Float);
    let vs = &problem.variables;
    let folder = tempfile::tempdir()?;
    let opt = nn::sgd(0.9, 0., 1e-4, false).build(vs, 1e-3)?;
    let mut opt = perrin::attach(opt, folder.path().join("runs/mnist"))?;
    opt.backward_step(&problem.loss(0));
    assert_eq!(opt.finish()?.rows, 1);
    let readme = include_str!("../../README.md");
    for line in [
        "let opt = nn::sgd(0.9, 0., 1e-4, false).build(&vs, 1e-3)?;",
        "let mut opt = perrin::attach(opt, \"runs/mnist\")?;",
    ] {
        assert!(readme.lines().any(|said| said.starts_with(line)), "README no longer says: {line}");
    }
    Ok(())
}

/// The same where functions return tch's result, anyhow's, perrin's, and that of errors that
/// threads share.
#[test]
fn a_question_mark_in_functions_of_every_result() {
    fn of_tch(problem: &Problem, run: &Path) -> Result<u64, TchError> {
        let opt = nn::sgd(0.9, 0., 1e-4, false).build(&problem.variables, 1e-3)?;
        let mut opt = perrin::attach(opt, run)?;
        opt.project_onto(vec![vec![0.0]]).unwrap_err();
        opt.backward_step(&problem.loss(0));
        Ok(opt.finish()?.rows)
    }
    fn of_anyhow(problem: &Problem, run: &Path) -> anyhow::Result<u64> {
        let opt = nn::sgd(0.9, 0., 1e-4, false).build(&problem.variables, 1e-3)?;
        Ok(perrin::attach(opt, run)?.finish()?.rows)
    }
    fn of_perrin(problem: &Problem, run: &Path) -> perrin::Result<u64> {
        let opt = nn::sgd(0.9, 0., 1e-4, false).build(&problem.variables, 1e-3).unwrap();
        perrin::attach(opt, run)?.finish().map(|summary| summary.rows)
    }
    fn of_threads(
        problem: &Problem,
        run: &Path,
    ) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
        let opt = nn::sgd(0.9, 0., 1e-4, false).build(&problem.variables, 1e-3)?;
        Ok(perrin::attach(opt, run)?.finish()?.rows)
    }
    let problem = Problem::new(Kind::Float);
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path();
    assert_eq!(of_tch(&problem, run).unwrap(), 1);
    let expected = Error::RunExists { path: run.to_owned() }.to_string();
    assert_eq!(of_tch(&problem, run).unwrap_err().to_string(), expected);
    assert_eq!(of_anyhow(&problem, run).unwrap_err().to_string(), expected);
    assert!(matches!(of_perrin(&problem, run), Err(Error::RunExists { .. })));
    assert_eq!(of_threads(&problem, run).unwrap_err().to_string(), expected);
}

/// Where tch's optimizer stood: in a struct that derives Debug, moved to another thread.
#[derive(Debug)]
struct Trainer {
    optimizer: perrin::Optimizer,
    #[allow(dead_code, reason = "only printed")]
    epoch: u64,
}

#[test]
fn optimizers_are_printed_and_sent() {
    fn is_send<T: Send>() {}
    fn is_shared<T: Send + Sync>() {}
    is_send::<Trainer>();
    is_send::<perrin::Observer>();
    is_shared::<AttachError>();
    is_shared::<Error>();
    let problem = Problem::new(Kind::Float);
    let folder = tempfile::tempdir().unwrap();
    let optimizer = nn::sgd(0., 0., 0., false).build(&problem.variables, 1e-2).unwrap();
    let mut trainer =
        Trainer { optimizer: perrin::attach(optimizer, folder.path()).unwrap(), epoch: 3 };
    trainer.optimizer.backward_step(&problem.loss(0));
    let text = format!("{trainer:?}");
    assert!(text.contains("state: \"observes\", steps: 1") && text.contains("epoch: 3"), "{text}");
}

/// A helper that takes an optimizer observed or not.
fn train(optimizer: &mut impl Step, problem: &Problem, steps: i64) {
    for number in 0..steps {
        match number % 4 {
            0 => optimizer.backward_step(&problem.loss(number)),
            1 => optimizer.backward_step_clip(&problem.loss(number), 1e-3),
            2 => optimizer.backward_step_clip_norm(&problem.loss(number), 1e-3),
            _ => {
                optimizer.zero_grad();
                problem.loss(number).backward();
                optimizer.clip_grad_value(1e-2);
                optimizer.clip_grad_norm(1e-3);
                optimizer.set_lr(2e-2);
                optimizer.step();
            }
        }
    }
    assert_eq!(optimizer.trainable_variables().len(), 4);
}

/// A program in which a flag decides: the same type, and the same parameters to the last bit.
#[test]
fn observed_or_not_by_a_flag() {
    let folder = tempfile::tempdir().unwrap();
    let config = || nn::sgd(0.9, 0., 1e-4, false);
    let thetas: Vec<Vec<f64>> = (0..5)
        .map(|way| {
            let problem = Problem::new(Kind::Float);
            let run = folder.path().join(way.to_string());
            let bare = || config().build(&problem.variables, 1e-2).unwrap();
            if way == 4 {
                train(&mut bare(), &problem, 12);
                return problem.theta();
            }
            let rank = way % 2;
            let mut optimizer = match way {
                0 | 1 if rank == 0 => perrin::attach(bare(), &run).unwrap(),
                0 | 1 => perrin::unobserved(bare()),
                _ => perrin::Options::new()
                    .observe_if(rank == 0)
                    .build(config(), &problem.variables, 1e-2, &run)
                    .unwrap(),
            };
            train(&mut optimizer, &problem, 12);
            assert_eq!(optimizer.step_count(), 12);
            // What only an observed optimizer has is there and does nothing.
            optimizer.start_epoch(2);
            optimizer.set_batch_size(32);
            optimizer.set_next_loss(0.5);
            assert_eq!(optimizer.health().unwrap().rows_received, if rank == 0 { 12 } else { 0 });
            assert_eq!(optimizer.project_onto(vec![vec![0.0; 3]]).is_ok(), rank != 0);
            let summary = optimizer.finish().unwrap();
            assert_eq!((summary.steps, summary.rows), (12, if rank == 0 { 12 } else { 0 }));
            assert_eq!(run.exists(), rank == 0);
            problem.theta()
        })
        .collect();
    assert!(thetas.iter().all(|theta| *theta == thetas[4]));
}

#[test]
fn an_observer_that_records_nothing() {
    let problem = Problem::new(Kind::Float);
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let from = perrin::run::ResumeFrom { step: Some(100), discard_later_rows: false };
    let options = perrin::Options::new().observe_if(false).resume(from);
    let mut observer = options.observe(&problem.variables, &run).unwrap();
    observer.before_step();
    observer.measure_gradient();
    observer.after_step(Some(&Tensor::from(1f32)));
    assert_eq!(observer.step_count(), 101);
    let mut summary = observer.finish().unwrap();
    assert_eq!(std::mem::take(&mut summary.steps), 101);
    assert_eq!(summary, perrin::Summary::default());
    assert!(!run.exists());
}

/// A refusal gives the optimizer back as it was, with its momentum; training goes on unobserved.
#[test]
fn a_refused_optimizer_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let taken = Problem::new(Kind::Float);
    perrin::Options::new().observe(&taken.variables, folder.path()).unwrap().finish().unwrap();
    let train = |refuse: bool| {
        let problem = Problem::new(Kind::Float);
        let mut opt = nn::adam(0.9, 0.999, 0.).build(&problem.variables, 1e-2).unwrap();
        (0..5).for_each(|number| opt.backward_step(&problem.loss(number)));
        if !refuse {
            (5..9).for_each(|number| opt.backward_step(&problem.loss(number)));
            return problem.theta();
        }
        let mut opt = match perrin::attach(opt, folder.path()) {
            Ok(_) => panic!("a run is overwritten"),
            Err(refused) => {
                assert!(matches!(refused.error(), Error::RunExists { .. }));
                assert!(format!("{refused:?}").contains("RunExists"));
                refused.unobserved()
            }
        };
        (5..7).for_each(|number| opt.backward_step(&problem.loss(number)));
        let (mut opt, summary) = opt.into_inner();
        assert_eq!(summary.unwrap().steps, 2);
        (7..9).for_each(|number| opt.backward_step(&problem.loss(number)));
        problem.theta()
    };
    assert_eq!(train(true), train(false));
}

/// tch lets a program make the optimizer before the network: the run begins with the first
/// variables, as if it had been asked for then.
#[test]
fn a_store_that_is_empty_at_attach() {
    for known_store in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        let vs = nn::VarStore::new(tch::Device::Cpu);
        let config = nn::sgd(0.9, 0., 0., false);
        let mut optimizer = if known_store {
            perrin::Options::new().steps_per_epoch(2).build(config, &vs, 1e-2, &run).unwrap()
        } else {
            perrin::attach(config.build(&vs, 1e-2).unwrap(), &run).unwrap()
        };
        optimizer.set_batch_size(16);
        optimizer.set_lr(5e-2);
        optimizer.set_next_loss(9.);
        assert!(
            optimizer
                .project_onto(vec![vec![0.0]])
                .unwrap_err()
                .to_string()
                .contains("no trainable variables")
        );
        assert!(!run.exists());

        let weight = vs.root().ones("weight", &[3]);
        let bias = vs.root().ones("bias", &[1]);
        for _ in 0..3 {
            optimizer.backward_step(&((&weight * 2.).sum(Kind::Float) + bias.sum(Kind::Float)));
        }
        assert_eq!(optimizer.finish().unwrap().rows, 3);
        let open = perrin::run::Run::open(&run).unwrap();
        let names: Vec<&str> =
            open.info().parameters.iter().map(|parameter| parameter.name.as_str()).collect();
        assert_eq!(
            names,
            if known_store { ["weight", "bias"] } else { ["parameter_0", "parameter_1"] }
        );
        assert_eq!(open.reference().unwrap().tensors().len(), 2);
        assert!(
            events(&run)
                .iter()
                .all(|event| matches!(event.kind, perrin::record::EventKind::Finished { .. }))
        );
        let rows = rows(&run).records;
        // 0.05 (2, 2, 2, 1) is the first step.
        assert!((rows[0].local_displacement_squared.unwrap() - 0.0025 * 13.).abs() < 1e-7);
        assert_eq!(rows[0].local_displacement_squared, rows[0].global_displacement_squared);
        assert_eq!(
            (rows[0].hyperparameters.learning_rate, rows[0].batch_size),
            (Some(5e-2), Some(16))
        );
        assert_eq!(rows[2].epoch, known_store.then_some(2));
        assert_eq!(rows[0].loss, Some(7.));
    }
}

/// A hand-written loop notices its first variables before a step, or else after it; a run that is
/// there is told at once, and what else stands in the way as soon as it can be.
#[test]
fn an_observer_of_an_empty_store() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let vs = nn::VarStore::new(tch::Device::Cpu);
    let observe = |options: perrin::Options| options.observe(&vs, &run);
    let mut observer = observe(perrin::Options::new()).unwrap();
    let settings = |rate| {
        move |settings: &mut perrin::record::Hyperparameters| settings.learning_rate = Some(rate)
    };
    observer.set_hyperparameters(Some(1), settings(0.5));
    observer.set_hyperparameters(None, settings(0.25));
    observer.set_hyperparameters(Some(1), settings(0.75));
    observer.start_epoch(7);
    observer.after_step(None); // nothing to see yet
    let (first, second) =
        (vs.root().ones("first", &[2]), vs.root().set_group(1).ones("second", &[2]));
    observer.after_step(None); // seen when the step is over
    for mut tensor in [first, second] {
        tch::no_grad(|| {
            let _ = tensor.g_add_scalar_(1.0);
        });
    }
    observer.after_step(None);
    assert_eq!(observer.step_count(), 3);
    observer.finish().unwrap();
    let found = rows(&run);
    assert_eq!(
        found.records.iter().map(|row| (row.step, row.epoch)).collect::<Vec<_>>(),
        [(3, Some(7))]
    );
    assert_eq!(found.records[0].local_displacement_squared, Some(4.));
    assert_eq!(found.records[0].hyperparameters.learning_rate, Some(0.25));
    assert_eq!(found.group_hyperparameters[0].learning_rate, Some(0.75));

    let empty = nn::VarStore::new(tch::Device::Cpu);
    let refused = perrin::Options::new().observe(&empty, &run).err().unwrap();
    assert!(matches!(refused, Error::RunExists { .. }), "{refused}");
    let resumed =
        perrin::Options::new().resume(perrin::run::ResumeFrom::default()).observe(&empty, &run);
    assert!(resumed.err().unwrap().to_string().contains("no trainable variables"));
    let never = perrin::Options::new().observe(&empty, folder.path().join("never")).unwrap();
    assert!(never.finish().unwrap_err().to_string().contains("no trainable variables"));

    let mut late =
        perrin::Options::new().every_steps(0).observe(&empty, folder.path().join("late")).unwrap();
    let _ = empty.root().ones("late", &[1]);
    late.before_step();
    late.after_step(None);
    assert_eq!(late.step_count(), 1);
    assert!(late.health().unwrap_err().to_string().contains("every_steps = 0"));
    assert!(late.finish().unwrap_err().to_string().contains("every_steps = 0"));
}
