//! Statistics of sequences of numbers. Nothing here knows a run, a file or a framework.

pub(crate) mod joint_sums;
pub mod mean_squared_displacement;
pub mod moving_average;

pub mod moments;
pub mod regression;
pub mod spectrum;

pub mod autocorrelation;
pub mod coarse_series;

pub mod long_run;
