//! The worker's side: drain, complete, write.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TryRecvError};

use super::message::{Basis, Block, Ending, Message, Row};
use super::sink::Sink;
use crate::error::{Error, Result};
use crate::log::LogTotals;
use crate::record::{Event, EventKind, RowBuffer};

/// How often the worker looks by itself.
const TICK: Duration = Duration::from_millis(100);
/// Rows are written at least this often, so that a reader lags a second at most and a killed process loses no more.
const WRITE_EVERY: Duration = Duration::from_millis(400);
/// Rows are written as soon as there are this many: bounds the worker's memory.
const WRITE_ROWS: usize = 4_096;

/// What both threads see.
#[derive(Debug)]
pub(super) struct Shared {
    folder: PathBuf,
    pub failed: AtomicBool,
    pub rows_written: AtomicU64,
    error: Mutex<Option<Arc<Error>>>,
}

impl Shared {
    pub fn new(folder: &Path) -> Self {
        Shared {
            folder: folder.to_owned(),
            failed: AtomicBool::new(false),
            rows_written: AtomicU64::new(0),
            error: Mutex::new(None),
        }
    }

    pub fn error(&self) -> Option<Arc<Error>> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The error for a worker that panicked.
    pub fn lost(&self, panic: &(dyn Any + Send)) -> Error {
        let reason = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned());
        Error::WorkerLost { path: self.folder.clone(), reason }
    }

    /// Keeps the first error and says it once; returns it for the caller to return.
    pub fn stop(&self, error: Error) -> Error {
        let mut slot = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        let first = slot.get_or_insert_with(|| {
            tracing::error!(run = %self.folder.display(), %error, "logging stopped, training goes on");
            Arc::new(error)
        });
        self.failed.store(true, Ordering::Relaxed);
        Error::Stopped(Arc::clone(first))
    }
}

type Resolve<D> = Box<dyn FnMut(&mut RowBuffer, &mut Vec<(usize, D)>) -> Result<()> + Send>;

pub(super) struct Worker<D> {
    receiver: Receiver<Message<D>>,
    give_back: Sender<Block<D>>,
    sink: Box<dyn Sink>,
    resolve: Resolve<D>,
    began: Instant,
    shared: Arc<Shared>,
    rows: RowBuffer,
    deferred: Vec<(usize, D)>,
    events: Vec<Event>,
    bases: Vec<Basis>,
    /// Projections of a row.
    projections: usize,
    last_write: Instant,
    was_finite: bool,
}

impl<D> Worker<D> {
    pub fn new(
        (receiver, give_back): (Receiver<Message<D>>, Sender<Block<D>>),
        sink: Box<dyn Sink>,
        resolve: Resolve<D>,
        began: Instant,
        shared: Arc<Shared>,
    ) -> Self {
        Worker {
            receiver,
            give_back,
            projections: 2 * sink.layout().directions,
            sink,
            resolve,
            began,
            shared,
            rows: RowBuffer::default(),
            deferred: Vec::new(),
            events: Vec::new(),
            bases: Vec::new(),
            last_write: began,
            was_finite: true,
        }
    }

    /// Runs until the training thread finishes, or the first error.
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
                self.write()?;
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
                Ok(Message::Event(event)) => self.events.push(event),
                Ok(Message::Basis(basis)) => self.bases.push(*basis),
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

    fn write(&mut self) -> Result<()> {
        self.last_write = Instant::now();
        // Before the rows that are along it.
        for basis in self.bases.drain(..) {
            self.sink.basis(&basis)?;
        }
        if !self.rows.is_empty() {
            (self.resolve)(&mut self.rows, &mut self.deferred)?;
            self.deferred.clear();
            self.watch_finite();
            self.sink.append(&self.rows)?;
            self.shared.rows_written.fetch_add(self.rows.len() as u64, Ordering::Relaxed);
            self.rows.clear();
        }
        for event in self.events.drain(..) {
            self.sink.event(&event)?;
        }
        self.sink.tick(self.began.elapsed())
    }

    fn close(mut self, ending: Ending) -> Result<LogTotals> {
        let rows = self.shared.rows_written.load(Ordering::Relaxed);
        let kind = match self.shared.error() {
            None => EventKind::Finished { rows, dropped: ending.rows_dropped },
            Some(error) => EventKind::Stopped { reason: error.to_string() },
        };
        let elapsed_seconds = self.began.elapsed().as_secs_f64();
        self.sink.event(&Event { step: ending.step, elapsed_seconds, kind })?;
        self.sink.close()
    }

    /// Tells when displacements stop being finite, and when that happens again after they were.
    fn watch_finite(&mut self) {
        for record in &self.rows.records {
            let (Some(local), Some(global)) = (record.local_displacement_squared, record.global_displacement_squared)
            else {
                continue;
            };
            let finite = local.is_finite() && global.is_finite();
            if self.was_finite && !finite {
                self.events.push(Event {
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
