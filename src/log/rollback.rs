//! What a run still has after it was rolled back: resumed from a checkpoint before its last steps, it takes them anew, and
//! what its events, estimates and landscapes say of the discarded steps is no longer of it.
//!
//! Nothing of it is deleted but rows, and displacements by their bounds: readers ask here.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::landscape::LossLandscape;
use super::reader::Run;
use crate::error::Result;
use crate::record::{Event, EventKind};

/// The events of the steps that a run still has, of all its events in order. Rows that were dropped and discarded in part
/// are counted as far as they are missing.
pub fn kept_events(events: &[Event]) -> impl Iterator<Item = Cow<'_, Event>> {
    kept_before(events, u64::MAX)
}

/// The same for a run that is about to be resumed at step `first_discarded`.
pub(crate) fn kept_before(events: &[Event], first_discarded: u64) -> impl Iterator<Item = Cow<'_, Event>> {
    with_limits(events, first_discarded).filter_map(|(event, limit)| kept(event, limit))
}

/// Each event, and the first step that was discarded after it was told.
fn with_limits(events: &[Event], first_discarded: u64) -> impl Iterator<Item = (&Event, u64)> {
    let mut limit = first_discarded;
    let mut limits: Vec<u64> = events
        .iter()
        .rev()
        .map(|event| {
            let later = limit;
            if matches!(event.kind, EventKind::Resumed { .. }) {
                limit = limit.min(event.step);
            }
            later
        })
        .collect();
    limits.reverse();
    events.iter().zip(limits)
}

/// What is left of an event where steps from `limit` on were discarded.
fn kept(event: &Event, limit: u64) -> Option<Cow<'_, Event>> {
    match event.kind {
        EventKind::RowsDropped { count, first_step, last_step } if last_step >= limit => {
            // Rows are at most one a step.
            let count = count.min(limit.checked_sub(first_step).filter(|&left| left > 0)?);
            let kind = EventKind::RowsDropped { count, first_step, last_step: limit - 1 };
            Some(Cow::Owned(Event { step: event.step.min(limit - 1), kind, ..*event }))
        }
        EventKind::RowsDropped { .. } => Some(Cow::Borrowed(event)),
        _ => (last_step_seen(event) < limit).then_some(Cow::Borrowed(event)),
    }
}

/// The last step that had been taken when it happened.
fn last_step_seen(event: &Event) -> u64 {
    match event.kind {
        EventKind::NonFinite { .. } => event.step,
        _ => event.step.saturating_sub(1),
    }
}

impl Run {
    /// [`events`](Run::events) of the steps that the run still has: without what a program that resumed from an earlier
    /// checkpoint discarded.
    ///
    /// # Errors
    /// Those of [`events`](Run::events).
    pub fn kept_events(&self) -> Result<Vec<Event>> {
        Ok(kept_events(&self.events()?).map(Cow::into_owned).collect())
    }

    /// The numbers of the bases that were estimated at steps the run still has, rising.
    ///
    /// # Errors
    /// Those of [`bases`](Run::bases) and [`events`](Run::events).
    pub fn kept_bases(&self) -> Result<Vec<u64>> {
        let discarded = discarded_bases(&self.events()?);
        Ok(self.bases()?.filter(|basis| !discarded.contains(basis)).collect())
    }

    /// The numbers of the [`landscapes`](Run::landscapes) that were measured at steps the run still has, rising. One that
    /// cannot be read is among them.
    ///
    /// # Errors
    /// Those of [`landscapes`](Run::landscapes) and [`events`](Run::events).
    pub fn kept_landscapes(&self) -> Result<Vec<u64>> {
        let numbers = self.landscapes()?;
        let events = if numbers.is_empty() { Vec::new() } else { self.events()? };
        let bases = discarded_bases(&events);
        let is_kept = |&number: &u64| {
            let Ok(landscape) = self.landscape(number) else { return true };
            !bases.contains(&landscape.basis) && !is_discarded(&landscape, number, &events)
        };
        Ok(numbers.into_iter().filter(is_kept).collect())
    }
}

/// Bases whose estimate was made at a step that was discarded afterwards. The first has no event, and no step before it.
fn discarded_bases(events: &[Event]) -> BTreeSet<u64> {
    let mut discarded = BTreeSet::new();
    for (event, limit) in with_limits(events, u64::MAX) {
        if let EventKind::BasisChanged { basis } = event.kind
            && last_step_seen(event) >= limit
        {
            discarded.insert(basis);
        }
    }
    discarded
}

fn is_discarded(landscape: &LossLandscape, number: u64, events: &[Event]) -> bool {
    events.iter().any(|event| match event.kind {
        EventKind::Resumed { next_landscape: Some(next), .. } => number < next && landscape.step >= event.step,
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
        let kind = EventKind::Resumed { last_step: None, rows_discarded: 0, next_landscape: Some(2), time: None };
        event(step, kind)
    }

    fn dropped(first_step: u64, last_step: u64) -> Event {
        event(last_step, EventKind::RowsDropped { count: last_step - first_step + 1, first_step, last_step })
    }

    fn nan(step: u64) -> Event {
        let text = || "NaN".to_owned();
        let kind = EventKind::NonFinite { local_displacement_squared: text(), global_displacement_squared: text() };
        event(step, kind)
    }

    #[test]
    fn what_was_told_of_discarded_steps_goes_and_all_else_stays() {
        let basis = |step, basis| event(step, EventKind::BasisChanged { basis });
        let events = [
            nan(3),
            dropped(36, 45),
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
        let kept: Vec<Event> = kept_events(&events).map(Cow::into_owned).collect();
        // An estimate made after 40 steps, before step 41, is of the checkpoint.
        let left = event(40, EventKind::RowsDropped { count: 5, first_step: 36, last_step: 40 });
        let expected = [nan(3), left, basis(41, 1), resumed(41), nan(80), basis(90, 3), resumed(200), basis(210, 4)];
        assert_eq!(kept, expected);
        assert_eq!(discarded_bases(&events), BTreeSet::from([2]));
        // Back once more, behind all of it.
        let again: Vec<Event> = kept_before(&events, 2).map(Cow::into_owned).collect();
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
