//! Linear algebra of matrices that are known by their products, and of a few long vectors. Nothing
//! here knows a run, a file or a framework.

pub mod operator;
pub mod rows;
pub mod tall;

pub mod eigenpairs;
mod krylov;
pub mod row_products;
pub mod trace;

pub mod density;
pub mod lanczos;
pub mod subspace_iteration;
