//! The latest row through the [`metrics`] facade, for whatever exporter the program has installed
//! (feature `metrics`).
//!
//! | name | kind | is |
//! |---|---|---|
//! | `perrin_step`, `perrin_epoch`, `perrin_elapsed_seconds` | gauge | of the latest row |
//! | `perrin_learning_rate`, `perrin_momentum`, `perrin_weight_decay`, `perrin_batch_size` | gauge | of the latest row, parameter group 0 |
//! | `perrin_loss`, `perrin_gradient_norm_squared` | gauge | of the latest row |
//! | `perrin_local_displacement_squared`, `perrin_global_displacement_squared` | gauge | of the latest row, eq. 1 |
//! | `perrin_rows_written`, `perrin_rows_dropped` | counter | rows written to the log, and rows missing from it, since this process observes |
//! | `perrin_failing` | gauge | 1 while the log cannot be written, or when an error has stopped it; else 0 |
//!
//! All have the label `run`, the run's folder. What is not known is NaN. The names and meanings are
//! those of the log's columns.
//!
//! The worker thread sets them after each block it has written, at most a few times a second; the
//! training thread does nothing for them. The facade's global recorder is asked for each time, so
//! that an exporter may be installed after observation began; without one, they go nowhere.

use std::path::Path;
use std::time::Duration;

use metrics::{SharedString, counter, describe_counter, describe_gauge, gauge};

use super::message::{Basis, Joined};
use super::sink::Sink;
use crate::error::Result;
use crate::record::{Event, EventKind, Layout, RowBuffer, StepRecord};
use crate::run::{LogTotals, LostRows};

/// A [`Sink`] that hands everything on to another one, and publishes what was written.
pub struct MetricsSink<S> {
    sink: S,
    run: SharedString,
    described: bool,
}

impl<S: Sink> MetricsSink<S> {
    /// Publishes what goes to `sink`, under the name of the run's folder.
    pub fn new(sink: S, folder: &Path) -> Self {
        MetricsSink { sink, run: folder.display().to_string().into(), described: false }
    }

    fn publish(&mut self, row: &StepRecord, rows: usize) {
        if !self.described {
            self.described = true;
            describe();
            counter!("perrin_rows_dropped", "run" => self.run.clone()).increment(0);
        }
        for (name, value) in gauges(row) {
            gauge!(name, "run" => self.run.clone()).set(value.unwrap_or(f64::NAN));
        }
        counter!("perrin_rows_written", "run" => self.run.clone()).increment(rows as u64);
    }

    fn failing(&self, failing: bool) {
        gauge!("perrin_failing", "run" => self.run.clone()).set(f64::from(u8::from(failing)));
    }

    /// Says so if something failed; that it no longer does is for the next block to show.
    fn noting<T>(&self, outcome: Result<T>) -> Result<T> {
        if outcome.is_err() {
            self.failing(true);
        }
        outcome
    }
}

impl<S: Sink> Sink for MetricsSink<S> {
    fn append(&mut self, rows: &RowBuffer) -> Result<()> {
        let appended = self.sink.append(rows);
        self.failing(appended.is_err());
        appended?;
        if let Some(last) = rows.records.last() {
            self.publish(last, rows.len());
        }
        Ok(())
    }

    fn event(&mut self, event: &Event) -> Result<()> {
        let told = self.sink.event(event);
        match &event.kind {
            // What was not told is told again.
            EventKind::RowsDropped { count, .. } if told.is_ok() => {
                counter!("perrin_rows_dropped", "run" => self.run.clone()).increment(*count);
            }
            EventKind::Stopped { .. } => self.failing(true),
            _ => {}
        }
        self.noting(told)
    }

    fn basis(&mut self, basis: &Basis) -> Result<()> {
        let told = self.sink.basis(basis);
        self.noting(told)
    }

    fn joined(&mut self, joined: &Joined) -> Result<()> {
        let told = self.sink.joined(joined);
        self.noting(told)
    }

    fn layout(&self) -> Layout {
        self.sink.layout()
    }

    fn rows(&self) -> u64 {
        self.sink.rows()
    }

    fn take_lost(&mut self) -> Option<LostRows> {
        self.sink.take_lost()
    }

    fn complete(&mut self) -> Result<()> {
        let outcome = self.sink.complete();
        self.noting(outcome)
    }

    fn tick(&mut self, now: Duration) -> Result<()> {
        let outcome = self.sink.tick(now);
        self.noting(outcome)
    }

    fn close(self: Box<Self>) -> Result<LogTotals> {
        let MetricsSink { sink, run, .. } = *self;
        let outcome = Box::new(sink).close();
        if outcome.is_err() {
            gauge!("perrin_failing", "run" => run).set(1.0);
        }
        outcome
    }
}

fn gauges(row: &StepRecord) -> [(&'static str, Option<f64>); 11] {
    let whole = |value: Option<u64>| value.map(|value| value as f64);
    [
        ("perrin_step", whole(Some(row.step))),
        ("perrin_epoch", whole(row.epoch)),
        ("perrin_elapsed_seconds", Some(row.elapsed_seconds)),
        ("perrin_learning_rate", row.hyperparameters.learning_rate),
        ("perrin_momentum", row.hyperparameters.momentum),
        ("perrin_weight_decay", row.hyperparameters.weight_decay),
        ("perrin_batch_size", whole(row.batch_size)),
        ("perrin_loss", row.loss),
        ("perrin_gradient_norm_squared", row.gradient_norm_squared),
        ("perrin_local_displacement_squared", row.local_displacement_squared),
        ("perrin_global_displacement_squared", row.global_displacement_squared),
    ]
}

fn describe() {
    describe_gauge!("perrin_step", "Optimizer steps taken, at the latest row of the log.");
    describe_gauge!(
        "perrin_elapsed_seconds",
        "Seconds since observation began, at the latest row."
    );
    describe_gauge!("perrin_loss", "Loss of the mini-batch of the latest row.");
    describe_gauge!(
        "perrin_local_displacement_squared",
        "Squared length of the latest row's step."
    );
    describe_gauge!(
        "perrin_global_displacement_squared",
        "Squared distance from the reference point at the latest row."
    );
    describe_gauge!(
        "perrin_failing",
        "1 while the log cannot be written, or when an error has stopped it."
    );
    describe_counter!("perrin_rows_written", "Rows written to the log.");
    describe_counter!(
        "perrin_rows_dropped",
        "Rows missing from the log: it could not keep up, or not be written."
    );
}
