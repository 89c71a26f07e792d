//! Directions that follow the network, in a training loop that goes on whatever becomes of an
//! estimate.

use std::cell::Cell;
use std::path::Path;

use perrin::Error;
use perrin::analysis::Health;
use perrin::curvature::{EigenpairFollower, LossHessian};
use perrin::linalg::lanczos::LanczosOptions;
use perrin::record::EventKind;
use perrin::run::Eigenvectors;
use perrin::run::Run;
use tch::nn::{self, OptimizerConfig, VarStore};
use tch::{Device, Kind};

use crate::projections::directions;
use crate::support::{BATCH, Problem, events, rows};

fn sgd() -> nn::Sgd {
    nn::sgd(0.9, 0., 0., false)
}

/// Steps before which an estimate was told to have failed, with the failures in a row.
fn failures(folder: &Path) -> Vec<(u64, u64)> {
    let failed = |event: perrin::record::Event| match event.kind {
        EventKind::EstimateFailed { count, .. } => Some((event.step, count)),
        _ => None,
    };
    events(folder).into_iter().filter_map(failed).collect()
}

fn bases_of_rows(folder: &Path, every: usize) -> Vec<Option<u64>> {
    rows(folder).records.iter().step_by(every).map(|row| row.basis).collect()
}

#[test]
fn a_loss_that_is_nan_for_a_while_ends_nothing() {
    let problem = Problem::new(Kind::Float);
    let folder = tempfile::tempdir().unwrap();
    let factor = Cell::new(1.0);
    let loss = |batch: usize| problem.loss(batch as i64) * factor.get();
    let hessian = LossHessian::new(&problem.variables, &[BATCH as usize; 4], loss).unwrap();
    let mut curvature = EigenpairFollower::new(hessian, LanczosOptions::largest(2), 10).unwrap();
    let mut optimizer = perrin::Options::new()
        .project_onto(curvature.refresh().unwrap())
        .build(sgd(), &problem.variables, 1e-2, folder.path())
        .unwrap();
    for step in 1..=60 {
        optimizer.backward_step(&problem.loss(step));
        factor.set(if (15..35).contains(&step) { f64::NAN } else { 1.0 });
        let failed = optimizer.follow(|step| curvature.refresh_if_due(step));
        let expected = [20, 30].contains(&step);
        assert_eq!(
            matches!(failed, Some(Error::NonFiniteLoss { batch: 0, .. })),
            expected,
            "step {step}: {failed:?}"
        );
    }
    optimizer.finish().unwrap();
    assert_eq!(bases_of_rows(folder.path(), 10), [0, 1, 1, 1, 2, 3].map(Some));
    assert_eq!(failures(folder.path()), [(21, 1), (31, 2)]);
    assert_eq!(
        Health::of(&events(folder.path())).notes(),
        Vec::<String>::new(),
        "some have been estimated since"
    );
}

#[test]
fn a_run_that_has_diverged_goes_on() {
    let problem = Problem::new(Kind::Float);
    let folder = tempfile::tempdir().unwrap();
    let loss = |batch: usize| problem.loss(batch as i64);
    let hessian = LossHessian::new(&problem.variables, &[BATCH as usize; 4], loss).unwrap();
    let mut curvature = EigenpairFollower::new(hessian, LanczosOptions::largest(2), 1).unwrap();
    let mut optimizer = perrin::Options::new()
        .project_onto(curvature.refresh().unwrap())
        .build(sgd(), &problem.variables, 1e-2, folder.path())
        .unwrap();
    for step in 1..=20 {
        optimizer.backward_step(&(problem.loss(step) * if step == 5 { f64::NAN } else { 1.0 }));
        optimizer.follow(|step| curvature.refresh_if_due(step));
    }
    assert_eq!(optimizer.finish().unwrap().rows, 20);
    assert_eq!(failures(folder.path()), [(6, 1), (7, 2), (9, 4), (13, 8), (21, 16)]);
    let notes = Health::of(&events(folder.path())).notes();
    assert!(
        notes.iter().any(|note| note.contains("since step 6") && note.contains("is NaN")),
        "{notes:?}"
    );
}

/// f = x^2 / 2 + |y|^1.5: its second derivative is infinite at y = 0.
#[test]
fn products_that_overflow_and_directions_that_do_not_fit_are_told() {
    let store = VarStore::new(Device::Cpu);
    let (x, y) = (store.root().ones("x", &[2]), store.root().zeros("y", &[2]));
    let loss = || (x.square() / 2).sum(Kind::Float) + y.pow_tensor_scalar(1.5).sum(Kind::Float);
    let folder = tempfile::tempdir().unwrap();
    let mut optimizer = perrin::Options::new()
        .project_onto(directions(2, 4))
        .build(sgd(), &store, 1e-2, folder.path())
        .unwrap();
    let hessian = LossHessian::new(&store, &[1], |_| loss()).unwrap();
    let mut curvature = EigenpairFollower::new(hessian, LanczosOptions::largest(2), 1).unwrap();
    optimizer.backward_step(&loss());
    let failed = optimizer.follow(|step| curvature.refresh_if_due(step));
    assert!(matches!(failed, Some(Error::NonFiniteProduct { .. })), "{failed:?}");
    let failed = optimizer.follow(|_| Ok::<_, Error>(Some(Eigenvectors::from(directions(3, 4)))));
    assert!(matches!(failed, Some(Error::ShapeMismatch { .. })), "{failed:?}");
    // Errors of the program's own.
    let failed = optimizer.follow(|_| anyhow::bail!("the data could not be read"));
    assert_eq!(failed.unwrap().to_string(), "the data could not be read");
    assert!(optimizer.follow(|_| perrin::Result::Ok(None)).is_none());
    optimizer.backward_step(&loss());
    optimizer.finish().unwrap();
    assert_eq!(failures(folder.path()), [(2, 1), (2, 2)], "the third is not told");
    assert_eq!(bases_of_rows(folder.path(), 1), [Some(0), Some(0)]);
}

#[test]
fn pairs_that_have_not_converged_are_marked_and_followed() {
    let problem = Problem::new(Kind::Float);
    let folder = tempfile::tempdir().unwrap();
    let loss = |batch: usize| problem.loss(batch as i64);
    let hessian = LossHessian::new(&problem.variables, &[BATCH as usize; 4], loss).unwrap();
    let options =
        LanczosOptions { max_products: 5, residual_tolerance: 1e-6, ..LanczosOptions::largest(4) };
    let mut curvature = EigenpairFollower::new(hessian, options, 5).unwrap();
    let mut optimizer = perrin::Options::new()
        .directions(4)
        .build(sgd(), &problem.variables, 1e-2, folder.path())
        .unwrap();
    for step in 1..=10 {
        optimizer.backward_step(&problem.loss(step));
        assert!(optimizer.follow(|step| curvature.refresh_if_due(step)).is_none());
    }
    optimizer.backward_step(&problem.loss(11));
    optimizer.finish().unwrap();
    assert_eq!(bases_of_rows(folder.path(), 5), [None, Some(0), Some(1)]);
    let table = Run::open(folder.path()).unwrap().curvature().unwrap();
    assert!(table.len() == 8 && table.iter().any(|row| !row.converged), "{table:?}");
}

#[test]
fn what_is_not_observed_is_not_estimated() {
    let problem = Problem::new(Kind::Float);
    let mut optimizer = perrin::unobserved(sgd().build(&problem.variables, 1e-2).unwrap());
    optimizer.backward_step(&problem.loss(1));
    let failed: Option<Error> = optimizer.follow(|_| panic!("an estimate nobody keeps"));
    assert!(failed.is_none());
}
