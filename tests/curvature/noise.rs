//! Gradient noise against sums written out, and on a problem where Assumption 5 holds.

use nalgebra::{DMatrix, DVector};
use perrin::Error;
use perrin::curvature::{GradientNoise, LossHessian, Reduction, gradient_noise, top_eigenpairs};
use perrin::linalg::eigenpairs::Eigenpair;
use perrin::linalg::lanczos::LanczosOptions;
use perrin::run::Measured;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

use crate::support::{BATCHES, EXAMPLES, Problem, start_of};

#[track_caller]
fn assert_close(found: f64, expected: f64) {
    // Gradients are rounded to f32.
    assert!((found - expected).abs() <= 1e-5 * expected.abs().max(1e-3), "{found} {expected}");
}

/// Sigma = sum n_b (g_b - g)(g_b - g)^T / (B - 1), g the mean over all examples.
fn covariance(gradients: &[DVector<f64>], sizes: &[usize]) -> DMatrix<f64> {
    let total: usize = sizes.iter().sum();
    let mean = gradients
        .iter()
        .zip(sizes)
        .map(|(g, &n)| g * (n as f64 / total as f64))
        .sum::<DVector<f64>>();
    let square =
        |(g, &n): (&DVector<f64>, &usize)| (g - &mean) * (g - &mean).transpose() * n as f64;
    gradients.iter().zip(sizes).map(square).sum::<DMatrix<f64>>() / (sizes.len() - 1) as f64
}

#[test]
fn it_is_the_covariance_written_out() {
    let problem = Problem::new(Kind::Double);
    for (sizes, reduction) in [
        (BATCHES.to_vec(), Reduction::Mean),
        (BATCHES.to_vec(), Reduction::Sum),
        (vec![1; EXAMPLES], Reduction::Mean),
    ] {
        let loss = |batch: usize| match reduction {
            Reduction::Mean => problem.mean(start_of(&sizes, batch), sizes[batch]),
            Reduction::Sum => problem.sum(start_of(&sizes, batch), sizes[batch]),
        };
        let mut hessian =
            LossHessian::new(&problem.variables, &sizes, loss).unwrap().reduction(reduction);
        let pairs = top_eigenpairs(&mut hessian, &LanczosOptions::largest(4)).unwrap().largest;
        let noise = gradient_noise(&mut hessian, &pairs).unwrap();

        let gradient = |batch| {
            DVector::from_iterator(
                26,
                hessian.batch_gradient(batch).unwrap().into_iter().map(f64::from),
            )
        };
        let gradients: Vec<DVector<f64>> = (0..sizes.len()).map(gradient).collect();
        let sigma = covariance(&gradients, &sizes);
        let q = DMatrix::from_fn(26, 4, |i, k| f64::from(pairs[k].eigenvector[i]));
        let seen = q.transpose() * &sigma * &q;
        assert_close(noise.trace.value, sigma.trace());
        let scale = seen.amax();
        assert!((&noise.covariance - &seen).amax() <= 1e-5 * scale);
        let eigenvalues: f64 = pairs.iter().map(|pair| pair.eigenvalue).sum();
        assert_close(noise.noise_scale.value, seen.trace() / eigenvalues);
        for (mode, pair) in noise.modes.iter().zip(&pairs) {
            assert_eq!(mode.eigenvalue, pair.eigenvalue);
        }
        let off = seen.norm_squared() - seen.diagonal().norm_squared();
        assert_close(noise.off_diagonal.value, (off / seen.norm_squared()).sqrt());
        assert_eq!(noise.batches, sizes.len());
    }
}

const NOISE: f64 = 0.7;

/// y = w . x + e with independent Gaussian x (of differing variances) and e of variance `NOISE`^2;
/// L = (y - w . x)^2 / 2. At the true w: gradient -e x, so Sigma = `NOISE`^2 E[x x^T] = `NOISE`^2
/// H. Also the sum of H's eigenvalues.
fn regression(seed: u64, examples: usize) -> (GradientNoise, f64) {
    const BATCH: usize = 4;
    let spreads = [2.0, 1.5, 1.0, 0.7, 0.5];
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut gaussian = || -> f64 { StandardNormal.sample(&mut random) };
    let inputs: Vec<f64> =
        (0..examples).flat_map(|_| spreads.map(|spread| spread * gaussian())).collect();
    let errors: Vec<f64> = (0..examples).map(|_| NOISE * gaussian()).collect();
    let inputs = Tensor::from_slice(&inputs).reshape([examples as i64, 5]);
    let store = VarStore::new(Device::Cpu);
    let mut weight = store.root().ones("weight", &[5]);
    weight.set_data(&weight.to_kind(Kind::Double));
    let outputs = inputs.matmul(&weight.detach()) + Tensor::from_slice(&errors);
    let loss = |batch: usize| {
        let part = |tensor: &Tensor| tensor.narrow(0, (BATCH * batch) as i64, BATCH as i64);
        (part(&inputs).matmul(&weight) - part(&outputs)).square().mean(Kind::Double) / 2
    };
    let mut hessian = LossHessian::new(&store, &vec![BATCH; examples / BATCH], loss).unwrap();
    let found = top_eigenpairs(&mut hessian, &LanczosOptions::largest(5)).unwrap();
    let noise = gradient_noise(&mut hessian, &found.largest).unwrap();
    (noise, found.largest.iter().map(|pair| pair.eigenvalue).sum())
}

#[test]
fn linear_regression_obeys_assumption_5() {
    let (noise, trace_of_hessian) = regression(5, 4_000);
    let expect = |found: Measured, expected: f64, what: &str| {
        let errors = (found.value - expected) / found.standard_error;
        assert!(
            errors.abs() < 4.0 && found.standard_error < 0.1 * expected,
            "{what}: {found:?}, not {expected}"
        );
    };
    let sigma_squared = NOISE * NOISE;
    expect(noise.noise_scale, sigma_squared, "sigma^2");
    expect(noise.trace, sigma_squared * trace_of_hessian, "tr(Sigma)");
    for mode in &noise.modes {
        expect(mode.variance, sigma_squared * mode.eigenvalue, "a mode");
    }
    let correlation = noise.correlation.unwrap();
    assert!(correlation.value > 0.99 && correlation.standard_error < 0.02, "{correlation:?}");
    assert!(noise.off_diagonal.value < 2.0 * noise.off_diagonal_by_chance, "{noise:?}");
    assert!(noise.off_diagonal_by_chance < 0.05);
}

/// 40 runs: the standard deviation over them is known to 11%.
#[test]
fn standard_errors_are_the_spread_over_repetitions() {
    let runs: Vec<GradientNoise> = (100..140).map(|seed| regression(seed, 400).0).collect();
    let check = |what: &str, estimate: &dyn Fn(&GradientNoise) -> Measured| {
        let values: Vec<f64> = runs.iter().map(|run| estimate(run).value).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let spread = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>()
            / (values.len() - 1) as f64)
            .sqrt();
        let told =
            runs.iter().map(|run| estimate(run).standard_error).sum::<f64>() / values.len() as f64;
        assert!((told / spread - 1.0).abs() < 0.4, "{what}: told {told}, found {spread}");
    };
    check("sigma^2", &|run| run.noise_scale);
    check("tr(Sigma)", &|run| run.trace);
    check("the first mode", &|run| run.modes[0].variance);
    check("correlation", &|run| run.correlation.unwrap());
}

#[test]
fn too_little_is_said_to_be() {
    let problem = Problem::new(Kind::Float);
    let pair = |elements: usize, eigenvalue: f64| {
        let mut eigenvector = vec![0.0; elements];
        eigenvector[0] = 1.0;
        Eigenpair { eigenvalue, eigenvector, residual: 0.0, converged: true }
    };
    let noise = |sizes: &[usize], pairs: &[Eigenpair]| {
        let mut hessian =
            LossHessian::new(&problem.variables, sizes, |_| problem.mean(0, 3)).unwrap();
        gradient_noise(&mut hessian, pairs)
    };
    assert!(matches!(noise(&[3, 3], &[pair(26, 1.0)]), Err(Error::NotEnoughData { .. })));
    assert!(matches!(noise(&[3, 3, 3], &[]), Err(Error::NotEnoughData { .. })));
    assert!(matches!(noise(&[3, 3, 3], &[pair(26, -1.0)]), Err(Error::NotEnoughData { .. })));
    assert!(matches!(noise(&[3, 3, 3], &[pair(25, 1.0)]), Err(Error::ShapeMismatch { .. })));
    // The same batch again and again: no noise.
    let silent = noise(&[3, 3, 3], &[pair(26, 1.0)]).unwrap();
    assert_eq!(
        (silent.trace.value, silent.noise_scale.value, silent.off_diagonal.value),
        (0.0, 0.0, 0.0)
    );
    assert!(silent.correlation.is_none());
}
