//! What goes wrong with a log never goes wrong with the training.

use perrin::Error;
use perrin::record::{Event, EventKind};
use tch::Kind;
use tch::nn::{self, OptimizerConfig};

use crate::support::Problem;

#[test]
fn an_existing_run_is_not_overwritten() {
    let problem = Problem::new(Kind::Float);
    let folder = tempfile::tempdir().unwrap();
    let attach = || {
        let optimizer = nn::sgd(0., 0., 0., false).build(&problem.variables, 1e-2).unwrap();
        perrin::attach(optimizer, folder.path())
    };
    attach().unwrap().finish().unwrap();
    let before = std::fs::read(folder.path().join("run.json")).unwrap();
    let refused = attach().unwrap_err();
    assert!(matches!(refused.error(), Error::RunExists { .. }), "{refused}");
    assert_eq!(std::fs::read(folder.path().join("run.json")).unwrap(), before);
}

#[test]
fn two_observers_of_one_folder() {
    let problem = Problem::new(Kind::Float);
    let folder = tempfile::tempdir().unwrap();
    let _first = perrin::Options::new().observe(&problem.variables, folder.path()).unwrap();
    let error = perrin::Options::new().observe(&problem.variables, folder.path()).err().unwrap();
    assert!(matches!(error, Error::RunLocked { .. }), "{error}");
}

#[test]
fn nonsense_is_refused_before_anything_is_made() {
    let problem = Problem::new(Kind::Float);
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let error =
        perrin::Options::new().every_steps(0).observe(&problem.variables, &run).err().unwrap();
    assert!(error.to_string().contains("every_steps = 0"), "{error}");
    let unknown = vec![("nobody".to_owned(), tch::Tensor::from(1f32))];
    let error =
        perrin::Options::new().reference(unknown).observe(&problem.variables, &run).err().unwrap();
    assert!(error.to_string().contains("nobody"), "{error}");
    let misshapen = vec![("first.weight".to_owned(), tch::Tensor::from(1f32))];
    let error = perrin::Options::new()
        .reference(misshapen)
        .observe(&problem.variables, &run)
        .err()
        .unwrap();
    assert!(error.to_string().contains("[29, 13]"), "{error}");
    assert!(!run.exists());
}

/// An error on the training thread: every step is still taken and counted, and the log does not say
/// it is whole.
#[test]
fn an_error_while_observing() {
    let variables = nn::VarStore::new(tch::Device::Cpu);
    let tensor = variables.root().ones("a", &[3]);
    let folder = tempfile::tempdir().unwrap();
    let mut optimizer = perrin::Options::new()
        .build(nn::sgd(0., 0., 0., false), &variables, 1e-2, folder.path())
        .unwrap();
    optimizer.backward_step(&tensor.sum(Kind::Float));
    // Of a kind that cannot be observed.
    let mut replaced = tensor.shallow_clone();
    tch::no_grad(|| {
        replaced.set_data(&tch::Tensor::zeros([3], (Kind::ComplexFloat, tch::Device::Cpu)))
    });
    optimizer.zero_grad();
    (0..5).for_each(|_| optimizer.step());
    assert_eq!(optimizer.step_count(), 6);
    assert!(
        optimizer.health().err().unwrap().to_string().contains("a cannot be observed any longer")
    );
    assert!(optimizer.finish().err().unwrap().to_string().contains("ComplexFloat"));
    assert_eq!(crate::support::rows(folder.path()).len(), 1);
    let events = crate::support::events(folder.path());
    assert!(matches!(&events[..], [Event { kind: EventKind::Stopped { .. }, .. }]), "{events:?}");
}

/// The folder vanishes under a running observer: every step is still taken, and the error comes
/// from `finish`.
#[test]
fn a_folder_deleted_under_a_run() {
    let problem = Problem::new(Kind::Float);
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let mut optimizer = perrin::Options::new()
        .build(nn::sgd(0.9, 0., 0., false), &problem.variables, 1e-2, &run)
        .unwrap();
    std::fs::remove_dir_all(&run).unwrap();
    let start = problem.theta();
    (0..10).for_each(|number| optimizer.backward_step(&problem.loss(number)));
    assert_ne!(problem.theta(), start);
    let error = optimizer.finish().err().unwrap();
    assert!(error.to_string().contains(&run.display().to_string()), "{error}");
}
