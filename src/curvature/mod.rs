//! Curvature of a loss: certified eigenpairs of its Hessian, trace, spectral density, and the noise
//! of its gradients.
//!
//! [`LossHessian`] makes the Hessian of a network's loss over batches of data an operator, by
//! double backward. Then, by question:
//! - the sharpest directions: [`top_eigenpairs`], each pair with its residual norm;
//!   [`eigenvectors`] for the file they can be kept in. For both ends of the spectrum, a start of
//!   one's own or the paper's method: [`linalg::lanczos`](crate::linalg::lanczos) and
//!   [`linalg::subspace_iteration`](crate::linalg::subspace_iteration);
//! - how these move while the network trains: [`EigenpairFollower`], whose estimates the observer
//!   takes;
//! - the losses in a plane of two of these directions (figure 3): [`loss_landscape`];
//! - tr(H), with a standard error: [`linalg::trace`](crate::linalg::trace);
//! - the whole spectrum: [`linalg::density`](crate::linalg::density);
//! - whether gradient noise has the shape of the Hessian (Assumption 5 of the paper):
//!   [`gradient_noise`];
//! - the last three in one call, for the run's folder: [`LossHessian::summary`].
//!
//! `docs/curvature.md` says what the numbers certify and what they do not.

mod parameters;
mod progress;
mod refusal;

mod buffers;

mod hessian;

mod eigenpairs;
mod gradient_noise;
mod moved;

mod follower;
mod landscape;
mod summary;

pub use eigenpairs::{eigenvectors, gradient_start, top_eigenpairs};
pub use follower::EigenpairFollower;
pub use gradient_noise::{GradientNoise, ModeNoise, gradient_noise};
pub use hessian::{LossHessian, Reduction};
pub use landscape::{LandscapePlane, loss_landscape};
pub use progress::ProgressLine;
pub use summary::{SummaryOptions, density_beside_largest};
