//! Pictures of a small run compared as text. `PERRIN_WRITE_GOLDEN=1` writes them anew; look at them before keeping them.

use std::path::Path;

use perrin::record::{EventKind, Hyperparameters, RunInfo, StepRecord};

use crate::support::{plain, report};

/// Exact laws, so that no random number is in the pictures: a power law that grows, a loss that falls, a gap, a new learning rate.
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
    plain(&run, &RunInfo::default(), records(), vec![EventKind::Recovered { rows: 3, bytes_discarded: 0 }]);
    let (_, written) = report(&[&run], Some(&directory.path().join("figures")));
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/report");
    let names = ["global_displacement", "local_displacement", "loss", "learning_rate", "events", "exponent_by_length"];
    assert_eq!(written.figures.len(), 2 * names.len(), "{:?}", written.figures);
    // The numbers of fits end in digits that may differ between machines; those of pictures are rounded.
    for name in names.iter().map(|name| format!("{name}.svg")).chain(["loss.csv".to_owned()]) {
        let found = std::fs::read_to_string(directory.path().join("figures").join(&name)).unwrap();
        if std::env::var_os("PERRIN_WRITE_GOLDEN").is_some() {
            std::fs::create_dir_all(&kept).unwrap();
            std::fs::write(kept.join(&name), &found).unwrap();
        }
        let expected = std::fs::read_to_string(kept.join(&name)).unwrap();
        assert!(found == expected, "{name} is not as kept: look at both, then PERRIN_WRITE_GOLDEN=1");
    }
}
