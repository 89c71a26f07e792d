//! A run as one HTML page: what was run, what it says in words, and figures.
//!
//! `write_report` reads each run (`material`: fit and `reduction`), makes charts of it as plain data (`figures`, `chart`),
//! draws them by plotters (`draw`, `legend`, `layout`, `style`, `ticks`) and puts the page together (`page`, `findings`, `description`). The page
//! asks for nothing outside itself and has no scripts. What a run lacks is a sentence in the place of a figure.
//! `docs/report.md` says how to read the figures.
//!
//! ```no_run
//! use perrin::run::Run;
//! use perrin::report::{ReportOptions, write_report};
//!
//! let written = write_report(&[Run::open("runs/mnist")?], &ReportOptions::default(), &mut |_| {})?;
//! println!("{}", written.page.display());
//! # Ok::<(), perrin::Error>(())
//! ```

mod chart;
mod contour;
mod csv;
mod description;
mod draw;
mod envelope;
mod events;
mod figures;
mod files;
mod findings;
mod happened;
mod html;
mod landscape;
mod layout;
mod legend;
mod material;
mod page;
mod phase;
mod reduction;
mod style;
mod theory;
mod ticks;

use std::path::PathBuf;

use crate::analysis::curvatures::Curvatures;
use crate::error::{Error, Result};
use crate::run::Run;
use material::Material;
use page::Section;

/// Of more runs than this each has its findings and displacements only, beside the comparison.
const RUNS_IN_FULL: usize = 4;

/// Where a report goes, and what is known besides the logs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReportOptions {
    /// The page; without it `report.html` in the folder of the first run.
    pub output: Option<PathBuf>,
    /// A folder for each chart as SVG, and its numbers as CSV.
    pub figures: Option<PathBuf>,
    /// What is known of the Hessian, for all runs. Without it what each run's folder has is taken.
    pub curvatures: Option<Curvatures>,
    /// Step at which the window begins, in all runs: as [`FitOptions`](crate::analysis::FitOptions) takes it.
    pub first_step: Option<u64>,
    /// Step at which the stationary part begins, in all runs: as [`FitOptions`](crate::analysis::FitOptions) takes it.
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

/// Writes the report of one run, or of several with a comparison to the first.
///
/// Memory does not grow with the number of rows, but for what [`ModesFit`](crate::analysis::ModesFit) takes.
///
/// # Errors
/// [`Error::NotEnoughData`] without runs; [`Error::InvalidInput`] if the page's place holds something that is not a report;
/// [`Error::Damaged`], [`Error::NewerSchema`], [`Error::Io`]. A run without rows is no error.
pub fn write_report(runs: &[Run], options: &ReportOptions, progress: &mut dyn FnMut(Progress)) -> Result<Written> {
    let Some(first) = runs.first() else {
        return Err(Error::NotEnoughData { question: "write a report", reason: "there are no runs".to_owned() });
    };
    let page = options.output.clone().unwrap_or_else(|| first.path().join("report.html"));
    // Before minutes are spent on reading.
    files::refuse_others(&page)?;
    let mut sections = Vec::with_capacity(runs.len());
    for (index, run) in runs.iter().enumerate() {
        let mut tell = |stage: &str, rows, rows_in_all| {
            progress(Progress { run: index, runs: runs.len(), stage, rows, rows_in_all });
        };
        let material = Material::gather(run, options, &mut tell)?;
        let figures = figures::of_run(&material, runs.len() <= RUNS_IN_FULL);
        sections.push(Section { material, figures });
    }
    progress(Progress { run: runs.len(), runs: runs.len(), stage: "drawing", rows: 0, rows_in_all: 0 });
    let fits: Vec<_> = sections.iter().filter_map(|section| section.material.fit.clone()).collect();
    let comparison = (runs.len() > 1).then(|| figures::sweep(&fits));
    let text = page::page(&sections, comparison.as_ref())?;
    files::write(&page, &text)?;
    let figures = match &options.figures {
        None => Vec::new(),
        Some(folder) => {
            let prefix = |index: usize| if runs.len() > 1 { format!("run_{}_", index + 1) } else { String::new() };
            let of_runs = sections.iter().enumerate().flat_map(|(index, section)| {
                section.figures.iter().flat_map(|figure| &figure.charts).map(move |chart| (prefix(index), chart))
            });
            let compared = comparison.iter().flat_map(|figure| &figure.charts).map(|chart| (String::new(), chart));
            files::write_figures(folder, compared.chain(of_runs))?
        }
    };
    Ok(Written { page, figures })
}
