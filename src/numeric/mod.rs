//! Numerical methods that know neither a framework nor a file.

pub mod density;
pub mod eigenpairs;
mod krylov;
pub mod lanczos;
pub mod operator;
pub mod subspace_iteration;
pub mod tall;
pub mod trace;
