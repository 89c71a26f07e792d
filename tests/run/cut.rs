//! Runs whose end was cut off: `fit` and `check` say so where anything tells of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::common::{rows, writer};
use perrin::analysis::RunFit;
use perrin::record::{Event, EventKind};
use perrin::run::{Run, check, recover};

fn journal(run: &Path) -> PathBuf {
    run.join("open/000000.arrows")
}

fn event(step: u64, kind: EventKind) -> Event {
    Event { step, elapsed_seconds: 1.0, kind }
}

/// A killed run of two blocks of ten rows, an event after each; returns the journal's length after
/// the first block.
fn killed(run: &Path) -> u64 {
    let mut writer = writer(run);
    let mut lengths = Vec::new();
    for first in [1, 11] {
        writer.append(&rows(first..first + 10)).unwrap();
        lengths.push(journal(run).metadata().unwrap().len());
        let kind = EventKind::OutsideWrite {
            parameters: Vec::new(),
            displacement_squared: None,
            count: 1,
        };
        writer.event(&event(first + 10, kind)).unwrap();
    }
    lengths[0]
}

fn cut(run: &Path, length: u64) {
    fs::File::options().write(true).open(journal(run)).unwrap().set_len(length).unwrap();
}

/// What `fit` and `check` say of the end.
fn said(run: &Path) -> (String, String) {
    let opened = Run::open(run).unwrap();
    let notes = RunFit::of(&opened).unwrap().notes.join("\n");
    let checked = check(run).unwrap();
    assert!(checked.damage.is_empty(), "{:?}", checked.damage);
    (notes, checked.notes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

#[test]
fn a_journal_cut_between_blocks_is_told_by_later_events() {
    let folder = tempfile::tempdir().unwrap();
    let first_block = killed(folder.path());
    let (whole, checked) = said(folder.path());
    assert!(!whole.contains("missing") && checked.is_empty(), "{whole} {checked}");
    cut(folder.path(), first_block);
    let (notes, checked) = said(folder.path());
    for said in [notes, checked] {
        assert!(
            said.contains(
                "the rows end at step 10, and events tell of steps up to 20: the end is missing"
            ),
            "{said}"
        );
    }
}

#[test]
fn a_journal_cut_inside_a_block_is_told_by_its_bytes_before_and_after_recovery() {
    let folder = tempfile::tempdir().unwrap();
    let first_block = killed(folder.path());
    fs::remove_file(folder.path().join("events.jsonl")).unwrap();
    cut(folder.path(), first_block + 40);
    let (notes, checked) = said(folder.path());
    assert!(
        notes.contains("40 bytes of the journal are no whole block: rows are missing"),
        "{notes}"
    );
    assert!(checked.contains("40 bytes are no whole block"), "{checked}");
    recover(folder.path()).unwrap();
    let (notes, checked) = said(folder.path());
    for said in [notes, checked] {
        assert!(
            said.contains(
                "40 bytes that were no whole block were discarded when the run was recovered"
            ),
            "{said}"
        );
    }
}

#[test]
fn a_closed_run_without_its_last_segment_is_told_by_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path());
    for segment in 0..2 {
        writer.append(&rows(10 * segment + 1..10 * segment + 11)).unwrap();
        writer.roll_if_due(Duration::from_secs(1000 * segment)).unwrap();
        writer.roll_if_due(Duration::from_secs(1000 * segment + 900)).unwrap();
    }
    writer.event(&event(21, EventKind::Finished { rows: 20, dropped: 0 })).unwrap();
    writer.close().unwrap();
    assert_eq!(Run::open(folder.path()).unwrap().missing_end().unwrap(), Vec::<String>::new());
    fs::remove_file(folder.path().join("steps/000001.parquet")).unwrap();
    let run = Run::open(folder.path()).unwrap();
    let notes = RunFit::of(&run).unwrap().notes.join("\n");
    assert!(
        notes.contains("the run was closed with 20 rows, and 10 are here: rows are missing"),
        "{notes}"
    );
    assert!(!check(folder.path()).unwrap().damage.is_empty());
}
