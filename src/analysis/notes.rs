//! What else to know when reading a fit: gaps, what happened to the run, assumptions that do not hold.

use super::fit::RunFit;
use super::health::Health;
use super::render_text::p_value;
use super::settings::beyond_theory;
use crate::error::Result;
use crate::log::Run;

/// One line each.
pub(crate) fn notes(run: &Run, fit: &RunFit) -> Result<Vec<String>> {
    let mut notes: Vec<String> = beyond_theory(&fit.optimizer).into_iter().collect();
    notes.extend(run.info_change().filter(|change| !change.meant).map(|change| format!("run.json: {change}")));
    let beginning = fit.stationarity.beginning.known();
    if let Some(beginning) = beginning.filter(|found| found.given && !found.is_stationary()) {
        let p = p_value(beginning.p_value);
        notes.push(format!("{} changes after the step given as the stationary part's first ({p})", beginning.worst));
    }
    if let Some(beginning) = beginning.filter(|found| !found.given && found.first_step != Some(fit.first_step)) {
        let what = match beginning.first_step {
            Some(step) => format!("the run is stationary only from step {step} on"),
            None => "the run is not stationary".to_owned(),
        };
        notes.push(format!("{what} ({} changes): intervals and predictions take it to be", beginning.worst));
    }
    if let Some(law) = fit.displacement_all.known().filter(|law| law.points_left_out > 0) {
        notes.push(format!(
            "{} rows have no global displacement to fit: unknown, zero or not finite",
            law.points_left_out
        ));
    }
    if let Some(speed) = fit.speed.known().filter(|speed| speed.points_left_out > 0) {
        notes.push(format!("{} rows of the window have no local displacement that is finite", speed.points_left_out));
    }
    let health = Health::of_run(run)?;
    notes.extend(health.notes());
    if health.stopped.is_none() && health.finished.is_none() {
        notes.push("the run was not closed: it is still being written, or was interrupted".to_owned());
    }
    Ok(notes)
}
