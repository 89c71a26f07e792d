//! What a run still has after it was rolled back: resumed from a checkpoint before its last steps,
//! it takes them anew, and what its events, estimates and landscapes say of the discarded steps is
//! no longer of it.
//!
//! Nothing of it is deleted but rows, and displacements by their bounds: readers ask here.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::record::{Event, EventKind};
use crate::run::artefacts::landscape::LossLandscape;
use crate::run::events::{BASIS_CHANGED, EventReader, RESUMED};
use crate::run::reader::Run;

/// The events of the steps that a run still has, of all its events in order. Rows that were dropped
/// and discarded in part are counted as far as they are missing.
pub fn kept_events(events: &[Event]) -> impl Iterator<Item = Event> {
    kept_before(events, u64::MAX)
}

/// The same for a run that is about to be resumed at step `first_discarded`.
pub(crate) fn kept_before(events: &[Event], first_discarded: u64) -> impl Iterator<Item = Event> {
    let rollbacks = Rollbacks::of(events, first_discarded);
    events
        .iter()
        .enumerate()
        .filter_map(move |(number, event)| kept(event.clone(), rollbacks.limit(number as u64)))
}

/// Where a run was taken up again before its end.
#[derive(Debug, Clone)]
struct Rollbacks {
    /// A resumption's place among the events, and the first step that it discarded. Both rise:
    /// where a later one went further back, it alone counts.
    resumptions: Vec<(u64, u64)>,
    /// By a resumption that is to come.
    first_discarded: u64,
}

impl Rollbacks {
    fn new(first_discarded: u64) -> Rollbacks {
        Rollbacks { resumptions: Vec::new(), first_discarded }
    }

    fn of(events: &[Event], first_discarded: u64) -> Rollbacks {
        let mut rollbacks = Rollbacks::new(first_discarded);
        (0..).zip(events).for_each(|(place, event)| rollbacks.see(place, event));
        rollbacks
    }

    /// Takes the next event, or the next resumption alone.
    fn see(&mut self, place: u64, event: &Event) {
        if matches!(event.kind, EventKind::Resumed { .. }) {
            while self.resumptions.pop_if(|(_, step)| *step >= event.step).is_some() {}
            self.resumptions.push((place, event.step));
        }
    }

    /// The first step that was discarded after an event was told.
    fn limit(&self, place: u64) -> u64 {
        let later = self.resumptions.partition_point(|(resumption, _)| *resumption <= place);
        self.resumptions.get(later).map_or(u64::MAX, |(_, step)| *step).min(self.first_discarded)
    }
}

/// What is left of an event where steps from `limit` on were discarded.
fn kept(event: Event, limit: u64) -> Option<Event> {
    match event.kind {
        EventKind::RowsDropped { count, first_step, last_step } if last_step >= limit => {
            // Rows are at most one a step.
            let count = count.min(limit.checked_sub(first_step).filter(|&left| left > 0)?);
            let kind = EventKind::RowsDropped { count, first_step, last_step: limit - 1 };
            Some(Event { step: event.step.min(limit - 1), kind, ..event })
        }
        EventKind::RowsDropped { .. } => Some(event),
        _ => (last_step_seen(&event) < limit).then_some(event),
    }
}

/// The events of the steps that a run still has, one at a time; see [`Run::kept_event_reader`].
pub struct KeptEvents {
    reader: EventReader,
    rollbacks: Rollbacks,
}

impl KeptEvents {
    /// All events behind those read.
    pub fn into_reader(self) -> EventReader {
        self.reader
    }
}

impl Iterator for KeptEvents {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let event = match self.reader.next()? {
                Ok(event) => event,
                Err(error) => return Some(Err(error)),
            };
            if let Some(event) = kept(event, self.rollbacks.limit(self.reader.line_number())) {
                return Some(Ok(event));
            }
        }
    }
}

/// The last step that had been taken when it happened.
fn last_step_seen(event: &Event) -> u64 {
    match event.kind {
        EventKind::NonFinite { .. } => event.step,
        // What joined right after the checkpoint joins anew, if it is still there.
        EventKind::ParametersAdded { .. } => event.step,
        _ => event.step.saturating_sub(1),
    }
}

impl Run {
    /// [`events`](Run::events) of the steps that the run still has: without what a program that
    /// resumed from an earlier checkpoint discarded.
    ///
    /// # Errors
    /// Those of [`events`](Run::events).
    pub fn kept_events(&self) -> Result<Vec<Event>> {
        self.kept_event_reader()?.collect()
    }

    /// The same, one at a time: a run may have very many. Those that tell that steps were discarded
    /// are read before.
    ///
    /// # Errors
    /// Those of [`events`](Run::events).
    pub fn kept_event_reader(&self) -> Result<KeptEvents> {
        Ok(KeptEvents { reader: self.event_reader(), rollbacks: self.rollbacks()? })
    }

    fn rollbacks(&self) -> Result<Rollbacks> {
        let mut rollbacks = Rollbacks::new(u64::MAX);
        let mut reader = EventReader::of_kind(self.folder.events(), RESUMED);
        while let Some(event) = reader.next_event()? {
            rollbacks.see(reader.line_number(), &event);
        }
        Ok(rollbacks)
    }

    /// The numbers of the bases that were estimated at steps the run still has, rising.
    ///
    /// # Errors
    /// Those of [`bases`](Run::bases) and [`events`](Run::events).
    pub fn kept_bases(&self) -> Result<Vec<u64>> {
        let bases = self.bases()?;
        if bases.is_empty() {
            return Ok(Vec::new());
        }
        let discarded = self.discarded_bases()?;
        Ok(bases.filter(|basis| !discarded.contains(basis)).collect())
    }

    /// Bases whose estimate was made at a step that was discarded afterwards. The first has no
    /// event, and no step before it.
    fn discarded_bases(&self) -> Result<BTreeSet<u64>> {
        let rollbacks = self.rollbacks()?;
        let mut reader = EventReader::of_kind(self.folder.events(), BASIS_CHANGED);
        let mut discarded = BTreeSet::new();
        while let Some(event) = reader.next_event()? {
            discarded.extend(discarded_basis(&event, rollbacks.limit(reader.line_number())));
        }
        Ok(discarded)
    }

    /// The numbers of the [`landscapes`](Run::landscapes) that were measured at steps the run still
    /// has, rising. One that cannot be read is among them.
    ///
    /// # Errors
    /// Those of [`landscapes`](Run::landscapes) and [`events`](Run::events).
    pub fn kept_landscapes(&self) -> Result<Vec<u64>> {
        let numbers = self.landscapes()?;
        if numbers.is_empty() {
            return Ok(numbers);
        }
        let bases = self.discarded_bases()?;
        let resumptions =
            EventReader::of_kind(self.folder.events(), RESUMED).collect::<Result<Vec<_>>>()?;
        let is_kept = |&number: &u64| {
            let Ok(landscape) = self.landscape(number) else { return true };
            !bases.contains(&landscape.basis) && !is_discarded(&landscape, number, &resumptions)
        };
        Ok(numbers.into_iter().filter(is_kept).collect())
    }
}

/// The basis that an event tells of, if it was estimated at a step from `limit` on.
fn discarded_basis(event: &Event, limit: u64) -> Option<u64> {
    match event.kind {
        EventKind::BasisChanged { basis } if last_step_seen(event) >= limit => Some(basis),
        _ => None,
    }
}

fn is_discarded(landscape: &LossLandscape, number: u64, events: &[Event]) -> bool {
    events.iter().any(|event| match event.kind {
        EventKind::Resumed { next_landscape: Some(next), .. } => {
            number < next && landscape.step >= event.step
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(step: u64, kind: EventKind) -> Event {
        Event { step, elapsed_seconds: 1.0, kind }
    }

    fn resumed(step: u64) -> Event {
        let kind = EventKind::Resumed {
            last_step: None,
            rows_discarded: 0,
            next_landscape: Some(2),
            time: None,
        };
        event(step, kind)
    }

    fn dropped(first_step: u64, last_step: u64) -> Event {
        event(
            last_step,
            EventKind::RowsDropped { count: last_step - first_step + 1, first_step, last_step },
        )
    }

    fn nan(step: u64) -> Event {
        let text = || "NaN".to_owned();
        let kind = EventKind::NonFinite {
            local_displacement_squared: text(),
            global_displacement_squared: text(),
        };
        event(step, kind)
    }

    #[test]
    fn what_was_told_of_discarded_steps_goes_and_all_else_stays() {
        let basis = |step, basis| event(step, EventKind::BasisChanged { basis });
        let added =
            |step| event(step, EventKind::ParametersAdded { parameters: vec!["head".to_owned()] });
        let events = [
            nan(3),
            dropped(36, 45),
            added(40),
            added(41),
            basis(41, 1),
            nan(41),
            basis(42, 2),
            dropped(50, 60),
            resumed(41),
            nan(80),
            basis(90, 3),
            resumed(200),
            basis(210, 4),
        ];
        let kept: Vec<Event> = kept_events(&events).collect();
        // An estimate made after 40 steps, before step 41, is of the checkpoint.
        let left = event(40, EventKind::RowsDropped { count: 5, first_step: 36, last_step: 40 });
        let expected = [
            nan(3),
            left,
            added(40),
            basis(41, 1),
            resumed(41),
            nan(80),
            basis(90, 3),
            resumed(200),
            basis(210, 4),
        ];
        assert_eq!(kept, expected);
        let rollbacks = Rollbacks::of(&events, u64::MAX);
        let discarded = (0..)
            .zip(&events)
            .filter_map(|(place, event)| discarded_basis(event, rollbacks.limit(place)));
        assert_eq!(discarded.collect::<Vec<_>>(), [2]);
        // Back once more, behind all of it.
        let again: Vec<Event> = kept_before(&events, 2).collect();
        assert_eq!(again, []);
    }

    #[test]
    fn landscapes_of_discarded_steps_go_unless_they_were_measured_afterwards() {
        let at = |step| LossLandscape { step, ..LossLandscape::default() };
        let events = [resumed(41)];
        assert!(is_discarded(&at(41), 1, &events) && is_discarded(&at(60), 0, &events));
        assert!(!is_discarded(&at(40), 1, &events) && !is_discarded(&at(60), 2, &events));
        assert!(!is_discarded(&at(0), 0, &events));
    }
}
