//! `check` tells damage from what is only worth knowing, and names file and row.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::common::{rows, writer};
use perrin::Error;
use perrin::record::{Event, EventKind, ParameterInfo};
use perrin::run::{Check, DeltaWriter, FullDelta, Good, check};

/// Two segments and a journal of ten rows each, with the steps given.
fn run(directory: &Path, first_steps: [u64; 3]) {
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
    run(directory.path(), [1, 11, 21]);
    let found = check(directory.path()).unwrap();
    let good = |kind, files, entries| Good { kind, files, entries, checksums: true };
    let good = vec![good("run.json", 1, 1), good("segments", 2, 20), good("journals", 1, 10)];
    assert_eq!(found, Check { rows: 30, segments: 2, journals: 1, good, ..Check::default() });
}

#[test]
fn a_flipped_bit_anywhere_in_a_segment_is_found() {
    let directory = tempfile::tempdir().unwrap();
    run(directory.path(), [1, 11, 21]);
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
    run(directory.path(), [1, 15, 20]);
    let found = check(directory.path()).unwrap();
    let texts = |findings: &[perrin::run::Finding]| findings.iter().map(ToString::to_string).collect::<Vec<_>>();
    let at = |file: &str, what: &str| vec![format!("{}: {what}", directory.path().join(file).display())];
    assert_eq!(texts(&found.notes), at("steps/000001.parquet", "row 0: no rows between steps 10 and 15"));
    assert_eq!(texts(&found.damage), at("open/000002.arrows", "row 0: step 20 comes after step 24"));
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
    run(directory.path(), [1, 11, 21]);
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
    run(directory.path(), [1, 11, 21]);
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
    assert!(found.notes.iter().all(|note| note.what.starts_with("nothing reads it")), "{:?}", found.notes);
    assert_eq!((found.rows, found.damage), (20, Vec::new()));
}

#[test]
fn displacements_after_a_number_that_is_missing_are_a_note() {
    let directory = tempfile::tempdir().unwrap();
    let _writer = writer(directory.path());
    let (kind, device) = ("f32".to_owned(), "cpu".to_owned());
    let parameter = ParameterInfo { name: "weight".to_owned(), shape: vec![2], kind, device, group: None };
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
    run(directory.path(), [1, 11, 21]);
    fs::write(directory.path().join("open/000002.arrows"), "").unwrap();
    fs::write(directory.path().join("events.jsonl"), "{\"step\":1,").unwrap();
    let found = check(directory.path()).unwrap();
    let notes: Vec<_> = found.notes.iter().map(|note| (note.path.clone(), note.what.as_str())).collect();
    let inside = |file: &str| directory.path().join(file);
    let no_rows = "it has no rows: its process ended as it began it, or they are gone";
    let expected = [("events.jsonl", "10 bytes at its end are no whole line"), ("open/000002.arrows", no_rows)];
    assert_eq!(notes, expected.map(|(file, what)| (inside(file), what)));
    assert_eq!((found.rows, found.damage), (20, Vec::new()));
}

#[test]
fn no_run_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(check(directory.path()), Err(Error::NoSuchRun { .. })));
}
