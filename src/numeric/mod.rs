//! Numerical methods on plain numbers. Nothing here knows a run, a file or a framework.

pub mod autocorrelation;
pub mod coarse_series;
pub mod density;
pub mod eigenpairs;
mod krylov;
pub mod lanczos;
pub mod long_run;
pub mod mean_squared_displacement;
pub mod moments;
pub mod moving_average;
pub mod operator;
pub mod regression;
pub mod row_products;
pub mod rows;
pub mod spectrum;
pub mod subspace_iteration;
pub mod tall;
pub mod trace;
