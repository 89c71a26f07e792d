//! Where a recorder's rows go.

use std::borrow::Cow;
use std::time::Duration;

use super::message::{Basis, Joined};
use crate::error::Result;
use crate::record::{Event, Layout, RowBuffer};
use crate::run::{LogTotals, LostRows, ReferenceTensor, RunWriter};

/// A log that takes rows in blocks. [`RunWriter`] is one; tests have others (slow, failing).
///
/// Times are since observation began. After an [`Error::Io`](crate::Error::Io) the recorder calls
/// again; other errors are final.
pub trait Sink: Send {
    /// Takes a block of rows, in step order. When it returns, a killed process no longer loses
    /// them; when it fails, none of them is in the log.
    fn append(&mut self, rows: &RowBuffer) -> Result<()>;
    /// Takes an event.
    fn event(&mut self, event: &Event) -> Result<()>;
    /// Takes a basis, before the first row that carries its number. Passed over unless a sink says
    /// otherwise.
    fn basis(&mut self, _basis: &Basis) -> Result<()> {
        Ok(())
    }
    /// Takes the reference points of parameters that joined, before the event that tells of them.
    /// Passed over unless a sink says otherwise.
    fn joined(&mut self, _joined: &Joined) -> Result<()> {
        Ok(())
    }
    /// Columns of the rows it takes. No further groups and no directions unless a sink says
    /// otherwise.
    fn layout(&self) -> Layout {
        Layout::default()
    }
    /// Called a few times a second, also when there is nothing to write.
    fn tick(&mut self, now: Duration) -> Result<()>;
    /// Rows in the log.
    fn rows(&self) -> u64;
    /// Rows that had been taken and are no longer in the log, found since the last call. None
    /// unless a sink says otherwise.
    fn take_lost(&mut self) -> Option<LostRows> {
        None
    }
    /// Finishes what is open, before the last event tells how the log ends. Nothing to do unless a
    /// sink says otherwise.
    fn complete(&mut self) -> Result<()> {
        Ok(())
    }
    /// Closes the log.
    fn close(self: Box<Self>) -> Result<LogTotals>;
}

impl Sink for RunWriter {
    fn append(&mut self, rows: &RowBuffer) -> Result<()> {
        RunWriter::append(self, rows)
    }

    fn event(&mut self, event: &Event) -> Result<()> {
        RunWriter::event(self, event)
    }

    fn basis(&mut self, basis: &Basis) -> Result<()> {
        RunWriter::basis(self, basis.number, basis.step, &basis.eigenvectors, basis.keep_vectors)
    }

    fn joined(&mut self, joined: &Joined) -> Result<()> {
        let reference =
            joined.parameters.iter().zip(&joined.reference).map(|(parameter, bytes)| {
                ReferenceTensor {
                    name: &parameter.name,
                    kind: &parameter.kind,
                    shape: parameter.shape.iter().map(|&extent| extent as usize).collect(),
                    bytes: Cow::Borrowed(bytes),
                }
            });
        self.parameters_joined(joined.step, &joined.parameters, reference.collect())
    }

    fn layout(&self) -> Layout {
        RunWriter::layout(self)
    }

    fn tick(&mut self, now: Duration) -> Result<()> {
        self.roll_if_due(now)
    }

    fn rows(&self) -> u64 {
        self.totals().rows
    }

    fn take_lost(&mut self) -> Option<LostRows> {
        RunWriter::take_lost(self)
    }

    fn complete(&mut self) -> Result<()> {
        RunWriter::complete(self)
    }

    fn close(self: Box<Self>) -> Result<LogTotals> {
        RunWriter::close(*self)
    }
}
