//! Numerical methods on plain numbers. Nothing here knows a run, a file or a framework.

pub mod moving_average;
pub mod regression;
