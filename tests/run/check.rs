//! `check` tells damage from what is only worth knowing, and names file and row.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::common::{rows, writer};
use perrin::Error;
use perrin::record::{Event, EventKind, ParameterInfo};
use perrin::run::{
    Check, DeltaWriter, Follower, FullDelta, Good, LockedFiles, ReferenceTensor, Run, check,
    recover,
};

/// Two segments and a journal of ten rows each, with the steps given.
fn make_run(directory: &Path, first_steps: [u64; 3]) {
    let mut writer = writer(directory);
    for (first, now) in first_steps.into_iter().zip([0, 1000, 2000]) {
        writer.roll_if_due(Duration::from_secs(now + 999)).unwrap();
        writer.append(&rows(first..first + 10)).unwrap();
        writer.roll_if_due(Duration::from_secs(now)).unwrap();
    }
}

#[test]
fn a_sound_run_gives_no_finding() {
    let directory = tempfile::tempdir().unwrap();
    make_run(directory.path(), [1, 11, 21]);
    let found = check(directory.path()).unwrap();
    let good = |kind, files, entries| Good { kind, files, entries, checksums: true };
    let good = vec![good("run.json", 1, 1), good("segments", 2, 20), good("journals", 1, 10)];
    assert_eq!(found, Check { rows: 30, segments: 2, journals: 1, good, ..Check::default() });
}

#[test]
fn a_flipped_bit_anywhere_in_a_segment_is_found() {
    let directory = tempfile::tempdir().unwrap();
    make_run(directory.path(), [1, 11, 21]);
    let segment = directory.path().join("steps/000001.parquet");
    let whole = fs::read(&segment).unwrap();
    // From the magic at the beginning on, which no reader reads.
    for position in (4..whole.len()).step_by(17) {
        let mut flipped = whole.clone();
        flipped[position] ^= 1 << (position % 8);
        fs::write(&segment, flipped).unwrap();
        let found = check(directory.path()).unwrap();
        assert_eq!(found.damage.len(), 1, "byte {position}: {:?}", found.damage);
        assert_eq!(found.damage[0].path, segment);
        assert_eq!((found.rows, found.journals), (20, 1), "the rest is checked");
    }
}

#[test]
fn steps_that_go_backwards_are_damage_and_missing_ones_a_note() {
    let directory = tempfile::tempdir().unwrap();
    make_run(directory.path(), [1, 15, 20]);
    let found = check(directory.path()).unwrap();
    let texts = |findings: &[perrin::run::Finding]| {
        findings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let at =
        |file: &str, what: &str| vec![format!("{}: {what}", directory.path().join(file).display())];
    assert_eq!(
        texts(&found.notes),
        at("steps/000001.parquet", "row 0: no rows between steps 10 and 15")
    );
    assert_eq!(
        texts(&found.damage),
        at("open/000002.arrows", "row 0: step 20 comes after step 24")
    );
}

#[test]
fn dropped_rows_explain_missing_steps() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = writer(directory.path());
    writer.append(&rows(1..11)).unwrap();
    let kind = EventKind::RowsDropped { count: 4, first_step: 11, last_step: 14 };
    writer.event(&Event { step: 15, elapsed_seconds: 0.1, kind }).unwrap();
    writer.append(&rows(15..20)).unwrap();
    writer.append(&rows(30..40)).unwrap();
    drop(writer);
    let found = check(directory.path()).unwrap();
    assert_eq!(found.notes.len(), 1, "{:?}", found.notes);
    assert_eq!(found.notes[0].row, Some(15), "the gap from 19 to 30");
}

#[test]
fn an_interrupted_write_is_a_note_and_a_wrong_event_damage() {
    let directory = tempfile::tempdir().unwrap();
    make_run(directory.path(), [1, 11, 21]);
    let journal = directory.path().join("open/000002.arrows");
    let mut bytes = fs::read(&journal).unwrap();
    bytes.extend([0xff; 20]);
    fs::write(&journal, bytes).unwrap();
    fs::write(directory.path().join("events.jsonl"), "hello\n").unwrap();
    let found = check(directory.path()).unwrap();
    assert_eq!(found.rows, 30);
    assert_eq!(found.notes[0].what, "20 bytes are no whole block");
    assert!(found.damage[0].path.ends_with("events.jsonl"));
}

#[test]
fn a_file_that_nothing_reads_is_a_note() {
    let directory = tempfile::tempdir().unwrap();
    make_run(directory.path(), [1, 11, 21]);
    let inside = |file: &str| directory.path().join(file);
    // Of a name with a dot, of another ending, and beside the folders nothing is said.
    for file in ["notes.json", "steps/.000002.parquet.partial", "steps/readme.txt"] {
        fs::write(inside(file), "somebody's").unwrap();
    }
    assert_eq!(check(directory.path()).unwrap().notes, []);
    fs::rename(inside("open/000002.arrows"), inside("open/2.arrows")).unwrap();
    fs::copy(inside("steps/000001.parquet"), inside("steps/000001 (copy).parquet")).unwrap();
    let found = check(directory.path()).unwrap();
    let files: Vec<_> = found.notes.iter().map(|note| note.path.clone()).collect();
    assert_eq!(files, [inside("open/2.arrows"), inside("steps/000001 (copy).parquet")]);
    assert!(
        found.notes.iter().all(|note| note.what.starts_with("nothing reads it")),
        "{:?}",
        found.notes
    );
    assert_eq!((found.rows, found.damage), (20, Vec::new()));
}

#[test]
fn a_number_far_behind_the_others_is_one_gap() {
    let directory = tempfile::tempdir().unwrap();
    make_run(directory.path(), [1, 11, 21]);
    recover(directory.path()).unwrap();
    let inside = |file: &str| directory.path().join(file);
    fs::write(inside("steps/999999999999.parquet"), "").unwrap();
    let found = check(directory.path()).unwrap();
    let files: Vec<_> = found.damage.iter().map(|finding| finding.path.clone()).collect();
    assert_eq!(files, [inside("steps/000003.parquet"), inside("steps/999999999999.parquet")]);
    assert_eq!(found.rows, 30);
    let mut follower = Follower::new(&Run::open(directory.path()).unwrap(), &["step"]).unwrap();
    let (mut rows, mut errors) = (0, 0);
    loop {
        match follower.next_rows(|_| ()) {
            Ok(0) => break,
            Ok(more) => rows += more,
            Err(_) => errors += 1,
        }
    }
    assert_eq!((rows, errors), (30, 2));
}

#[test]
fn a_number_that_none_can_follow_is_none() {
    for name in
        ["18446744073709551615", "18446744073709551614", "9223372036854775808-9223372036854775809"]
    {
        let directory = tempfile::tempdir().unwrap();
        make_run(directory.path(), [1, 11, 21]);
        let stray = directory.path().join(format!("steps/{name}.parquet"));
        fs::copy(directory.path().join("steps/000001.parquet"), &stray).unwrap();
        let found = check(directory.path()).unwrap();
        assert_eq!((found.rows, found.damage, found.notes.len()), (30, Vec::new(), 1));
        assert_eq!(found.notes[0].path, stray);
        let run = Run::open(directory.path()).unwrap();
        assert_eq!(run.overview(&LockedFiles::default()).unwrap().last_step, Some(30));
        let mut rows = 0;
        run.for_each_row(["step"], |_| rows += 1).unwrap();
        assert_eq!(rows, 30);
        assert_eq!(recover(directory.path()).unwrap().rows, 10);
    }
}

#[test]
fn a_journal_with_other_rows_than_its_segment_is_a_note() {
    let directory = tempfile::tempdir().unwrap();
    make_run(directory.path(), [1, 11, 21]);
    let inside = |file: &str| directory.path().join(file);
    let journal = fs::read(inside("open/000002.arrows")).unwrap();
    fs::write(inside("open/000001.arrows"), &journal).unwrap();
    let found = check(directory.path()).unwrap();
    let what =
        "it has rows up to step 30; the segment of its number, which is read, ends at step 20";
    assert_eq!((found.notes.len(), found.notes[0].what.as_str()), (1, what));
    // What a killed process leaves between renaming and removing.
    recover(directory.path()).unwrap();
    fs::write(inside("open/000002.arrows"), journal).unwrap();
    assert_eq!(check(directory.path()).unwrap().notes, []);
}

#[test]
fn a_parameter_that_joined_and_was_not_kept_is_a_note() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = writer(directory.path());
    let (kind, device) = ("f32".to_owned(), "cpu".to_owned());
    let parameter =
        ParameterInfo { name: "scale".to_owned(), shape: vec![2], kind, device, group: None };
    let reference =
        ReferenceTensor { name: "scale", kind: "f32", shape: vec![2], bytes: vec![0; 8].into() };
    writer.append(&rows(1..11)).unwrap();
    writer.parameters_joined(7, &[parameter], vec![reference]).unwrap();
    let kind = EventKind::ParametersAdded { parameters: vec!["scale".to_owned()] };
    writer.event(&Event { step: 7, elapsed_seconds: 0.1, kind }).unwrap();
    drop(writer);
    assert_eq!(check(directory.path()).unwrap().notes, []);
    fs::remove_file(directory.path().join("joined/000000.safetensors")).unwrap();
    let found = check(directory.path()).unwrap();
    assert_eq!(
        found.notes[0].what,
        "the reference point of scale, which joined before step 7, is not here"
    );
    assert_eq!((found.notes.len(), found.damage), (1, Vec::new()));
}

#[test]
fn displacements_after_a_number_that_is_missing_are_a_note() {
    let directory = tempfile::tempdir().unwrap();
    let _writer = writer(directory.path());
    let (kind, device) = ("f32".to_owned(), "cpu".to_owned());
    let parameter =
        ParameterInfo { name: "weight".to_owned(), shape: vec![2], kind, device, group: None };
    let mut deltas = DeltaWriter::create(directory.path(), &[parameter]).unwrap();
    let (delta, displacement) = (vec![0.5; 2], vec![1.0; 2]);
    deltas.append(FullDelta { step: 1, learning_rate: None, delta, displacement }).unwrap();
    assert_eq!(check(directory.path()).unwrap().notes, []);
    let file = |number: u64| directory.path().join(format!("deltas/{number:06}.arrows"));
    fs::rename(file(0), file(1)).unwrap();
    let found = check(directory.path()).unwrap();
    assert_eq!((found.notes.len(), &found.notes[0].path), (1, &file(1)));
}

#[test]
fn a_journal_without_rows_and_half_an_event_are_notes() {
    let directory = tempfile::tempdir().unwrap();
    make_run(directory.path(), [1, 11, 21]);
    fs::write(directory.path().join("open/000002.arrows"), "").unwrap();
    fs::write(directory.path().join("events.jsonl"), "{\"step\":1,").unwrap();
    let found = check(directory.path()).unwrap();
    let notes: Vec<_> =
        found.notes.iter().map(|note| (note.path.clone(), note.what.as_str())).collect();
    let inside = |file: &str| directory.path().join(file);
    let no_rows = "it has no rows: its process ended as it began it, or they are gone";
    let expected = [
        ("events.jsonl", "10 bytes at its end are no whole line"),
        ("open/000002.arrows", no_rows),
    ];
    assert_eq!(notes, expected.map(|(file, what)| (inside(file), what)));
    assert_eq!((found.rows, found.damage), (20, Vec::new()));
}

#[test]
fn rows_farther_apart_than_steps_can_be_are_damage() {
    let directory = tempfile::tempdir().unwrap();
    make_run(directory.path(), [1, 11, 21]);
    let path = directory.path().join("run.json");
    let whole = fs::read_to_string(&path).unwrap();
    let with = |every_steps: u64| {
        let said = format!("\"every_steps\": {every_steps},");
        fs::write(&path, whole.replace("\"every_steps\": 1,", &said)).unwrap();
        check(directory.path())
    };
    assert_eq!(with(1).unwrap().damage, []);
    assert!(
        with(i64::MAX as u64).unwrap().damage[0]
            .what
            .contains("every_steps was 1 and is 9223372036854775807")
    );
    assert!(matches!(with(i64::MAX as u64 + 1), Err(Error::Damaged { .. })));
}

#[test]
fn no_run_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(check(directory.path()), Err(Error::NoSuchRun { .. })));
}
