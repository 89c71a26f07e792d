//! A recorder and a log whose clock runs fast, and rows through both.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use perrin::Result;
use perrin::record::{Event, RowBuffer};
use perrin::recorder::{Block, QueueOptions, Recorder, Row, Sink};
use perrin::run::{LogTotals, LostRows, RunWriter};

use super::common::rows;

/// A log whose clock runs so fast that each block makes a segment.
pub struct Fast {
    writer: RunWriter,
    ticks: u64,
    /// Called with the last step of each block that is in the log.
    appended: fn(u64),
}

impl Sink for Fast {
    fn append(&mut self, rows: &RowBuffer) -> Result<()> {
        self.writer.append(rows)?;
        (self.appended)(rows.records.last().unwrap().step);
        Ok(())
    }

    fn event(&mut self, event: &Event) -> Result<()> {
        self.writer.event(event)
    }

    fn tick(&mut self, _: Duration) -> Result<()> {
        // A segment's age counts from its first tick.
        self.writer.roll_if_due(Duration::from_secs(1_000 * self.ticks))?;
        self.ticks += 1;
        self.writer.roll_if_due(Duration::from_secs(1_000 * self.ticks))
    }

    fn rows(&self) -> u64 {
        self.writer.totals().rows
    }

    fn take_lost(&mut self) -> Option<LostRows> {
        self.writer.take_lost()
    }

    fn complete(&mut self) -> Result<()> {
        self.writer.complete()
    }

    fn close(self: Box<Self>) -> Result<LogTotals> {
        self.writer.close()
    }
}

pub fn start(writer: RunWriter, directory: &Path) -> Recorder<()> {
    start_and_tell(writer, directory, |_| {})
}

pub fn start_and_tell(writer: RunWriter, directory: &Path, appended: fn(u64)) -> Recorder<()> {
    let options = QueueOptions { capacity: 64, ..QueueOptions::default() };
    let sink = Fast { writer, ticks: 0, appended };
    Recorder::start(sink, directory, Instant::now(), options, |_, _| Ok(())).unwrap()
}

/// Hands over the rows of steps, a thousand a block.
pub fn record(recorder: &mut Recorder<()>, steps: Range<u64>) {
    for first in steps.clone().step_by(1_000) {
        let made = recorded(first..(first + 1_000).min(steps.end));
        let mut block = Block::default();
        for (record, groups) in made.records.iter().zip(&made.group_hyperparameters) {
            block.rows.push(Row {
                record: *record,
                groups: Some(Arc::from([*groups])),
                deferred: None,
            });
        }
        block.projections.extend(made.projections.iter().flatten());
        recorder.block(&mut block);
    }
}

/// The rows of `common::rows`, but a recorder's projections are never null, and there are no tables
/// of bases.
pub fn recorded(steps: impl Iterator<Item = u64>) -> RowBuffer {
    let mut all = RowBuffer::default();
    for step in steps {
        let mut row = rows(step..step + 1);
        row.records.iter_mut().for_each(|record| record.basis = None);
        row.projections.iter_mut().for_each(|value| *value = Some(value.unwrap_or(-1.0)));
        all.records.append(&mut row.records);
        all.group_hyperparameters.append(&mut row.group_hyperparameters);
        all.projections.append(&mut row.projections);
    }
    all
}

/// Waits, at most a minute, for what the recorder says of itself.
pub fn wait_until(recorder: &Recorder<()>, wanted: impl Fn(&Recorder<()>) -> bool) {
    let since = Instant::now();
    while !wanted(recorder) {
        assert!(since.elapsed() < Duration::from_secs(60), "waited for a minute");
        std::thread::yield_now();
    }
}
