//! The program behaves as before, and the log says what was done.

use perrin::record::Hyperparameters;
use perrin::recorder::{QueueOptions, QueuePolicy};
use tch::Kind;
use tch::nn::{self, OptimizerConfig};

use crate::support::{Problem, rows};

fn train(problem: &Problem, mut step: impl FnMut(&tch::Tensor)) -> Vec<f64> {
    (0..200).for_each(|number| step(&problem.loss(number)));
    problem.theta()
}

fn check_bit_identical<C: OptimizerConfig>(config: impl Fn() -> C) {
    let bare = Problem::new(Kind::Float);
    let mut optimizer = config().build(&bare.variables, 1e-2).unwrap();
    let expected = train(&bare, |loss| optimizer.backward_step(loss));

    let observed = Problem::new(Kind::Float);
    let folder = tempfile::tempdir().unwrap();
    let optimizer = config().build(&observed.variables, 1e-2).unwrap();
    let mut optimizer = perrin::attach(optimizer, folder.path().join("run")).unwrap();
    let found = train(&observed, |loss| optimizer.backward_step(loss));
    assert_eq!(found, expected);
    assert_eq!(optimizer.finish().unwrap().rows, 200);
}

#[test]
fn observed_and_unobserved_parameters_are_bit_identical() {
    check_bit_identical(|| nn::sgd(0.9, 0., 1e-4, false));
    check_bit_identical(|| nn::sgd(0.9, 0., 0., true));
    check_bit_identical(|| nn::adam(0.9, 0.999, 1e-4));
    check_bit_identical(|| nn::adamw(0.9, 0.999, 1e-2));
    check_bit_identical(|| nn::rms_prop(0.99, 1e-8, 0., 0.9, false));
}

/// The same for a network large enough for libtorch's threads to share the pass.
#[test]
fn large_parameters_are_bit_identical_too() {
    let train = |folder: Option<&std::path::Path>| {
        let variables = nn::VarStore::new(tch::Device::Cpu);
        let weight = variables.root().var("weight", &[400, 500], nn::Init::Const(0.25));
        let sgd = nn::sgd(0.9, 0., 1e-4, false).build(&variables, 1e-3).unwrap();
        let mut bare = None;
        let mut observed = None;
        match folder {
            Some(folder) => observed = Some(perrin::attach(sgd, folder).unwrap()),
            None => bare = Some(sgd),
        }
        for number in 1..=20 {
            let loss = (&weight * f64::from(number)).sin().square().sum(Kind::Float);
            bare.iter_mut().for_each(|optimizer| optimizer.backward_step(&loss));
            observed.iter_mut().for_each(|optimizer| optimizer.backward_step(&loss));
        }
        crate::support::flat(&[weight])
    };
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(train(Some(folder.path())), train(None));
}

/// Every method of tch 0.26's `Optimizer`, as a program that was written for it calls them.
#[test]
fn every_method_is_there_and_every_step_is_counted_once() {
    let problem = Problem::new(Kind::Float);
    let folder = tempfile::tempdir().unwrap();
    let optimizer = nn::sgd(0.9, 0., 0., false).build(&problem.variables, 1e-2).unwrap();
    let mut optimizer = perrin::attach(optimizer, folder.path().join("run")).unwrap();

    optimizer.backward_step(&problem.loss(0)); // step 1
    optimizer.backward_step_clip(&problem.loss(1), 0.1); // step 2
    optimizer.backward_step_clip_norm(&problem.loss(2), 0.1); // step 3
    optimizer.zero_grad();
    (problem.loss(3) / 2.).backward(); // gradient accumulation: no step
    (problem.loss(4) / 2.).backward();
    optimizer.clip_grad_value(0.5);
    optimizer.clip_grad_norm(0.5);
    optimizer.set_next_loss(0.25);
    optimizer.step(); // step 4
    optimizer.set_lr(3e-3);
    optimizer.set_momentum(0.8);
    optimizer.set_weight_decay(1e-3);
    optimizer.backward_step(&problem.loss(5)); // step 5
    optimizer.set_lr_group(0, 2e-3);
    optimizer.set_momentum_group(0, 0.7);
    optimizer.set_weight_decay_group(0, 2e-3);
    optimizer.step(); // step 6
    assert_eq!(optimizer.trainable_variables().len(), 4);
    assert_eq!(optimizer.step_count(), 6);
    let summary = optimizer.finish().unwrap();
    assert_eq!((summary.steps, summary.rows, summary.rows_dropped), (6, 6, 0));
    assert!(summary.bytes > 0 && summary.training_thread_seconds > 0.);

    let rows = rows(&folder.path().join("run")).records;
    assert_eq!(rows.iter().map(|row| row.step).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    // Not known until they were set; never zero.
    assert_eq!(rows[0].hyperparameters, Hyperparameters::default());
    let known = |learning_rate, momentum, weight_decay| Hyperparameters {
        learning_rate: Some(learning_rate),
        momentum: Some(momentum),
        weight_decay: Some(weight_decay),
    };
    assert_eq!(rows[4].hyperparameters, known(3e-3, 0.8, 1e-3));
    assert_eq!(rows[5].hyperparameters, known(2e-3, 0.7, 2e-3));
    assert!(rows[..3].iter().all(|row| row.loss.is_some()));
    assert_eq!(rows[3].loss, Some(0.25));
    assert_eq!(rows[5].loss, None);
    assert!(rows.iter().all(|row| row.batch_size.is_none() && row.epoch.is_none()));
    assert!(rows.windows(2).all(|pair| pair[0].elapsed_seconds <= pair[1].elapsed_seconds));
}

#[test]
fn a_known_configuration_fills_the_columns_of_every_group() {
    let variables = nn::VarStore::new(tch::Device::Cpu);
    let backbone = variables.root().sub("backbone").set_group(0);
    let head = variables.root().sub("head").set_group(1);
    let (a, b) = (backbone.ones("a", &[3]), head.ones("b", &[3]));
    let folder = tempfile::tempdir().unwrap();
    let mut optimizer = perrin::Options::new()
        .batch_size(32)
        .steps_per_epoch(2)
        .gradient_norm(true)
        .build(nn::sgd(0.9, 0.1, 1e-4, false), &variables, 1e-2, folder.path().join("run"))
        .unwrap();
    optimizer.backward_step(&(&a + &b).sum(Kind::Float));
    optimizer.set_lr_group(1, 5e-2);
    optimizer.backward_step(&(&a + &b).sum(Kind::Float));
    optimizer.set_weight_decay(0.);
    optimizer.backward_step(&(&a + &b).sum(Kind::Float));
    optimizer.start_epoch(17);
    optimizer.set_batch_size(64);
    optimizer.backward_step(&(&a + &b).sum(Kind::Float));
    optimizer.finish().unwrap();

    let info = perrin::run::Run::open(folder.path().join("run")).unwrap().info().clone();
    assert_eq!(info.optimizer.name.as_deref(), Some("sgd"));
    assert_eq!((info.optimizer.dampening, info.optimizer.nesterov), (Some(0.1), Some(false)));
    assert_eq!(info.layout.parameter_groups, 2);
    let names: Vec<_> = info
        .parameters
        .iter()
        .map(|parameter| (parameter.name.as_str(), parameter.group))
        .collect();
    assert_eq!(names, [("backbone.a", Some(0)), ("head.b", Some(1))]);

    let rows = rows(&folder.path().join("run"));
    let learning_rates: Vec<_> =
        rows.records.iter().map(|row| row.hyperparameters.learning_rate).collect();
    assert_eq!(learning_rates, [Some(1e-2); 4]);
    let second: Vec<_> =
        rows.group_hyperparameters.iter().map(|group| group.learning_rate).collect();
    assert_eq!(second, [Some(1e-2), Some(5e-2), Some(5e-2), Some(5e-2)]);
    assert_eq!(rows.group_hyperparameters[2].weight_decay, Some(0.));
    let epochs: Vec<_> = rows.records.iter().map(|row| row.epoch).collect();
    assert_eq!(epochs, [Some(1), Some(1), Some(2), Some(17)]);
    let batches: Vec<_> = rows.records.iter().map(|row| row.batch_size).collect();
    assert_eq!(batches, [Some(32), Some(32), Some(32), Some(64)]);
    // The gradient of a sum is one for each of six elements.
    assert!(rows.records.iter().all(|row| (row.gradient_norm_squared.unwrap() - 6.).abs() < 1e-12));
}

/// The gradient's norm is the one before clipping, where the optimizer clips: 200 each time, of two
/// elements (of 2, 14) times their count.
#[test]
fn gradient_norms_are_those_before_clipping() {
    let variables = nn::VarStore::new(tch::Device::Cpu);
    let (a, b) = (variables.root().ones("a", &[1]), variables.root().ones("b", &[1]));
    let folder = tempfile::tempdir().unwrap();
    let mut optimizer = perrin::Options::new()
        .gradient_norm(true)
        .build(nn::sgd(0., 0., 0., false), &variables, 1e-3, folder.path())
        .unwrap();
    let loss = || (&a * 2. + &b * 14.).sum(Kind::Float);
    optimizer.backward_step(&loss());
    optimizer.backward_step_clip(&loss(), 1.);
    optimizer.backward_step_clip_norm(&loss(), 1.);
    optimizer.zero_grad();
    loss().backward();
    optimizer.clip_grad_value(10.);
    optimizer.clip_grad_norm(1.);
    optimizer.step();
    // A step that is not taken, as after an overflow: its gradients are forgotten.
    optimizer.zero_grad();
    (loss() * 1e6).backward();
    optimizer.clip_grad_norm(1.);
    optimizer.zero_grad();
    loss().backward();
    optimizer.step();
    // What the program does to the gradients by itself is not seen.
    optimizer.zero_grad();
    loss().backward();
    let _ = tch::no_grad(|| a.grad().fill_(0.));
    optimizer.step();
    optimizer.clip_grad_norm(1.);
    optimizer.backward_step(&loss());
    optimizer.finish().unwrap();
    let norms: Vec<_> = rows(folder.path())
        .records
        .iter()
        .map(|row| row.gradient_norm_squared.unwrap().round())
        .collect();
    assert_eq!(norms, [200., 200., 200., 200., 200., 196., 200.]);
}

/// A hand-written loop that zeroes or clips its gradients before `after_step` says when they are to
/// be measured.
#[test]
fn an_observer_measures_gradients_when_told() {
    let variables = nn::VarStore::new(tch::Device::Cpu);
    let mut tensor = variables.root().ones("a", &[4]);
    let folder = tempfile::tempdir().unwrap();
    let options = perrin::Options::new().gradient_norm(true).every_steps(2);
    let mut observer = options.observe(&variables, folder.path()).unwrap();
    for step in 1..=8 {
        (&tensor * f64::from(step)).sum(Kind::Float).backward();
        if step > 4 {
            observer.measure_gradient();
        }
        tensor.zero_grad();
        observer.after_step(None);
    }
    observer.finish().unwrap();
    let norms: Vec<_> =
        rows(folder.path()).records.iter().map(|row| row.gradient_norm_squared).collect();
    assert_eq!(norms, [Some(0.), Some(0.), Some(144.), Some(256.)]);
}

#[test]
fn every_kind_of_configuration_says_what_it_is() {
    use perrin::observe::KnownOptimizer;
    assert_eq!(nn::adam(0.8, 0.99, 0.1).info().second_moment_decay, Some(0.99));
    assert_eq!(nn::adam(0.8, 0.99, 0.1).hyperparameters(1.).momentum, Some(0.8));
    assert_eq!(nn::adamw(0.8, 0.99, 0.1).info().name.as_deref(), Some("adamw"));
    assert_eq!(nn::rms_prop(0.95, 1e-6, 0.1, 0.5, true).info().centered, Some(true));
    assert_eq!(nn::rms_prop(0.95, 1e-6, 0.1, 0.5, true).hyperparameters(1.).momentum, Some(0.5));
}

/// Rows of every third step, each with its true one-step displacement.
#[test]
fn every_steps_tells_one_step_displacements() {
    for (kind, before_step) in [(Kind::Float, true), (Kind::Double, true), (Kind::Float, false)] {
        let problem = Problem::new(kind);
        let folder = tempfile::tempdir().unwrap();
        let mut optimizer = nn::sgd(0.9, 0., 0., false).build(&problem.variables, 1e-2).unwrap();
        let mut observer = perrin::Options::new()
            .every_steps(3)
            .observe(&problem.variables, folder.path().join("run"))
            .unwrap();
        let mut saved = vec![problem.theta()];
        for number in 0..10 {
            let loss = problem.loss(number);
            if before_step {
                observer.before_step();
            }
            optimizer.backward_step(&loss);
            observer.after_step(Some(&loss));
            saved.push(problem.theta());
        }
        observer.finish().unwrap();
        let rows = rows(&folder.path().join("run")).records;
        assert_eq!(rows.iter().map(|row| row.step).collect::<Vec<_>>(), [3, 6, 9]);
        for row in rows {
            let step = row.step as usize;
            let local = crate::support::distance_squared(&saved[step], &saved[step - 1]);
            let global = crate::support::distance_squared(&saved[step], &saved[0]);
            crate::support::assert_close(row.local_displacement_squared, local, "local");
            crate::support::assert_close(row.global_displacement_squared, global, "global");
            assert!(row.loss.is_some());
        }
    }
}

#[test]
fn a_training_loop_on_another_thread_and_a_small_queue() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let problem = Problem::new(Kind::Float);
    let optimizer = perrin::Options::new()
        .queue(QueueOptions { policy: QueuePolicy::Block, capacity: 2 })
        .build(nn::sgd(0.9, 0., 0., false), &problem.variables, 1e-2, &run)
        .unwrap();
    let summary = std::thread::spawn(move || {
        let mut optimizer = optimizer;
        for number in 0..100 {
            optimizer.backward_step(&problem.loss(number));
        }
        optimizer.finish().unwrap()
    });
    assert_eq!(summary.join().unwrap().rows, 100);
    assert_eq!(rows(&run).len(), 100);
}

#[test]
fn dropping_the_optimizer_closes_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let problem = Problem::new(Kind::Float);
    let optimizer = nn::sgd(0., 0., 0., false).build(&problem.variables, 1e-2).unwrap();
    let mut optimizer = perrin::attach(optimizer, folder.path()).unwrap();
    for number in 0..7 {
        optimizer.backward_step(&problem.loss(number));
    }
    drop(optimizer);
    assert_eq!(rows(folder.path()).len(), 7);
    assert!(folder.path().join("steps/000000.parquet").exists());
    assert!(!folder.path().join("open/000000.arrows").exists());
}

#[test]
fn the_optimizer_can_be_had_back() {
    let folder = tempfile::tempdir().unwrap();
    let problem = Problem::new(Kind::Float);
    let optimizer = nn::sgd(0., 0., 0., false).build(&problem.variables, 1e-2).unwrap();
    let mut optimizer = perrin::attach(optimizer, folder.path()).unwrap();
    optimizer.backward_step(&problem.loss(0));
    let (mut optimizer, summary) = optimizer.into_inner();
    assert_eq!(summary.unwrap().rows, 1);
    optimizer.backward_step(&problem.loss(1));
}
