//! Merging segments: the same rows from fewer files, wherever it is stopped and whoever reads
//! meanwhile.

use crate::common;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::common::{assert_rows_equal, compact_at_once, info, read_rows, rows, writer};
use crate::stopping::{Stopping, Then};
use parquet::file::reader::{FileReader, SerializedFileReader};
use perrin::Error;
use perrin::record::{RunInfo, SCHEMA_VERSION};
use perrin::run::{Compaction, Encoding, ResumeFrom, Run, RunWriter, check, compact_on, recover};

/// Segments of ten rows each, from `first` on.
fn append_segments(mut writer: RunWriter, first: u64, segments: u64) {
    for segment in 0..segments {
        let start = first + 10 * segment;
        writer.append(&rows(start..start + 10)).unwrap();
        writer.roll_if_due(Duration::from_secs(segment * 2000)).unwrap();
        writer.roll_if_due(Duration::from_secs(segment * 2000 + 1000)).unwrap();
    }
    writer.close().unwrap();
}

fn resume(directory: &Path, from: ResumeFrom) -> RunWriter {
    RunWriter::resume(directory, &info(), from).unwrap().0
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory.join("steps")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn assert_sound(directory: &Path, last_step: u64) {
    assert_rows_equal(&read_rows(directory), &rows(1..last_step + 1));
    let checked = check(directory).unwrap();
    assert!(checked.damage.is_empty() && checked.notes.is_empty(), "{checked:?}");
    assert_eq!(checked.rows, last_step);
}

#[test]
fn many_segments_become_one_and_stay_one() {
    let directory = tempfile::tempdir().unwrap();
    append_segments(writer(directory.path()), 1, 12);
    let done = compact_at_once(directory.path()).unwrap();
    assert_eq!((done.rows, done.segments_before, done.segments_after), (120, 12, 1));
    assert!(done.bytes_after < done.bytes_before / 4, "{done:?}");
    assert_eq!(names(directory.path()), ["000000-000011.parquet"]);
    assert_sound(directory.path(), 120);

    let path = directory.path().join("steps/000000-000011.parquet");
    let file = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
    let entries = file.metadata().file_metadata().key_value_metadata().unwrap();
    let metadata: BTreeMap<&str, &str> =
        entries.iter().map(|entry| (entry.key.as_str(), entry.value.as_deref().unwrap())).collect();
    assert_eq!((metadata["perrin.first_step"], metadata["perrin.last_step"]), ("1", "120"));
    assert_eq!(metadata["perrin.schema_version"], SCHEMA_VERSION.to_string());
    let run: RunInfo = serde_json::from_str(metadata["perrin.run"]).unwrap();
    assert_eq!(&run, Run::open(directory.path()).unwrap().info());
    assert!(
        metadata["perrin.merged"].starts_with("[[0,10],[1,10],"),
        "{}",
        metadata["perrin.merged"]
    );

    let before = fs::read(&path).unwrap();
    let again = compact_at_once(directory.path()).unwrap();
    assert_eq!(
        (again.segments_before, again.segments_after, again.bytes_after),
        (1, 1, done.bytes_after)
    );
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_flipped_bit_in_a_merged_segment_is_found_once() {
    let directory = tempfile::tempdir().unwrap();
    append_segments(writer(directory.path()), 1, 5);
    compact_at_once(directory.path()).unwrap();
    append_segments(resume(directory.path(), ResumeFrom::default()), 51, 1);
    let path = directory.path().join("steps/000000-000004.parquet");
    let whole = fs::read(&path).unwrap();
    for position in (4..whole.len()).step_by(97) {
        let mut flipped = whole.clone();
        flipped[position] ^= 1;
        fs::write(&path, flipped).unwrap();
        let found = check(directory.path()).unwrap();
        assert_eq!(
            (found.damage.len(), found.rows),
            (1, 10),
            "byte {position}: {:?}",
            found.damage
        );
    }
}

/// Names and metadata are only what somebody wrote: numbers at the end of their range are no reason
/// to panic.
#[test]
fn a_merged_segment_is_refused_under_a_name_of_other_segments() {
    let directory = tempfile::tempdir().unwrap();
    append_segments(writer(directory.path()), 1, 5);
    compact_at_once(directory.path()).unwrap();
    let steps = directory.path().join("steps");
    let mut name = "000000-000004.parquet".to_owned();
    for other in [format!("000000-{}.parquet", u64::MAX), "000003-000004.parquet".to_owned()] {
        fs::rename(steps.join(&name), steps.join(&other)).unwrap();
        assert!(
            matches!(common::try_read_rows(directory.path()), Err(Error::Damaged { .. })),
            "{other}"
        );
        assert!(!check(directory.path()).unwrap().damage.is_empty(), "{other}");
        name = other;
    }
}

#[test]
fn a_merged_run_is_resumed_merged_again_and_cut_anywhere() {
    let directory = tempfile::tempdir().unwrap();
    append_segments(writer(directory.path()), 1, 4);
    compact_at_once(directory.path()).unwrap();
    append_segments(resume(directory.path(), ResumeFrom::default()), 41, 3);
    assert_eq!(
        names(directory.path()),
        ["000000-000003.parquet", "000004.parquet", "000005.parquet", "000006.parquet"]
    );
    assert_sound(directory.path(), 70);
    assert_eq!(compact_at_once(directory.path()).unwrap().segments_after, 1);
    assert_eq!(names(directory.path()), ["000000-000006.parquet"]);
    assert_sound(directory.path(), 70);

    let cut = ResumeFrom { step: Some(33), discard_later_rows: true };
    append_segments(resume(directory.path(), cut), 34, 2);
    assert_eq!(names(directory.path())[1], "000007.parquet", "a number is not given twice");
    assert_sound(directory.path(), 53);
    compact_at_once(directory.path()).unwrap();
    assert_sound(directory.path(), 53);
}

#[test]
fn what_a_killed_process_left_is_merged_too() {
    let directory = tempfile::tempdir().unwrap();
    let mut killed = writer(directory.path());
    killed.append(&rows(1..11)).unwrap();
    assert!(matches!(compact_at_once(directory.path()), Err(Error::RunLocked { .. })));
    drop(killed);
    append_segments(resume(directory.path(), ResumeFrom::default()), 11, 1);
    assert_eq!(compact_at_once(directory.path()).unwrap().segments_after, 1);
    assert_sound(directory.path(), 20);
}

#[test]
fn nothing_to_merge_and_nothing_of_somebody_elses() {
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(compact_at_once(directory.path()), Err(Error::NoSuchRun { .. })));
    writer(directory.path()).close().unwrap();
    assert_eq!(compact_at_once(directory.path()).unwrap(), Compaction::default());
    append_segments(resume(directory.path(), ResumeFrom::default()), 1, 2);
    let note = directory.path().join("steps/notes.txt");
    fs::write(&note, "mine").unwrap();
    let error = compact_at_once(directory.path()).err().unwrap();
    assert!(error.to_string().contains("notes.txt"), "{error}");
    assert_eq!(fs::read(note).unwrap(), b"mine");
    assert_sound(directory.path(), 20);
}

#[test]
fn a_merging_that_dies_at_any_operation_can_be_done_again() {
    for exchanges in [true, false] {
        for stop in 0.. {
            let directory = tempfile::tempdir().unwrap();
            append_segments(writer(directory.path()), 1, 3);
            let mut storage = Stopping::at(stop, Then::Dead);
            storage.exchanges = exchanges;
            let outcome = compact_on(&storage, Encoding::Small, directory.path());
            assert_eq!(outcome.is_ok(), !storage.stopped(), "operation {stop}");
            // Whoever tries to begin a run here meanwhile makes nothing that recovery could take
            // for the run's.
            assert!(matches!(
                RunWriter::create(directory.path(), &info(), Vec::new()),
                Err(Error::RunExists { .. })
            ));
            if stop % 3 == 0 && !directory.path().join("steps").exists() {
                fs::create_dir(directory.path().join("steps")).unwrap();
            }
            // Without an exchange in one step there is a moment without the folder, which recovery
            // ends.
            let whole = fs::read_dir(directory.path().join("steps"))
                .is_ok_and(|mut steps| steps.next().is_some());
            if exchanges || whole {
                assert_rows_equal(&read_rows(directory.path()), &rows(1..31));
            }
            if stop.is_multiple_of(2) {
                recover(directory.path()).unwrap();
                assert_sound(directory.path(), 30);
            }
            assert_eq!(compact_at_once(directory.path()).unwrap().segments_after, 1);
            assert_sound(directory.path(), 30);
            let left: Vec<_> = fs::read_dir(directory.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name())
                .collect();
            assert!(
                left.iter().all(|name| !name.to_str().unwrap().starts_with("steps.")),
                "{left:?}"
            );
            if outcome.is_ok() {
                assert!(stop > 8, "{:?}", storage.operations());
                break;
            }
        }
    }
}

#[test]
fn an_empty_folder_between_two_renames_is_no_run_and_three_full_ones_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    append_segments(writer(directory.path()), 1, 3);
    fs::rename(at("steps"), at("steps.replaced")).unwrap();
    fs::create_dir(at("steps.compacting")).unwrap();
    for entry in fs::read_dir(at("steps.replaced")).unwrap().map(|entry| entry.unwrap()) {
        fs::copy(entry.path(), at("steps.compacting").join(entry.file_name())).unwrap();
    }
    fs::create_dir(at("steps")).unwrap();
    fs::write(at("steps/mine.txt"), "").unwrap();
    assert!(matches!(recover(directory.path()), Err(Error::Damaged { .. })));
    fs::remove_file(at("steps/mine.txt")).unwrap();
    recover(directory.path()).unwrap();
    assert_sound(directory.path(), 30);
    assert!(!at("steps.replaced").exists() && !at("steps.compacting").exists());
}

#[test]
fn a_reading_that_began_before_goes_on_after() {
    for (read_before, cut) in [(0, false), (1, false), (2, true), (4, true), (5, false)] {
        let directory = tempfile::tempdir().unwrap();
        append_segments(writer(directory.path()), 1, 5);
        if cut {
            compact_at_once(directory.path()).unwrap();
            append_segments(resume(directory.path(), ResumeFrom::default()), 51, 4);
        }
        let run = Run::open(directory.path()).unwrap();
        let mut batches = run.steps(&["step"]).unwrap();
        let mut found = Vec::new();
        let mut take = |batch: perrin::run::arrow_array::RecordBatch| {
            use perrin::run::arrow_array::{cast::AsArray, types::Int64Type};
            found.extend(
                batch
                    .column(0)
                    .as_primitive::<Int64Type>()
                    .values()
                    .iter()
                    .map(|step| step.cast_unsigned()),
            );
        };
        (0..read_before).for_each(|_| take(batches.next().unwrap().unwrap()));
        compact_at_once(directory.path()).unwrap();
        batches.for_each(|batch| take(batch.unwrap()));
        assert!(
            found.iter().copied().eq(1..=if cut { 90 } else { 50 }),
            "{read_before}: {found:?}"
        );
    }
}

#[test]
fn readers_see_every_row_once_while_segments_are_written_and_merged() {
    const ROUNDS: u64 = 40;
    let directory = tempfile::tempdir().unwrap();
    append_segments(writer(directory.path()), 1, 1);
    let (finished, readings) = (AtomicBool::new(false), std::sync::atomic::AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..ROUNDS {
                append_segments(
                    resume(directory.path(), ResumeFrom::default()),
                    10 * (3 * round + 1) + 1,
                    3,
                );
                compact_at_once(directory.path()).unwrap();
            }
            finished.store(true, Ordering::SeqCst);
        });
        let run = Run::open(directory.path()).unwrap();
        let mut before = 0;
        while !finished.load(Ordering::SeqCst) {
            let mut count = 0;
            run.for_each_row(["step"], |[step]| {
                count += 1;
                assert_eq!(step, Some(count as f64));
            })
            .unwrap();
            assert!(count >= before);
            before = count;
            readings.fetch_add(1, Ordering::Relaxed);
        }
    });
    println!("{} readings", readings.into_inner());
    assert_sound(directory.path(), 10 + 30 * ROUNDS);
}
