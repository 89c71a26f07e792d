//! The solvers on the Hessian of a network: they agree with its dense matrix, and with each other.

use nalgebra::{DMatrix, DVector};
use perrin::curvature::{LossHessian, eigenvectors, gradient_start, top_eigenpairs};
use perrin::linalg::density::{DensityOptions, spectral_density};
use perrin::linalg::lanczos::LanczosOptions;
use perrin::linalg::trace::{TraceOptions, trace};
use perrin::run::Eigenvectors;
use tch::nn::VarStore;
use tch::{Device, Kind};

use crate::support::{BATCHES, Problem, matrix, start_of};

fn hessian(problem: &Problem) -> LossHessian<'_> {
    let loss = |batch: usize| problem.mean(start_of(&BATCHES, batch), BATCHES[batch]);
    LossHessian::new(&problem.variables, &BATCHES, loss).unwrap()
}

#[test]
fn traces_agree_within_their_errors() {
    let problem = Problem::new(Kind::Double);
    let mut hessian = hessian(&problem);
    let exact = matrix(&mut hessian).trace();
    for (sketch, samples) in [(0, 100), (6, 30)] {
        let found =
            trace(&mut hessian, &TraceOptions { sketch, samples, ..TraceOptions::default() })
                .unwrap();
        assert!(
            found.standard_error > 0.0 && found.standard_error < 0.2 * exact.abs(),
            "{found:?} {exact}"
        );
        assert!((found.trace - exact).abs() < 4.0 * found.standard_error, "{found:?} {exact}");
    }
    let options = DensityOptions { starts: 60, steps: 6, seed: 1 };
    let (found, error) = spectral_density(&mut hessian, &options).unwrap().trace();
    assert!(error > 0.0 && (found - exact).abs() < 4.0 * error, "{found} {error} {exact}");
}

#[test]
fn the_density_has_the_moments_of_the_dense_spectrum() {
    let problem = Problem::new(Kind::Double);
    let mut hessian = hessian(&problem);
    let squares = matrix(&mut hessian).norm_squared() / 26.0;
    let density =
        spectral_density(&mut hessian, &DensityOptions { starts: 60, steps: 6, seed: 2 }).unwrap();
    let (found, error) = density.mean_of(|eigenvalue| eigenvalue * eigenvalue);
    assert!(
        (found - squares).abs() < 4.0 * error && error < 0.3 * squares,
        "{found} {error} {squares}"
    );
}

#[test]
fn the_start_is_a_random_combination_of_normalised_gradients() {
    let problem = Problem::new(Kind::Double);
    let mut hessian = hessian(&problem);
    let gradients: Vec<Vec<f32>> =
        (0..BATCHES.len()).map(|batch| hessian.batch_gradient(batch).unwrap()).collect();
    let unit = |gradient: &Vec<f32>| {
        DVector::from_iterator(26, gradient.iter().map(|&x| f64::from(x))).normalize()
    };
    let units = DMatrix::from_columns(&gradients.iter().map(unit).collect::<Vec<_>>());
    let coefficients = |seed| {
        let start = DVector::from_vec(gradient_start(&mut hessian, seed).unwrap()).cast::<f64>();
        let found = units.clone().svd(true, true).solve(&start, 1e-9).unwrap();
        assert!(
            (&units * &found - &start).norm() < 1e-6 * start.norm(),
            "it lies in the gradients' span"
        );
        found
    };
    let seeds = 200;
    let all: Vec<f64> = (0..seeds)
        .map(coefficients)
        .flat_map(|found| found.iter().copied().collect::<Vec<_>>())
        .collect();
    let mean_square = all.iter().map(|r| r * r).sum::<f64>() / all.len() as f64;
    // Of 600 squares of standard normal numbers the mean has a standard error of 0.058.
    assert!((mean_square - 1.0).abs() < 4.0 * 0.058, "{mean_square}");
}

/// sum x^2 / 2 + x_1^2 at its minimum.
#[test]
fn without_gradients_the_start_is_random() {
    let store = VarStore::new(Device::Cpu);
    let x = store.root().zeros("x", &[5]);
    let loss = |_| x.square().sum(Kind::Float) / 2 + x.get(1).square();
    let mut hessian = LossHessian::new(&store, &[1], loss).unwrap();
    assert_eq!(gradient_start(&mut hessian, 0).unwrap(), [0.0; 5]);
    let found = top_eigenpairs(&mut hessian, &LanczosOptions::largest(2)).unwrap();
    assert!(found.all_converged());
    assert!(
        (found.largest[0].eigenvalue - 3.0).abs() < 1e-5
            && (found.largest[1].eigenvalue - 1.0).abs() < 1e-5
    );
}

#[test]
fn eigenvectors_go_to_a_file_and_back() {
    let problem = Problem::new(Kind::Float);
    let mut hessian = hessian(&problem);
    let found = top_eigenpairs(&mut hessian, &LanczosOptions::largest(3)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("eigenvectors.safetensors");
    eigenvectors(&hessian, &found.largest).write(&path).unwrap();
    let read = Eigenvectors::read(&path).unwrap();
    let shapes: Vec<(&str, &[i64])> =
        read.parameters.iter().map(|p| (p.name.as_str(), p.shape.as_slice())).collect();
    assert_eq!(
        shapes,
        [
            ("first.bias", &[4][..]),
            ("first.weight", &[4, 3]),
            ("second.bias", &[2]),
            ("second.weight", &[2, 4])
        ]
    );
    for (i, pair) in found.largest.iter().enumerate() {
        assert_eq!(read.eigenvectors[i], pair.eigenvector);
        assert_eq!(
            (read.eigenvalues[i], read.residuals[i], read.converged[i]),
            (pair.eigenvalue, pair.residual, true)
        );
    }

    // Other programs read it as any safetensors file.
    let tensors = tch::Tensor::read_safetensors(&path).unwrap();
    let (_, matrix) = tensors.iter().find(|(name, _)| name == "eigenvectors").unwrap();
    assert_eq!(matrix.size(), [3, 26]);
}
