//! Files that are taken from under a live writer, by somebody who cleans up or by another process
//! that takes the run for abandoned: what memory holds is written again, and what it does not is
//! counted as lost.
#![cfg(unix)]

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::common::{assert_rows_equal, info, read_rows, rows, writer};
use crate::faulty::Faulty;
use crate::recorded::{record, recorded, wait_until};
use perrin::Error;
use perrin::record::{Event, EventKind, RowBuffer};
use perrin::recorder::{QueueOptions, Recorder, Sink};
use perrin::run::{
    Encoding, LogTotals, LostRows, ResumeFrom, Run, RunWriter, check, compact_on,
    declare_abandoned, recover, recover_on,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Journals and unfinished files.
fn unfinished(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory.join("open")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn remove_unfinished(directory: &Path) {
    unfinished(directory).iter().for_each(|path| fs::remove_file(path).unwrap());
}

fn is_not_found(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
}

fn assert_whole(directory: &Path, last_step: u64) {
    assert_rows_equal(&read_rows(directory), &rows(1..last_step + 1));
    let checked = check(directory).unwrap();
    assert!(checked.damage.is_empty() && checked.notes.is_empty(), "{checked:?}");
    assert_eq!((checked.rows, checked.rows_dropped), (last_step, 0));
}

#[test]
fn rows_of_a_journal_that_was_removed_are_written_again() {
    type Take = fn(&Path);
    let takes: [(&str, Take); 5] = [
        ("removed", |journal| fs::remove_file(journal).unwrap()),
        ("cut", |journal| {
            OpenOptions::new().write(true).open(journal).unwrap().set_len(1_500).unwrap()
        }),
        ("emptied", |journal| fs::write(journal, "").unwrap()),
        ("replaced", |journal| {
            fs::remove_file(journal).unwrap();
            fs::write(journal, "mine").unwrap();
        }),
        ("moved", |journal| fs::rename(journal, journal.with_extension("kept")).unwrap()),
    ];
    for (name, take) in takes {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = writer(directory.path());
        for first in [1, 11, 21] {
            writer.append(&rows(first..first + 10)).unwrap();
        }
        take(&unfinished(directory.path())[0]);
        let error =
            writer.append(&rows(31..41)).err().unwrap_or_else(|| panic!("{name}: it is told"));
        assert!(is_not_found(&error), "{error}");
        assert_rows_equal(&read_rows(directory.path()), &rows(1..31));
        writer.append(&rows(31..41)).unwrap();
        assert_eq!(writer.take_lost(), None, "{name}");
        assert_eq!(writer.close().unwrap().rows, 40);
        assert_whole(directory.path(), 40);
    }
}

/// More rows than the encoder keeps: a row group is in the file that is removed too.
#[test]
fn rows_that_memory_does_not_hold_are_counted() {
    const LAST: u64 = 105_000;
    let directory = tempfile::tempdir().unwrap();
    let mut writer = writer(directory.path());
    let blocks = (1..=LAST).step_by(5_000);
    blocks.for_each(|first| writer.append(&rows(first..first + 5_000)).unwrap());
    let unfinished = unfinished(directory.path());
    assert_eq!(unfinished.len(), 2, "a row group is in a file: {unfinished:?}");
    remove_unfinished(directory.path());
    assert!(is_not_found(&writer.roll_if_due(Duration::ZERO).unwrap_err()));
    let LostRows { count, first_step, last_step, path, .. } = writer.take_lost().unwrap();
    assert_eq!((first_step, last_step), (1, count));
    assert_eq!(count, 100_000, "the row group of 16 MiB");
    assert!(path.ends_with("open/000000.arrows"));
    writer.append(&rows(LAST + 1..LAST + 11)).unwrap();
    assert_eq!(writer.close().unwrap().rows, LAST + 10 - count);
    assert_rows_equal(&read_rows(directory.path()), &rows(count + 1..LAST + 11));
}

/// A log that finishes no segment by itself.
struct Still(RunWriter);

impl Sink for Still {
    fn append(&mut self, rows: &RowBuffer) -> perrin::Result<()> {
        self.0.append(rows)
    }

    fn event(&mut self, event: &Event) -> perrin::Result<()> {
        self.0.event(event)
    }

    fn tick(&mut self, _: Duration) -> perrin::Result<()> {
        self.0.roll_if_due(Duration::ZERO)
    }

    fn rows(&self) -> u64 {
        self.0.totals().rows
    }

    fn take_lost(&mut self) -> Option<LostRows> {
        self.0.take_lost()
    }

    fn complete(&mut self) -> perrin::Result<()> {
        self.0.complete()
    }

    fn close(self: Box<Self>) -> perrin::Result<LogTotals> {
        self.0.close()
    }
}

/// The same through the recorder: `health`, `finish`, the events and `check` agree.
#[test]
fn lost_rows_are_told_by_everything_that_tells_of_rows() {
    const WRITTEN: u64 = 105_000;
    let directory = tempfile::tempdir().unwrap();
    let (sink, options) =
        (Still(writer(directory.path())), QueueOptions { capacity: 64, ..QueueOptions::default() });
    let mut recorder =
        Recorder::start(sink, directory.path(), Instant::now(), options, |_, _| Ok(())).unwrap();
    record(&mut recorder, 1..WRITTEN + 1);
    wait_until(&recorder, |recorder| {
        recorder.health().is_ok_and(|health| health.rows_written == WRITTEN)
    });
    remove_unfinished(directory.path());
    wait_until(&recorder, |recorder| recorder.health().is_ok_and(|health| health.rows_lost > 0));
    let health = recorder.health().unwrap();
    record(&mut recorder, WRITTEN + 1..WRITTEN + 11);
    assert_eq!(health.rows_written + health.rows_lost, WRITTEN);
    let error = recorder.finish().unwrap_err();
    assert!(
        matches!(error, Error::Interrupted { rows_lost, .. } if rows_lost == health.rows_lost),
        "{error}"
    );
    let events = Run::open(directory.path()).unwrap().events().unwrap();
    let kinds: Vec<EventKind> = events.into_iter().map(|event| event.kind).collect();
    let (rows, dropped) = (health.rows_written + 10, health.rows_lost);
    assert_eq!(kinds.last(), Some(&EventKind::Finished { rows, dropped }));
    let told = EventKind::RowsDropped { count: dropped, first_step: 1, last_step: dropped };
    assert!(kinds.contains(&told), "{kinds:?}");
    assert!(kinds.iter().any(|kind| matches!(kind, EventKind::Interrupted { .. })), "{kinds:?}");
    assert_rows_equal(&read_rows(directory.path()), &recorded(dropped + 1..WRITTEN + 11));
    let checked = check(directory.path()).unwrap();
    assert_eq!((checked.rows, checked.rows_dropped), (rows, dropped));
    assert!(checked.damage.is_empty(), "{checked:?}");
}

#[test]
fn rows_that_are_fewer_than_the_run_was_closed_with_are_damage() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = writer(directory.path());
    for block in 0..3 {
        writer.append(&rows(10 * block + 1..10 * block + 11)).unwrap();
        writer.roll_if_due(Duration::from_secs(2_000 * block)).unwrap();
        writer.roll_if_due(Duration::from_secs(2_000 * block + 1_000)).unwrap();
    }
    writer.event(&finished(writer.totals().rows)).unwrap();
    writer.close().unwrap();
    assert_whole(directory.path(), 30);
    fs::remove_file(directory.path().join("steps/000002.parquet")).unwrap();
    let found = check(directory.path()).unwrap();
    let told: Vec<&str> = found.damage.iter().map(|finding| finding.what.as_str()).collect();
    assert_eq!(told, ["the run was closed with 30 rows, and 20 are here"]);
}

fn finished(rows: u64) -> Event {
    Event { step: rows + 1, elapsed_seconds: 1.0, kind: EventKind::Finished { rows, dropped: 0 } }
}

#[test]
fn events_go_on_after_those_that_are_there() {
    type Take = fn(&Path);
    let takes: [(&str, Take, usize); 3] = [
        ("nothing", |_| (), 2),
        ("removed", |events| fs::remove_file(events).unwrap(), 1),
        (
            "cut",
            |events| OpenOptions::new().write(true).open(events).unwrap().set_len(40).unwrap(),
            1,
        ),
    ];
    for (name, take, left) in takes {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = writer(directory.path());
        writer.append(&rows(1..11)).unwrap();
        let kind = EventKind::BasisChanged { basis: 0 };
        writer.event(&Event { step: 5, elapsed_seconds: 1.0, kind }).unwrap();
        take(&directory.path().join("events.jsonl"));
        writer.event(&finished(10)).unwrap();
        writer.close().unwrap();
        let told = Run::open(directory.path()).unwrap().events().unwrap();
        assert_eq!((told.len(), told.last()), (left, Some(&finished(10))), "{name}");
        assert_whole(directory.path(), 10);
    }
}

fn unlocked() -> Faulty {
    Faulty::without_locks(rustix::io::Errno::NOSYS.raw_os_error())
}

fn create(disk: &Faulty, directory: &Path) -> RunWriter {
    RunWriter::create_on(Arc::new(disk.clone()), directory, &info(), Vec::new()).unwrap()
}

#[test]
fn a_run_that_was_recovered_or_merged_while_it_was_written_is_gone_on_with() {
    for act in ["recover", "compact"] {
        let directory = tempfile::tempdir().unwrap();
        let disk = unlocked();
        let mut writer = create(&disk, directory.path());
        let mut seconds = 0;
        for first in (1..41).step_by(10) {
            writer.append(&rows(first..first + 10)).unwrap();
            for _ in 0..2 {
                seconds += if first < 31 { 1_000 } else { 0 };
                writer.roll_if_due(Duration::from_secs(seconds)).unwrap();
            }
        }
        declare_abandoned(directory.path()).unwrap();
        match act {
            "recover" => drop(recover_on(&disk, directory.path()).unwrap()),
            _ => drop(compact_on(&disk, Encoding::Small, directory.path()).unwrap()),
        }
        assert!(unfinished(directory.path()).is_empty(), "{act}");
        // The rows that another process has made segments of are there; those are gone on with.
        let told = writer.append(&rows(41..51)).unwrap_err();
        assert!(is_not_found(&told), "{told}");
        writer.append(&rows(41..51)).unwrap();
        assert_eq!(writer.take_lost(), None);
        writer.event(&finished(50)).unwrap();
        assert_eq!(writer.close().unwrap().rows, 50);
        assert_whole(directory.path(), 50);
        let told = Run::open(directory.path())
            .unwrap()
            .events()
            .unwrap()
            .into_iter()
            .map(|event| event.kind);
        let told: Vec<EventKind> = told.collect();
        assert!(
            matches!(
                told[..],
                [
                    EventKind::NotLocked { .. },
                    EventKind::Recovered { .. },
                    EventKind::Finished { .. }
                ]
            ),
            "{act}: {told:?}"
        );
        recover(directory.path()).unwrap();
        assert_whole(directory.path(), 50);
    }
}

/// Rows that reach the journal between a recovery's reading it and removing it.
#[test]
fn rows_that_a_recovery_did_not_see_are_written_again() {
    for act in ["recover", "compact"] {
        let directory = tempfile::tempdir().unwrap();
        let disk = unlocked();
        let mut writer = create(&disk, directory.path());
        writer.append(&rows(1..11)).unwrap();
        let early = tempfile::tempdir().unwrap();
        let early_journal = early.path().join("journal");
        let journal = unfinished(directory.path())[0].clone();
        fs::copy(&journal, &early_journal).unwrap();
        writer.append(&rows(11..21)).unwrap();
        writer.append(&rows(21..31)).unwrap();
        fs::remove_file(&journal).unwrap();
        fs::rename(&early_journal, &journal).unwrap();
        declare_abandoned(directory.path()).unwrap();
        match act {
            "recover" => drop(recover_on(&disk, directory.path()).unwrap()),
            _ => drop(compact_on(&disk, Encoding::Small, directory.path()).unwrap()),
        }
        assert_rows_equal(&read_rows(directory.path()), &rows(1..11));
        assert!(is_not_found(&writer.roll_if_due(Duration::ZERO).unwrap_err()));
        assert_rows_equal(&read_rows(directory.path()), &rows(1..31));
        writer.append(&rows(31..41)).unwrap();
        assert_eq!(writer.take_lost(), None);
        assert_eq!(writer.close().unwrap().rows, 40);
        assert_whole(directory.path(), 40);
    }
}

#[test]
fn a_run_that_another_process_has_resumed_is_left_to_it() {
    let directory = tempfile::tempdir().unwrap();
    let disk = unlocked();
    let mut first = create(&disk, directory.path());
    first.append(&rows(1..11)).unwrap();
    declare_abandoned(directory.path()).unwrap();
    let (mut second, _) = RunWriter::resume_on(
        Arc::new(disk.clone()),
        directory.path(),
        &info(),
        ResumeFrom::default(),
    )
    .unwrap();
    second.append(&rows(11..21)).unwrap();
    let taken = first.append(&rows(11..21)).unwrap_err();
    assert!(taken.to_string().contains("has the run now"), "{taken}");
    assert_eq!(first.append(&rows(11..21)).unwrap_err().to_string(), taken.to_string());
    second.close().unwrap();
    // It has let the run go, but went on with it.
    assert!(matches!(first.append(&rows(11..21)), Err(Error::RunLocked { .. })));
    assert!(matches!(first.close(), Err(Error::RunLocked { .. })));
    assert_whole(directory.path(), 20);
}

/// What is done to the run's folder while it is written, by chance: nothing brings a panic, no row
/// is there twice or changed, and every row that is missing is counted.
#[test]
fn whatever_is_done_to_a_live_run_no_row_is_lost_silently() {
    const BLOCKS: u64 = 40;
    let mut random = ChaCha8Rng::seed_from_u64(13);
    let mut whole = 0;
    for round in 0..60 {
        let directory = tempfile::tempdir().unwrap();
        let disk = unlocked();
        let mut writer = create(&disk, directory.path());
        let (mut taken, mut lost) = (Vec::new(), 0);
        let mut waiting = RowBuffer::default();
        for block in 0..BLOCKS {
            let new = rows(5 * block + 1..5 * block + 6);
            waiting.records.extend(new.records);
            waiting.group_hyperparameters.extend(new.group_hyperparameters);
            waiting.projections.extend(new.projections);
            if writer.append(&waiting).is_ok() {
                waiting.clear();
            }
            let _ = writer.roll_if_due(Duration::from_secs(block / 3 * 1_000));
            if random.random_range(0..4) == 0 {
                taken.push(interfere(directory.path(), &disk, &mut random));
            }
            lost += writer.take_lost().map_or(0, |lost| lost.count);
        }
        let completed = writer.complete();
        let described = format!("round {round}, {taken:?}, {completed:?}");
        lost += writer.take_lost().map_or(0, |lost| lost.count);
        let counted = writer.totals().rows;
        drop(writer);
        let written = 5 * BLOCKS - waiting.len() as u64;
        assert!(counted + lost >= written, "{described}: {counted} and {lost} lost of {written}");
        let run = Run::open(directory.path()).unwrap();
        let mut steps = Vec::new();
        let read = run.for_each_row(["step"], |[step]| steps.push(step.unwrap() as u64));
        whole += u64::from(steps.len() as u64 == written);
        if read.is_ok() {
            assert!(steps.is_sorted_by(|before, after| before < after), "{described}: {steps:?}");
            assert!(
                steps.len() as u64 + lost >= written,
                "{described}: {} rows, {lost} lost",
                steps.len()
            );
        }
    }
    println!("{whole} of 60 runs have all rows that were taken");
    assert!(whole > 30, "{whole}");
}

/// Something that people and programs do to a run's folder.
fn interfere(directory: &Path, disk: &Faulty, random: &mut ChaCha8Rng) -> &'static str {
    let unfinished = unfinished(directory);
    let Some(file) = unfinished.first() else { return "nothing" };
    match random.random_range(0..8) {
        0 => drop(fs::remove_file(file)),
        1 => drop(OpenOptions::new().write(true).open(file).and_then(|file| file.set_len(700))),
        2 => drop(fs::write(file, [7; 3_000])),
        3 => {
            let _ = fs::remove_file(file);
            let _ = fs::create_dir(file);
            return "a folder in its place";
        }
        4 => remove_unfinished_files(&unfinished),
        5 => drop(fs::remove_file(directory.join("lock"))),
        6 => {
            let _ =
                declare_abandoned(directory).and_then(|()| recover_on(disk, directory).map(drop));
            return "recovered";
        }
        _ => {
            let _ = declare_abandoned(directory)
                .and_then(|()| compact_on(disk, Encoding::Small, directory).map(drop));
            return "merged";
        }
    }
    "removed, cut or overwritten"
}

fn remove_unfinished_files(paths: &[PathBuf]) {
    for path in paths {
        let _ = if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) };
    }
}
