//! What the log has not taken yet. Usually that is the block in hand; while the log cannot be
//! written, all that fits.

use std::collections::VecDeque;
use std::mem::size_of;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::message::{Basis, Dropped, Joined};
use super::shared::Shared;
use super::sink::Sink;
use crate::error::{Error, Result};
use crate::record::{Event, EventKind, Hyperparameters, RowBuffer, StepRecord};
use crate::run::LostRows;

/// Rows are written as soon as there are this many: bounds the worker's memory.
pub(super) const WRITE_ROWS: usize = 4_096;

/// Memory of the rows kept while the log cannot be written. A minute of the fastest loops with 30
/// projections.
const KEPT_BYTES: usize = 64 << 20;
/// Events kept meanwhile.
const KEPT_EVENTS: usize = 4_096;
/// The first wait after a failure; the next ones are twice as long each, up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(400);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Rows and events that wait for the log, oldest first.
#[derive(Default)]
pub(super) struct Backlog {
    blocks: VecDeque<RowBuffer>,
    bytes: usize,
    /// Memory of a block that was written.
    spare: Option<RowBuffer>,
    events: VecDeque<Event>,
    /// Few: each took many Hessian-vector products to find. While the log cannot be written only
    /// the last one has its vectors, which are large.
    bases: VecDeque<WaitingBasis>,
    /// Parameters that joined.
    joined: VecDeque<Joined>,
    /// Rows for which there was no room.
    lost: Option<Dropped>,
    /// Events that tell of rows that were written and then removed by somebody.
    gone: VecDeque<Event>,
    /// Step of the last row that was written.
    last_step: u64,
    failure: Option<Failure>,
}

struct WaitingBasis {
    basis: Basis,
    /// Why its vectors will not be kept, though they were to be.
    not_kept: Option<String>,
}

impl WaitingBasis {
    fn forget_vectors(&mut self) {
        self.basis.keep_vectors = false;
        self.basis.eigenvectors.eigenvectors = Arc::default();
    }

    /// Writes it; without its vectors, if only these cannot be written.
    fn write(&mut self, sink: &mut dyn Sink) -> Result<()> {
        match sink.basis(&self.basis) {
            Err(error @ Error::Io { .. }) if self.basis.keep_vectors => {
                self.basis.keep_vectors = false;
                if sink.basis(&self.basis).is_err() {
                    self.basis.keep_vectors = true;
                    return Err(error);
                }
                self.not_kept = Some(error.to_string());
                Ok(())
            }
            outcome => outcome,
        }
    }
}

/// A while in which the log cannot be written.
struct Failure {
    since: Instant,
    reason: String,
    wait: Duration,
    next_attempt: Instant,
    events_lost: u64,
}

impl Backlog {
    /// Takes a block of rows, or forgets and counts them if there is no room; leaves an empty
    /// buffer.
    pub fn push(&mut self, rows: &mut RowBuffer, shared: &Shared) {
        let (Some(first), Some(last)) = (rows.records.first(), rows.records.last()) else { return };
        let bytes = bytes_of(rows);
        // Once a row is lost the later ones are too, until there is room for many: one gap, not a
        // hundred.
        let full = self.lost.is_some() || self.bytes + bytes > KEPT_BYTES;
        if full && !self.blocks.is_empty() {
            let count = rows.len() as u64;
            self.lost =
                Some(Dropped::with(self.lost, count, first.step..=last.step, last.elapsed_seconds));
            shared.rows_lost.fetch_add(count, Ordering::Relaxed);
            rows.clear();
            return;
        }
        self.bytes += bytes;
        match self.blocks.back_mut() {
            Some(block) if block.len() + rows.len() <= WRITE_ROWS => {
                block.records.append(&mut rows.records);
                block.group_hyperparameters.append(&mut rows.group_hyperparameters);
                block.projections.append(&mut rows.projections);
            }
            _ => self
                .blocks
                .push_back(std::mem::replace(rows, self.spare.take().unwrap_or_default())),
        }
    }

    pub fn push_event(&mut self, event: Event) {
        match &mut self.failure {
            Some(failure) if self.events.len() >= KEPT_EVENTS => failure.events_lost += 1,
            _ => self.events.push_back(event),
        }
    }

    pub fn push_joined(&mut self, joined: Joined) {
        self.joined.push_back(joined);
    }

    pub fn push_basis(&mut self, basis: Basis) {
        let mut waiting = WaitingBasis { basis, not_kept: None };
        if !waiting.basis.keep_vectors {
            waiting.forget_vectors();
        }
        self.bases.push_back(waiting);
        if let Some(failure) = &self.failure {
            forget_earlier_vectors(&mut self.bases, &failure.reason);
        }
    }

    /// Whether it is time to write: always, except while waiting for a failure to pass.
    pub fn is_due(&self) -> bool {
        self.failure.as_ref().is_none_or(|failure| Instant::now() >= failure.next_attempt)
    }

    /// Writes everything; an error that may pass is taken note of.
    ///
    /// # Errors
    /// One that will not pass.
    pub fn write(&mut self, sink: &mut dyn Sink, now: Duration, shared: &Shared) -> Result<()> {
        if let Err(error) = self.flush(sink, now, shared) {
            self.take_lost(sink, shared)?;
            return self.failed(error, true, shared);
        }
        // Segments that cannot be finished do not keep rows from being appended.
        let outcome = sink.tick(now);
        let is_lost = self.take_lost(sink, shared)?;
        if let Err(error) = outcome {
            return self.failed(error, false, shared);
        }
        if is_lost {
            return Ok(());
        }
        let Some(failure) = &self.failure else { return Ok(()) };
        let seconds = failure.since.elapsed().as_secs_f64();
        let kind = EventKind::Interrupted {
            reason: failure.reason.clone(),
            seconds,
            events_lost: failure.events_lost,
        };
        let event = Event { step: self.last_step + 1, elapsed_seconds: now.as_secs_f64(), kind };
        if let Err(error) = sink.event(&event) {
            return self.failed(error, true, shared);
        }
        self.failure = None;
        shared.go_on();
        Ok(())
    }

    /// Finishes what is open, before the log's last event.
    ///
    /// # Errors
    /// One that will not pass.
    pub fn complete(&mut self, sink: &mut dyn Sink, shared: &Shared) -> Result<()> {
        let outcome = sink.complete();
        self.take_lost(sink, shared)?;
        outcome.or_else(|error| self.failed(error, false, shared))
    }

    /// Counts rows that had been written and are in the log no longer; whether there are any.
    fn take_lost(&mut self, sink: &mut dyn Sink, shared: &Shared) -> Result<bool> {
        let Some(lost) = sink.take_lost() else { return Ok(false) };
        let LostRows { count, first_step, last_step, elapsed_seconds, .. } = lost;
        let written = &shared.rows_written;
        written.store(written.load(Ordering::Relaxed).saturating_sub(count), Ordering::Relaxed);
        shared.rows_lost.fetch_add(count, Ordering::Relaxed);
        // Another event than that of rows for which there was no room.
        self.gone
            .push_back(Dropped::with(None, count, first_step..=last_step, elapsed_seconds).event());
        self.failed(lost.error(), false, shared).map(|()| true)
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
            && self.bases.is_empty()
            && self.events.is_empty()
            && self.joined.is_empty()
            && self.lost.is_none()
            && self.gone.is_empty()
    }

    /// Forgets and counts what is left, when there will be no other attempt. Returns the events
    /// that tell of it, and whether the log ends before the run did.
    pub fn give_up(&mut self, shared: &Shared) -> (Vec<Event>, bool) {
        for rows in self.blocks.drain(..) {
            let (Some(first), Some(last)) = (rows.records.first(), rows.records.last()) else {
                continue;
            };
            let (count, steps) = (rows.len() as u64, first.step..=last.step);
            shared.rows_lost.fetch_add(count, Ordering::Relaxed);
            self.lost = Some(Dropped::with(self.lost, count, steps, last.elapsed_seconds));
        }
        let is_cut_short = self.lost.is_some();
        (self.gone.drain(..).chain(self.lost.take().map(Dropped::event)).collect(), is_cut_short)
    }

    fn flush(&mut self, sink: &mut dyn Sink, now: Duration, shared: &Shared) -> Result<()> {
        // Before the first rows that they are part of.
        let not_kept = self.write_joined(sink)?;
        // Before the rows that are along them.
        while let Some(waiting) = self.bases.front_mut() {
            waiting.write(sink)?;
            if let Some(WaitingBasis { basis, not_kept: Some(reason) }) = self.bases.pop_front() {
                tracing::warn!(
                    basis = basis.number,
                    reason,
                    "eigenvectors could not be written and are not kept"
                );
                let kind = EventKind::EigenvectorsNotKept { basis: basis.number, reason };
                self.push_event(Event {
                    step: basis.step + 1,
                    elapsed_seconds: now.as_secs_f64(),
                    kind,
                });
            }
        }
        while let Some(rows) = self.blocks.front_mut() {
            match sink.append(rows) {
                // What is too large for a file of its own may go into two.
                Err(error) if error.is_file_too_large() && rows.len() > 1 => {
                    let later = rows.split_off(rows.len() / 2);
                    self.blocks.insert(1, later);
                    continue;
                }
                outcome => outcome?,
            }
            shared.rows_written.fetch_add(rows.len() as u64, Ordering::Relaxed);
            self.last_step = rows.records.last().map_or(self.last_step, |row| row.step);
            self.bytes -= bytes_of(rows);
            self.spare = self.blocks.pop_front();
            self.spare.iter_mut().for_each(RowBuffer::clear);
        }
        if let Some(lost) = self.lost {
            sink.event(&lost.event())?;
            self.lost = None;
        }
        while let Some(event) = self.gone.front() {
            sink.event(event)?;
            self.gone.pop_front();
        }
        while let Some(event) = self.events.front() {
            sink.event(event)?;
            self.events.pop_front();
        }
        if let Some(error) = not_kept {
            while let Some(joined) = self.joined.front() {
                sink.event(&joined.event())?;
                tracing::warn!(%error, step = joined.step, "where added parameters were could not be written and is not kept");
                self.joined.pop_front();
            }
        }
        Ok(())
    }

    /// Writes parameters that joined, and tells of them; the error by which their reference points
    /// cannot be written. They then wait for what else there is: if all that can be written, they
    /// are told without them.
    fn write_joined(&mut self, sink: &mut dyn Sink) -> Result<Option<Error>> {
        while let Some(joined) = self.joined.front() {
            match sink.joined(joined).and_then(|()| sink.event(&joined.event())) {
                Err(error @ Error::Io { .. }) => return Ok(Some(error)),
                outcome => outcome?,
            }
            self.joined.pop_front();
        }
        Ok(None)
    }

    fn failed(&mut self, error: Error, waits: bool, shared: &Shared) -> Result<()> {
        if !matches!(error, Error::Io { .. }) {
            return Err(error);
        }
        let now = Instant::now();
        let failure = self.failure.get_or_insert_with(|| Failure {
            since: now,
            reason: error.to_string(),
            wait: FIRST_WAIT,
            next_attempt: now,
            events_lost: 0,
        });
        if waits {
            failure.next_attempt = now + failure.wait;
            failure.wait = (2 * failure.wait).min(LONGEST_WAIT);
        }
        forget_earlier_vectors(&mut self.bases, &failure.reason);
        shared.interrupt(error);
        Ok(())
    }
}

/// Lets the vectors of all bases but the last go.
fn forget_earlier_vectors(bases: &mut VecDeque<WaitingBasis>, reason: &str) {
    let earlier = bases.len().saturating_sub(1);
    for waiting in bases.range_mut(..earlier).filter(|waiting| waiting.basis.keep_vectors) {
        waiting.not_kept = Some(reason.to_owned());
        waiting.forget_vectors();
    }
}

fn bytes_of(rows: &RowBuffer) -> usize {
    rows.len() * size_of::<StepRecord>()
        + rows.group_hyperparameters.len() * size_of::<Hyperparameters>()
        + rows.projections.len() * size_of::<Option<f64>>()
}
