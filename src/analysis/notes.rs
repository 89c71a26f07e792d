//! What else to know when reading a fit: gaps, what happened to the run, assumptions that do not hold.

use super::fit::RunFit;
use crate::error::Result;
use crate::log::Run;
use crate::record::EventKind;

/// One line each.
pub(crate) fn notes(run: &Run, fit: &RunFit) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    if let Some(beginning) = fit.stationarity.beginning.known().filter(|found| found.first_step != Some(fit.first_step))
    {
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
    let (mut dropped, mut outside_writes, mut added, mut finished) = (0, 0, 0, false);
    let (mut non_finite, mut stopped) = (None, None);
    for event in run.events()? {
        match event.kind {
            EventKind::RowsDropped { count, .. } => dropped += count,
            EventKind::OutsideWrite { count, .. } => outside_writes = count,
            EventKind::NonFinite { .. } => non_finite = non_finite.or(Some(event.step)),
            EventKind::ParametersAdded { parameters } => added += parameters.len(),
            EventKind::Finished { .. } => finished = true,
            EventKind::Stopped { reason } => stopped = Some((event.step, reason)),
            _ => {}
        }
    }
    if let Some(step) = non_finite {
        notes.push(format!("displacements were NaN or infinite, first at step {step}"));
    }
    if added > 0 {
        notes.push(format!("{added} parameters joined after observation began"));
    }
    if dropped > 0 {
        notes.push(format!("{dropped} rows were dropped because the log could not keep up"));
    }
    if outside_writes > 0 {
        notes.push(format!(
            "parameters were changed {outside_writes} times from outside: part of the global displacement"
        ));
    }
    if let Some((step, reason)) = stopped {
        notes.push(format!("an error stopped the log after step {step}: {reason}"));
    } else if !finished {
        notes.push("the run was not closed: it is still being written, or was interrupted".to_owned());
    }
    Ok(notes)
}
