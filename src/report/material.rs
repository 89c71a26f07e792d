//! Everything that a report says of a run, gathered before anything is drawn.

use super::happened::Happened;
use super::landscape::Landscape;
use super::options::ReportOptions;
use super::phase::PhasePlan;
use super::reduction::{Reduction, reduce};
use super::theory::{ModeTheory, shown_modes};
use crate::analysis::curvatures::Curvatures;
use crate::analysis::{FitOptions, ModesFit, RunFit};
use crate::error::{Error, Result};
use crate::record::RunInfo;
use crate::run::{CurvatureRow, Run};

/// Modes of which portraits and spectra are shown.
const MOST_MODES: usize = 6;
/// Oscillations that are drawn as a line, and the fewest and most rows of them.
const PATH_CYCLES: f64 = 3.0;
const PATH_ROWS: [usize; 2] = [20, 200];

/// One run.
#[derive(Debug)]
pub struct Material {
    /// Name of its folder.
    pub name: String,
    /// Its folder.
    pub path: String,
    /// What was run.
    pub info: RunInfo,
    /// What its rows say; none without rows.
    pub fit: Option<RunFit>,
    /// Its rows, as far as they are shown.
    pub rows: Reduction,
    /// What happened at the steps that the run still has.
    pub events: Happened,
    /// Eigenvalues at every estimate.
    pub curvature: Vec<CurvatureRow>,
    /// Losses in a plane, or why there are none.
    pub landscape: std::result::Result<Landscape, String>,
    /// What is known of the Hessian: given beside the log, or else from the run's folder.
    pub curvatures: Option<Curvatures>,
}

impl Material {
    /// Reads and fits a run. `progress` is told what is done, in words, the rows read, and the rows
    /// there are.
    ///
    /// # Errors
    /// Those of reading.
    pub fn gather(
        run: &Run,
        options: &ReportOptions,
        progress: &mut dyn FnMut(&str, u64, u64),
    ) -> Result<Material> {
        progress("fitting", 0, 0);
        let ReportOptions { first_step, stationary_from, ref curvatures, .. } = *options;
        let fit_options = FitOptions {
            first_step,
            stationary_from,
            curvatures: curvatures.clone(),
            ..FitOptions::default()
        };
        let fit = match RunFit::with(run, &fit_options) {
            Ok(fit) => Some(fit),
            Err(Error::EmptyRun { .. }) => None,
            Err(error) => return Err(error),
        };
        let plans = fit.as_ref().map_or_else(Vec::new, |fit| plans(&fit.modes));
        let all = fit.as_ref().map_or(0, |fit| fit.rows);
        // A prediction of the part along the directions is drawn beside that part.
        let projected =
            fit.as_ref().and_then(|fit| fit.predicted.known()).is_some_and(|of| of.projected_part);
        let directions = if projected { run.info().layout.directions } else { 0 };
        let rows = reduce(run, plans, directions, &mut |rows| progress("reading", rows, all))?;
        let landscape =
            Landscape::gather(run, all, &mut |rows| progress("reading positions", rows, all))?;
        let estimates = run
            .kept_bases()?
            .into_iter()
            .map(|basis| run.estimate(basis))
            .collect::<Result<Vec<_>>>()?;
        let curvature = estimates.concat();
        let curvatures = match curvatures {
            Some(given) => Some(given.clone()),
            None => Curvatures::of_run(run)?,
        };
        let path = run.path().display().to_string();
        // `.` and `/` have no name of their own.
        let name = run
            .path()
            .file_name()
            .map_or_else(|| path.clone(), |name| name.to_string_lossy().into_owned());
        let (info, events) = (run.info().clone(), Happened::gather(run.kept_event_reader()?)?);
        Ok(Material { name, path, info, fit, rows, events, curvature, landscape, curvatures })
    }

    /// The fit of the modes, if there are modes with a window.
    pub fn modes(&self) -> std::result::Result<&ModesFit, String> {
        let fit = self.fit.as_ref().ok_or("the run has no rows")?;
        match fit.modes.window.reason() {
            Some(reason) => Err(reason.to_owned()),
            None => Ok(&fit.modes),
        }
    }
}

fn plans(fit: &ModesFit) -> Vec<PhasePlan> {
    let Some(window) = fit.window.known() else { return Vec::new() };
    let plan = |mode: usize| {
        let found = fit.modes.iter().find(|found| found.mode == mode);
        let cycles = found
            .and_then(|found| Some(found.recursion.known()?.cycles_per_step.value))
            .unwrap_or(0.0);
        PhasePlan {
            mode,
            steps: [window.first_step, window.last_step],
            rows: window.rows,
            path_rows: ((PATH_CYCLES / cycles) as usize).clamp(PATH_ROWS[0], PATH_ROWS[1]),
            predicted: found
                .and_then(|found| ModeTheory::with_measured_noise(fit, found)?.ellipse()),
        }
    };
    shown_modes(fit.modes.len(), MOST_MODES).into_iter().map(plan).collect()
}
