//! What a report shows of a run's events, however many there are: the first whole, and all counted
//! by kind and step.

use std::collections::BTreeMap;

use super::events;
use crate::error::Result;
use crate::record::{Event, EventKind};

/// Events listed; where there are more, the first ones of each kind are.
const MOST_LISTED: usize = 100;
const FIRST_OF_KIND: usize = 8;
/// Events of a kind that are drawn one by one; more are drawn as counts.
const MOST_DRAWN: usize = 200;
/// Bins of such a drawing at most; half of them at least, once there are so many steps.
const MOST_BINS: usize = 128;

/// The events of a run, reduced.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Happened {
    /// All of few; the first ones of each kind of many.
    pub listed: Vec<Event>,
    /// All.
    pub count: u64,
    /// Whether the run was closed properly, once at least.
    pub finished: bool,
    /// The kinds there are, as they came first; a run that was closed is no news.
    pub kinds: Vec<Kind>,
}

/// The events of a kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Kind {
    /// In words.
    pub name: &'static str,
    /// How many.
    pub count: u64,
    /// Their steps; the first ones where they are many.
    first_steps: Vec<u64>,
    bins: Bins,
}

/// How the events of a kind are drawn.
#[derive(Debug, Clone, PartialEq)]
pub enum Drawn<'a> {
    /// At their steps.
    Steps(&'a [u64]),
    /// How many there are from one step up to another, for bins that have some, and the largest of
    /// these numbers.
    Counts(Vec<([u64; 2], u64)>, u64),
}

impl Happened {
    /// Takes events, one at a time.
    ///
    /// # Errors
    /// The first error of reading them.
    pub fn gather(events: impl Iterator<Item = Result<Event>>) -> Result<Happened> {
        let mut happened = Happened::default();
        // By name, the first ones with their places.
        let mut firsts: BTreeMap<&str, Vec<(u64, Event)>> = BTreeMap::new();
        for event in events {
            let event = event?;
            let first = firsts.entry(events::name(&event.kind)).or_default();
            if first.len() < FIRST_OF_KIND {
                first.push((happened.count, event.clone()));
            }
            happened.take(event);
        }
        if happened.count > MOST_LISTED as u64 {
            let mut first: Vec<_> = firsts.into_values().flatten().collect();
            first.sort_by_key(|(place, _)| *place);
            happened.listed = first.into_iter().map(|(_, event)| event).collect();
        }
        Ok(happened)
    }

    fn take(&mut self, event: Event) {
        self.count += 1;
        if matches!(event.kind, EventKind::Finished { .. }) {
            self.finished = true;
        } else {
            let name = events::name(&event.kind);
            let index = self.kinds.iter().position(|kind| kind.name == name).unwrap_or_else(|| {
                self.kinds.push(Kind {
                    name,
                    count: 0,
                    first_steps: Vec::new(),
                    bins: Bins::default(),
                });
                self.kinds.len() - 1
            });
            self.kinds[index].take(event.step);
        }
        if self.listed.len() < MOST_LISTED {
            self.listed.push(event);
        }
    }
}

impl Kind {
    fn take(&mut self, step: u64) {
        self.count += 1;
        if self.first_steps.len() < MOST_DRAWN {
            self.first_steps.push(step);
        }
        self.bins.take(step);
    }

    /// How they are drawn.
    pub fn drawn(&self) -> Drawn<'_> {
        if self.count <= MOST_DRAWN as u64 {
            return Drawn::Steps(&self.first_steps);
        }
        let width = self.bins.width;
        let counts = self.bins.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        let range = |index: usize| [index as u64 * width, (index as u64 + 1).saturating_mul(width)];
        let counts: Vec<_> = counts.map(|(index, count)| (range(index), *count)).collect();
        let largest = counts.iter().map(|(_, count)| *count).max().unwrap_or(0);
        Drawn::Counts(counts, largest)
    }
}

/// Counts over steps, in bins that widen.
#[derive(Debug, Clone, PartialEq)]
struct Bins {
    /// Steps of a bin: a power of two.
    width: u64,
    counts: Vec<u64>,
}

impl Default for Bins {
    fn default() -> Self {
        Bins { width: 1, counts: Vec::new() }
    }
}

impl Bins {
    fn take(&mut self, step: u64) {
        while step / self.width >= MOST_BINS as u64 {
            self.width *= 2;
            self.counts = self.counts.chunks(2).map(|pair| pair.iter().sum()).collect();
        }
        let index = (step / self.width) as usize;
        if index >= self.counts.len() {
            self.counts.resize(index + 1, 0);
        }
        self.counts[index] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basis(step: u64) -> Result<Event> {
        Ok(Event { step, elapsed_seconds: 0.0, kind: EventKind::BasisChanged { basis: step } })
    }

    #[test]
    fn many_events_are_counted_and_few_are_kept() {
        let finished = Event {
            step: 5,
            elapsed_seconds: 0.0,
            kind: EventKind::Finished { rows: 4, dropped: 0 },
        };
        let few = Happened::gather([basis(7), basis(2), Ok(finished)].into_iter()).unwrap();
        assert_eq!(
            (few.count, few.finished, few.listed.len(), few.kinds[0].count),
            (3, true, 3, 2)
        );
        assert_eq!(few.kinds[0].drawn(), Drawn::Steps(&[7, 2]));
        // 50 at each of the steps 0 to 999, and one far out.
        let many = (0..50_000).map(|number| basis(number % 1000)).chain([basis(u64::MAX)]);
        let finished = Event {
            step: 1000,
            elapsed_seconds: 0.0,
            kind: EventKind::Finished { rows: 4, dropped: 0 },
        };
        let many = Happened::gather(many.chain([Ok(finished)])).unwrap();
        let listed: Vec<u64> = many.listed.iter().map(|event| event.step).collect();
        assert_eq!((many.count, listed), (50_002, vec![0, 1, 2, 3, 4, 5, 6, 7, 1000]));
        assert_eq!(many.kinds[0].first_steps.len(), 200);
        let Drawn::Counts(counts, largest) = many.kinds[0].drawn() else { panic!() };
        assert_eq!((counts.len(), counts[0].1, largest), (2, 50_000, 50_000));
        let even = Happened::gather((0..50_000).map(|number| basis(number % 1000))).unwrap();
        let Drawn::Counts(counts, largest) = even.kinds[0].drawn() else { panic!() };
        assert_eq!((counts.len(), counts[0], largest), (125, ([0, 8], 400), 400));
    }
}
