//! Runs that schema version 1 wrote: read, checked, recovered, merged, gone on with.
//!
//! `tests/data/runs_schema_1` was written by the observer of perrin at version 1 (310 parameters of
//! a network on the digits, three directions, whole displacements of the biases): one run closed,
//! one whose process was aborted. `sums.json` is DuckDB's and pyarrow's account of their rows.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::common::compact_at_once;
use parquet::file::reader::{FileReader, SerializedFileReader};
use perrin::record::{EventKind, RowBuffer, StepRecord};
use perrin::run::{Follower, ResumeFrom, Run, RunWriter, check, recover};
use serde_json::Value;

const ROWS: u64 = 446;

fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/runs_schema_1").join(name)
}

/// A copy to write in.
fn copy(name: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    copy_folder(&kept(name), directory.path());
    // As its writer left it; without it, the run is watched to see whether somebody writes it.
    fs::write(directory.path().join("lock"), "").unwrap();
    directory
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let place = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&place).unwrap();
            copy_folder(&entry.path(), &place);
        } else {
            fs::copy(entry.path(), place).unwrap();
        }
    }
}

fn assert_has_its_rows(directory: &Path, name: &str) {
    let expected: Value = serde_json::from_slice(&fs::read(kept("sums.json")).unwrap()).unwrap();
    let expected = expected[name].as_object().unwrap();
    let columns: Vec<&str> =
        expected.keys().map(String::as_str).filter(|column| *column != "count").collect();
    let run = Run::open(directory).unwrap();
    let mut follower = Follower::new(&run, &columns).unwrap();
    let (mut count, mut sums) = (0, vec![0.0; columns.len()]);
    while follower
        .next_rows(|row| {
            count += 1;
            row.iter().zip(&mut sums).for_each(|(value, sum)| *sum += value.unwrap_or(0.0));
        })
        .unwrap()
        > 0
    {}
    assert_eq!(Some(count), expected["count"].as_u64());
    for (column, sum) in columns.iter().zip(sums) {
        let expected = expected[*column].as_f64().unwrap();
        assert!(
            (sum - expected).abs() <= 1e-12 * expected.abs(),
            "{column}: {sum} is not {expected}"
        );
    }
    let checked = check(directory).unwrap();
    assert!(checked.damage.is_empty() && checked.notes.is_empty(), "{checked:?}");
}

/// Parquet's name of the type of `step` in every segment.
fn types_of_step(directory: &Path) -> Vec<String> {
    let segments =
        fs::read_dir(directory.join("steps")).unwrap().map(|entry| entry.unwrap().path());
    let mut types = BTreeMap::new();
    for path in
        segments.filter(|path| path.extension().is_some_and(|extension| extension == "parquet"))
    {
        let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
        let column = reader.metadata().file_metadata().schema_descr().column(0);
        types.insert(path, format!("{:?}", column.converted_type()));
    }
    types.into_values().collect()
}

#[test]
fn all_that_it_has_is_read() {
    for name in ["finished", "killed"] {
        assert_has_its_rows(&kept(name), name);
    }
    let run = Run::open(kept("finished")).unwrap();
    assert_eq!(run.events().unwrap().len(), 4);
    assert_eq!(run.reference().unwrap().tensors().len(), 4);
    let curvature: Vec<_> =
        run.curvature().unwrap().iter().map(|row| (row.step, row.basis, row.mode)).collect();
    assert_eq!(curvature[3..6], [(400, 1, 1), (400, 1, 2), (400, 1, 3)]);
    assert_eq!(run.eigenvectors(2).unwrap().eigenvectors[0].len(), 310);
    assert_eq!(run.curvature_summary(0).unwrap().unwrap().trace.unwrap().value, 20.0);
    assert_eq!(run.landscape(0).unwrap().train_loss[8], 8.0);
    let steps: Vec<u64> = run.deltas().unwrap().map(|delta| delta.unwrap().step).collect();
    assert_eq!(steps, [200, 400, 600, 800]);
}

#[test]
fn what_a_killed_process_left_is_made_whole_in_its_version() {
    let directory = copy("killed");
    let recovery = recover(directory.path()).unwrap();
    assert_eq!((recovery.segments, recovery.bytes_discarded), (1, 0));
    assert!(!directory.path().join("steps/000002.arrows").exists());
    assert!(!directory.path().join("steps/000002.parquet.partial").exists());
    assert_has_its_rows(directory.path(), "killed");
    assert_eq!(types_of_step(directory.path()), ["UINT_64"; 3]);
}

#[test]
fn it_is_merged_in_its_version() {
    let directory = copy("finished");
    compact_at_once(directory.path()).unwrap();
    assert_has_its_rows(directory.path(), "finished");
    assert_eq!(types_of_step(directory.path()), ["UINT_64"]);
}

#[test]
fn it_is_gone_on_with_in_its_version() {
    let directory = copy("killed");
    let info = Run::open(directory.path()).unwrap().info().clone();
    let now = perrin::record::RunInfo { schema_version: perrin::record::SCHEMA_VERSION, ..info };
    let (mut writer, resumed) =
        RunWriter::resume(directory.path(), &now, ResumeFrom::default()).unwrap();
    assert_eq!((resumed.step, resumed.recovery.segments), (ROWS, 1));
    let record = StepRecord { step: ROWS + 1, elapsed_seconds: 9.0, ..StepRecord::default() };
    let rows =
        RowBuffer { records: vec![record], projections: vec![None; 6], ..RowBuffer::default() };
    writer.append(&rows).unwrap();
    assert!(
        directory.path().join("steps/000003.arrows").exists(),
        "older readers find the journal"
    );
    let run = Run::open(directory.path()).unwrap();
    let mut last = None;
    run.for_each_row(["step"], |[step]| last = step).unwrap();
    assert_eq!(last, Some((ROWS + 1) as f64));
    writer.close().unwrap();
    assert_eq!(types_of_step(directory.path()), ["UINT_64"; 4]);
    assert!(check(directory.path()).unwrap().damage.is_empty());
    assert!(
        run.events().unwrap().iter().any(|event| matches!(event.kind, EventKind::Resumed { .. }))
    );
}
