//! `run::Follower`: every row once, whatever happens to the files meanwhile.

use std::fs;
use std::time::Duration;

use crate::common::{info, rows, writer};
use perrin::Error;
use perrin::run::{Follower, ResumeFrom, Run, RunWriter, compact, recover};

/// The steps of all rows that a follower has now.
fn steps(follower: &mut Follower) -> Vec<u64> {
    let mut steps = Vec::new();
    while follower.next_rows(|row| steps.push(row[0].unwrap() as u64)).unwrap() > 0 {}
    steps
}

fn follower(run: &Run) -> Follower {
    Follower::new(run, &["step"]).unwrap()
}

/// Makes a segment of the rows so far; from the eleventh on a segment is ten minutes long.
fn roll(writer: &mut RunWriter, now: &mut u64) {
    writer.roll_if_due(Duration::from_secs(*now)).unwrap();
    *now += 1000;
    writer.roll_if_due(Duration::from_secs(*now)).unwrap();
}

#[test]
fn each_row_comes_once_while_journals_become_segments() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = writer(directory.path());
    let run = Run::open(directory.path()).unwrap();
    // One that looks all the time, and one that looks rarely, so that it meets journals half read
    // that are segments by now.
    let (mut often, mut rarely) = (follower(&run), follower(&run));
    let (mut seen_often, mut seen_rarely, mut now) = (Vec::new(), Vec::new(), 0);
    assert!(steps(&mut often).is_empty());
    for block in 0..200 {
        writer.append(&rows(block * 3 + 1..block * 3 + 4)).unwrap();
        let new = steps(&mut often);
        assert_eq!(new, [block * 3 + 1, block * 3 + 2, block * 3 + 3]);
        seen_often.extend(new);
        if block % 7 == 3 {
            roll(&mut writer, &mut now);
            assert!(steps(&mut often).is_empty());
        }
        if block % 5 == 0 {
            seen_rarely.extend(steps(&mut rarely));
        }
    }
    writer.close().unwrap();
    seen_rarely.extend(steps(&mut rarely));
    assert!(steps(&mut often).is_empty());
    assert_eq!(seen_often, (1..=600).collect::<Vec<_>>());
    assert_eq!(seen_rarely, seen_often);
}

#[test]
fn values_come_in_the_order_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = writer(directory.path());
    writer.append(&rows(1..20)).unwrap();
    let columns = ["loss", "step", "velocity_1", "step"];
    let mut follower = Follower::new(&Run::open(directory.path()).unwrap(), &columns).unwrap();
    let expected = rows(1..20);
    let mut index = 0;
    let read = follower.next_rows(|row| {
        let record = expected.records[index];
        let step = Some(record.step as f64);
        assert_eq!(row, [record.loss, step, expected.projections[6 * index + 3], step]);
        index += 1;
    });
    assert_eq!((read.unwrap(), index), (19, 19));
    assert!(matches!(
        Follower::new(&Run::open(directory.path()).unwrap(), &["speed"]),
        Err(Error::NoSuchColumn { .. })
    ));
}

#[test]
fn a_block_being_written_comes_when_it_is_whole() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = writer(directory.path());
    let journal = directory.path().join("open/000000.arrows");
    writer.append(&rows(1..4)).unwrap();
    let before = fs::metadata(&journal).unwrap().len();
    writer.append(&rows(4..9)).unwrap();
    drop(writer);
    let whole = fs::read(&journal).unwrap();
    let run = Run::open(directory.path()).unwrap();
    for length in (before..whole.len() as u64).step_by(61).chain([whole.len() as u64]) {
        let mut follower = follower(&run);
        fs::write(&journal, &whole[..length as usize]).unwrap();
        let complete = length == whole.len() as u64;
        assert_eq!(steps(&mut follower), (1..if complete { 9 } else { 4 }).collect::<Vec<_>>());
        fs::write(&journal, &whole).unwrap();
        assert_eq!(steps(&mut follower), (4..if complete { 4 } else { 9 }).collect::<Vec<_>>());
    }
}

#[test]
fn a_run_recovered_merged_and_resumed_gives_no_row_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = writer(directory.path());
    let run = Run::open(directory.path()).unwrap();
    // At the end, in the middle of a journal, and between segments when these are merged.
    let mut followers = [follower(&run), follower(&run), follower(&run)];
    let mut now = 0;
    for block in 0..4 {
        first.append(&rows(block * 10 + 1..block * 10 + 11)).unwrap();
        if block == 1 {
            assert_eq!(steps(&mut followers[1]).len(), 20);
        }
        roll(&mut first, &mut now);
        if block == 1 {
            assert_eq!(steps(&mut followers[2]).len(), 20);
        }
    }
    first.append(&rows(41..46)).unwrap();
    drop(first);
    assert_eq!(steps(&mut followers[0]).len(), 45);
    recover(directory.path()).unwrap();
    assert!(steps(&mut followers[0]).is_empty());
    let merged = compact(directory.path()).unwrap();
    assert_eq!((merged.segments_before, merged.segments_after), (5, 1));
    assert!(steps(&mut followers[0]).is_empty());
    assert_eq!(steps(&mut followers[1]), (21..46).collect::<Vec<_>>());
    let (mut second, _) =
        RunWriter::resume(directory.path(), &info(), ResumeFrom::default()).unwrap();
    second.append(&rows(46..50)).unwrap();
    assert_eq!(steps(&mut followers[0]), (46..50).collect::<Vec<_>>());
    assert_eq!(steps(&mut followers[1]), (46..50).collect::<Vec<_>>());
    assert_eq!(steps(&mut followers[2]), (21..50).collect::<Vec<_>>());
    // One that begins near the end takes a merged segment whole.
    assert_eq!(
        steps(&mut Follower::from_last(&run, &["step"], 6).unwrap()),
        (1..50).collect::<Vec<_>>()
    );
}

#[test]
fn a_damaged_segment_is_told_once_and_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = writer(directory.path());
    let mut now = 0;
    for block in 0..3 {
        writer.append(&rows(block * 10 + 1..block * 10 + 11)).unwrap();
        roll(&mut writer, &mut now);
    }
    let second = directory.path().join("steps/000001.parquet");
    let mut bytes = fs::read(&second).unwrap();
    let end = bytes.len() - 20;
    bytes[end] ^= 1;
    fs::write(&second, bytes).unwrap();
    let mut follower = follower(&Run::open(directory.path()).unwrap());
    assert_eq!(follower.next_rows(|_| {}).unwrap(), 10);
    assert!(
        matches!(follower.next_rows(|_| {}), Err(Error::Damaged { path, .. }) if path == second)
    );
    assert_eq!(steps(&mut follower), (21..31).collect::<Vec<_>>());
    // A segment that is not there is damage too, when later ones are.
    writer.append(&rows(31..41)).unwrap();
    roll(&mut writer, &mut now);
    writer.append(&rows(41..43)).unwrap();
    fs::remove_file(directory.path().join("steps/000003.parquet")).unwrap();
    assert!(matches!(follower.next_rows(|_| {}), Err(Error::Damaged { .. })));
    assert_eq!(steps(&mut follower), [41, 42]);
}

#[test]
fn beginning_near_the_end_reads_at_least_the_rows_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = RunWriter::create(directory.path(), &info(), Vec::new()).unwrap();
    let mut now = 0;
    for block in 0..6 {
        writer.append(&rows(block * 10 + 1..block * 10 + 11)).unwrap();
        if block < 5 {
            roll(&mut writer, &mut now);
        }
    }
    let run = Run::open(directory.path()).unwrap();
    for (asked, first) in [(1, 41), (10, 41), (11, 31), (20, 31), (45, 1), (1000, 1)] {
        let mut follower = Follower::from_last(&run, &["step"], asked).unwrap();
        assert_eq!(steps(&mut follower), (first..61).collect::<Vec<_>>(), "{asked} rows");
    }
}

#[test]
fn the_last_rows_are_all_there_when_segments_are_merged_before_they_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = writer(directory.path());
    let mut now = 0;
    // Each of two row groups, so that there is something to pass over.
    for segment in 0..4 {
        for block in 0..12 {
            let first = segment * 120_000 + block * 10_000 + 1;
            writer.append(&rows(first..first + 10_000)).unwrap();
        }
        roll(&mut writer, &mut now);
    }
    writer.close().unwrap();
    let run = Run::open(directory.path()).unwrap();
    // Of the first and of a later number, both of which the merged segment has.
    let mut last = [370_000, 130_000]
        .map(|wanted| (wanted, Follower::from_last(&run, &["step"], wanted).unwrap()));
    perrin::run::compact_on(
        &perrin::run::storage::Disk,
        perrin::run::Encoding::Small,
        directory.path(),
    )
    .unwrap();
    for (wanted, follower) in &mut last {
        let found = steps(follower);
        assert!(found.len() as u64 >= *wanted, "{} of {wanted}", found.len());
        assert!(found.iter().copied().eq(480_001 - found.len() as u64..=480_000));
    }
}
