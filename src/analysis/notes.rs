//! What else to know when reading a fit: gaps, what happened to the run, an optimizer beyond the
//! theory.

use super::fit::RunFit;
use super::health::RunState;
use super::inputs::Inputs;
use super::settings::beyond_theory;

/// One clause each.
pub(crate) fn notes(fit: &RunFit, inputs: &Inputs) -> Vec<String> {
    let (remarks, health) = (&inputs.remarks, &inputs.health);
    let mut notes: Vec<String> = beyond_theory(&fit.optimizer).into_iter().collect();
    let change = remarks.info_change.as_ref().filter(|change| !change.meant);
    notes.extend(change.map(|change| format!("run.json: {change}")));
    if let Some(line) = remarks.changed_line {
        notes.push(format!(
            "events.jsonl: line {line} is not as it was written, or a line before it is gone"
        ));
    }
    if let Some(law) = fit.displacement_all.known().filter(|law| law.points_left_out > 0) {
        notes.push(format!(
            "{} rows have no global displacement to fit: unknown or zero",
            law.points_left_out
        ));
    }
    if let Some(speed) = fit.speed.known().filter(|speed| speed.points_left_out > 0) {
        notes.push(format!(
            "{} rows of the window have no local displacement",
            speed.points_left_out
        ));
    }
    notes.extend(health.notes());
    notes.extend(remarks.missing_end.iter().cloned());
    if health.state() == RunState::Open {
        notes.push(
            "the run was not closed: it is still being written, or was interrupted".to_owned(),
        );
    }
    notes.extend(remarks.unread_summaries.iter().cloned());
    notes
}
