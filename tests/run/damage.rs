//! Files that are not what they should be are told from those that are, by path and reason.

use std::fs;
use std::path::Path;

use crate::common::{info, rows, try_read_rows, writer};
use arrow_ipc::writer::StreamWriter;
use parquet::arrow::ArrowWriter;
use perrin::Error;
use perrin::record::{Layout, RunInfo, SCHEMA_VERSION};
use perrin::run::{Run, RunWriter, batch_from_rows, recover, steps_schema};

fn finished_run(directory: &Path) {
    let mut writer = writer(directory);
    writer.append(&rows(1..100)).unwrap();
    writer.close().unwrap();
}

#[test]
fn a_path_without_a_run_is_no_run() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("notes.txt");
    fs::write(&file, "hello").unwrap();
    for path in [directory.path(), &directory.path().join("nothing"), &file] {
        assert!(matches!(Run::open(path), Err(Error::NoSuchRun { .. })), "{}", path.display());
        assert!(matches!(recover(path), Err(Error::NoSuchRun { .. })), "{}", path.display());
    }
}

#[test]
fn a_run_json_of_another_program_is_damaged() {
    let directory = tempfile::tempdir().unwrap();
    for contents in ["", "hello", "{}", r#"{"schema_version": 1}"#, r#"{"schema_version": "one"}"#]
    {
        fs::write(directory.path().join("run.json"), contents).unwrap();
        let error = Run::open(directory.path()).err().unwrap();
        assert!(
            matches!(&error, Error::Damaged { path, .. } if path.ends_with("run.json")),
            "{contents}: {error}"
        );
    }
    // A layout that no memory could hold.
    let layout = Layout { parameter_groups: 1, directions: usize::MAX };
    let json = serde_json::to_string(&RunInfo { layout, ..RunInfo::default() }).unwrap();
    fs::write(directory.path().join("run.json"), json).unwrap();
    assert!(matches!(Run::open(directory.path()), Err(Error::Damaged { .. })));
}

#[test]
fn a_newer_schema_is_refused_in_run_json_and_in_a_segment() {
    let directory = tempfile::tempdir().unwrap();
    let newer = RunInfo { schema_version: SCHEMA_VERSION + 1, ..info() };
    let mut writer = RunWriter::create(directory.path(), &newer, Vec::new()).unwrap();
    writer.append(&rows(1..3)).unwrap();
    writer.close().unwrap();
    let expect = |error: Error, file: &str| match error {
        Error::NewerSchema { path, found, supported } => {
            assert!(path.ends_with(file), "{}", path.display());
            assert_eq!((found, supported), (SCHEMA_VERSION + 1, SCHEMA_VERSION));
        }
        other => panic!("{other}"),
    };
    expect(Run::open(directory.path()).err().unwrap(), "run.json");
    fs::write(directory.path().join("run.json"), serde_json::to_vec(&info()).unwrap()).unwrap();
    expect(try_read_rows(directory.path()).err().unwrap(), "000000.parquet");
}

#[test]
fn a_segment_cut_short_is_damaged() {
    let directory = tempfile::tempdir().unwrap();
    finished_run(directory.path());
    let segment = directory.path().join("steps/000000.parquet");
    let whole = fs::read(&segment).unwrap();
    for length in [0, 3, 11, whole.len() / 2, whole.len() - 9, whole.len() - 1] {
        fs::write(&segment, &whole[..length]).unwrap();
        expect_damaged(directory.path(), "000000.parquet");
    }
}

#[test]
fn a_missing_segment_is_named() {
    let directory = tempfile::tempdir().unwrap();
    finished_run(directory.path());
    let steps = directory.path().join("steps");
    fs::rename(steps.join("000000.parquet"), steps.join("000001.parquet")).unwrap();
    expect_damaged(directory.path(), "000000.parquet");
}

#[test]
fn files_of_other_programs_are_damaged() {
    let directory = tempfile::tempdir().unwrap();
    drop(writer(directory.path()));
    let schema = steps_schema(info().layout).unwrap();
    let batch = batch_from_rows(info().layout, &schema, &rows(1..100)).unwrap();

    let mut parquet = ArrowWriter::try_new(Vec::new(), schema.clone(), None).unwrap();
    parquet.write(&batch).unwrap();
    let segment = directory.path().join("steps/000000.parquet");
    for foreign in [b"hello, world".to_vec(), parquet.into_inner().unwrap()] {
        fs::write(&segment, foreign).unwrap();
        expect_damaged(directory.path(), "000000.parquet");
    }
    fs::remove_file(segment).unwrap();

    let mut stream = StreamWriter::try_new(Vec::new(), &schema).unwrap();
    stream.write(&batch).unwrap();
    let journal = directory.path().join("open/000000.arrows");
    fs::create_dir_all(directory.path().join("open")).unwrap();
    for foreign in [b"hello, world".to_vec(), stream.into_inner().unwrap()] {
        fs::write(&journal, foreign).unwrap();
        expect_damaged(directory.path(), "000000.arrows");
        let error = recover(directory.path()).err().unwrap();
        assert!(
            matches!(&error, Error::Damaged { path, .. } if path.ends_with("000000.arrows")),
            "{error}"
        );
        assert!(journal.exists(), "what cannot be read is not removed");
    }
}

#[test]
fn files_of_another_layout_are_damaged() {
    let directory = tempfile::tempdir().unwrap();
    finished_run(directory.path());
    fs::write(directory.path().join("run.json"), serde_json::to_vec(&RunInfo::default()).unwrap())
        .unwrap();
    let run = Run::open(directory.path()).unwrap();
    let error = run.steps(&["step"]).unwrap().next().unwrap().err().unwrap();
    assert!(
        matches!(&error, Error::Damaged { path, .. } if path.ends_with("000000.parquet")),
        "{error}"
    );
}

#[test]
fn recovery_removes_only_what_perrin_left_unfinished() {
    let directory = tempfile::tempdir().unwrap();
    finished_run(directory.path());
    let ours =
        [".run.json.partial", ".reference.safetensors.partial", "open/000001.parquet.partial"];
    let theirs = ["run.json.partial", ".notes.partial", "open/1.parquet.partial", "steps/plot.png"];
    for name in ours.iter().chain(&theirs) {
        fs::write(directory.path().join(name), "").unwrap();
    }
    recover(directory.path()).unwrap();
    assert_eq!(ours.map(|name| directory.path().join(name).exists()), [false; 3]);
    assert_eq!(theirs.map(|name| directory.path().join(name).exists()), [true; 4]);
}

#[test]
fn a_torn_event_is_passed_over_and_a_wrong_one_named() {
    let directory = tempfile::tempdir().unwrap();
    finished_run(directory.path());
    let event = r#"{"step":7,"elapsed_seconds":0.5,"event":"finished","rows":9,"dropped":0}"#;
    let unknown = r#"{"step":7,"elapsed_seconds":0.5,"event":"of_a_later_version","count":9}"#;
    let path = directory.path().join("events.jsonl");
    let run = Run::open(directory.path()).unwrap();
    fs::write(&path, format!("{unknown}\n{event}\n{}", &event[..20])).unwrap();
    assert_eq!(run.events().unwrap().len(), 1);
    fs::write(&path, format!("{event}\nhello\n{event}\n")).unwrap();
    let error = run.events().err().unwrap();
    assert!(
        error.to_string().contains("events.jsonl") && error.to_string().contains("line 2"),
        "{error}"
    );
}

fn expect_damaged(directory: &Path, file: &str) {
    let error = try_read_rows(directory).err().unwrap();
    assert!(matches!(&error, Error::Damaged { path, .. } if path.ends_with(file)), "{error}");
}
