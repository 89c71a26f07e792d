//! What a run's events say of how far its rows can be trusted.

use serde::Serialize;

use super::render_text::{counted, number};
use crate::error::Result;
use crate::printable::cut;
use crate::record::{Event, EventKind};
use crate::run::{Run, kept_events};

/// Columns of an error in a note.
const MOST_OF_REASON: usize = 300;

/// Whether a run was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// It was closed properly.
    Finished,
    /// An error stopped its log.
    Stopped,
    /// It was not: it is still being written, or its process died.
    Open,
}

/// The events of a run, summed up.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Health {
    /// Rows missing because the log could not keep up.
    pub rows_dropped: u64,
    /// Changes of parameters by something else than the optimizer.
    pub outside_writes: u64,
    /// First step whose displacement was NaN or infinite.
    pub non_finite: Option<u64>,
    /// Parameters that joined after observation began.
    pub parameters_added: usize,
    /// Parameters that joined and cannot be observed.
    pub parameters_not_observed: usize,
    /// The first of them, and why it cannot.
    pub first_not_observed: Option<(String, String)>,
    /// Rows saved from journals after a crash.
    pub rows_recovered: u64,
    /// Times another process took the run up again.
    pub resumed: u64,
    /// The answer of a file system that gave no lock.
    pub not_locked: Option<String>,
    /// Whiles in which the log could not be written.
    pub interruptions: u64,
    /// When the largest eigenvalue rose above the limit of stability, unless it has fallen below
    /// again: the step, the eigenvalue with weight decay, the limit.
    pub unstable: Option<(u64, f64, f64)>,
    /// Since when, and why, new directions could not be estimated, unless some have been since.
    pub estimate_failed: Option<(u64, String)>,
    /// The error that stopped the log, and the step before which it did.
    pub stopped: Option<(u64, String)>,
    /// Last step of a run that was closed properly.
    pub finished: Option<u64>,
    /// Those of earlier processes: each counts from 0.
    outside_writes_before: u64,
}

impl Health {
    /// Sums up all events of a run, given in order; what was told of steps that were discarded
    /// afterwards is left out.
    pub fn of(events: &[Event]) -> Health {
        let mut health = Health::default();
        kept_events(events).for_each(|event| health.add(&event));
        health
    }

    /// Sums up the events of a run, one at a time.
    ///
    /// # Errors
    /// Those of [`Run::events`].
    pub fn of_run(run: &Run) -> Result<Health> {
        let mut health = Health::default();
        for event in run.kept_event_reader()? {
            health.add(&event?);
        }
        Ok(health)
    }

    /// Adds an event of a step that the run still has, the next in order.
    pub fn add(&mut self, event: &Event) {
        match &event.kind {
            EventKind::RowsDropped { count, .. } => {
                self.rows_dropped = self.rows_dropped.saturating_add(*count)
            }
            EventKind::OutsideWrite { count, .. } => {
                self.outside_writes = self.outside_writes_before.saturating_add(*count);
            }
            EventKind::NonFinite { .. } => self.non_finite = self.non_finite.or(Some(event.step)),
            EventKind::ParametersAdded { parameters } => self.parameters_added += parameters.len(),
            EventKind::ParametersNotObserved { parameters, reason } => {
                self.parameters_not_observed += parameters.len();
                let first = || (parameters.first().cloned().unwrap_or_default(), reason.clone());
                self.first_not_observed.get_or_insert_with(first);
            }
            EventKind::Recovered { rows, .. } => {
                self.rows_recovered = self.rows_recovered.saturating_add(*rows)
            }
            EventKind::Stopped { reason } => self.stopped = Some((event.step, reason.clone())),
            EventKind::Finished { .. } => self.finished = Some(event.step),
            EventKind::NotLocked { reason } => self.not_locked = Some(reason.clone()),
            EventKind::Resumed { .. } => {
                self.resumed += 1;
                self.outside_writes_before = self.outside_writes;
                (self.finished, self.stopped) = (None, None);
            }
            EventKind::Interrupted { .. } => self.interruptions += 1,
            EventKind::StabilityCrossed { sharpness, limit, unstable } => {
                self.unstable = unstable.then_some((event.step, *sharpness, *limit));
            }
            EventKind::EstimateFailed { reason, .. } => {
                self.estimate_failed.get_or_insert_with(|| (event.step, reason.clone()));
            }
            EventKind::BasisChanged { .. } => self.estimate_failed = None,
            EventKind::EigenvectorsNotKept { .. } => {}
        }
    }

    /// Whether the run was closed.
    pub fn state(&self) -> RunState {
        match (&self.stopped, self.finished) {
            (Some(_), _) => RunState::Stopped,
            (None, Some(_)) => RunState::Finished,
            (None, None) => RunState::Open,
        }
    }

    /// One sentence for each thing that a reader of the numbers should know; none for a run without
    /// any.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(step) = self.non_finite {
            notes.push(format!("displacements were NaN or infinite, first at step {step}"));
        }
        if self.parameters_added > 0 {
            notes.push(format!(
                "{} joined after observation began",
                counted(self.parameters_added as u64, "parameter")
            ));
        }
        if let Some((name, reason)) = &self.first_not_observed {
            let count = counted(self.parameters_not_observed as u64, "parameter");
            let (name, reason) = (cut(name, MOST_OF_REASON), cut(reason, MOST_OF_REASON));
            notes.push(format!("{count} joined that cannot be observed, first {name}: {reason}"));
        }
        if self.rows_dropped > 0 {
            let were = if self.rows_dropped == 1 { "was" } else { "were" };
            let dropped = format!("{} {were}", counted(self.rows_dropped, "row"));
            notes.push(format!("{dropped} dropped because the log could not keep up"));
        }
        if self.outside_writes > 0 {
            let times = if self.outside_writes == 1 {
                "once".to_owned()
            } else {
                counted(self.outside_writes, "time")
            };
            notes.push(format!(
                "parameters were changed {times} from outside: part of the global displacement"
            ));
        }
        if let Some((step, sharpness, limit)) = self.unstable {
            notes.push(format!(
                "the largest eigenvalue, {}, went above the limit of stability, {}, before step {step}, and no later \
                 estimate was below it",
                number(sharpness),
                number(limit)
            ));
        }
        if let Some((step, reason)) = &self.estimate_failed {
            let reason = cut(reason, MOST_OF_REASON);
            notes.push(format!("since step {step} new directions could not be estimated, and the last stay: {reason}"));
        }
        if let Some(reason) = &self.not_locked {
            notes.push(format!(
                "the file system gave no lock ({}): recover or compact the run only when it has ended",
                cut(reason, MOST_OF_REASON)
            ));
        }
        if let Some((step, reason)) = &self.stopped {
            notes.push(format!(
                "an error stopped the log after step {step}: {}",
                cut(reason, MOST_OF_REASON)
            ));
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_summed_up_and_told() {
        let event = |step, kind| Event { step, elapsed_seconds: 1.0, kind };
        let outside = |count| EventKind::OutsideWrite {
            parameters: Vec::new(),
            displacement_squared: None,
            count,
        };
        let dropped = |count| EventKind::RowsDropped { count, first_step: 1, last_step: 2 };
        let nan = || EventKind::NonFinite {
            local_displacement_squared: "NaN".to_owned(),
            global_displacement_squared: "NaN".to_owned(),
        };
        let events = [
            event(1, outside(1)),
            event(3, dropped(5)),
            event(4, nan()),
            event(6, dropped(2)),
            event(7, outside(2)),
            event(8, nan()),
            event(8, EventKind::Finished { rows: 8, dropped: 7 }),
            event(
                9,
                EventKind::Resumed {
                    last_step: Some(8),
                    rows_discarded: 0,
                    next_landscape: None,
                    time: None,
                },
            ),
            event(9, outside(3)),
            event(8, EventKind::StabilityCrossed { sharpness: 41.0, limit: 40.0, unstable: true }),
            event(9, EventKind::Finished { rows: 9, dropped: 7 }),
        ];
        let health = Health::of(&events);
        let expected = Health {
            rows_dropped: 7,
            outside_writes: 5,
            outside_writes_before: 2,
            non_finite: Some(4),
            resumed: 1,
            unstable: Some((8, 41.0, 40.0)),
            finished: Some(9),
            ..Health::default()
        };
        assert_eq!(health, expected);
        assert_eq!(health.notes().len(), 4);
        assert!(
            health
                .notes()
                .iter()
                .any(|note| note.starts_with("parameters were changed 5 times from outside"))
        );
        let once = Health { outside_writes: 1, rows_dropped: 1, ..Health::default() }.notes();
        assert!(
            once[0].starts_with("1 row was dropped")
                && once[1].starts_with("parameters were changed once from")
        );
        let before = Health::of(&events[..8]);
        assert_eq!(
            (before.finished, before.resumed),
            (None, 1),
            "a run taken up again is not finished"
        );
        assert!(Health::default().notes().is_empty());
    }
}
