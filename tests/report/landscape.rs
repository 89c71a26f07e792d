//! What the page says of a run's loss landscape.

use std::path::Path;

use perrin::record::{Layout, RowBuffer, RunInfo, StepRecord};
use perrin::run::{CurvatureSummary, LossLandscape, Measured, Run, RunWriter, SpectralBulk};

use crate::support::report;

/// Rows on a line away from the origin, `0.01 k` along both directions; the last `along` are along
/// basis 1, the others along 0.
fn run(directory: &Path, rows: u64, along: u64) {
    let info =
        RunInfo { layout: Layout { parameter_groups: 1, directions: 2 }, ..RunInfo::default() };
    let mut writer = RunWriter::create(directory, &info, Vec::new()).unwrap();
    let mut buffer = RowBuffer::default();
    for step in 1..=rows {
        let basis = Some(u64::from(step > rows - along));
        buffer.records.push(StepRecord { step, basis, ..StepRecord::default() });
        buffer.projections.extend([0.01 * step as f64, 0.01 * step as f64, 0.0, 0.0].map(Some));
    }
    writer.append(&buffer).unwrap();
    writer.close().unwrap();
}

/// Nine points, at 1 and less from the origin.
fn landscape(basis: u64, loss: f64) -> LossLandscape {
    LossLandscape {
        basis,
        modes: [1, 2],
        coordinates: [vec![-1.0, 0.0, 1.0], vec![-1.0, 0.0, 1.0]],
        train_loss: vec![loss; 9],
        quadratic_loss: Some(vec![0.5; 9]),
        ..LossLandscape::default()
    }
}

fn page(rows: u64, along: u64, landscape: &LossLandscape) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run");
    run(&path, rows, along);
    landscape.write(&path).unwrap();
    report(&[&path], None).0
}

#[test]
fn rows_are_drawn_however_few_there_are() {
    // Of 1,202 rows one in three is drawn: the two of basis 1, the last, come after the 1,200th.
    let page = page(1202, 2, &landscape(1, 0.5));
    // Far outside, and so not drawn either.
    assert!(page.contains("Over it 0 of the 2 rows along these directions"));
    let none = self::page(1202, 0, &landscape(1, 0.5));
    assert!(none.contains("no row is along its directions"));
}

#[test]
fn rows_that_are_too_far_out_do_not_count_as_drawn() {
    // Rows go out to 3: those up to 1 are over the grid, those up to 1.5 are drawn.
    let page = page(300, 300, &landscape(1, 0.5));
    assert!(
        page.contains(
            "Over it 150 of the 300 rows along these directions; 66.7% of all lie outside"
        )
    );
}

#[test]
fn losses_that_are_no_numbers_have_no_range() {
    let page = page(100, 100, &landscape(1, f64::NAN));
    assert!(page.contains("No training loss was finite") && !page.contains("from inf"));
}

#[test]
fn what_is_damaged_is_said_and_the_rest_shown() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run");
    run(&path, 100, 100);
    landscape(1, 0.5).write(&path).unwrap();
    let density = SpectralBulk { nodes: vec![0.1], weights: vec![1.0], dimension: 9.0 };
    let trace = Some(Measured { value: 1.0, standard_error: 0.1 });
    CurvatureSummary { trace, density: Some(density), gradient_noise: None }
        .save(&path, 0)
        .unwrap();
    let whole = report(&[&path], None).0;
    assert!(whole.contains("Losses measured at 3 × 3 points") && !whole.contains("is left out"));

    std::fs::write(path.join("landscape/000000.parquet"), "no table").unwrap();
    std::fs::write(path.join("curvature_summaries/000000.json"), "{}").unwrap();
    assert!(Run::open(&path).unwrap().landscape(0).is_err());
    let page = report(&[&path], None).0;
    assert!(page.contains("Not shown: the losses that were measured cannot be read"));
    assert!(
        page.contains(
            "What was measured of the Hessian of basis 0 beside its eigenpairs is left out"
        )
    );
}
