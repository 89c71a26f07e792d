//! Counts steps, makes rows, tells events. Everything the training thread does is here or below.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tch::nn::Variables;
use tch::{Device, Tensor};

use super::basis::Directions;
use super::completion::complete;
use super::deltas::DeltaTap;
use super::device::DeferredRow;
use super::outside::OutsideWrites;
use super::projection::Projection;
use super::settings::{Settings, later_groups};
use super::start::warn_of_tied;
use super::summary::Summary;
use super::tracker::{Change, Tracker};
use crate::error::Result;
use crate::record::{Event, EventKind, Hyperparameters, RowBuffer, StepRecord};
use crate::recorder::{Block, Clock, Health, Recorder, Row};
use crate::variables::{self, Variable};

/// Watches parameters from step to step. [`attach`](crate::attach) holds one for tch's optimizers; a loop with an
/// optimizer of its own holds it directly ([`Options::observe`](super::Options::observe)) and calls
/// [`after_step`](Self::after_step) once a step.
///
/// No call fails, or waits for the disk (unless the queue is full and the policy is to wait), or for a device (but for
/// the few changes from outside that are told as events: their size is read at once). After an error the calls only
/// count steps; [`health`](Self::health) and [`finish`](Self::finish) return it.
///
/// During a call nobody else may write to the parameters: a network shared by several training threads (Hogwild) needs
/// an optimizer step and its observation under one lock. A process with an observer must not fork and go on training
/// in the child, which would have no thread that writes the log.
pub struct Observer {
    pub(super) tracker: Tracker,
    pub(super) recorder: Recorder<DeferredRow>,
    /// Rows that wait for their projections.
    pub(super) block: Block<DeferredRow>,
    pub(super) settings: Settings,
    /// Where variables added later are noticed, if in a store.
    pub(super) store: Option<Arc<Mutex<Variables>>>,
    /// Variables of the store or list that have been looked at, wanted or not.
    pub(super) known_variables: usize,
    pub(super) step: u64,
    pub(super) epoch: Option<u64>,
    pub(super) next_loss: Option<f64>,
    pub(super) outside: OutsideWrites,
    pub(super) directions: Directions,
    pub(super) deltas: Option<DeltaTap>,
    pub(super) clock: Clock,
    pub(super) spent: Duration,
}

impl Observer {
    /// Looks whether anything but the optimizer has changed the parameters since the last step, and for variables
    /// added to the store. Optional for hand-written optimizers: call it right before the parameters are updated.
    ///
    /// Changes are noticed by libtorch's version counter, which counts in-place operations and loaded checkpoints. What
    /// writes through `Tensor::data` is not counted, among it the steps of libtorch's own SGD: two SGD optimizers over
    /// the *same* parameters take each other's steps for their own.
    pub fn before_step(&mut self) {
        self.guarded(|observer| {
            // First, because taking up added variables takes note of the others' state too.
            observer.notice_outside_write()?;
            match &observer.store {
                Some(store) => {
                    let found = variables::variables_after(observer.known_variables, store);
                    observer.add(found)
                }
                None => Ok(()),
            }
        });
    }

    /// Records the step that has just been taken. `loss` is the loss it was taken on, if at hand: a scalar; on a
    /// device it is read later, by the worker thread.
    pub fn after_step(&mut self, loss: Option<&Tensor>) {
        // Counted also when the log has stopped: a program may end its training by this count.
        self.step += 1;
        let given_loss = self.next_loss.take();
        self.guarded(|observer| {
            let elapsed = observer.clock.elapsed();
            observer.tracker.refresh()?;
            let every = observer.settings.every_steps;
            if observer.step.is_multiple_of(every) {
                observer.record(loss, given_loss, elapsed)?;
            }
            if observer.tracker.projection().is_some_and(Projection::is_due) {
                observer.hand_over_block();
            }
            // A row tells the true one-step displacement, so that the step before it leaves a snapshot.
            if every > 1 && observer.has_snapshot() { observer.tracker.snapshot() } else { Ok(()) }
        });
    }

    /// The epoch that begins now, as the program counts them; the rows from here on carry it.
    pub fn start_epoch(&mut self, epoch: u64) {
        self.epoch = Some(epoch);
        self.settings.steps_per_epoch = None;
    }

    /// The next step's loss, for loops in which no call sees it (`step()` after gradient accumulation).
    pub fn set_next_loss(&mut self, loss: f64) {
        self.next_loss = Some(loss);
    }

    /// Examples in the batches from here on.
    pub fn set_batch_size(&mut self, batch_size: u64) {
        self.settings.batch_size = Some(batch_size);
    }

    /// Changes what the rows say of the hyperparameters, of every group (`None`) or of one. Needed only where
    /// perrin does not see the change itself: with hand-written optimizers.
    pub fn set_hyperparameters(&mut self, group: Option<usize>, change: impl Fn(&mut Hyperparameters)) {
        let settings = &mut self.settings;
        match group {
            None => settings.hyperparameters.iter_mut().for_each(change),
            // Groups that appeared after the run began have no columns.
            Some(group) => settings.hyperparameters.get_mut(group).into_iter().for_each(change),
        }
        settings.groups = later_groups(&settings.hyperparameters);
    }

    /// Steps seen.
    pub fn step_count(&self) -> u64 {
        self.step
    }

    /// Counters, or the error that has stopped the log.
    pub fn health(&self) -> Result<Health> {
        self.recorder.health()
    }

    /// Writes what is queued, closes the log and says what is in it.
    ///
    /// # Errors
    /// The first error met while observing or logging.
    pub fn finish(mut self) -> Result<Summary> {
        self.end();
        let totals = self.recorder.close()?;
        let rows_dropped = self.recorder.rows_dropped();
        let (deltas, deltas_dropped) = match &mut self.deltas {
            Some(tap) => (tap.recorder.close()?, tap.recorder.dropped()),
            None => (0, 0),
        };
        Ok(Summary {
            steps: self.step,
            rows: totals.rows,
            rows_dropped,
            bytes: totals.bytes,
            training_thread_seconds: self.spent.as_secs_f64(),
            position_correction: self.tracker.projection().and_then(Projection::largest_correction),
            deltas,
            deltas_dropped,
        })
    }

    /// Hands over what is still held back.
    fn end(&mut self) {
        self.guarded(|observer| {
            observer.hand_over_block();
            Ok(())
        });
        if let Some(kind) = self.outside.untold() {
            self.tell(self.step, kind);
        }
    }

    /// Finishes the block of projections and hands its rows to the recorder.
    pub(super) fn hand_over_block(&mut self) {
        self.tracker.finish_projection(&mut self.block.projections);
        self.recorder.block(&mut self.block);
    }

    /// Takes up variables found beyond those known.
    pub(super) fn add(&mut self, found: Vec<Variable>) -> Result<()> {
        if found.is_empty() {
            return Ok(());
        }
        self.known_variables += variables::entries(&found);
        warn_of_tied(&found);
        let names = self.tracker.add(found)?;
        if !names.is_empty() {
            self.tell(self.step + 1, EventKind::ParametersAdded { parameters: names });
        }
        Ok(())
    }

    /// Does `work` unless the log has stopped; stops it if `work` fails. Counts the time.
    pub(super) fn guarded(&mut self, work: impl FnOnce(&mut Self) -> Result<()>) {
        if self.recorder.failed() {
            return;
        }
        let start = Instant::now();
        if let Err(error) = work(self) {
            self.recorder.stop(error);
        }
        self.spent += start.elapsed();
    }

    /// Whether the values before the next step are at hand.
    fn has_snapshot(&self) -> bool {
        (self.step + 1).is_multiple_of(self.settings.every_steps)
    }

    fn notice_outside_write(&mut self) -> Result<()> {
        if !self.tracker.is_changed() {
            return Ok(());
        }
        let tell = self.outside.count_one();
        if tell {
            self.outside.parameters = self.tracker.changed_names(OutsideWrites::NAMES);
        }
        self.tracker.refresh()?;
        self.outside.displacement_squared = None;
        if self.has_snapshot() {
            // This measures the change, and leaves it out of the next step's displacement.
            let mut deferred = DeferredRow::default();
            let mut jump = StepRecord::default();
            let displacement = self.tracker.measure(Change::Outside, &mut deferred)?;
            jump.local_displacement_squared = Some(displacement.local_squared);
            // Reading it may wait for a device, so only when it is told.
            if tell {
                deferred.positions.clear();
                deferred.moved.clear();
                let mut rows = RowBuffer { records: vec![jump], ..RowBuffer::default() };
                complete(&mut rows, &mut vec![(0, deferred)])?;
                self.outside.displacement_squared = rows.records[0].local_displacement_squared;
            }
        }
        if tell {
            let kind = self.outside.event();
            self.tell(self.step + 1, kind);
        }
        Ok(())
    }

    fn record(&mut self, loss: Option<&Tensor>, given_loss: Option<f64>, elapsed: Duration) -> Result<()> {
        let mut deferred = DeferredRow::default();
        let loss_now = match loss {
            Some(loss) if loss.device() == Device::Cpu => loss.f_double_value(&[]).ok(),
            Some(loss) if loss.numel() == 1 => {
                deferred.loss = loss.f_detach().ok();
                None
            }
            Some(_) => None,
            None => given_loss,
        };
        self.tap_delta()?;
        let change = if self.settings.every_steps == 1 { Change::Step } else { Change::StepAfterGap };
        let displacement = self.tracker.measure(change, &mut deferred)?;
        if self.settings.gradient_norm {
            self.tracker.measure_gradients(&mut deferred)?;
        }
        let record = StepRecord {
            step: self.step,
            epoch: match self.settings.steps_per_epoch {
                Some(steps) => Some((self.step - 1) / steps + 1),
                None => self.epoch,
            },
            elapsed_seconds: elapsed.as_secs_f64(),
            hyperparameters: self.settings.hyperparameters.first().copied().unwrap_or_default(),
            batch_size: self.settings.batch_size,
            loss: loss_now,
            gradient_norm_squared: None,
            local_displacement_squared: Some(displacement.local_squared),
            global_displacement_squared: Some(displacement.global_squared),
            basis: self.directions.basis,
        };
        let deferred = if deferred.is_empty() { None } else { Some(deferred) };
        let row = Row { record, groups: self.settings.groups.clone(), deferred };
        match self.tracker.projection() {
            Some(_) => self.block.rows.push(row),
            None => self.recorder.row(row),
        }
        Ok(())
    }

    pub(super) fn tell(&mut self, step: u64, kind: EventKind) {
        self.recorder.event(Event { step, elapsed_seconds: self.clock.elapsed().as_secs_f64(), kind });
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.end();
    }
}
