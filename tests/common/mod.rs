//! Rows to log, and the log's rows back, for the tests of the log.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::ops::Range;
use std::path::Path;

use perrin::record::{Hyperparameters, Layout, RowBuffer, RunInfo, StepRecord};
use perrin::run::storage::Disk;
use perrin::run::{Compaction, Encoding, Run, RunWriter, compact_on, rows_from_batch};

/// Two parameter groups and three directions: 12 + 3 + 6 columns.
pub fn layout() -> Layout {
    Layout { parameter_groups: 2, directions: 3 }
}

pub fn info() -> RunInfo {
    RunInfo { layout: layout(), ..RunInfo::default() }
}

pub fn writer(directory: &Path) -> RunWriter {
    RunWriter::create(directory, &info(), Vec::new()).unwrap()
}

/// Rows whose every value tells the step it belongs to; each kind of value is null now and then.
pub fn rows(steps: Range<u64>) -> RowBuffer {
    let mut rows = RowBuffer::default();
    for step in steps {
        let number = step as f64;
        let unless = |divisor: u64, value: f64| (!step.is_multiple_of(divisor)).then_some(value);
        rows.records.push(StepRecord {
            step,
            epoch: (!step.is_multiple_of(2)).then_some(step / 100),
            elapsed_seconds: number * 0.011,
            hyperparameters: Hyperparameters {
                learning_rate: unless(3, 1e-3),
                momentum: unless(4, 0.9),
                weight_decay: unless(5, 5e-4),
            },
            batch_size: (!step.is_multiple_of(6)).then_some(128),
            loss: unless(7, (number * 0.1).sin()),
            gradient_norm_squared: None,
            local_displacement_squared: unless(8, number.sqrt()),
            global_displacement_squared: unless(9, number.powf(1.2)),
            // Late, because there are no tables for them, which `check` notes.
            basis: (step > 200_000 && !step.is_multiple_of(10)).then_some(step / 1000),
        });
        rows.group_hyperparameters
            .push(Hyperparameters { learning_rate: unless(2, 1e-4), ..Hyperparameters::default() });
        // One of the six is not known.
        rows.projections
            .extend((1..=6).map(|value| (value != 4).then(|| number / f64::from(value))));
    }
    rows
}

/// `compact` without the second for which the old segments stay.
pub fn compact_at_once(directory: &Path) -> perrin::Result<Compaction> {
    compact_on(&Disk, Encoding::Small, directory)
}

/// All rows of a run.
pub fn read_rows(directory: &Path) -> RowBuffer {
    try_read_rows(directory).unwrap()
}

pub fn try_read_rows(directory: &Path) -> perrin::Result<RowBuffer> {
    let run = Run::open(directory)?;
    let columns: Vec<&str> = run.columns().collect();
    let mut all = RowBuffer::default();
    for batch in run.steps(&columns)? {
        let rows = rows_from_batch(run.info().layout, &batch?)?;
        all.records.extend(rows.records);
        all.group_hyperparameters.extend(rows.group_hyperparameters);
        all.projections.extend(rows.projections);
    }
    Ok(all)
}

/// Equal bit by bit: NaN equals NaN, and 0 does not equal -0.
pub fn assert_rows_equal(found: &RowBuffer, expected: &RowBuffer) {
    assert_eq!(found.len(), expected.len(), "number of rows");
    let bits = |rows: &RowBuffer| {
        format!(
            "{:?}",
            rows.projections.iter().map(|value| value.map(f64::to_bits)).collect::<Vec<_>>()
        )
    };
    assert!(found.group_hyperparameters == expected.group_hyperparameters);
    assert!(bits(found) == bits(expected), "projections differ");
    for (found, expected) in found.records.iter().zip(&expected.records) {
        assert_eq!(
            record_bits(found),
            record_bits(expected),
            "found {found:?}, expected {expected:?}"
        );
    }
}

fn record_bits(row: &StepRecord) -> [Option<u64>; 12] {
    let bits = |value: Option<f64>| value.map(f64::to_bits);
    [
        Some(row.step),
        row.epoch,
        bits(Some(row.elapsed_seconds)),
        bits(row.hyperparameters.learning_rate),
        bits(row.hyperparameters.momentum),
        bits(row.hyperparameters.weight_decay),
        row.batch_size,
        bits(row.loss),
        bits(row.gradient_norm_squared),
        bits(row.local_displacement_squared),
        bits(row.global_displacement_squared),
        row.basis,
    ]
}
