//! Curvature

mod buffers;
mod hessian;
mod parameters;

pub use hessian::{LossHessian, Reduction};
