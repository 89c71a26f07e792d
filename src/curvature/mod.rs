//! Curvature of a loss: certified eigenpairs of its Hessian, trace, spectral density, and the noise of its gradients.
//!
//! [`LossHessian`] makes the Hessian of a network's loss over batches of data an operator, by double backward. Then, by
//! question:
//! - the sharpest directions: [`top_eigenpairs`], each pair with its residual norm; [`eigenvectors`] for the file they
//!   can be kept in. For both ends of the spectrum, a start of one's own or the paper's method:
//!   [`numeric::lanczos`](crate::numeric::lanczos) and
//!   [`numeric::subspace_iteration`](crate::numeric::subspace_iteration);
//! - tr(H), with a standard error: [`numeric::trace`](crate::numeric::trace);
//! - the whole spectrum: [`numeric::density`](crate::numeric::density);
//! - whether gradient noise has the shape of the Hessian (Assumption 5 of the paper): [`gradient_noise`].
//!
//! `docs/curvature.md` says what the numbers certify and what they do not.

mod buffers;
mod gradient_noise;
mod hessian;
mod parameters;
mod progress;

pub use gradient_noise::{Estimate, GradientNoise, ModeNoise, gradient_noise};
pub use hessian::{LossHessian, Reduction};
pub use progress::ProgressLine;

use crate::error::Result;
use crate::log::eigenvectors::Eigenvectors;
use crate::numeric::eigenpairs::{Eigenpair, Eigenpairs};
use crate::numeric::lanczos::{self, LanczosOptions};

/// Finds the eigenpairs that `options` asks for, from a random start, with a line of progress on stderr where that is a
/// terminal.
///
/// # Errors
/// As [`lanczos::eigenpairs`] and [`LossHessian::batch_gradient`].
pub fn top_eigenpairs(hessian: &mut LossHessian, options: &LanczosOptions) -> Result<Eigenpairs> {
    let mut line = ProgressLine::new(options.max_products);
    lanczos::eigenpairs(hessian, options, &[], &mut |progress| line.show(progress))
}

/// Eigenpairs of `hessian` as they can be written to a file, with the names and shapes of its parameters.
pub fn eigenvectors(hessian: &LossHessian, pairs: &[Eigenpair]) -> Eigenvectors {
    Eigenvectors {
        parameters: hessian.parameters(),
        eigenvectors: pairs.iter().map(|pair| pair.eigenvector.clone()).collect(),
        eigenvalues: pairs.iter().map(|pair| pair.eigenvalue).collect(),
        residuals: pairs.iter().map(|pair| pair.residual).collect(),
        converged: pairs.iter().map(|pair| pair.converged).collect(),
    }
}
