//! Directions that change during a run: eigenvectors followed by a Hessian, and what the log keeps
//! of them.

use std::path::Path;

use perrin::curvature::{EigenpairFollower, LossHessian};
use perrin::linalg::lanczos::LanczosOptions;
use perrin::record::EventKind;
use perrin::run::{CurvatureSummary, Measured, Run};
use tch::nn::{self, VarStore};
use tch::{Device, Kind};

use crate::projections::{assert_projection, difference, directions, divided};
use crate::support::{BATCH, Problem, events, rows};

const LEARNING_RATE: f64 = 2e-2;

/// The Hessian over all examples.
fn hessian(problem: &Problem) -> LossHessian<'_> {
    LossHessian::new(&problem.variables, &[BATCH as usize; 4], |batch| problem.loss(batch as i64))
        .unwrap()
}

fn sgd() -> nn::Sgd {
    nn::sgd(0.9, 0., 1e-3, false)
}

/// Stands for what is measured besides the eigenvectors.
fn summary(trace: f64) -> CurvatureSummary {
    CurvatureSummary {
        trace: Some(Measured { value: trace, standard_error: 0.5 }),
        ..CurvatureSummary::default()
    }
}

/// Steps before which rows were told to be along another basis.
fn changes(folder: &Path) -> Vec<(u64, u64)> {
    let changed = |event: perrin::record::Event| match event.kind {
        EventKind::BasisChanged { basis } => Some((event.step, basis)),
        _ => None,
    };
    events(folder).into_iter().filter_map(changed).collect()
}

#[test]
fn eigenvectors_are_followed() {
    // Measured by the fused pass, and by tensor operations.
    [Kind::Float, Kind::Double].into_iter().for_each(follow);
}

fn follow(kind: Kind) {
    let problem = Problem::new(kind);
    let folder = tempfile::tempdir().unwrap();
    let mut curvature =
        EigenpairFollower::new(hessian(&problem), LanczosOptions::largest(4), 100).unwrap();
    let mut optimizer = perrin::Options::new()
        .project_onto(curvature.refresh().unwrap())
        .build(sgd(), &problem.variables, LEARNING_RATE, folder.path())
        .unwrap();
    let mut saved = vec![problem.theta()];
    for number in 0..350 {
        optimizer.backward_step(&problem.loss(number));
        saved.push(problem.theta());
        if let Some(eigenvectors) = curvature.refresh_if_due(optimizer.step_count()).unwrap() {
            optimizer.project_onto(eigenvectors.with_summary(summary(number as f64))).unwrap();
        }
    }
    optimizer.finish().unwrap();

    let run = Run::open(folder.path()).unwrap();
    assert_eq!(run.bases().unwrap(), 0..4);
    let kept = |basis| run.curvature_summary(basis).unwrap();
    assert_eq!(
        [0, 1, 2, 3].map(kept),
        [None, Some(summary(99.0)), Some(summary(199.0)), Some(summary(299.0))]
    );
    assert_eq!(changes(folder.path()), [(101, 1), (201, 2), (301, 3)]);
    let bases: Vec<_> =
        run.bases().unwrap().map(|basis| run.eigenvectors(basis).unwrap()).collect();
    let rows = rows(folder.path());
    assert_eq!(rows.len(), 350);
    for (row, projections) in rows.records.iter().zip(rows.projections.chunks_exact(8)) {
        let step = row.step as usize;
        assert_eq!(row.basis, Some((row.step - 1) / 100), "step {step}");
        let directions = &bases[(step - 1) / 100].eigenvectors;
        let position = difference(&saved[step], &saved[0]);
        let velocity = divided(&difference(&saved[step], &saved[step - 1]), LEARNING_RATE);
        assert_projection(
            &projections[..4],
            directions,
            &position,
            &format!("position, step {step}"),
        );
        assert_projection(
            &projections[4..],
            directions,
            &velocity,
            &format!("velocity, step {step}"),
        );
    }

    let table = run.curvature().unwrap();
    assert_eq!(table.len(), 16);
    for row in &table {
        let basis = &bases[row.basis as usize];
        let mode = row.mode as usize - 1;
        assert_eq!((row.step, row.eigenvalue), (100 * row.basis, Some(basis.eigenvalues[mode])));
        assert_eq!((row.residual, row.products), (Some(basis.residuals[mode]), basis.products));
        assert!(row.converged);
        match row.overlap {
            None => assert_eq!(row.basis, 0),
            Some(overlap) => {
                assert!(row.basis > 0 && (0.0..1.0 + 1e-6).contains(&overlap), "{row:?}")
            }
        }
        if row.basis > 0 {
            let before = &bases[row.basis as usize - 1].eigenvectors[mode];
            let cosine: f32 = basis.eigenvectors[mode].iter().zip(before).map(|(a, b)| a * b).sum();
            assert!(cosine > 0.0, "{row:?} points the other way");
        }
    }
    assert_eq!(perrin::run::check(folder.path()).unwrap().damage, []);
}

/// The network hardly moves between two estimates, as it does late in training.
#[test]
fn a_refresh_costs_at_most_half_of_the_first_estimate() {
    let problem = Problem::new(Kind::Float);
    // To the default, 1e-4, it takes 20 products after 38.
    let options =
        LanczosOptions { max_basis: 60, residual_tolerance: 1e-3, ..LanczosOptions::largest(5) };
    let mut curvature = EigenpairFollower::new(hessian(&problem), options, 1).unwrap();
    let mut optimizer =
        nn::OptimizerConfig::build(nn::sgd(0., 0., 0., false), &problem.variables, 1e-3).unwrap();
    let cold = curvature.refresh().unwrap().products.unwrap();
    for number in 0..5 {
        optimizer.backward_step(&problem.loss(number));
        let warm = curvature.refresh().unwrap();
        assert!(2 * warm.products.unwrap() <= cold, "{:?} products after {cold}", warm.products);
        assert!(warm.overlaps.iter().all(|overlap| *overlap > 0.9), "{:?}", warm.overlaps);
    }
    // As after a resumption.
    let last = curvature.refresh().unwrap();
    let options =
        LanczosOptions { max_basis: 60, residual_tolerance: 1e-3, ..LanczosOptions::largest(5) };
    let mut again =
        EigenpairFollower::new(hessian(&problem), options, 1).unwrap().starting_from(&last);
    let found = again.refresh().unwrap();
    assert!(
        2 * found.products.unwrap() <= cold
            && found.overlaps.iter().all(|overlap| *overlap > 0.999)
    );
}

#[test]
fn directions_may_come_later_and_need_not_be_kept() {
    let problem = Problem::new(Kind::Float);
    let given = directions(3, problem.theta().len());
    let folder = tempfile::tempdir().unwrap();
    let mut optimizer = perrin::Options::new()
        .directions(3)
        .keep_eigenvectors(false)
        .build(sgd(), &problem.variables, LEARNING_RATE, folder.path())
        .unwrap();
    let origin = problem.theta();
    let mut last = Vec::new();
    for number in 0..60 {
        if number == 20 {
            optimizer.project_onto(given.clone()).unwrap();
        }
        optimizer.backward_step(&problem.loss(number));
        last = problem.theta();
    }
    optimizer.finish().unwrap();
    let rows = rows(folder.path());
    for (row, projections) in rows.records.iter().zip(rows.projections.chunks_exact(6)) {
        let known = row.step > 20;
        assert_eq!(row.basis, known.then_some(0), "step {}", row.step);
        assert!(projections.iter().all(|value| value.is_some() == known), "step {}", row.step);
    }
    let end = &rows.projections[6 * 59..6 * 59 + 3];
    assert_projection(end, &given, &difference(&last, &origin), "position at the end");
    assert_eq!(changes(folder.path()), [(21, 0)]);
    let run = Run::open(folder.path()).unwrap();
    let table = run.curvature().unwrap();
    assert_eq!(
        table.iter().map(|row| (row.step, row.mode)).collect::<Vec<_>>(),
        [(20, 1), (20, 2), (20, 3)]
    );
    assert!(
        table
            .iter()
            .all(|row| row.eigenvalue.is_none() && row.residual.is_none() && !row.converged)
    );
    assert!(!folder.path().join("eigenvectors").exists());
}

#[test]
fn directions_that_do_not_fit_leave_those_in_force() {
    let problem = Problem::new(Kind::Float);
    let given = directions(2, problem.theta().len());
    let folder = tempfile::tempdir().unwrap();
    let mut optimizer = perrin::Options::new()
        .project_onto(given.clone())
        .build(sgd(), &problem.variables, LEARNING_RATE, folder.path())
        .unwrap();
    let origin = problem.theta();
    optimizer.backward_step(&problem.loss(0));
    let mut refused = |directions: perrin::run::Eigenvectors| {
        optimizer.project_onto(directions).unwrap_err().to_string()
    };
    assert!(refused(directions(3, origin.len()).into()).contains("[3]"));
    assert!(refused(directions(2, 7).into()).contains("[7]"));
    let mut elsewhere = Run::open(folder.path()).unwrap().info().parameters.clone();
    elsewhere[1].name = "encoder.bias".to_owned();
    let of_others = perrin::run::Eigenvectors { parameters: elsewhere, ..given.clone().into() };
    assert!(refused(of_others).contains("encoder.bias"));
    let measured =
        |trace| perrin::run::Eigenvectors::from(given.clone()).with_summary(summary(trace));
    assert!(refused(measured(f64::NAN)).contains("trace"));
    optimizer.backward_step(&problem.loss(1));
    let summary = optimizer.finish().unwrap();
    assert_eq!(summary.rows, 2);
    let rows = rows(folder.path());
    assert_projection(
        &rows.projections[4..6],
        &given,
        &difference(&problem.theta(), &origin),
        "position",
    );
    assert_eq!(rows.records[1].basis, Some(0));
}

/// f = (3 x^2 + y^2) / 2, whose largest eigenvalue is 3.
#[test]
fn crossing_the_limit_of_stability_is_told() {
    let variables = VarStore::new(Device::Cpu);
    let root = variables.root();
    let (x, y) = (root.ones("x", &[1]), root.ones("y", &[1]));
    let loss = || ((x.square() * 3 + y.square()) / 2).sum(Kind::Float);
    let hessian = LossHessian::new(&variables, &[1], |_| loss()).unwrap();
    let mut curvature = EigenpairFollower::new(hessian, LanczosOptions::largest(1), 1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut optimizer = perrin::Options::new()
        .project_onto(curvature.refresh().unwrap())
        .build(nn::sgd(0.5, 0., 0.25, false), &variables, 0.9, folder.path())
        .unwrap();
    // 2 (1 + 0.5) / 0.9 = 3.33 and 3 / 0.95 = 3.16 on either side of 3.25.
    for learning_rate in [0.95, 0.96, 0.9] {
        optimizer.backward_step(&loss());
        optimizer.set_lr(learning_rate);
        optimizer.project_onto(curvature.refresh().unwrap()).unwrap();
    }
    optimizer.finish().unwrap();
    let told: Vec<_> = events(folder.path())
        .into_iter()
        .filter_map(|event| match event.kind {
            EventKind::StabilityCrossed { sharpness, limit, unstable } => {
                assert!((sharpness - 3.25).abs() < 1e-5, "{sharpness}");
                Some((event.step, limit, unstable))
            }
            _ => None,
        })
        .collect();
    assert_eq!(told, [(2, 3.0 / 0.95, true), (4, 3.0 / 0.9, false)]);
}

#[test]
fn followers_are_asked_for_what_they_can() {
    let problem = Problem::new(Kind::Float);
    assert!(EigenpairFollower::new(hessian(&problem), LanczosOptions::largest(2), 0).is_err());
    let both_ends = LanczosOptions { smallest: 1, ..LanczosOptions::largest(2) };
    assert!(EigenpairFollower::new(hessian(&problem), both_ends, 10).is_err());
}
