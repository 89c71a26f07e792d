//! A report, from the runs to its files.

use super::material::Material;
use super::options::{Progress, ReportOptions, Written};
use super::page::{self, Section};
use super::{figures, files};
use crate::error::{Error, Result};
use crate::run::Run;

/// Of more runs than this each has its findings and displacements only, beside the comparison.
const RUNS_IN_FULL: usize = 4;

/// Writes the report of one run, or of several with a comparison to the first.
///
/// Memory does not grow with the number of rows, but for what
/// [`ModesFit`](crate::analysis::ModesFit) takes.
///
/// # Errors
/// [`Error::NotEnoughData`] without runs; [`Error::InvalidInput`] if the page's place holds
/// something that is not a report; [`Error::Damaged`], [`Error::NewerSchema`], [`Error::Io`]. A run
/// without rows is no error.
pub fn write_report(
    runs: &[Run],
    options: &ReportOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Written> {
    let Some(first) = runs.first() else {
        return Err(Error::NotEnoughData {
            question: "write a report",
            reason: "there are no runs".to_owned(),
        });
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
    progress(Progress {
        run: runs.len(),
        runs: runs.len(),
        stage: "drawing",
        rows: 0,
        rows_in_all: 0,
    });
    let fits: Vec<_> = sections.iter().filter_map(|section| section.material.fit.clone()).collect();
    let comparison = (runs.len() > 1).then(|| figures::sweep(&fits));
    let text = page::page(&sections, comparison.as_ref())?;
    files::write(&page, &text)?;
    let figures = match &options.figures {
        None => Vec::new(),
        Some(folder) => {
            let prefix = |index: usize| {
                if runs.len() > 1 { format!("run_{}_", index + 1) } else { String::new() }
            };
            let of_runs = sections.iter().enumerate().flat_map(|(index, section)| {
                section
                    .figures
                    .iter()
                    .flat_map(|figure| &figure.charts)
                    .map(move |chart| (prefix(index), chart))
            });
            let compared = comparison
                .iter()
                .flat_map(|figure| &figure.charts)
                .map(|chart| (String::new(), chart));
            files::write_figures(folder, compared.chain(of_runs))?
        }
    };
    Ok(Written { page, figures })
}
