//! Pictures of a small run compared as text. `PERRIN_WRITE_GOLDEN=1` writes them anew; look at them
//! before keeping them.

use std::path::Path;

use perrin::record::{EventKind, Hyperparameters, Layout, RowBuffer, RunInfo, StepRecord};
use perrin::run::{LossLandscape, RunWriter};

use crate::support::{plain, report};

/// Exact laws, so that no random number is in the pictures: a power law that grows, a loss that
/// falls, a gap, a new learning rate.
fn records() -> Vec<StepRecord> {
    let steps = (1..=40).chain(61..=90);
    let record = |step: u64| StepRecord {
        step,
        hyperparameters: Hyperparameters {
            learning_rate: Some(if step > 75 { 0.01 } else { 0.1 }),
            ..Hyperparameters::default()
        },
        loss: Some(2.0 / step as f64),
        local_displacement_squared: Some(if step.is_multiple_of(10) { 4e-3 } else { 1e-3 }),
        global_displacement_squared: Some(1e-3 * (step as f64) * (step as f64).sqrt()),
        ..StepRecord::default()
    };
    steps.map(record).collect()
}

#[test]
fn pictures_of_a_small_run() {
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join("small");
    plain(
        &run,
        &RunInfo::default(),
        records(),
        vec![EventKind::Recovered { rows: 3, bytes_discarded: 0 }],
    );
    let (_, written) = report(&[&run], Some(&directory.path().join("figures")));
    let names = [
        "global_displacement",
        "local_displacement",
        "loss",
        "learning_rate",
        "events",
        "exponent_by_length",
    ];
    assert_eq!(written.figures.len(), 2 * names.len(), "{:?}", written.figures);
    // The numbers of fits end in digits that may differ between machines; those of pictures are
    // rounded.
    compare(
        directory.path(),
        names.iter().map(|name| format!("{name}.svg")).chain(["loss.csv".to_owned()]),
    );
}

/// A valley that bends, over a run that goes round in it.
#[test]
fn pictures_of_a_landscape() {
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join("valley");
    let info =
        RunInfo { layout: Layout { parameter_groups: 1, directions: 2 }, ..RunInfo::default() };
    let mut writer = RunWriter::create(&run, &info, Vec::new()).unwrap();
    let mut buffer = RowBuffer::default();
    for step in 1..=240 {
        let angle = 0.1 * step as f64;
        buffer.records.push(StepRecord { step, basis: Some(0), ..StepRecord::default() });
        buffer
            .projections
            .extend([0.4 * angle.cos(), angle.sin() + 0.05 * angle, 0.0, 0.0].map(Some));
    }
    writer.append(&buffer).unwrap();
    writer.close().unwrap();
    let coordinates = [
        [-1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0],
        [-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0],
    ];
    let losses = |loss: fn(f64, f64) -> f64| -> Vec<f64> {
        coordinates[1]
            .iter()
            .flat_map(|y| coordinates[0].iter().map(move |x| loss(*x, *y)))
            .collect()
    };
    let mut landscape = LossLandscape {
        modes: [1, 2],
        coordinates: coordinates.map(|axis| axis.to_vec()),
        train_loss: losses(|x, y| 0.2 + 2.0 * (x - 0.125 * y * y).powi(2) + 0.25 * y * y),
        test_loss: Some(losses(|x, y| 0.3 + 2.0 * (x - 0.25).powi(2) + 0.25 * y * y)),
        quadratic_loss: Some(losses(|x, y| 0.2 + 2.0 * x * x + 0.25 * y * y)),
        ..LossLandscape::default()
    };
    // A corner where the loss was no number.
    landscape.train_loss[80] = f64::NAN;
    landscape.write(&run).unwrap();
    let (page, _) = report(&[&run], Some(&directory.path().join("figures")));
    assert!(page.contains(
        "Losses measured at 9 × 9 points of the plane of modes 1 and 2 around the reference point."
    ));
    assert!(page.contains("It is off by at most 2.500, where the loss goes from 0.2000 to 5.700."));
    let names = [
        "landscape_train.svg",
        "landscape_test.svg",
        "landscape_along_mode_1.svg",
        "landscape_along_mode_2.csv",
    ];
    compare(directory.path(), names.into_iter().map(str::to_owned));
}

/// Holds the figures of `directory` against those that are kept.
fn compare(directory: &Path, names: impl Iterator<Item = String>) {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/report");
    for name in names {
        let found = std::fs::read_to_string(directory.join("figures").join(&name)).unwrap();
        if std::env::var_os("PERRIN_WRITE_GOLDEN").is_some() {
            std::fs::create_dir_all(&kept).unwrap();
            std::fs::write(kept.join(&name), &found).unwrap();
        }
        let expected = std::fs::read_to_string(kept.join(&name)).unwrap();
        assert!(
            found == expected,
            "{name} is not as kept: look at both, then PERRIN_WRITE_GOLDEN=1"
        );
    }
}
