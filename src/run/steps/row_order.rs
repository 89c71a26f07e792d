//! The order of a run's rows: which steps are missing, and what explains it.

use std::path::{Path, PathBuf};

use crate::record::{Event, EventKind};

/// Steps of which rows were dropped, as events tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Dropped {
    /// First and last step of each stretch; rising, none touching the next.
    stretches: Vec<(u64, u64)>,
}

impl Dropped {
    /// Sorts and joins stretches, told in any order. `every_steps` is the distance of rows that are
    /// all there.
    pub(crate) fn new(mut told: Vec<(u64, u64)>, every_steps: u64) -> Dropped {
        told.sort_unstable();
        let mut stretches: Vec<(u64, u64)> = Vec::new();
        for (from, to) in told {
            match stretches.last_mut() {
                Some((_, last)) if from <= last.saturating_add(every_steps) => {
                    *last = to.max(*last)
                }
                _ => stretches.push((from, to)),
            }
        }
        Dropped { stretches }
    }

    /// Whether rows were dropped over all steps between two rows.
    fn explain(&self, last: u64, step: u64, every_steps: u64) -> bool {
        let candidates =
            self.stretches.partition_point(|(from, _)| *from <= last.saturating_add(every_steps));
        let stretch = candidates.checked_sub(1).map(|index| self.stretches[index]);
        stretch.is_some_and(|(_, to)| step <= to.saturating_add(every_steps))
    }
}

/// What events say of where the rows end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ToldEnd {
    /// Rows that the run was closed with, if it was and nothing came after.
    pub(crate) closed_with: Option<u64>,
    /// The last step that had been taken when something was told that comes after its rows.
    last_step: Option<u64>,
    /// Bytes that a recovery discarded, unless the run was taken up again.
    bytes_discarded: u64,
}

impl ToldEnd {
    /// Takes the next event of a step that the run still has.
    pub(crate) fn see(&mut self, event: &Event) {
        self.closed_with = None;
        match event.kind {
            EventKind::Finished { rows, .. } => self.closed_with = Some(rows),
            EventKind::Recovered { bytes_discarded, .. } => {
                self.bytes_discarded = self.bytes_discarded.saturating_add(bytes_discarded);
            }
            EventKind::Resumed { .. } => *self = ToldEnd::default(),
            // Rows that are known to be missing are told.
            EventKind::RowsDropped { .. }
            | EventKind::Stopped { .. }
            | EventKind::Interrupted { .. } => {}
            EventKind::NonFinite { .. } => self.last_step = self.last_step.max(Some(event.step)),
            _ => self.last_step = self.last_step.max(event.step.checked_sub(1)),
        }
    }

    /// What tells that rows are missing after the last one; empty if nothing does. `torn_bytes` are
    /// those at the ends of journals that are no whole block.
    pub(crate) fn missing(
        &self,
        last: Option<u64>,
        every_steps: u64,
        dropped: &Dropped,
        torn_bytes: u64,
    ) -> Vec<String> {
        let mut told = Vec::new();
        let due = last.unwrap_or(0).saturating_add(every_steps);
        if let Some(step) = self.last_step.filter(|step| *step >= due)
            && !dropped.explain(last.unwrap_or(0), step.saturating_add(1), every_steps)
        {
            let end = last.map_or("there are no rows".to_owned(), |last| {
                format!("the rows end at step {last}")
            });
            told.push(format!("{end}, and events tell of steps up to {step}: the end is missing"));
        }
        if torn_bytes > 0 {
            told.push(format!(
                "{torn_bytes} bytes of the journal are no whole block: rows are missing, or just being written"
            ));
        }
        if self.bytes_discarded > 0 {
            told.push(format!(
                "{} bytes that were no whole block were discarded when the run was recovered: rows are missing",
                self.bytes_discarded
            ));
        }
        told
    }
}

/// Findings of rows at most; the rest are counted.
const MOST_TOLD: u64 = 1000;

/// The rows so far.
#[derive(Default)]
pub(crate) struct RowOrder {
    pub(crate) every_steps: u64,
    pub(crate) dropped: Dropped,
    pub(crate) last: Option<u64>,
    /// The smallest distance of two rows, and where the later one is.
    pub(crate) closest: Option<(u64, PathBuf, u64)>,
    /// The highest number of a basis, and the first row that has it.
    pub(crate) last_basis: Option<(u64, PathBuf, u64)>,
    told: u64,
    /// Findings that there are besides those given.
    pub(crate) untold: u64,
}

/// What is wrong with a row's step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// It does not rise.
    Back(String),
    /// Steps before it have no row, and nothing explains it.
    Gap(String),
}

impl RowOrder {
    pub(crate) fn new(every_steps: u64) -> RowOrder {
        RowOrder { every_steps: every_steps.max(1), ..RowOrder::default() }
    }

    /// Takes the next row; `row` is its number in the file.
    pub(crate) fn follow(&mut self, step: u64, path: &Path, row: u64) -> Option<Step> {
        let last = self.last.replace(step)?;
        let distance = step.checked_sub(last).filter(|distance| *distance > 0);
        if let Some(distance) = distance
            && self.closest.as_ref().is_none_or(|(closest, ..)| distance < *closest)
        {
            self.closest = Some((distance, path.to_owned(), row));
        }
        let is_gap = |distance| {
            distance > self.every_steps && !self.dropped.explain(last, step, self.every_steps)
        };
        if distance.is_some_and(|distance| !is_gap(distance)) {
            return None;
        }
        if self.told == MOST_TOLD {
            self.untold += 1;
            return None;
        }
        self.told += 1;
        Some(match distance {
            None => Step::Back(format!("step {step} comes after step {last}")),
            Some(_) => Step::Gap(format!("no rows between steps {last} and {step}")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_rows_explain_gaps_however_they_were_told() {
        let dropped = Dropped::new(vec![(50, 59), (10, 12), (13, 20), (15, 16), (70, 70)], 1);
        assert_eq!(dropped.stretches, [(10, 20), (50, 59), (70, 70)]);
        let cases = [
            (9, 21, true),
            (9, 22, false),
            (8, 21, false),
            (12, 15, true),
            (49, 60, true),
            (20, 50, false),
        ];
        for (last, step, explained) in cases {
            assert_eq!(dropped.explain(last, step, 1), explained, "{last} {step}");
        }
        let rare = Dropped::new(vec![(20, 30)], 10);
        assert!(
            rare.explain(10, 40, 10)
                && !rare.explain(10, 50, 10)
                && !Dropped::default().explain(1, 9, 1)
        );
    }

    #[test]
    fn gaps_and_steps_back_are_told_and_counted_where_they_are_many() {
        let mut order = RowOrder::new(1);
        let path = Path::new("file");
        let mut follow = |step| order.follow(step, path, 0);
        assert_eq!((follow(1), follow(2)), (None, None));
        assert_eq!(follow(9), Some(Step::Gap("no rows between steps 2 and 9".to_owned())));
        assert_eq!(follow(9), Some(Step::Back("step 9 comes after step 9".to_owned())));
        let told = (10..5000).filter(|number| follow(number * 2).is_some()).count() as u64;
        assert_eq!((told, order.untold), (MOST_TOLD - 2, 4990 - told));
        assert_eq!(order.closest, Some((1, path.to_owned(), 0)));
    }

    #[test]
    fn the_end_is_missed_only_where_something_tells_of_it() {
        let event = |step, kind| Event { step, elapsed_seconds: 1.0, kind };
        let told = |events: &[Event]| {
            let mut end = ToldEnd::default();
            events.iter().for_each(|event| end.see(event));
            end
        };
        let basis = |step| event(step, EventKind::BasisChanged { basis: 1 });
        let none = Dropped::default();
        let missing = |end: ToldEnd, last, every| !end.missing(last, every, &none, 0).is_empty();
        // Before step 101: 100 steps had been taken.
        let end = told(&[basis(50), basis(101)]);
        assert!(!missing(end, Some(100), 1) && missing(end, Some(99), 1) && missing(end, None, 1));
        assert!(
            !missing(end, Some(98), 7) && missing(end, Some(91), 7),
            "a row every 7 steps: 98 is the last"
        );
        assert!(
            end.missing(Some(80), 1, &Dropped::new(vec![(81, 100)], 1), 0).is_empty(),
            "told as dropped"
        );
        assert!(!missing(told(&[basis(1)]), None, 1), "before any step");
        let stopped = EventKind::Stopped { reason: "full".to_owned() };
        assert!(!missing(told(&[event(200, stopped)]), Some(100), 1));
        let recovered = || event(51, EventKind::Recovered { rows: 50, bytes_discarded: 7 });
        assert!(missing(told(&[recovered()]), Some(50), 1));
        let resumed = EventKind::Resumed {
            last_step: Some(50),
            rows_discarded: 0,
            next_landscape: None,
            time: None,
        };
        assert!(!missing(told(&[recovered(), event(51, resumed)]), Some(60), 1));
        let finished = event(51, EventKind::Finished { rows: 50, dropped: 0 });
        assert_eq!(told(&[basis(3), finished.clone()]).closed_with, Some(50));
        assert_eq!(told(&[finished, basis(60)]).closed_with, None);
        assert_eq!(told(&[]).missing(None, 1, &none, 9).len(), 1);
    }
}
