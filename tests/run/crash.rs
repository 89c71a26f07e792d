//! A process that dies, or a disk that fails, at any single operation: every acknowledged row is
//! there exactly once.

use std::borrow::Cow;
use std::fs::{self, OpenOptions};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::common::{assert_rows_equal, info, read_rows, rows, writer};
use crate::stopping::{Stopping, Then};
use perrin::Result;
use perrin::record::{Event, EventKind, ParameterInfo, RowBuffer, RunInfo};
use perrin::run::{Recovery, ReferenceTensor, Run, RunWriter, recover_on};

/// Writes three segments of three blocks each; returns the rows whose append was acknowledged.
fn run(storage: &Stopping, directory: &Path) -> (RowBuffer, Result<()>) {
    let mut acknowledged = RowBuffer::default();
    let outcome = (|| {
        let mut writer =
            RunWriter::create_on(Arc::new(storage.clone()), directory, &info(), Vec::new())?;
        let mut first_error = None;
        for block in 0..9 {
            let rows = rows(block * 2 + 1..block * 2 + 3);
            match writer.append(&rows) {
                Ok(()) => append(&mut acknowledged, rows),
                Err(error) => first_error = first_error.or(Some(error)),
            }
            // Three blocks to a segment: 0 s, 1000 s, 2000 s since it was first seen.
            let now = Duration::from_secs(block * 1000 / 3 * 3);
            first_error = first_error.or(writer.roll_if_due(now).err());
        }
        writer.close()?;
        first_error.map_or(Ok(()), Err)
    })();
    (acknowledged, outcome)
}

fn append(all: &mut RowBuffer, rows: RowBuffer) {
    all.records.extend(rows.records);
    all.group_hyperparameters.extend(rows.group_hyperparameters);
    all.projections.extend(rows.projections);
}

/// The number of operations of an undisturbed run.
fn operations() -> u64 {
    let directory = tempfile::tempdir().unwrap();
    let storage = Stopping::never();
    run(&storage, directory.path()).1.unwrap();
    storage.count()
}

#[test]
fn a_process_that_dies_at_any_operation_loses_no_acknowledged_row() {
    let operations = operations();
    assert!(operations > 40, "three segments take more than {operations} operations");
    (0..operations).for_each(|stop| die(Stopping::at(stop, Then::Dead), stop));
}

/// `steps` may be a link to another disk, where a segment cannot simply be renamed to.
#[test]
fn nor_where_segments_go_to_another_disk() {
    let on_other_disk = |stop, then| {
        let mut storage = Stopping::at(stop, then);
        storage.other_disk = true;
        storage
    };
    let directory = tempfile::tempdir().unwrap();
    let storage = on_other_disk(u64::MAX, Then::Well);
    let (all, outcome) = run(&storage, directory.path());
    outcome.unwrap();
    assert_rows_equal(&read_rows(directory.path()), &all);
    assert_eq!(left_over(directory.path()), [""; 0]);
    let linked =
        storage.operations().iter().filter(|operation| operation.starts_with("link .")).count();
    let segments = fs::read_dir(directory.path().join("steps")).unwrap().count();
    assert_eq!(linked, segments, "{:?}", storage.operations());
    (0..storage.count()).for_each(|stop| die(on_other_disk(stop, Then::Dead), stop));
}

fn die(storage: Stopping, stop: u64) {
    let directory = tempfile::tempdir().unwrap();
    let (acknowledged, outcome) = run(&storage, directory.path());
    assert!(outcome.is_err(), "the error of operation {stop} is told");
    if !directory.path().join("run.json").exists() {
        assert!(acknowledged.is_empty());
        return;
    }
    assert_rows_equal(&read_rows(directory.path()), &acknowledged);
    recover(directory.path()).unwrap();
    assert_rows_equal(&read_rows(directory.path()), &acknowledged);
    assert_eq!(left_over(directory.path()), [""; 0], "stopped at {stop}");
    assert_eq!(recover(directory.path()).unwrap(), Default::default(), "nothing is left to do");
}

/// A power loss cannot be had in a test; the order that makes it harmless can be seen.
#[test]
fn a_segment_is_on_disk_under_its_name_before_its_journal_goes() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Stopping::never();
    run(&storage, directory.path()).1.unwrap();
    let operations = storage.operations();
    let end = operations.iter().position(|operation| operation == "remove 000001.arrows").unwrap();
    let expected = [
        "write 000001.parquet.partial",
        "sync 000001.parquet.partial",
        "rename to 000001.parquet",
        "sync steps",
        "remove 000001.arrows",
    ];
    assert_eq!(operations[end - 4..=end], expected);
    let begin = ["write .run.json.partial", "sync .run.json.partial", "rename to run.json"];
    let written = operations.iter().position(|operation| operation == begin[0]).unwrap();
    assert_eq!(operations[written..written + 3], begin);
    assert!(operations[written + 3].starts_with("sync"), "the run's folder");
}

/// What a run begins with goes through the storage too, and a process that dies leaves nothing that
/// a second attempt does not replace.
#[test]
fn a_beginning_that_dies_at_any_operation_can_be_done_again() {
    let parameter = ParameterInfo {
        name: "weight".to_owned(),
        shape: vec![2],
        kind: "f32".to_owned(),
        device: "cpu".to_owned(),
        group: None,
    };
    let info = RunInfo { parameters: vec![parameter], ..info() };
    let begin = |storage: &Stopping, directory: &Path| {
        let bytes = Cow::Borrowed([1, 2, 3, 4, 5, 6, 7, 8].as_slice());
        let tensor = ReferenceTensor { name: "weight", kind: "f32", shape: vec![2], bytes };
        RunWriter::create_on(Arc::new(storage.clone()), directory, &info, vec![tensor])
    };
    for stop in 0.. {
        let directory = tempfile::tempdir().unwrap();
        let storage = Stopping::at(stop, Then::Dead);
        let begun = begin(&storage, directory.path()).map(drop);
        let operations = storage.operations();
        if !directory.path().join("run.json").exists() {
            begin(&Stopping::never(), directory.path()).unwrap();
        }
        recover(directory.path()).unwrap();
        assert_eq!(Run::open(directory.path()).unwrap().reference().unwrap().tensors().len(), 1);
        let entries =
            fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        assert_eq!(
            names,
            ["lock", "reference.safetensors", "run.json", "steps"],
            "stopped at {stop}"
        );
        if begun.is_ok() {
            assert!(
                operations
                    .iter()
                    .any(|operation| operation == "write .reference.safetensors.partial")
            );
            break;
        }
    }
}

#[test]
fn a_recovery_that_dies_at_any_operation_can_be_done_again() {
    for stop_writing in (0..operations()).step_by(5) {
        for stop in 0.. {
            let directory = tempfile::tempdir().unwrap();
            let (acknowledged, _) = run(&Stopping::at(stop_writing, Then::Dead), directory.path());
            if !directory.path().join("run.json").exists() {
                break;
            }
            let storage = Stopping::at(stop, Then::Dead);
            let recovered = recover_on(&storage, directory.path());
            assert_rows_equal(&read_rows(directory.path()), &acknowledged);
            recover(directory.path()).unwrap();
            assert_rows_equal(&read_rows(directory.path()), &acknowledged);
            assert_eq!(left_over(directory.path()), [""; 0]);
            if !storage.stopped() {
                recovered.unwrap();
                break;
            }
        }
    }
}

#[test]
fn an_operation_that_fails_once_costs_at_most_its_block() {
    let operations = operations();
    for stop in 0..operations {
        let directory = tempfile::tempdir().unwrap();
        let (acknowledged, outcome) = run(&Stopping::at(stop, Then::Well), directory.path());
        if acknowledged.is_empty() {
            assert!(
                outcome.is_err() && stop < operations / 4,
                "no run could be made, and that was told"
            );
            continue;
        }
        // 9 blocks of two rows.
        assert!(acknowledged.len() >= 16, "stopped at {stop}");
        assert_rows_equal(&read_rows(directory.path()), &acknowledged);
        recover(directory.path()).unwrap();
        assert_rows_equal(&read_rows(directory.path()), &acknowledged);
    }
}

#[test]
fn a_journal_cut_anywhere_keeps_exactly_its_whole_blocks() {
    let directory = tempfile::tempdir().unwrap();
    let journal = directory.path().join("open/000000.arrows");
    let length = || fs::metadata(&journal).unwrap().len();
    let mut writer = writer(directory.path());
    let mut ends = Vec::new();
    for block in 0..3 {
        writer.append(&rows(block * 2 + 1..block * 2 + 3)).unwrap();
        ends.push(length());
    }
    drop(writer);
    let file = OpenOptions::new().write(true).open(&journal).unwrap();
    for cut in (0..=length()).rev() {
        file.set_len(cut).unwrap();
        let whole = ends.iter().filter(|&&end| end <= cut).count() as u64;
        let mut steps = Vec::new();
        let run = Run::open(directory.path()).unwrap();
        run.for_each_row(["step", "position_1"], |[step, _]| steps.push(step.unwrap() as u64))
            .unwrap();
        assert_eq!(steps, (1..=2 * whole).collect::<Vec<_>>(), "cut to {cut} bytes");
    }
}

#[test]
fn a_block_that_was_never_written_out_is_passed_over_and_counted() {
    let directory = tempfile::tempdir().unwrap();
    let journal = directory.path().join("open/000000.arrows");
    let mut writer = writer(directory.path());
    let mut ends = Vec::new();
    for block in 0..3 {
        writer.append(&rows(block * 2 + 1..block * 2 + 3)).unwrap();
        ends.push(fs::metadata(&journal).unwrap().len() as usize);
    }
    drop(writer);
    let mut bytes = fs::read(&journal).unwrap();
    bytes[ends[0]..ends[1]].fill(0);
    bytes.extend([0xff; 5]);
    fs::write(&journal, bytes).unwrap();

    let recovery = recover(directory.path()).unwrap();
    let discarded = (ends[1] - ends[0] + 5) as u64;
    assert_eq!((recovery.segments, recovery.rows, recovery.bytes_discarded), (1, 4, discarded));
    let mut expected = rows(1..3);
    append(&mut expected, rows(5..7));
    assert_rows_equal(&read_rows(directory.path()), &expected);
    let kind = EventKind::Recovered { rows: 4, bytes_discarded: discarded };
    let event = Event { step: 7, elapsed_seconds: expected.records[3].elapsed_seconds, kind };
    assert_eq!(Run::open(directory.path()).unwrap().events().unwrap(), [event]);
}

fn recover(directory: &Path) -> Result<Recovery> {
    recover_on(&Stopping::never(), directory)
}

/// Files that a run at rest does not have.
fn left_over(directory: &Path) -> Vec<String> {
    let mut left = Vec::new();
    for folder in ["steps", "open"]
        .map(|folder| directory.join(folder))
        .iter()
        .filter(|folder| folder.exists())
    {
        let entries = fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        left.extend(names.filter(|name| !name.ends_with(".parquet")));
    }
    left
}
