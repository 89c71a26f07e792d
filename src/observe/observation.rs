//! Counts steps, makes rows, tells events. Everything the training thread does is here or below.

use std::cell::Cell;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tch::nn::Variables;
use tch::{Device, Tensor};

use super::completion::complete;
use super::delta_choice::DeltaTap;
use super::device::DeferredRow;
use super::directions::Directions;
use super::outside::OutsideWrites;
use super::projection::Projection;
use super::settings::{Settings, later_groups};
use super::summary::Summary;
use super::tracker::{Change, Tracker};
use crate::error::Result;
use crate::record::{Event, EventKind, Hyperparameters, RowBuffer, StepRecord};
use crate::recorder::{Block, Clock, Health, Recorder, Row};
use crate::variables;

/// An observer at work: an [`Observer`](super::Observer) that has parameters to watch and a log to
/// write.
pub(super) struct Observation {
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
    pub(super) spent: Cell<Duration>,
    /// Norms of the next step's gradients, where they were taken before the step.
    pub(super) gradient_norms: Cell<Option<Vec<Tensor>>>,
}

impl Observation {
    /// See [`Observer::before_step`](super::Observer::before_step). `list` gives the optimizer's
    /// variables where there is no store.
    pub fn before_step(&mut self, list: impl FnOnce() -> Vec<Tensor>) {
        self.guarded(|observation| {
            // First, because taking up added variables takes note of the others' state too.
            observation.notice_outside_write()?;
            let known = observation.known_variables;
            let found = match &observation.store {
                Some(store) => variables::variables_after(known, store),
                None => variables::list_after(known, list()),
            };
            observation.add(found)
        });
    }

    /// See [`Observer::after_step`](super::Observer::after_step).
    pub fn after_step(&mut self, loss: Option<&Tensor>) {
        // Counted also when the log has stopped: a program may end its training by this count.
        self.step += 1;
        let given_loss = self.next_loss.take();
        self.guarded(|observation| {
            let elapsed = observation.clock.elapsed();
            observation.tracker.refresh()?;
            if observation.makes_row(observation.step) {
                observation.record(loss, given_loss, elapsed)?;
            }
            if observation.tracker.projection().is_some_and(Projection::is_due) {
                observation.hand_over_block();
            }
            // A row tells the true one-step displacement, so that the step before it leaves a
            // snapshot.
            let gaps = observation.settings.every_steps > 1;
            if gaps && observation.makes_row(observation.step + 1) {
                observation.tracker.snapshot()
            } else {
                Ok(())
            }
        });
    }

    /// See [`Observer::measure_gradient`](super::Observer::measure_gradient). What was taken first
    /// since the last step counts.
    pub fn measure_gradient(&self) {
        if !self.settings.gradient_norm || !self.makes_row(self.step + 1) || self.recorder.failed()
        {
            return;
        }
        let start = Instant::now();
        let norms = self.gradient_norms.take().map_or_else(|| self.tracker.gradient_norms(), Ok);
        match norms {
            Ok(norms) => self.gradient_norms.set(Some(norms)),
            Err(error) => self.recorder.stop(error),
        }
        self.spent.set(self.spent.get() + start.elapsed());
    }

    /// The gradients begin anew: what was taken of them does not count.
    pub fn forget_gradient(&self) {
        self.gradient_norms.set(None);
    }

    pub fn start_epoch(&mut self, epoch: u64) {
        self.epoch = Some(epoch);
        self.settings.steps_per_epoch = None;
    }

    pub fn set_hyperparameters(
        &mut self,
        group: Option<usize>,
        change: impl Fn(&mut Hyperparameters),
    ) {
        let settings = &mut self.settings;
        match group {
            None => settings.hyperparameters.iter_mut().for_each(change),
            // Groups that appeared after the run began have no columns.
            Some(group) => settings.hyperparameters.get_mut(group).into_iter().for_each(change),
        }
        settings.groups = later_groups(&settings.hyperparameters);
    }

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
            training_thread_seconds: self.spent.get().as_secs_f64(),
            position_correction: self.tracker.projection().and_then(Projection::largest_correction),
            deltas,
            deltas_dropped,
        })
    }

    /// So many steps have been taken already.
    pub fn go_on_after(&mut self, step: u64) {
        self.step = step;
        self.recorder.resume_after(step);
    }

    /// Hands over what is still held back.
    fn end(&mut self) {
        self.guarded(|observation| {
            observation.hand_over_block();
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

    /// Does `work` unless the log has stopped; stops it if `work` fails. Counts the time.
    pub(super) fn guarded(&mut self, work: impl FnOnce(&mut Self) -> Result<()>) {
        if self.recorder.failed() {
            return;
        }
        let start = Instant::now();
        if let Err(error) = work(self) {
            self.recorder.stop(error);
        }
        self.spent.set(self.spent.get() + start.elapsed());
    }

    fn makes_row(&self, step: u64) -> bool {
        step.is_multiple_of(self.settings.every_steps)
    }

    /// Tells a change that was no step. One that ends where it began (averaged weights swapped in
    /// and out again) is none.
    fn notice_outside_write(&mut self) -> Result<()> {
        if !self.tracker.is_changed() {
            return Ok(());
        }
        self.outside.parameters = self.tracker.changed_names(OutsideWrites::NAMES);
        self.tracker.refresh()?;
        let displacement_squared = self.measure_outside_write()?;
        if displacement_squared != Some(0.0) && self.outside.count_one(displacement_squared) {
            let kind = self.outside.event();
            self.tell(self.step + 1, kind);
        }
        Ok(())
    }

    /// The change's squared length, which is left out of the next step's displacement. `None` where
    /// the values before it are not at hand, and where reading it would make many steps wait for a
    /// device.
    fn measure_outside_write(&mut self) -> Result<Option<f64>> {
        if !self.makes_row(self.step) && !self.makes_row(self.step + 1) {
            return Ok(None);
        }
        let mut deferred = DeferredRow::default();
        let displacement = self.tracker.measure(Change::Outside, &mut deferred)?;
        if deferred.is_empty() {
            return Ok(Some(displacement.local_squared));
        }
        if !self.outside.reads_device() {
            return Ok(None);
        }
        deferred.positions.clear();
        deferred.moved.clear();
        let local_displacement_squared = Some(displacement.local_squared);
        let jump = StepRecord { local_displacement_squared, ..StepRecord::default() };
        let mut rows = RowBuffer { records: vec![jump], ..RowBuffer::default() };
        complete(&mut rows, &mut vec![(0, deferred)])?;
        Ok(rows.records[0].local_displacement_squared)
    }

    fn record(
        &mut self,
        loss: Option<&Tensor>,
        given_loss: Option<f64>,
        elapsed: Duration,
    ) -> Result<()> {
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
        let change =
            if self.settings.every_steps == 1 { Change::Step } else { Change::StepAfterGap };
        let displacement = self.tracker.measure(change, &mut deferred)?;
        if self.settings.gradient_norm {
            deferred.gradient =
                self.gradient_norms.take().map_or_else(|| self.tracker.gradient_norms(), Ok)?;
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
        self.recorder.event(Event {
            step,
            elapsed_seconds: self.clock.elapsed().as_secs_f64(),
            kind,
        });
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        self.end();
    }
}
