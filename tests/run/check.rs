//! `check` tells damage from what is only worth knowing, and names file and row.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::common::{rows, writer};
use perrin::Error;
use perrin::record::{Event, EventKind};
use perrin::run::{Check, Good, check};

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
fn no_run_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(check(directory.path()), Err(Error::NoSuchRun { .. })));
}
