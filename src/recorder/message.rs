//! What travels on the channel.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::record::{Event, EventKind, Hyperparameters, ParameterInfo, StepRecord};
use crate::run::Eigenvectors;

/// A row on its way to the worker.
#[derive(Debug)]
pub struct Row<D> {
    /// What is known already.
    pub record: StepRecord,
    /// Hyperparameters of the parameter groups after the first, shared by all rows until they
    /// change.
    pub groups: Option<Arc<[Hyperparameters]>>,
    /// What still has to be turned into numbers.
    pub deferred: Option<D>,
}

/// Rows that belong together, with their projections: `2 * directions` numbers a row, positions
/// before velocities.
#[derive(Debug)]
pub struct Block<D> {
    /// In step order.
    pub rows: Vec<Row<D>>,
    /// Row by row.
    pub projections: Vec<f64>,
}

impl<D> Default for Block<D> {
    fn default() -> Self {
        Block { rows: Vec::new(), projections: Vec::new() }
    }
}

/// Directions that the rows after it are projected on.
#[derive(Debug)]
pub struct Basis {
    /// Its number.
    pub number: u64,
    /// Steps taken until then.
    pub step: u64,
    /// The directions, and what is known of them.
    pub eigenvectors: Eigenvectors,
    /// Whether the vectors themselves are to be written too.
    pub keep_vectors: bool,
}

/// Parameters that joined the run, and the point they are measured from.
#[derive(Debug, Clone, PartialEq)]
pub struct Joined {
    /// Which; an event of theirs is told when they are written.
    pub parameters: Vec<ParameterInfo>,
    /// Each one's elements at that point, row-major, little-endian, in its own kind.
    pub reference: Vec<Vec<u8>>,
    /// The step before which they joined.
    pub step: u64,
    /// Seconds since observation began.
    pub elapsed_seconds: f64,
}

impl Joined {
    pub(super) fn event(&self) -> Event {
        let parameters = self.parameters.iter().map(|parameter| parameter.name.clone()).collect();
        let kind = EventKind::ParametersAdded { parameters };
        Event { step: self.step, elapsed_seconds: self.elapsed_seconds, kind }
    }
}

pub(super) enum Message<D> {
    Row(Row<D>),
    Block(Block<D>),
    Event(Event),
    Basis(Box<Basis>),
    Joined(Box<Joined>),
    Finish(Ending),
}

/// What the log's last event says that the worker does not know.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ending {
    pub step: u64,
    pub rows_dropped: u64,
}

/// Missing rows that the log has not been told of yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dropped {
    count: u64,
    first_step: u64,
    last_step: u64,
    elapsed_seconds: f64,
}

impl Dropped {
    /// `before` and `count` more rows, of these steps.
    pub fn with(
        before: Option<Dropped>,
        count: u64,
        steps: RangeInclusive<u64>,
        elapsed_seconds: f64,
    ) -> Dropped {
        Dropped {
            count: before.map_or(0, |before| before.count) + count,
            first_step: before.map_or(*steps.start(), |before| before.first_step),
            last_step: *steps.end(),
            elapsed_seconds,
        }
    }

    pub fn event(self) -> Event {
        let Dropped { count, first_step, last_step, elapsed_seconds } = self;
        let kind = EventKind::RowsDropped { count, first_step, last_step };
        Event { step: last_step, elapsed_seconds, kind }
    }
}
