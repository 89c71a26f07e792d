//! Copies of a run that are kept up to date without deleting what the run no longer has: every row
//! is read once, and `check` says what is left over.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::common::{assert_rows_equal, compact_at_once, info, read_rows, rows, writer};
use perrin::record::{Event, EventKind};
use perrin::run::{Follower, ResumeFrom, Run, RunWriter, check, recover};

/// Goes on with segments of ten rows each, from step `first` on.
fn append_segments(mut writer: RunWriter, first: u64, segments: u64) -> RunWriter {
    for segment in 0..segments {
        writer.append(&rows(first + 10 * segment..first + 10 * segment + 10)).unwrap();
        writer.roll_if_due(Duration::from_secs(segment * 2_000)).unwrap();
        writer.roll_if_due(Duration::from_secs(segment * 2_000 + 1_000)).unwrap();
    }
    writer
}

fn resume(directory: &Path, step: Option<u64>) -> RunWriter {
    let from = ResumeFrom { step, discard_later_rows: step.is_some() };
    RunWriter::resume(directory, &info(), from).unwrap().0
}

/// Brings a copy up to date, deleting nothing (`rsync -a`).
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        let place = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &place);
        } else {
            fs::copy(entry.path(), place).unwrap();
        }
    }
}

fn followed(directory: &Path) -> Vec<u64> {
    let run = Run::open(directory).unwrap();
    let mut follower = Follower::new(&run, &["step"]).unwrap();
    let mut steps = Vec::new();
    while follower.next_rows(|row| steps.push(row[0].unwrap() as u64)).unwrap() > 0 {}
    steps
}

fn notes(directory: &Path) -> Vec<String> {
    let checked = check(directory).unwrap();
    assert!(checked.damage.is_empty(), "{checked:?}");
    checked
        .notes
        .iter()
        .map(|note| format!("{} {}", note.path.file_name().unwrap().display(), note.what))
        .collect()
}

fn assert_rows(directory: &Path, last_step: u64) {
    assert_rows_equal(&read_rows(directory), &rows(1..last_step + 1));
    assert!(followed(directory).into_iter().eq(1..=last_step));
    assert_eq!(check(directory).unwrap().rows, last_step);
}

#[test]
fn a_copy_over_a_compaction_has_every_row_once() {
    for (seen, again) in [(5, false), (3, false), (1, false), (4, true), (0, true)] {
        let directory = tempfile::tempdir().unwrap();
        let (there, here) = (directory.path().join("there"), directory.path().join("here"));
        append_segments(writer(&there), 1, seen).close().unwrap();
        copy(&there, &here);
        append_segments(resume(&there, None), 10 * seen + 1, 5 - seen).close().unwrap();
        compact_at_once(&there).unwrap();
        copy(&there, &here);
        if again {
            append_segments(resume(&there, None), 51, 3).close().unwrap();
            copy(&there, &here);
            compact_at_once(&there).unwrap();
            copy(&there, &here);
        }
        let (last, merged) =
            if again { (80, "000000-000007.parquet") } else { (50, "000000-000004.parquet") };
        assert_rows(&here, last);
        let told = notes(&here);
        assert_eq!(told.len() as u64, seen + if again { 4 } else { 0 }, "{told:?}");
        let what = format!("its rows are in {merged} too");
        assert!(
            told.iter().all(|note| note.contains(&what) && note.contains("rsync --delete")),
            "{told:?}"
        );

        let (_, resumed) = RunWriter::resume(&here, &info(), ResumeFrom::default()).unwrap();
        assert_eq!((resumed.step, resumed.totals.rows), (last, last));
        let compacted = compact_at_once(&here).unwrap();
        assert_eq!((compacted.rows, compacted.segments_after), (last, 1));
        assert_eq!(notes(&here), [""; 0], "what does not count is gone");
        assert_rows(&here, last);
    }
}

/// The copy was made while a journal was being written, of which it has the first rows.
#[test]
fn an_old_journal_beside_a_merged_segment_does_not_count() {
    let directory = tempfile::tempdir().unwrap();
    let (there, here) = (directory.path().join("there"), directory.path().join("here"));
    let mut log = append_segments(writer(&there), 1, 2);
    log.append(&rows(21..25)).unwrap();
    copy(&there, &here);
    log.append(&rows(25..31)).unwrap();
    log.close().unwrap();
    compact_at_once(&there).unwrap();
    copy(&there, &here);
    assert_rows(&here, 30);
    let told = notes(&here);
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told.iter().any(|note| note.starts_with("000002.arrows its rows are in 000000-000002.parquet too")));
    assert_eq!(
        recover(&here).unwrap(),
        Default::default(),
        "it is no journal to make a segment of"
    );
    assert_eq!(notes(&here).len(), 2);
    assert_rows(&here, 30);
}

/// A follower that was in the middle of the copy.
#[test]
fn a_follower_of_a_copy_goes_on_in_the_merged_segment() {
    let directory = tempfile::tempdir().unwrap();
    let (there, here) = (directory.path().join("there"), directory.path().join("here"));
    append_segments(writer(&there), 1, 3).close().unwrap();
    copy(&there, &here);
    let run = Run::open(&here).unwrap();
    let mut follower = Follower::new(&run, &["step"]).unwrap();
    let mut steps = Vec::new();
    let mut follow = |steps: &mut Vec<u64>| {
        while follower.next_rows(|row| steps.push(row[0].unwrap() as u64)).unwrap() > 0 {}
    };
    follow(&mut steps);
    append_segments(resume(&there, None), 31, 3).close().unwrap();
    compact_at_once(&there).unwrap();
    copy(&there, &here);
    follow(&mut steps);
    assert!(steps.into_iter().eq(1..=60));
}

/// Segments that the run discarded are no copies of anything. Whether they are the run's is told by
/// the number of rows that it was closed with.
#[test]
fn segments_that_were_discarded_meanwhile_are_damage() {
    let directory = tempfile::tempdir().unwrap();
    let (there, here) = (directory.path().join("there"), directory.path().join("here"));
    append_segments(writer(&there), 1, 4).close().unwrap();
    copy(&there, &here);
    let mut log = append_segments(resume(&there, Some(15)), 16, 1);
    let kind = EventKind::Finished { rows: log.totals().rows, dropped: 0 };
    log.event(&Event { step: 26, elapsed_seconds: 1.0, kind }).unwrap();
    log.close().unwrap();
    assert_rows(&there, 25);
    copy(&there, &here);
    let checked = check(&here).unwrap();
    let told: Vec<&str> = checked.damage.iter().map(|finding| finding.what.as_str()).collect();
    assert_eq!(told, ["the run was closed with 25 rows, and 35 are here"]);
    assert!(
        checked.notes[0]
            .to_string()
            .contains("000003.parquet: row 0: no rows between steps 25 and 31")
    );
    fs::remove_file(here.join("steps/000003.parquet")).unwrap();
    assert_rows(&here, 25);
}
