//! The theory: numbers in, numbers out. Equations of "The limiting dynamics of SGD: modified loss,
//! phase space oscillations, anomalous diffusion" (ICLR 2022 submission), and exact discrete-time
//! ones beside them.
//!
//! # Which to use
//! Along each eigenvector of the Hessian SGD is a noisy oscillator. [`langevin::LangevinMode`] is
//! the paper's continuous one, good for small learning_rate * eigenvalue;
//! [`discrete::DiscreteMode`] is SGD itself and holds up to the edge of stability. Both have the
//! same methods, so that they can be compared. Neither is an approximation of the other's formula:
//! they are two processes, which agree to first order in the learning rate.
//!
//! ```
//! use perrin::theory::{discrete::DiscreteMode, langevin::LangevinMode, parameters::SgdParameters};
//!
//! # fn main() -> perrin::Result<()> {
//! let parameters =
//!     SgdParameters { learning_rate: 0.1, momentum: 0.9, weight_decay: 1e-4, batch_size: 128.0, noise_scale: 1.0 };
//! let exact = DiscreteMode::new(&parameters, 5.0)?;
//! let langevin = LangevinMode::new(&parameters, 5.0)?;
//! assert!(exact.position_variance() > 1.1 * langevin.position_variance());
//! # Ok(())
//! # }
//! ```
//!
//! # Rooms
//! - One mode: [`oscillator`], [`langevin`], [`discrete`].
//! - Many modes: [`spectrum`], [`displacement`] (curves of E||Delta_t||^2, eq. 13), [`exponent`].
//! - Any linear process: [`ornstein_uhlenbeck`], [`fokker_planck`], [`lyapunov`]; SGD as one:
//!   [`phase_space`].
//! - Hyperparameters: [`parameters`]; Nesterov's momentum and dampening: [`update_rule`].
//! - To try it out: [`sampler`]. Everything about a list of eigenvalues, as data: [`prediction`].
//!
//! # Conventions
//! Positions are measured from the minimum `mu` of loss and weight decay together. The velocity is
//! the last step over the learning rate, whatever the optimizer. Lags in steps are `steps: u64`;
//! times are `learning_rate * steps` and named `..._time`. Covariances are ordered (position,
//! velocity). The gradient noise of a batch has covariance `sigma^2 H / S` (assumptions 1 and 5)
//! but in [`phase_space`] and [`sampler::RegressionSampler`], which take any.
//!
//! # Errors
//! Input out of range is an [`Error::InvalidValue`](crate::Error::InvalidValue) that names it,
//! arrays that do not fit an [`Error::ShapeMismatch`](crate::Error::ShapeMismatch). A mode needs
//! rho >= 0 (its noise is sigma^2 rho) and rho + lambda > 0 (else nothing pulls it back). No NaN
//! comes out of valid input.

mod double_double;

pub mod parameters;
mod propagator;

mod autocorrelation;
pub mod exponent;
mod matrix;
pub mod oscillator;
pub mod spectrum;
pub mod update_rule;

pub mod langevin;
pub mod lyapunov;
mod recursion;

pub mod discrete;
pub mod ornstein_uhlenbeck;

pub mod displacement;
pub mod fokker_planck;
pub mod phase_space;
pub mod prediction;
pub mod sampler;

mod prediction_table;
