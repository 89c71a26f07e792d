//! The runs that the document's queries ask: `runs/mnist` finished, `runs/live` still open, and a
//! sweep.

use std::path::{Path, PathBuf};
use std::time::Duration;

use perrin::record::{Event, EventKind, Hyperparameters, Layout, RowBuffer, RunInfo, StepRecord};
use perrin::run::RunWriter;

/// Events of `runs/mnist` by name: how often, and the sum of their counts.
pub const EVENTS: [(f64, Option<f64>); 3] = [(1.0, None), (2.0, Some(3.0)), (1.0, Some(3.0))];

/// Learning rate and number of the sweep's runs.
pub const SWEEP: [(f64, u32); 4] = [(0.001, 1), (0.001, 2), (0.01, 1), (0.01, 2)];

pub fn sweep_folder(root: &Path, rate: f64, number: u32) -> PathBuf {
    root.join(format!("sweep/initial_learning_rate={rate}/run={number}"))
}

fn hyperparameters(learning_rate: f64) -> Hyperparameters {
    Hyperparameters {
        learning_rate: Some(learning_rate),
        momentum: Some(0.9),
        weight_decay: Some(5e-4),
    }
}

/// Directions of the runs of `mixed`, in the order of their names: the first has none.
pub const MIXED: [usize; 3] = [0, 1, 3];

pub fn mixed_folder(root: &Path, directions: usize) -> PathBuf {
    root.join(format!("mixed/directions={directions}"))
}

/// A run whose name is a pattern too.
pub fn bracketed_folder(root: &Path) -> PathBuf {
    root.join("brackets/lr=[0.1]")
}

/// A writer of a run with two directions.
pub fn writer(folder: &Path, learning_rate: f64) -> RunWriter {
    writer_along(folder, learning_rate, 2)
}

fn writer_along(folder: &Path, learning_rate: f64, directions: usize) -> RunWriter {
    let info = RunInfo {
        hyperparameters: vec![hyperparameters(learning_rate)],
        batch_size: Some(128),
        layout: Layout { parameter_groups: 1, directions },
        ..RunInfo::default()
    };
    RunWriter::create(folder, &info, Vec::new()).unwrap()
}

/// A step of a run whose learning rate halves every 1000 steps; displacements wander around power
/// laws.
pub fn push_row(rows: &mut RowBuffer, step: u64, elapsed_seconds: f64, learning_rate: f64) {
    let k = step as f64;
    rows.records.push(StepRecord {
        step,
        epoch: Some(step / 400),
        elapsed_seconds,
        hyperparameters: hyperparameters(learning_rate * 0.5_f64.powi((step / 1000) as i32)),
        batch_size: Some(128),
        loss: Some(0.3 + 2.0 * (-k / 700.0).exp() + 0.05 * (k * 1.7).sin()),
        gradient_norm_squared: None,
        local_displacement_squared: Some(learning_rate * (1.0 + 0.5 * (k * 0.37).cos())),
        global_displacement_squared: Some(2e-3 * k.powf(1.1) * (1.0 + 0.2 * (k * 0.01).sin())),
        basis: Some(0),
    });
    let oscillation = |phase: f64| Some((k * 0.02 + phase).sin() + 0.3 * (k * 0.31 + phase).sin());
    rows.projections.extend([0.0, 0.5, 1.6, 2.1].map(oscillation));
}

/// Appends steps, a hundred a second.
pub fn append(writer: &mut RunWriter, steps: impl Iterator<Item = u64>, learning_rate: f64) {
    let mut rows = RowBuffer::default();
    steps.for_each(|step| push_row(&mut rows, step, step as f64 * 0.01, learning_rate));
    let values = 2 * writer.layout().directions;
    if values != 4 {
        rows.projections =
            (0..values * rows.len()).map(|index| Some((index as f64 * 0.37).sin())).collect();
    }
    writer.append(&rows).unwrap();
    // Segments of about 1, 2, 4, ... seconds.
    let last = rows.records[rows.len() - 1].elapsed_seconds;
    writer.roll_if_due(Duration::from_secs_f64(last)).unwrap();
}

/// A finished run.
pub fn write_run(folder: &Path, learning_rate: f64, steps: u64) {
    write_along(folder, learning_rate, steps, 2);
}

fn write_along(folder: &Path, learning_rate: f64, steps: u64, directions: usize) {
    let mut writer = writer_along(folder, learning_rate, directions);
    for block in 0..steps / 50 {
        append(&mut writer, block * 50 + 1..=block * 50 + 50, learning_rate);
    }
    writer.close().unwrap();
}

pub fn write_all(root: &Path) {
    let mut mnist = writer(&root.join("runs/mnist"), 0.1);
    let event = |step, kind| Event { step, elapsed_seconds: step as f64 * 0.01, kind };
    let outside = |count| EventKind::OutsideWrite {
        parameters: vec!["w".to_owned()],
        displacement_squared: None,
        count,
    };
    for block in 0..60 {
        // Steps 701 to 703 were dropped.
        append(
            &mut mnist,
            (block * 50 + 1..=block * 50 + 50).filter(|step| !(701..=703).contains(step)),
            0.1,
        );
    }
    mnist.event(&event(20, outside(1))).unwrap();
    mnist.event(&event(30, outside(2))).unwrap();
    mnist
        .event(&event(703, EventKind::RowsDropped { count: 3, first_step: 701, last_step: 703 }))
        .unwrap();
    mnist.event(&event(3000, EventKind::Finished { rows: 2997, dropped: 3 })).unwrap();
    mnist.close().unwrap();

    let mut live = writer(&root.join("runs/live"), 0.1);
    for block in 0..21 {
        append(&mut live, block * 50 + 1..=block * 50 + 50, 0.1);
    }
    // Its journal stays.
    drop(live);
    assert!(
        root.join("runs/live/open/000002.arrows").exists()
            || root.join("runs/live/open/000003.arrows").exists()
    );

    for (rate, number) in SWEEP {
        // The first run in the order of names has no directions.
        let directions = if (rate, number) == SWEEP[0] { 0 } else { 2 };
        write_along(
            &sweep_folder(root, rate, number),
            rate,
            1400 + 50 * u64::from(number),
            directions,
        );
    }
    for directions in MIXED {
        write_along(&mixed_folder(root, directions), 0.1, 200, directions);
    }
    write_run(&bracketed_folder(root), 0.1, 150);
}
