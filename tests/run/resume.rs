//! A run that is taken up again: what it is given back, what must fit, and which rows may go.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::common::{assert_rows_equal, info, layout, read_rows, rows, writer};
use crate::stopping::{Stopping, Then};
use perrin::Error;
use perrin::record::{EventKind, ParameterInfo, RunInfo};
use perrin::run::{Reference, ReferenceTensor, ResumeFrom, Run, RunWriter, check};

/// Segments of ten rows: 1..=30 finished, 31..=40 in a journal, and one of which there is only the
/// schema: as a process that dies beginning a segment leaves it, having failed to finish the one
/// before.
fn killed_run(directory: &Path) {
    let mut writer = writer(directory);
    for segment in 0..4 {
        writer.append(&rows(segment * 10 + 1..segment * 10 + 6)).unwrap();
        writer.append(&rows(segment * 10 + 6..segment * 10 + 11)).unwrap();
        if segment < 3 {
            writer.roll_if_due(Duration::from_secs(segment * 2000)).unwrap();
            writer.roll_if_due(Duration::from_secs(segment * 2000 + 1000)).unwrap();
        }
    }
    drop(writer);
    let journal = fs::read(directory.join("open/000003.arrows")).unwrap();
    let schema = 8 + u32::from_le_bytes(journal[4..8].try_into().unwrap()) as usize;
    fs::write(directory.join("open/000004.arrows"), &journal[..schema]).unwrap();
}

fn discarding_after(step: u64) -> ResumeFrom {
    ResumeFrom { step: Some(step), discard_later_rows: true }
}

/// Name and contents of every file.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for folder in [directory.to_owned(), directory.join("steps")] {
        for entry in
            fs::read_dir(folder).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file())
        {
            found.insert(entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap());
        }
    }
    found
}

#[test]
fn a_killed_run_goes_on_after_its_last_row() {
    let directory = tempfile::tempdir().unwrap();
    killed_run(directory.path());
    let (mut writer, resumed) =
        RunWriter::resume(directory.path(), &info(), ResumeFrom::default()).unwrap();
    let last = rows(40..41);
    assert_eq!((resumed.step, resumed.recovery.rows, resumed.rows_discarded), (40, 10, 0));
    assert_eq!(resumed.last_row, Some(last.records[0]));
    assert_eq!(
        resumed.hyperparameters,
        [last.records[0].hyperparameters, last.group_hyperparameters[0]]
    );
    assert_eq!(resumed.projections, last.projections);
    assert_eq!(resumed.elapsed, Duration::from_secs_f64(last.records[0].elapsed_seconds));
    assert_eq!((resumed.totals.rows, resumed.totals.segments), (40, 5));
    let bytes: u64 = (0..5)
        .map(|n| directory.path().join(format!("steps/{n:06}.parquet")).metadata().unwrap().len())
        .sum();
    assert_eq!(resumed.totals.bytes, bytes);

    writer.append(&rows(41..51)).unwrap();
    let totals = writer.close().unwrap();
    assert_eq!((totals.rows, totals.segments), (50, 6));
    assert!(directory.path().join("steps/000005.parquet").exists());
    assert_rows_equal(&read_rows(directory.path()), &rows(1..51));
    let checked = check(directory.path()).unwrap();
    assert!(checked.damage.is_empty() && checked.notes.is_empty(), "{checked:?}");
    let events = Run::open(directory.path()).unwrap().events().unwrap();
    let resumed =
        events.iter().find(|event| matches!(event.kind, EventKind::Resumed { .. })).unwrap();
    let EventKind::Resumed { last_step, rows_discarded, next_landscape, time } = &resumed.kind
    else {
        unreachable!()
    };
    assert_eq!(
        (resumed.step, *last_step, *rows_discarded, *next_landscape),
        (41, Some(40), 0, Some(0))
    );
    assert!(time.as_ref().unwrap().ends_with('Z'));
}

#[test]
fn a_run_without_rows_is_resumed_from_its_beginning() {
    let directory = tempfile::tempdir().unwrap();
    drop(writer(directory.path()));
    let (writer, resumed) =
        RunWriter::resume(directory.path(), &info(), ResumeFrom::default()).unwrap();
    assert_eq!((resumed.step, resumed.last_row, resumed.elapsed), (0, None, Duration::ZERO));
    assert_eq!(resumed.hyperparameters, info().hyperparameters);
    writer.close().unwrap();
    let (_, resumed) = RunWriter::resume(
        directory.path(),
        &info(),
        ResumeFrom { step: Some(7), ..ResumeFrom::default() },
    )
    .unwrap();
    assert_eq!(resumed.step, 7, "rows that a killed process lost do not stand in the way");
}

#[test]
fn one_writer_and_never_without_saying_so() {
    let directory = tempfile::tempdir().unwrap();
    let resume = || RunWriter::resume(directory.path(), &info(), ResumeFrom::default());
    assert!(matches!(resume(), Err(Error::NoSuchRun { .. })));
    let first = writer(directory.path());
    assert!(matches!(resume(), Err(Error::RunLocked { .. })));
    drop(first);
    let _second = resume().unwrap();
    assert!(matches!(resume(), Err(Error::RunLocked { .. })));
    let created = RunWriter::create(directory.path(), &info(), Vec::new());
    assert!(matches!(created, Err(Error::RunLocked { .. })));
}

#[test]
fn every_difference_is_named_at_once_and_nothing_is_changed() {
    let parameter = |name: &str, shape: &[i64], kind: &str| ParameterInfo {
        name: name.to_owned(),
        shape: shape.to_vec(),
        kind: kind.to_owned(),
        device: "cpu".to_owned(),
        group: None,
    };
    let parameters = vec![
        parameter("weight", &[2, 3], "f32"),
        parameter("bias", &[2], "f32"),
        parameter("scale", &[], "f64"),
    ];
    let run = RunInfo { parameters, ..info() };
    let directory = tempfile::tempdir().unwrap();
    let mut writer = RunWriter::create(directory.path(), &run, tensors()).unwrap();
    writer.append(&rows(1..11)).unwrap();
    drop(writer);
    let before = files(directory.path());
    let refused = |info: &RunInfo| {
        let error = RunWriter::resume(directory.path(), info, ResumeFrom::default()).err().unwrap();
        assert!(matches!(error, Error::ResumeMismatch { .. }), "{error}");
        assert_eq!(files(directory.path()), before);
        error.to_string()
    };
    let mut other = run.clone();
    other.parameters[0].shape = vec![3, 2];
    other.parameters[1].kind = "bf16".to_owned();
    other.parameters[2].name = "gain".to_owned();
    other.layout.directions = 30;
    other.every_steps = 10;
    let text = refused(&other);
    for expected in [
        "every_steps was 1 and is 10",
        "the number of directions was 3 and is 30",
        "parameters are missing: scale",
        "parameters are not the run's: gain",
        "weight (was f32 [2, 3], is f32 [3, 2])",
        "bias (was f32 [2], is bf16 [2])",
    ] {
        assert!(text.contains(expected), "{text}");
    }
    let mut other = run.clone();
    other.parameters.swap(0, 1);
    assert!(refused(&other).contains("another order"));
    other.parameters =
        (0..20).map(|number| parameter(&format!("p{number}"), &[1], "f32")).collect();
    assert!(refused(&other).contains("p6, p7 and 12 more"));

    // Another device and another learning rate are no other run.
    let mut moved = run.clone();
    moved.parameters[0].device = "cuda:0".to_owned();
    moved.hyperparameters[0].learning_rate = Some(1e-9);
    let (_, resumed) = RunWriter::resume(directory.path(), &moved, ResumeFrom::default()).unwrap();
    assert_eq!(resumed.info, run);
    assert_tensors(&resumed.reference);
}

#[test]
fn later_rows_are_refused_with_both_steps_and_discarded_when_asked_for() {
    for step in [0, 1, 9, 10, 11, 25, 30, 35, 39, 40, 45] {
        let directory = tempfile::tempdir().unwrap();
        killed_run(directory.path());
        if step < 40 {
            let refused = ResumeFrom { step: Some(step), discard_later_rows: false };
            let error = RunWriter::resume(directory.path(), &info(), refused).err().unwrap();
            assert!(matches!(error, Error::RowsAfterResume { last_step: 40, .. }), "{error}");
            assert!(error.to_string().contains(&format!("after step {step}:")), "{error}");
            assert_eq!(read_rows(directory.path()).len(), 40, "refusing removes nothing");
        }
        let (mut writer, resumed) =
            RunWriter::resume(directory.path(), &info(), discarding_after(step)).unwrap();
        let left = step.min(40);
        assert_eq!(
            (resumed.step, resumed.totals.rows, resumed.rows_discarded),
            (step, left, 40 - left)
        );
        assert_eq!(resumed.last_row, rows(1..left + 1).records.last().copied());
        assert_rows_equal(&read_rows(directory.path()), &rows(1..left + 1));
        let end = left + 21;
        writer.append(&rows(left + 1..end)).unwrap();
        writer.close().unwrap();
        assert_rows_equal(&read_rows(directory.path()), &rows(1..end));
        assert!(check(directory.path()).unwrap().damage.is_empty());
    }
}

#[test]
fn a_resume_that_dies_at_any_operation_can_be_done_again() {
    for stop in 0.. {
        let directory = tempfile::tempdir().unwrap();
        killed_run(directory.path());
        let storage = Stopping::at(stop, Then::Dead);
        let resumed = RunWriter::resume_on(
            Arc::new(storage.clone()),
            directory.path(),
            &info(),
            discarding_after(15),
        );
        drop(resumed);
        let left = read_rows(directory.path());
        assert!((15..=40).contains(&left.len()));
        assert_rows_equal(&left, &rows(1..left.len() as u64 + 1));
        let (_, resumed) =
            RunWriter::resume(directory.path(), &info(), discarding_after(15)).unwrap();
        assert_eq!(resumed.totals.rows, 15);
        assert_rows_equal(&read_rows(directory.path()), &rows(1..16));
        if !storage.stopped() {
            assert!(
                stop > 15,
                "a recovery, an event, two removals and a segment are more than {stop} operations"
            );
            break;
        }
    }
}

fn tensors() -> Vec<ReferenceTensor<'static>> {
    let tensor = |name, kind, shape: &[usize], bytes: usize| ReferenceTensor {
        name,
        kind,
        shape: shape.to_vec(),
        bytes: Cow::Owned((0..bytes).map(|byte| byte as u8 ^ 0x5a).collect()),
    };
    vec![
        tensor("weight", "f32", &[2, 3], 24),
        tensor("bias", "f32", &[2], 8),
        tensor("scale", "f64", &[], 8),
    ]
}

fn assert_tensors(found: &Reference) {
    assert_eq!(found.tensors().len(), 3);
    for (found, expected) in found.tensors().zip(tensors()) {
        assert_eq!(
            (found.name, found.kind, &found.shape),
            (expected.name, expected.kind, &expected.shape)
        );
        assert_eq!(found.bytes, expected.bytes);
    }
}

#[test]
fn damage_to_the_reference_point_is_found_wherever_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let parameters = tensors().into_iter().map(|tensor| ParameterInfo {
        name: tensor.name.to_owned(),
        shape: tensor.shape.iter().map(|&extent| extent as i64).collect(),
        kind: tensor.kind.to_owned(),
        device: "cpu".to_owned(),
        group: None,
    });
    let info = RunInfo { parameters: parameters.collect(), layout: layout(), ..RunInfo::default() };
    RunWriter::create(directory.path(), &info, tensors()).unwrap().close().unwrap();
    let run = Run::open(directory.path()).unwrap();
    assert_tensors(&run.reference().unwrap());
    let path = directory.path().join("reference.safetensors");
    let whole = fs::read(&path).unwrap();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    assert_eq!(whole.len() - header, 40, "the data are 40 bytes");
    for position in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[position] ^= 4;
        fs::write(&path, &damaged).unwrap();
        match run.reference() {
            Err(Error::Damaged { .. }) => {
                assert_eq!(check(directory.path()).unwrap().damage.len(), 1)
            }
            Err(error) => panic!("byte {position}: {error}"),
            // Only a byte of the header that changes nothing of what it says.
            Ok(reference) => {
                assert!(position < header, "byte {position} of the data");
                assert_tensors(&reference);
            }
        }
    }
    fs::remove_file(&path).unwrap();
    assert!(run.reference().err().unwrap().to_string().contains("missing"));
}
