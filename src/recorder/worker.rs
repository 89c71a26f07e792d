//! The worker's side: drain, complete, write.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TryRecvError};

use super::backlog::{Backlog, WRITE_ROWS};
use super::clock::Clock;
use super::message::{Block, Ending, Message, Row};
use super::shared::Shared;
use super::sink::Sink;
use crate::error::{Error, Result};
use crate::record::{Event, EventKind, RowBuffer};
use crate::run::LogTotals;

/// How often the worker looks by itself.
const TICK: Duration = Duration::from_millis(100);
/// Rows are written at least this often, so that a reader lags a second at most and a killed
/// process loses no more.
const WRITE_EVERY: Duration = Duration::from_millis(400);
/// Further attempts to write what is left when the run is over, a tick apart: a program that ends
/// is not held up.
const LAST_ATTEMPTS: usize = 3;

type Resolve<D> = Box<dyn FnMut(&mut RowBuffer, &mut Vec<(usize, D)>) -> Result<()> + Send>;

pub(super) struct Worker<D> {
    receiver: Receiver<Message<D>>,
    give_back: Sender<Block<D>>,
    sink: Box<dyn Sink>,
    resolve: Resolve<D>,
    clock: Clock,
    shared: Arc<Shared>,
    /// Rows in hand, to be completed.
    rows: RowBuffer,
    deferred: Vec<(usize, D)>,
    /// Projections of a row.
    projections: usize,
    backlog: Backlog,
    last_write: Instant,
    was_finite: bool,
}

impl<D> Worker<D> {
    pub fn new(
        (receiver, give_back): (Receiver<Message<D>>, Sender<Block<D>>),
        sink: Box<dyn Sink>,
        resolve: Resolve<D>,
        clock: Clock,
        shared: Arc<Shared>,
    ) -> Self {
        Worker {
            receiver,
            give_back,
            projections: 2 * sink.layout().directions,
            sink,
            resolve,
            clock,
            shared,
            rows: RowBuffer::default(),
            deferred: Vec::new(),
            backlog: Backlog::default(),
            last_write: Instant::now(),
            was_finite: true,
        }
    }

    /// Runs until the training thread finishes, or an error that does not pass.
    pub fn run(self) -> Result<LogTotals> {
        let shared = Arc::clone(&self.shared);
        // The training thread has to learn of a panic too: it would go on sending to nobody.
        let served = catch_unwind(AssertUnwindSafe(|| self.serve()));
        served.unwrap_or_else(|panic| Err(shared.lost(&*panic))).map_err(|error| shared.stop(error))
    }

    fn serve(mut self) -> Result<LogTotals> {
        loop {
            let ending = self.drain();
            let due = self.last_write.elapsed() >= WRITE_EVERY || self.rows.len() >= WRITE_ROWS;
            if ending.is_some() || due {
                self.write(ending.is_some())?;
            }
            if let Some(ending) = ending {
                return self.close(ending);
            }
            if self.receiver.is_empty() {
                std::thread::park_timeout(TICK);
            }
        }
    }

    /// Takes what is queued, up to a block; says so when the run is over.
    fn drain(&mut self) -> Option<Ending> {
        while self.rows.len() < WRITE_ROWS {
            match self.receiver.try_recv() {
                Ok(Message::Row(row)) => {
                    self.take(row);
                    // A row that comes alone comes from before there were directions.
                    self.rows.projections.resize(self.rows.len() * self.projections, None);
                }
                Ok(Message::Block(mut block)) => {
                    block.rows.drain(..).for_each(|row| self.take(row));
                    self.rows.projections.extend(block.projections.drain(..).map(Some));
                    // If there is no room its memory is let go.
                    let _ = self.give_back.try_send(block);
                }
                Ok(Message::Event(event)) => self.backlog.push_event(event),
                Ok(Message::Joined(joined)) => self.backlog.push_joined(*joined),
                Ok(Message::Basis(basis)) => self.backlog.push_basis(*basis),
                Ok(Message::Finish(ending)) => return Some(ending),
                // The training thread's handle always sends Finish first.
                Err(TryRecvError::Disconnected) => return Some(Ending::default()),
                Err(TryRecvError::Empty) => return None,
            }
        }
        None
    }

    fn take(&mut self, row: Row<D>) {
        if let Some(deferred) = row.deferred {
            self.deferred.push((self.rows.len(), deferred));
        }
        self.rows.records.push(row.record);
        if let Some(groups) = row.groups {
            self.rows.group_hyperparameters.extend_from_slice(&groups);
        }
    }

    /// Completes the rows in hand and gives them to the log, unless it is failing and was tried
    /// just now.
    fn write(&mut self, at_once: bool) -> Result<()> {
        self.last_write = Instant::now();
        if !self.rows.is_empty() {
            (self.resolve)(&mut self.rows, &mut self.deferred)?;
            self.deferred.clear();
            self.watch_finite();
            self.backlog.push(&mut self.rows, &self.shared);
        }
        if at_once || self.backlog.is_due() {
            self.backlog.write(&mut *self.sink, self.clock.elapsed(), &self.shared)?;
        }
        Ok(())
    }

    fn close(mut self, ending: Ending) -> Result<LogTotals> {
        for _ in 0..LAST_ATTEMPTS {
            if !self.backlog.is_empty() {
                std::thread::sleep(TICK);
                self.write(true)?;
            }
        }
        self.backlog.complete(&mut *self.sink, &self.shared)?;
        let (lost, is_cut_short) = self.backlog.give_up(&self.shared);
        let kind =
            match self.shared.stopped().or(is_cut_short.then(|| self.shared.failure()).flatten()) {
                Some(error) => EventKind::Stopped { reason: error.to_string() },
                None => {
                    let dropped =
                        ending.rows_dropped + self.shared.rows_lost.load(Ordering::Relaxed);
                    EventKind::Finished { rows: self.sink.rows(), dropped }
                }
            };
        let last =
            Event { step: ending.step, elapsed_seconds: self.clock.elapsed().as_secs_f64(), kind };
        let told = lost.into_iter().chain([last]).try_for_each(|event| self.sink.event(&event));
        let closed = self.sink.close();
        match told.and(closed) {
            Err(error @ Error::Io { .. }) => {
                self.shared.interrupt(error);
                Ok(LogTotals::default())
            }
            outcome => outcome,
        }
    }

    /// Tells when displacements stop being finite, and when that happens again after they were.
    fn watch_finite(&mut self) {
        for record in &self.rows.records {
            let (Some(local), Some(global)) =
                (record.local_displacement_squared, record.global_displacement_squared)
            else {
                continue;
            };
            let finite = local.is_finite() && global.is_finite();
            if self.was_finite && !finite {
                self.backlog.push_event(Event {
                    step: record.step,
                    elapsed_seconds: record.elapsed_seconds,
                    kind: EventKind::NonFinite {
                        local_displacement_squared: local.to_string(),
                        global_displacement_squared: global.to_string(),
                    },
                });
            }
            self.was_finite = finite;
        }
    }
}
