//! Eigenpairs, trace and density of operators.

mod eigenpairs;
mod products;
#[path = "../spectra/mod.rs"]
mod spectra;
mod trace_and_density;
