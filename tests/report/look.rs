//! Pages for the eye, not run by default:
//! `PERRIN_REPORT_PAGES=/tmp/pages cargo test --test report look -- --ignored`; with
//! `PERRIN_REPORT_ROWS=10000000` also a run of so many rows, to time `perrin report` with.

use std::path::PathBuf;

use perrin::theory::parameters::SgdParameters;

use crate::support::{plain, report, rich, synthetic};
use crate::synthetic::USUAL_SGD;
use perrin::record::{RunInfo, StepRecord};

#[test]
#[ignore = "writes pages to look at"]
fn look() {
    let folder = PathBuf::from(std::env::var("PERRIN_REPORT_PAGES").expect("PERRIN_REPORT_PAGES"));
    let at = |name: &str| {
        let directory = folder.join(name);
        std::fs::create_dir_all(&directory).unwrap();
        directory.join("run")
    };
    rich(&at("rich"), 60_000);
    report(&[&at("rich")], Some(&at("rich").with_file_name("figures")));
    synthetic(20_000, &[6.0, 0.5]).write(&at("stationary"));
    report(&[&at("stationary")], None);
    let sweep: Vec<PathBuf> = [
        (0.1, 0.9, 32.0),
        (0.05, 0.9, 32.0),
        (0.2, 0.9, 32.0),
        (0.1, 0.8, 32.0),
        (0.1, 0.9, 128.0),
    ]
    .iter()
    .enumerate()
    .map(|(index, &(learning_rate, momentum, batch_size))| {
        let mut run = synthetic(5000, &[2.0, 0.4, 0.1]);
        run.parameters = SgdParameters { learning_rate, momentum, batch_size, ..USUAL_SGD };
        let directory = at("sweep").with_file_name(format!("run_{index}"));
        run.write(&directory);
        directory
    })
    .collect();
    report(&sweep.iter().map(PathBuf::as_path).collect::<Vec<_>>(), None);
    if let Ok(rows) = std::env::var("PERRIN_REPORT_ROWS") {
        synthetic(rows.parse().unwrap(), &[6.0, 0.5]).write(&at("long"));
    }
    plain(
        &at("one-row"),
        &RunInfo::default(),
        vec![StepRecord { step: 1, ..StepRecord::default() }],
        vec![],
    );
    report(&[&at("one-row")], None);
}
