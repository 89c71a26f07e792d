//! Numerical methods that know neither a framework nor a file.
//!
//! # Spectra of an operator that is known only by its products
//! A Hessian of millions of parameters cannot be stored, but it can be multiplied with vectors: implement
//! [`operator::SymmetricOperator`]. Then, by question:
//! - the largest (or smallest) eigenvalues and their vectors, with a certificate: [`lanczos`];
//! - how far two sets of eigenvectors agree, signs from one refresh to the next: [`eigenpairs`];
//! - the paper's own method, for comparison: [`subspace_iteration`];
//! - the trace, with a standard error: [`trace`];
//! - the whole spectrum as a density, and the trace from it: [`density`].
//!
//! Vectors are `f32`, as the framework's are and because a basis of them must fit into memory. Sums over a vector's elements
//! and everything of the size of the basis are `f64`. [`tall`] has the kernels.

pub mod density;
pub mod eigenpairs;
mod krylov;
pub mod lanczos;
pub mod operator;
pub mod subspace_iteration;
pub mod tall;
pub mod trace;
