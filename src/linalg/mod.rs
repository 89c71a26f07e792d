//! Linear algebra of matrices that are known by their products, and of a few long vectors. Nothing here knows a run, a
//! file or a framework.

pub mod density;
pub mod eigenpairs;
mod krylov;
pub mod lanczos;
pub mod operator;
pub mod row_products;
pub mod rows;
pub mod subspace_iteration;
pub mod tall;
pub mod trace;
