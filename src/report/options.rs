//! Where a report goes, what is known besides the logs, and what is told of it.

use std::path::PathBuf;

use crate::analysis::curvatures::Curvatures;

/// Where a report goes, and what is known besides the logs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReportOptions {
    /// The page; without it `report.html` in the folder of the first run.
    pub output: Option<PathBuf>,
    /// A folder for each chart as SVG, and its numbers as CSV.
    pub figures: Option<PathBuf>,
    /// What is known of the Hessian, for all runs. Without it what each run's folder has is taken.
    pub curvatures: Option<Curvatures>,
    /// Step at which the window begins, in all runs: as [`FitOptions`](crate::analysis::FitOptions)
    /// takes it.
    pub first_step: Option<u64>,
    /// Step at which the stationary part begins, in all runs: as
    /// [`FitOptions`](crate::analysis::FitOptions) takes it.
    pub stationary_from: Option<u64>,
}

/// What was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The page.
    pub page: PathBuf,
    /// SVG and CSV files, where they were asked for.
    pub figures: Vec<PathBuf>,
}

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress<'a> {
    /// Which run, from 0; as many as there are for what follows the last.
    pub run: usize,
    /// Runs in all.
    pub runs: usize,
    /// What, as a word: "fitting", "reading", "drawing".
    pub stage: &'a str,
    /// Rows read, where rows are read.
    pub rows: u64,
    /// Rows there are to read; 0 where that is not known yet.
    pub rows_in_all: u64,
}
