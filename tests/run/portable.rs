//! `compact_as(Encoding::Portable)`: the same rows, in encodings that every reader of Parquet
//! knows.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use crate::common::{assert_rows_equal, compact_at_once, info, read_rows, rows, writer};
use crate::stopping::{Stopping, Then};
use parquet::file::reader::{FileReader, SerializedFileReader};
use perrin::run::Eigenvectors;
use perrin::run::storage::Disk;
use perrin::run::{Encoding, LossLandscape, ResumeFrom, RunWriter, check, compact_on};

/// Encodings of values and compressions, all of Parquet's first version.
const KNOWN: [&str; 5] =
    ["PLAIN", "PLAIN_DICTIONARY", "RLE", "RLE_DICTIONARY", "GZIP(GzipLevel(6))"];

fn run(directory: &Path) {
    let mut writer = writer(directory);
    for segment in 0..4 {
        writer.append(&rows(10 * segment + 1..10 * segment + 11)).unwrap();
        writer.roll_if_due(Duration::from_secs(segment * 2000)).unwrap();
        writer.roll_if_due(Duration::from_secs(segment * 2000 + 1000)).unwrap();
    }
    writer.close().unwrap();
}

fn encodings(file: &Path) -> BTreeSet<String> {
    let reader = SerializedFileReader::new(File::open(file).unwrap()).unwrap();
    let mut found = BTreeSet::new();
    for chunk in reader.metadata().row_groups().iter().flat_map(|group| group.columns()) {
        found.extend(chunk.encodings().map(|encoding| encoding.to_string()));
        found.insert(chunk.compression().to_string());
    }
    found
}

fn is_portable(file: &Path) -> bool {
    let found = encodings(file);
    !found.is_empty() && found.iter().all(|encoding| KNOWN.contains(&encoding.as_str()))
}

fn assert_sound(directory: &Path, last_step: u64) {
    assert_rows_equal(&read_rows(directory), &rows(1..last_step + 1));
    let checked = check(directory).unwrap();
    assert!(checked.damage.is_empty() && checked.notes.is_empty(), "{checked:?}");
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory.join("steps")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_run_is_written_in_either_encoding_merged_before_or_not() {
    let directory = tempfile::tempdir().unwrap();
    run(directory.path());
    assert!(
        encodings(&directory.path().join("steps/000000.parquet")).contains("BYTE_STREAM_SPLIT")
    );
    compact_at_once(directory.path()).unwrap();
    let merged = directory.path().join("steps/000000-000003.parquet");
    assert!(!is_portable(&merged));

    let portable = || compact_on(&Disk, Encoding::Portable, directory.path()).unwrap();
    let done = portable();
    assert_eq!((done.rows, done.segments_before, done.segments_after), (40, 1, 1));
    assert!(is_portable(&merged), "{:?}", encodings(&merged));
    assert_sound(directory.path(), 40);
    let before = fs::read(&merged).unwrap();
    portable();
    assert_eq!(fs::read(&merged).unwrap(), before, "done again it changes nothing");

    compact_at_once(directory.path()).unwrap();
    assert!(!is_portable(&merged));
    assert_sound(directory.path(), 40);
}

#[test]
fn a_portable_run_is_gone_on_with_and_cut() {
    let directory = tempfile::tempdir().unwrap();
    run(directory.path());
    compact_on(&Disk, Encoding::Portable, directory.path()).unwrap();
    let from = ResumeFrom { step: Some(23), discard_later_rows: true };
    let (mut writer, resumed) = RunWriter::resume(directory.path(), &info(), from).unwrap();
    assert_eq!(resumed.rows_discarded, 17);
    let merged = directory.path().join("steps/000000-000003.parquet");
    assert!(is_portable(&merged), "what was cut stays portable");
    writer.append(&rows(24..31)).unwrap();
    writer.close().unwrap();
    assert_sound(directory.path(), 30);
    compact_on(&Disk, Encoding::Portable, directory.path()).unwrap();
    assert_eq!(names(directory.path()), ["000000-000004.parquet"]);
    assert!(is_portable(&directory.path().join("steps/000000-000004.parquet")));
    assert_sound(directory.path(), 30);
}

#[test]
fn a_segment_that_was_never_merged_keeps_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = writer(directory.path());
    log.append(&rows(1..11)).unwrap();
    log.close().unwrap();
    compact_on(&Disk, Encoding::Portable, directory.path()).unwrap();
    assert_eq!(names(directory.path()), ["000000.parquet"]);
    assert!(is_portable(&directory.path().join("steps/000000.parquet")));
    assert_sound(directory.path(), 10);
}

#[test]
fn a_change_of_encoding_that_dies_at_any_operation_can_be_done_again() {
    for exchanges in [true, false] {
        for stop in 0.. {
            let directory = tempfile::tempdir().unwrap();
            run(directory.path());
            compact_at_once(directory.path()).unwrap();
            let mut storage = Stopping::at(stop, Then::Dead);
            storage.exchanges = exchanges;
            let outcome = compact_on(&storage, Encoding::Portable, directory.path());
            assert_eq!(outcome.is_ok(), !storage.stopped(), "operation {stop}");
            compact_on(&Disk, Encoding::Portable, directory.path()).unwrap();
            assert!(is_portable(&directory.path().join("steps/000000-000003.parquet")));
            assert_sound(directory.path(), 40);
            if outcome.is_ok() {
                assert!(stop > 8, "{:?}", storage.operations());
                break;
            }
        }
    }
}

/// They are small.
#[test]
fn tables_of_curvature_and_losses_are_always_portable() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = writer(directory.path());
    log.basis(0, 0, &Eigenvectors::from(vec![vec![1.0_f32; 4]; 3]), false).unwrap();
    log.close().unwrap();
    let line = || vec![-1.0, 0.0, 1.0];
    let losses = LossLandscape {
        coordinates: [line(), line()],
        train_loss: vec![0.5; 9],
        ..LossLandscape::default()
    };
    losses.write(directory.path()).unwrap();
    for file in ["curvature/000000.parquet", "landscape/000000.parquet"] {
        let file = directory.path().join(file);
        assert!(is_portable(&file), "{:?}", encodings(&file));
    }
}
