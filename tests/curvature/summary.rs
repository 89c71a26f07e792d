//! Trace, density and gradient noise in one call, against the dense matrix.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use nalgebra::DMatrix;
use perrin::curvature::{
    LossHessian, SummaryOptions, density_beside_largest, eigenvectors, gradient_noise,
    top_eigenpairs,
};
use perrin::linalg::density::{DensityOptions, spectral_density};
use perrin::linalg::lanczos::LanczosOptions;
use perrin::linalg::trace::TraceOptions;
use perrin::record::{Layout, RunInfo};
use perrin::run::Eigenvectors;
use perrin::run::{GradientNoiseSummary, Run, RunWriter};
use tch::Kind;

use crate::support::{BATCHES, Problem, matrix, start_of};

/// Elements of theta, and eigenvectors that are known.
const DIMENSION: usize = 26;
const KNOWN: usize = 4;
const STARTS: usize = 40;

fn hessian(problem: &Problem) -> LossHessian<'_> {
    LossHessian::new(&problem.variables, &BATCHES, |batch| {
        problem.mean(start_of(&BATCHES, batch), BATCHES[batch])
    })
    .unwrap()
}

fn options() -> SummaryOptions {
    SummaryOptions {
        trace: Some(TraceOptions { sketch: 5, samples: 200, ..TraceOptions::default() }),
        density: Some(DensityOptions { starts: STARTS, steps: DIMENSION, seed: 3 }),
        gradient_noise: true,
    }
}

/// Falling eigenvalues of the dense matrix, and the largest error of the mean of `STARTS` quadratic
/// forms of those from `first` on: four standard errors, at most sqrt(2) of the Frobenius norm
/// each.
fn dense(matrix: &DMatrix<f64>, first: usize) -> (Vec<f64>, f64) {
    let mut eigenvalues: Vec<f64> =
        matrix.clone().symmetric_eigen().eigenvalues.iter().copied().collect();
    eigenvalues.sort_by(|a, b| b.total_cmp(a));
    let squares: f64 = eigenvalues[first..].iter().map(|rho| rho * rho).sum();
    (eigenvalues, 4.0 * (2.0 * squares / STARTS as f64).sqrt())
}

#[test]
fn it_is_of_the_dense_matrix_without_weight_decay() {
    let problem = Problem::new(Kind::Double);
    let mut plain = hessian(&problem);
    let (eigenvalues, slack) = dense(&matrix(&mut plain), KNOWN);
    assert!(eigenvalues[DIMENSION - 1] < 0.0, "the test wants negative curvature");
    let search = LanczosOptions { residual_tolerance: 1e-6, ..LanczosOptions::largest(KNOWN) };
    let pairs = top_eigenpairs(&mut plain, &search).unwrap().largest;
    let noise = GradientNoiseSummary::from(&gradient_noise(&mut plain, &pairs).unwrap());

    for decay in [0.0, 0.5] {
        let mut hessian = hessian(&problem).weight_decay(decay);
        let pairs = top_eigenpairs(&mut hessian, &search).unwrap().largest;
        let known = eigenvectors(&hessian, &pairs);
        let summary = hessian.summary(&known, &options()).unwrap();
        let trace = summary.trace.unwrap();
        let truth: f64 = eigenvalues.iter().sum();
        assert!((trace.value - truth).abs() < 4.0 * trace.standard_error, "{trace:?} {truth}");
        assert!(
            trace.standard_error < 0.1 * slack,
            "the known directions are put aside: {trace:?}"
        );

        let density = summary.density.as_ref().unwrap();
        assert_eq!(density.dimension, (DIMENSION - KNOWN) as f64);
        let (count, sum) = density
            .counted()
            .fold((0.0, 0.0), |(n, sum), (node, count)| (n + count, sum + node * count));
        let rest: f64 = eigenvalues[KNOWN..].iter().sum();
        assert!(
            (count - density.dimension).abs() < 1e-9 && (sum - rest).abs() < slack,
            "{sum} {rest} {slack}"
        );
        let highest = density.nodes.iter().copied().fold(f64::MIN, f64::max);
        let lowest = density.nodes.iter().copied().fold(f64::MAX, f64::min);
        // Nodes are in f32's precision of the largest eigenvalue.
        let rounding = 1e-4 * eigenvalues[0];
        assert!(
            (highest - eigenvalues[KNOWN]).abs() < rounding
                && (lowest - eigenvalues[DIMENSION - 1]).abs() < rounding
        );

        let found = summary.gradient_noise.as_ref().unwrap();
        assert_eq!((found.batches, found.examples, found.variances.len()), (3, 12, KNOWN));
        for (found, expected) in found.variances.iter().zip(&noise.variances) {
            assert!((found.value / expected.value - 1.0).abs() < 1e-3, "{found:?} {expected:?}");
        }
        assert!((found.noise_scale.value / noise.noise_scale.value - 1.0).abs() < 1e-3);

        let directory = tempfile::tempdir().unwrap();
        let info = RunInfo {
            layout: Layout { parameter_groups: 1, directions: KNOWN },
            ..RunInfo::default()
        };
        RunWriter::create(directory.path(), &info, Vec::new()).unwrap().close().unwrap();
        summary.save(directory.path(), 0).unwrap();
        assert_eq!(
            Run::open(directory.path()).unwrap().curvature_summary(0).unwrap(),
            Some(summary)
        );
    }
}

#[test]
fn a_density_of_the_whole_is_cut_at_its_largest() {
    let problem = Problem::new(Kind::Double);
    let mut hessian = hessian(&problem);
    let (eigenvalues, _) = dense(&matrix(&mut hessian), 0);
    let found = spectral_density(&mut hessian, options().density.as_ref().unwrap()).unwrap();
    let whole = density_beside_largest(&found, 0);
    assert_eq!(
        (whole.dimension, whole.nodes.len()),
        (DIMENSION as f64, found.quadratures.concat().len())
    );
    let rest = density_beside_largest(&found, KNOWN);
    assert_eq!(rest.dimension, (DIMENSION - KNOWN) as f64);
    let count: f64 = rest.counted().map(|(_, count)| count).sum();
    let highest = rest.nodes.iter().copied().fold(f64::MIN, f64::max);
    // By weights that scatter: to within a direction or two.
    assert!(
        (count - rest.dimension).abs() < 1e-9
            && highest <= eigenvalues[KNOWN - 2] + 1e-4 * eigenvalues[0]
    );
}

#[test]
fn nothing_known_and_too_little_known() {
    let problem = Problem::new(Kind::Double);
    let mut hessian = hessian(&problem);
    let (eigenvalues, slack) = dense(&matrix(&mut hessian), 0);
    let without_noise = SummaryOptions { gradient_noise: false, ..options() };
    let summary = hessian.summary(&Eigenvectors::default(), &without_noise).unwrap();
    let density = summary.density.unwrap();
    let sum: f64 = density.counted().map(|(node, count)| node * count).sum();
    assert!(
        (sum - eigenvalues.iter().sum::<f64>()).abs() < slack
            && density.dimension == DIMENSION as f64
    );
    assert!(summary.gradient_noise.is_none());
    let plain = Eigenvectors::from(vec![vec![1.0; DIMENSION]]);
    assert!(hessian.summary(&plain, &without_noise).is_err(), "no eigenvalue");
    let short = Eigenvectors { eigenvalues: vec![1.0], ..Eigenvectors::from(vec![vec![1.0; 3]]) };
    assert!(hessian.summary(&short, &without_noise).is_err());
    // Noise along no directions, and along one whose eigenvalue gives no scale.
    let few = SummaryOptions { density: None, ..SummaryOptions::default() };
    assert!(hessian.summary(&Eigenvectors::default(), &few).unwrap().gradient_noise.is_none());
    let mut axis = vec![0.0; DIMENSION];
    axis[0] = 1.0;
    for (eigenvalue, measured) in [(-1.0, false), (0.0, false), (1.0, true)] {
        let known = Eigenvectors {
            eigenvalues: vec![eigenvalue],
            ..Eigenvectors::from(vec![axis.clone()])
        };
        let summary = hessian.summary(&known, &few).unwrap();
        assert_eq!((summary.gradient_noise.is_some(), summary.trace.is_some()), (measured, true));
    }
}

#[test]
fn the_weight_decay_is_back_after_a_loss_that_panics() {
    const DECAY: f64 = 0.5;
    let problem = Problem::new(Kind::Double);
    let fails = Cell::new(false);
    let loss = |batch| {
        assert!(!fails.get(), "the loss fails");
        problem.mean(start_of(&BATCHES, batch), BATCHES[batch])
    };
    let mut hessian =
        LossHessian::new(&problem.variables, &BATCHES, loss).unwrap().weight_decay(DECAY);
    let before = matrix(&mut hessian);
    fails.set(true);
    let summary = AssertUnwindSafe(|| hessian.summary(&Eigenvectors::default(), &options()));
    assert!(catch_unwind(summary).is_err());
    fails.set(false);
    assert_eq!(matrix(&mut hessian), before);
}
