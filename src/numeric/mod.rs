//! Numerical methods on plain numbers. Nothing here knows a run, a file or a framework.

pub mod density;
pub mod eigenpairs;
mod krylov;
pub mod lanczos;
pub mod moving_average;
pub mod operator;
pub mod regression;
pub mod spectrum;
pub mod subspace_iteration;
pub mod tall;
pub mod trace;
