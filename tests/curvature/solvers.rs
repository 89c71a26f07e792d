//! The solvers on the Hessian of a network: they agree with its dense matrix, and with each other.

use perrin::curvature::{LossHessian, eigenvectors, top_eigenpairs};
use perrin::log::eigenvectors::Eigenvectors;
use perrin::numeric::density::{DensityOptions, spectral_density};
use perrin::numeric::lanczos::LanczosOptions;
use perrin::numeric::trace::{TraceOptions, trace};
use tch::Kind;

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
        let found = trace(&mut hessian, &TraceOptions { sketch, samples, ..TraceOptions::default() }).unwrap();
        assert!(found.standard_error > 0.0 && found.standard_error < 0.2 * exact.abs(), "{found:?} {exact}");
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
    let density = spectral_density(&mut hessian, &DensityOptions { starts: 60, steps: 6, seed: 2 }).unwrap();
    let (found, error) = density.mean_of(|eigenvalue| eigenvalue * eigenvalue);
    assert!((found - squares).abs() < 4.0 * error && error < 0.3 * squares, "{found} {error} {squares}");
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
    let shapes: Vec<(&str, &[i64])> = read.parameters.iter().map(|p| (p.name.as_str(), p.shape.as_slice())).collect();
    assert_eq!(
        shapes,
        [("first.bias", &[4][..]), ("first.weight", &[4, 3]), ("second.bias", &[2]), ("second.weight", &[2, 4])]
    );
    for (i, pair) in found.largest.iter().enumerate() {
        assert_eq!(read.eigenvectors[i], pair.eigenvector);
        assert_eq!((read.eigenvalues[i], read.residuals[i], read.converged[i]), (pair.eigenvalue, pair.residual, true));
    }

    // Other programs read it as any safetensors file.
    let tensors = tch::Tensor::read_safetensors(&path).unwrap();
    let (_, matrix) = tensors.iter().find(|(name, _)| name == "eigenvectors").unwrap();
    assert_eq!(matrix.size(), [3, 26]);
}
