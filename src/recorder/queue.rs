//! The training thread's side of the channel.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use super::clock::Clock;
use super::message::{Basis, Block, Dropped, Ending, Joined, Message, Row};
use super::options::{Health, QueueOptions, QueuePolicy};
use super::shared::Shared;
use super::sink::Sink;
use super::worker::Worker;
use crate::error::{Error, Result};
use crate::record::{Event, RowBuffer};
use crate::run::LogTotals;

/// Empty blocks kept for their memory: what a fast loop fills between two looks of the worker.
const EMPTIED_BLOCKS: usize = 64;

/// The training thread's handle. Dropping it closes the log as [`finish`](Recorder::finish) does;
/// only the answer is lost.
pub struct Recorder<D> {
    sender: Sender<Message<D>>,
    /// Blocks that the worker has emptied, for their memory.
    emptied: Receiver<Block<D>>,
    policy: QueuePolicy,
    wake_above: usize,
    worker: Option<JoinHandle<Result<LogTotals>>>,
    shared: Arc<Shared>,
    rows_received: u64,
    rows_dropped: u64,
    last_step: u64,
    /// Dropped rows the log has not been told of yet.
    untold: Option<Dropped>,
    /// Events, bases and parameters for which there was no room yet.
    waiting: VecDeque<Message<D>>,
}

impl<D: Send + 'static> Recorder<D> {
    /// Starts the worker. `clock` is that of `elapsed_seconds` (or the moment it began); `resolve`
    /// completes a block of rows from `(index in the block, deferred)` pairs; `folder` names the
    /// run in errors.
    ///
    /// # Errors
    /// [`Error::Io`] if the system gives no thread.
    pub fn start(
        sink: impl Sink + 'static,
        folder: &Path,
        clock: impl Into<Clock>,
        options: QueueOptions,
        resolve: impl FnMut(&mut RowBuffer, &mut Vec<(usize, D)>) -> Result<()> + Send + 'static,
    ) -> Result<Self> {
        let (sender, receiver) = bounded(options.capacity.max(2));
        let (give_back, emptied) = bounded(EMPTIED_BLOCKS);
        let shared = Arc::new(Shared::new(folder));
        let worker = Worker::new(
            (receiver, give_back),
            Box::new(sink),
            Box::new(resolve),
            clock.into(),
            Arc::clone(&shared),
        );
        let handle = std::thread::Builder::new()
            .name("perrin-log".to_owned())
            .spawn(move || worker.run())
            .map_err(Error::io("start the logging thread of", folder))?;
        Ok(Recorder {
            wake_above: options.capacity / 2,
            policy: options.policy,
            worker: Some(handle),
            shared,
            sender,
            emptied,
            rows_received: 0,
            rows_dropped: 0,
            last_step: 0,
            untold: None,
            waiting: VecDeque::new(),
        })
    }
}

impl<D> Recorder<D> {
    /// Says the step after which a resumed run goes on: that of events told before its first row.
    pub fn resume_after(&mut self, step: u64) {
        self.last_step = step;
    }

    /// Whether an error has stopped the log for good. One atomic load.
    pub fn failed(&self) -> bool {
        self.shared.failed.load(Ordering::Relaxed)
    }

    /// Hands a row over. Never fails: see the module's documentation for what happens instead.
    pub fn row(&mut self, row: Row<D>) {
        let (step, elapsed_seconds) = (row.record.step, row.record.elapsed_seconds);
        self.rows(1, step..=step, elapsed_seconds, Message::Row(row));
    }

    /// Hands the rows of a block over together, as [`row`](Self::row) does one; leaves an empty
    /// block.
    pub fn block(&mut self, block: &mut Block<D>) {
        let (Some(first), Some(last)) = (block.rows.first(), block.rows.last()) else { return };
        let (steps, elapsed_seconds) =
            (first.record.step..=last.record.step, last.record.elapsed_seconds);
        let empty = self.emptied.try_recv().unwrap_or_default();
        let full = std::mem::replace(block, empty);
        self.rows(full.rows.len() as u64, steps, elapsed_seconds, Message::Block(full));
    }

    fn rows(
        &mut self,
        count: u64,
        steps: RangeInclusive<u64>,
        elapsed_seconds: f64,
        message: Message<D>,
    ) {
        self.rows_received += count;
        self.last_step = *steps.end();
        if self.failed() {
            return;
        }
        self.tell();
        // A row never overtakes the basis that it is along, should there be room just now.
        if !self.waiting.is_empty() || self.offer(message).is_some() {
            self.rows_dropped += count;
            self.untold = Some(Dropped::with(self.untold, count, steps, elapsed_seconds));
        }
    }

    /// Hands an event over; if there is no room, it waits for the next row or event that finds
    /// some.
    pub fn event(&mut self, event: Event) {
        self.surely(Message::Event(event));
    }

    /// Hands over the directions that the rows from here on are projected on; waits for room as an
    /// event does.
    pub fn basis(&mut self, basis: Basis) {
        self.surely(Message::Basis(Box::new(basis)));
    }

    /// Hands over parameters that have joined; waits for room as an event does. Their event is told
    /// with them.
    pub fn joined(&mut self, joined: Joined) {
        self.surely(Message::Joined(Box::new(joined)));
    }

    fn surely(&mut self, message: Message<D>) {
        if !self.failed() {
            self.waiting.push_back(message);
            self.tell();
        }
    }

    /// Puts a message into the channel; gives it back if there is no room and the policy is not to
    /// wait.
    fn offer(&self, message: Message<D>) -> Option<Message<D>> {
        if self.sender.len() >= self.wake_above {
            self.wake();
        }
        match self.sender.try_send(message) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => None,
            Err(TrySendError::Full(message)) => match self.policy {
                QueuePolicy::DropNewest => Some(message),
                QueuePolicy::Block => {
                    self.wake();
                    // A worker that ended has dropped the receiver, so that this cannot wait for
                    // ever.
                    let _ = self.sender.send(message);
                    None
                }
            },
        }
    }

    /// Says in the log what is waiting to be said, and which rows were dropped, as far as there is
    /// room.
    fn tell(&mut self) {
        while let Some(message) = self.waiting.pop_front() {
            if let Some(message) = self.offer(message) {
                self.waiting.push_front(message);
                return;
            }
        }
        // Untold drops are gathered until there is room: one event tells of all.
        if let Some(untold) = self.untold
            && self.offer(Message::Event(untold.event())).is_none()
        {
            self.untold = None;
        }
    }

    fn wake(&self) {
        if let Some(worker) = &self.worker {
            worker.thread().unpark();
        }
    }

    /// Stops the log for an error met on the training thread. What is queued is still written.
    pub fn stop(&self, error: Error) {
        self.shared.stop(error);
    }

    /// Rows dropped because the channel was full.
    pub fn rows_dropped(&self) -> u64 {
        self.rows_dropped
    }

    /// Counters, or the error that stopped the log or keeps it from being written at present.
    ///
    /// # Errors
    /// [`Error::Stopped`] for good; [`Error::Interrupted`] until the log can be written again.
    pub fn health(&self) -> Result<Health> {
        match self.shared.failure() {
            Some(error) => Err(error),
            None => Ok(Health {
                rows_received: self.rows_received,
                rows_written: self.shared.rows_written.load(Ordering::Relaxed),
                rows_dropped: self.rows_dropped,
                rows_lost: self.shared.rows_lost.load(Ordering::Relaxed),
                queued: self.sender.len(),
            }),
        }
    }

    /// Writes what is queued and closes the log.
    ///
    /// # Errors
    /// The error that stopped the log, or one met while closing it; [`Error::Interrupted`] when the
    /// log could not be written for a while, even if it was closed properly in the end.
    pub fn finish(mut self) -> Result<LogTotals> {
        self.close()
    }

    /// [`finish`](Self::finish) for a recorder that is part of something else; a second call does
    /// nothing.
    pub(crate) fn close(&mut self) -> Result<LogTotals> {
        let Some(worker) = self.worker.take() else { return Ok(LogTotals::default()) };
        let ending = Ending { step: self.last_step, rows_dropped: self.rows_dropped };
        let events = self
            .waiting
            .drain(..)
            .chain(self.untold.take().map(|untold| Message::Event(untold.event())));
        worker.thread().unpark();
        for message in events.chain([Message::Finish(ending)]) {
            let _ = self.sender.send(message);
            worker.thread().unpark();
        }
        let outcome =
            worker.join().unwrap_or_else(|panic| Err(self.shared.stop(self.shared.lost(&*panic))));
        match self.shared.first_error() {
            Some(first) => Err(first),
            None => outcome,
        }
    }
}

impl<D> Drop for Recorder<D> {
    fn drop(&mut self) {
        let _ = self.close();
    }
}
