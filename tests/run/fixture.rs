//! A run that has every part a log can have, for keeping: what a version of perrin wrote, every
//! later one reads.
//!
//! `PERRIN_FIXTURE=tests/data/log_schema_1 cargo test --test log_fixture` writes it there; a folder
//! that holds a run is left as it is.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::common::{assert_rows_equal, compact_at_once, info, read_rows, rows};
use perrin::record::{Event, EventKind, ParameterInfo, RowBuffer, RunInfo};
use perrin::run::Eigenvectors;
use perrin::run::{DeltaWriter, FullDelta, ReferenceTensor, ResumeFrom, Run, RunWriter, check};

const ROWS: u64 = 60;

/// Ten rows in each of three merged segments, in two segments, and in the journal of a process that
/// was killed.
fn make(directory: &Path) {
    let parameter = ParameterInfo {
        name: "weight".to_owned(),
        shape: vec![2, 3],
        kind: "f32".to_owned(),
        device: "cpu".to_owned(),
        group: Some(0),
    };
    // Nothing that depends on the moment or the machine.
    let info = RunInfo {
        created: "2026-11-23T00:00:00Z".to_owned(),
        parameters: vec![parameter],
        ..info()
    };
    let elements = [1.0_f32, -2.0, 0.5, f32::MIN_POSITIVE, 0.0, 3.25];
    let bytes = elements.iter().flat_map(|element| element.to_le_bytes()).collect();
    let tensor = ReferenceTensor {
        name: "weight",
        kind: "f32",
        shape: vec![2, 3],
        bytes: Cow::Owned(bytes),
    };
    let mut writer = RunWriter::create(directory, &info, vec![tensor]).unwrap();
    writer.basis(0, 0, &eigenvectors(&info), true).unwrap();
    append(&mut writer, 0..3);
    writer.close().unwrap();
    // The last two are of steps that were taken anew.
    keep_deltas(directory, &info, 1.0, [10, 20, 31, 32]);
    compact_at_once(directory).unwrap();
    let (mut writer, _) = RunWriter::resume(directory, &info, ResumeFrom::default()).unwrap();
    keep_deltas(directory, &info, 2.0, [40, 50]);
    writer.basis(1, 30, &Eigenvectors { products: None, ..eigenvectors(&info) }, false).unwrap();
    append(&mut writer, 3..5);
    for kind in [
        EventKind::BasisChanged { basis: 1 },
        EventKind::EigenvectorsNotKept { basis: 1, reason: "a full disk".to_owned() },
        EventKind::StabilityCrossed { sharpness: 41.0, limit: 40.0, unstable: true },
        EventKind::OutsideWrite {
            parameters: vec!["weight".to_owned()],
            displacement_squared: Some(0.25),
            count: 1,
        },
        EventKind::NonFinite {
            local_displacement_squared: "NaN".to_owned(),
            global_displacement_squared: "inf".to_owned(),
        },
        EventKind::ParametersAdded { parameters: vec!["late".to_owned()] },
        EventKind::RowsDropped { count: 2, first_step: 70, last_step: 71 },
        EventKind::Interrupted { reason: "a full disk".to_owned(), seconds: 1.5, events_lost: 0 },
        EventKind::Recovered { rows: 3, bytes_discarded: 8 },
        EventKind::Stopped { reason: "an error".to_owned() },
        EventKind::Finished { rows: 50, dropped: 2 },
    ] {
        writer.event(&Event { step: 51, elapsed_seconds: 0.75, kind }).unwrap();
    }
    writer.append(&rows_along(51..61)).unwrap();
}

/// As `common::rows`; along basis 0 up to step 30, then along basis 1.
fn rows_along(steps: std::ops::Range<u64>) -> RowBuffer {
    let mut rows = rows(steps);
    rows.records.iter_mut().for_each(|row| row.basis = Some(u64::from(row.step > 30)));
    rows
}

fn eigenvectors(info: &RunInfo) -> Eigenvectors {
    let axis = |axis: usize| {
        (0..6).map(|element| f32::from(u8::from(element == axis))).collect::<Vec<_>>()
    };
    Eigenvectors {
        parameters: info.parameters.clone(),
        eigenvectors: vec![axis(0), axis(3), axis(5)].into(),
        eigenvalues: vec![2.5, 1.125, -0.25],
        residuals: vec![1e-3, 2e-3, f64::NAN],
        converged: vec![true, true, false],
        overlaps: vec![1.0, 0.75, f64::NAN],
        weight_decay: 0.125,
        products: Some(40),
        summary: None,
    }
}

/// Displacements whose every element tells whose they are.
fn keep_deltas(
    directory: &Path,
    info: &RunInfo,
    process: f32,
    steps: impl IntoIterator<Item = u64>,
) {
    let mut deltas = DeltaWriter::create(directory, &info.parameters).unwrap();
    for step in steps {
        let displacement = vec![step as f32; 6];
        deltas
            .append(FullDelta {
                step,
                learning_rate: Some(1e-3),
                delta: vec![process; 6],
                displacement,
            })
            .unwrap();
    }
}

fn append(writer: &mut RunWriter, segments: std::ops::Range<u64>) {
    for segment in segments {
        writer.append(&rows_along(10 * segment + 1..10 * segment + 11)).unwrap();
        writer.roll_if_due(Duration::from_secs(2_000 * segment)).unwrap();
        writer.roll_if_due(Duration::from_secs(2_000 * segment + 1_000)).unwrap();
    }
}

fn assert_readable(directory: &Path) {
    assert_rows_equal(&read_rows(directory), &rows_along(1..ROWS + 1));
    let checked = check(directory).unwrap();
    // The events are an example of each kind, and not the story of these rows.
    let told: Vec<&str> = checked.damage.iter().map(|finding| finding.what.as_str()).collect();
    assert_eq!(told, ["the run was closed with 50 rows, and 60 are here"]);
    let noted: Vec<&str> = checked.notes.iter().map(|finding| finding.what.as_str()).collect();
    let late = "the reference point of late, which joined before step 51, is not here";
    let missing = "8 bytes that were no whole block were discarded when the run was recovered: rows are missing";
    assert_eq!(noted, [late, missing]);
    assert_eq!((checked.segments, checked.journals), (3, 1));
    let run = Run::open(directory).unwrap();
    assert_eq!(run.info().created, "2026-11-23T00:00:00Z");
    assert_eq!(
        run.reference().unwrap().tensors().map(|tensor| tensor.bytes.len()).sum::<usize>(),
        24
    );
    let kinds: BTreeSet<String> =
        run.events().unwrap().into_iter().map(|event| kind_name(&event.kind)).collect();
    assert_eq!(kinds.len(), 12, "{kinds:?}");
    let curvature = run.curvature().unwrap();
    assert_eq!(curvature.len(), 6);
    assert_eq!((curvature[0].eigenvalue, curvature[5].eigenvalue), (Some(2.375), Some(-0.375)));
    assert_eq!((curvature[1].products, curvature[4].products), (Some(40), None));
    assert_eq!(run.eigenvectors(0).unwrap().eigenvectors, eigenvectors(run.info()).eigenvectors);
    assert!(run.eigenvectors(1).is_err());
    let deltas = run.deltas().unwrap().map(Result::unwrap);
    let deltas: Vec<_> =
        deltas.map(|delta| (delta.step, delta.delta[5], delta.displacement[0])).collect();
    assert_eq!(deltas, [(10, 1.0, 10.0), (20, 1.0, 20.0), (40, 2.0, 40.0), (50, 2.0, 50.0)]);
}

fn kind_name(kind: &EventKind) -> String {
    serde_json::to_value(kind).unwrap()["event"].as_str().unwrap().to_owned()
}

#[test]
fn a_fixture_has_every_part_and_is_read() {
    let directory = tempfile::tempdir().unwrap();
    make(directory.path());
    assert_readable(directory.path());
    if let Some(place) = std::env::var_os("PERRIN_FIXTURE").map(PathBuf::from)
        && !place.join("run.json").exists()
    {
        make(&place);
        fs::remove_file(place.join("lock")).unwrap();
    }
}

/// Every fixture that is kept, whatever version wrote it.
#[test]
fn kept_fixtures_are_read() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    for entry in fs::read_dir(data).unwrap().map(Result::unwrap) {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with("log_schema_")) {
            assert_readable(&entry.path());
        }
    }
}
