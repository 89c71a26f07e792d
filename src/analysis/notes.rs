//! What else to know when reading a fit: gaps, what happened to the run, an optimizer beyond the theory.

use super::fit::RunFit;
use super::health::{Health, RunState};
use super::settings::beyond_theory;
use crate::error::Result;
use crate::run::Run;

/// One clause each.
pub(crate) fn notes(run: &Run, fit: &RunFit, health: &Health) -> Result<Vec<String>> {
    let mut notes: Vec<String> = beyond_theory(&fit.optimizer).into_iter().collect();
    notes.extend(run.info_change().filter(|change| !change.meant).map(|change| format!("run.json: {change}")));
    if let Ok(Some(line)) = run.changed_event() {
        notes.push(format!("events.jsonl: line {line} is not as it was written, or a line before it is gone"));
    }
    if let Some(law) = fit.displacement_all.known().filter(|law| law.points_left_out > 0) {
        notes.push(format!("{} rows have no global displacement to fit: unknown or zero", law.points_left_out));
    }
    if let Some(speed) = fit.speed.known().filter(|speed| speed.points_left_out > 0) {
        notes.push(format!("{} rows of the window have no local displacement", speed.points_left_out));
    }
    notes.extend(health.notes());
    notes.extend(run.missing_end()?);
    if health.state() == RunState::Open {
        notes.push("the run was not closed: it is still being written, or was interrupted".to_owned());
    }
    Ok(notes)
}
