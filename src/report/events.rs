//! Events in words.

use crate::analysis::render_text::{counted, grouped, number};
use crate::printable::cut;
use crate::record::{Event, EventKind};

/// Columns of a reason, and of a name, and names that are shown of what a file says.
const MOST_OF_REASON: usize = 300;
const MOST_OF_NAME: usize = 80;
const MOST_NAMES: usize = 8;

/// What kind it is, for people.
pub fn name(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::OutsideWrite { .. } => "outside write",
        EventKind::NonFinite { .. } => "not finite",
        EventKind::ParametersAdded { .. } => "parameters added",
        EventKind::ParametersNotObserved { .. } => "parameters not observed",
        EventKind::BasisChanged { .. } => "new directions",
        EventKind::EigenvectorsNotKept { .. } => "directions not kept",
        EventKind::EstimateFailed { .. } => "estimate failed",
        EventKind::StabilityCrossed { .. } => "stability crossed",
        EventKind::RowsDropped { .. } => "rows dropped",
        EventKind::Recovered { .. } => "recovered",
        EventKind::Interrupted { .. } => "log interrupted",
        EventKind::Resumed { .. } => "resumed",
        EventKind::Stopped { .. } => "log stopped",
        EventKind::Finished { .. } => "finished",
        EventKind::NotLocked { .. } => "not locked",
    }
}

/// What happened, as a clause after its step.
pub fn sentence(event: &Event) -> String {
    match &event.kind {
        EventKind::OutsideWrite { parameters, displacement_squared, count } => {
            let length = displacement_squared
                .map(|squared| format!(", by {} squared", number(squared)))
                .unwrap_or_default();
            format!(
                "parameters were changed from outside ({}){length}; {} so far",
                list(parameters),
                counted(*count, "time")
            )
        }
        EventKind::NonFinite { local_displacement_squared, global_displacement_squared } => {
            format!(
                "a displacement is not finite: local {}, global {}",
                cut(local_displacement_squared, MOST_OF_NAME),
                cut(global_displacement_squared, MOST_OF_NAME)
            )
        }
        EventKind::ParametersAdded { parameters } => {
            format!("parameters joined: {}", list(parameters))
        }
        EventKind::ParametersNotObserved { parameters, reason } => {
            let reason = cut(reason, MOST_OF_REASON);
            format!("parameters joined that cannot be observed ({}): {reason}", list(parameters))
        }
        EventKind::BasisChanged { basis } => format!("from here on rows are along basis {basis}"),
        EventKind::EigenvectorsNotKept { basis, reason } => {
            format!(
                "the vectors of basis {basis} could not be kept: {}",
                cut(reason, MOST_OF_REASON)
            )
        }
        EventKind::EstimateFailed { reason, count } => {
            let reason = cut(reason, MOST_OF_REASON);
            format!(
                "new directions could not be estimated ({} in a row), the last stay: {reason}",
                grouped(*count)
            )
        }
        EventKind::StabilityCrossed { sharpness, limit, unstable } => {
            let side = if *unstable { "above" } else { "below" };
            format!(
                "the largest eigenvalue, {}, went {side} the limit of stability, {}",
                number(*sharpness),
                number(*limit)
            )
        }
        EventKind::RowsDropped { count, first_step, last_step } => {
            format!(
                "{} rows were dropped, steps {} to {}",
                grouped(*count),
                grouped(*first_step),
                grouped(*last_step)
            )
        }
        EventKind::Recovered { rows, bytes_discarded } => {
            format!(
                "{} rows were recovered from a journal, {} bytes discarded",
                grouped(*rows),
                grouped(*bytes_discarded)
            )
        }
        EventKind::Interrupted { reason, seconds, .. } => {
            format!(
                "the log could not be written for {seconds:.1} s: {}",
                cut(reason, MOST_OF_REASON)
            )
        }
        EventKind::Resumed { rows_discarded, .. } => {
            format!("another process took the run up; {} rows discarded", grouped(*rows_discarded))
        }
        EventKind::Stopped { reason } => {
            format!("an error stopped the log: {}", cut(reason, MOST_OF_REASON))
        }
        EventKind::NotLocked { reason } => {
            format!("the file system gave no lock: {}", cut(reason, MOST_OF_REASON))
        }
        EventKind::Finished { rows, dropped } => {
            format!("closed properly with {} rows, {} dropped", grouped(*rows), grouped(*dropped))
        }
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "not named".to_owned();
    }
    let shown: Vec<_> = names.iter().take(MOST_NAMES).map(|name| cut(name, MOST_OF_NAME)).collect();
    match names.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {} more", shown.join(", "), grouped(more as u64)),
    }
}
