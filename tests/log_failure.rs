//! Disks that fail and come back, under the recorder and the log together: every single operation once by the storage
//! seam, then real ones: a full file system, a folder deleted or moved, permission withdrawn.

#[path = "common/recorded.rs"]
mod recorded;
#[path = "common/stopping.rs"]
mod stopping;

mod common;

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{assert_rows_equal, info, read_rows, rows, writer};
use perrin::Error;
use perrin::log::storage::{Disk, Storage, StorageFile};
use perrin::log::{RunWriter, check, recover};
use perrin::record::EventKind;
use perrin::recorder::Recorder;
use recorded::{record, recorded, start};
use stopping::{Stopping, Then};

fn wait_until(recorder: &Recorder<()>, wanted: impl Fn(&Recorder<()>) -> bool) {
    let since = Instant::now();
    while !wanted(recorder) {
        assert!(since.elapsed() < Duration::from_secs(60), "waited for a minute");
        std::thread::yield_now();
    }
}

fn events(directory: &Path) -> Vec<EventKind> {
    let events = perrin::log::Run::open(directory).unwrap().events().unwrap();
    events.into_iter().map(|event| event.kind).collect()
}

/// Steps that a `rows_dropped` event tells of.
fn dropped(directory: &Path) -> Vec<(u64, u64)> {
    let told = events(directory).into_iter().filter_map(|kind| match kind {
        EventKind::RowsDropped { first_step, last_step, count } => {
            assert_eq!(count, last_step - first_step + 1);
            Some((first_step, last_step))
        }
        _ => None,
    });
    told.collect()
}

#[test]
fn any_operation_may_fail_once_and_no_row_is_lost() {
    const STEPS: u64 = 9_000;
    let mut operations = 0;
    for stop in 0.. {
        let directory = tempfile::tempdir().unwrap();
        let storage = Stopping::at(stop, Then::Well);
        let Ok(writer) = RunWriter::create_on(Arc::new(storage.clone()), directory.path(), &info(), Vec::new()) else {
            assert!(stop < 10, "no run could be made, and that was told");
            continue;
        };
        let mut recorder = start(writer, directory.path());
        record(&mut recorder, 1..STEPS + 1);
        let outcome = recorder.finish();
        assert_eq!(read_rows(directory.path()).len() as u64, STEPS, "operation {stop}");
        let checked = check(directory.path()).unwrap();
        assert!(checked.damage.is_empty() && checked.notes.is_empty(), "operation {stop}: {checked:?}");
        assert_eq!(dropped(directory.path()), []);
        operations = stop;
        if !storage.stopped() {
            outcome.unwrap();
            break;
        }
        // A Parquet file that cannot be begun or continued is made from the journal later, without a word.
        if outcome.is_ok() && storage.operations()[stop as usize].contains(".parquet.partial") {
            continue;
        }
        let error = outcome.err().unwrap_or_else(|| panic!("operation {stop} failed: {:?}", storage.operations()));
        assert!(matches!(error, Error::Interrupted { rows_lost: 0, .. }), "operation {stop}: {error}");
        assert!(error.to_string().contains("stopped by the test"), "{error}");
    }
    assert!(operations > 25, "{operations} operations");
}

/// A disk whose syncs fail, or all of whose writes wait.
#[derive(Clone, Default)]
struct Bad {
    syncs_fail: Arc<AtomicBool>,
    wait: Duration,
}

struct BadFile(Box<dyn StorageFile>, Bad);

impl Storage for Bad {
    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(BadFile(Disk.create(path)?, self.clone())))
    }

    fn append_to(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(BadFile(Disk.append_to(path)?, self.clone())))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename(from, to)
    }

    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        Disk.exchange(one, other)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Disk.remove(path)
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        self.sync()
    }
}

impl Bad {
    fn sync(&self) -> io::Result<()> {
        if self.syncs_fail.load(Ordering::SeqCst) { Err(io::Error::other("the sync failed")) } else { Ok(()) }
    }
}

impl StorageFile for BadFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        std::thread::sleep(self.1.wait);
        self.0.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.1.sync()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.0.truncate(length)
    }
}

#[test]
fn syncs_that_fail_for_a_while_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Bad::default();
    let writer = RunWriter::create_on(Arc::new(disk.clone()), directory.path(), &info(), Vec::new()).unwrap();
    let mut recorder = start(writer, directory.path());
    disk.syncs_fail.store(true, Ordering::SeqCst);
    record(&mut recorder, 1..10_001);
    wait_until(&recorder, |recorder| recorder.health().is_err());
    assert!(recorder.health().err().unwrap().to_string().contains("the sync failed"));
    disk.syncs_fail.store(false, Ordering::SeqCst);
    wait_until(&recorder, |recorder| recorder.health().is_ok_and(|health| health.rows_written == 10_000));
    let error = recorder.finish().err().unwrap();
    assert!(matches!(error, Error::Interrupted { rows_lost: 0, .. }), "{error}");
    assert_rows_equal(&read_rows(directory.path()), &recorded(1..10_001));
    assert_eq!(check(directory.path()).unwrap().journals, 0, "every segment was finished in the end");
}

#[test]
fn a_slow_disk_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Bad { wait: Duration::from_millis(20), ..Bad::default() };
    let writer = RunWriter::create_on(Arc::new(disk), directory.path(), &info(), Vec::new()).unwrap();
    let mut recorder = start(writer, directory.path());
    record(&mut recorder, 1..50_001);
    assert_eq!(recorder.finish().unwrap().rows, 50_000);
    assert_rows_equal(&read_rows(directory.path()), &recorded(1..50_001));
}

/// A file system in memory, unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(megabytes: u32) -> Option<SmallDisk> {
        let disk = SmallDisk(tempfile::tempdir().unwrap());
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(disk.0.path()).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(disk)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_disk_that_is_full_for_a_while() {
    const KEPT_AND_MORE: u64 = 300_000;
    let Some(disk) = SmallDisk::mount(160) else {
        println!("skipped: no file system may be mounted here");
        return;
    };
    let run = disk.0.path().join("run");
    let mut recorder = start(writer(&run), &run);
    record(&mut recorder, 1..10_001);
    wait_until(&recorder, |recorder| recorder.health().is_ok_and(|health| health.rows_written == 10_000));
    let ballast = disk.0.path().join("ballast");
    fs::write(&ballast, vec![1; 200 << 20]).expect_err("the disk is full");

    record(&mut recorder, 10_001..10_001 + KEPT_AND_MORE);
    wait_until(&recorder, |recorder| matches!(recorder.health(), Err(Error::Interrupted { rows_lost: 1.., .. })));
    let readable = read_rows(&run);
    assert_rows_equal(&readable, &recorded(1..readable.len() as u64 + 1));
    assert!(readable.len() >= 10_000, "what was written is readable while the disk is full");

    fs::remove_file(ballast).unwrap();
    wait_until(&recorder, |recorder| recorder.health().is_ok());
    let (first, end) = (10_001 + KEPT_AND_MORE, 12_001 + KEPT_AND_MORE);
    record(&mut recorder, first..end);
    let error = recorder.finish().err().unwrap();
    assert!(error.to_string().contains("No space left"), "{error}");
    let told = dropped(&run);
    assert_eq!(told.len(), 1, "{told:?}");
    let missing = |step: &u64| told.iter().any(|(first, last)| (*first..=*last).contains(step));
    assert_rows_equal(&read_rows(&run), &recorded((1..end).filter(|step| !missing(step))));
    let kinds = events(&run);
    assert!(kinds.iter().any(|kind| matches!(kind, EventKind::Interrupted { .. })), "{kinds:?}");
    assert!(matches!(kinds.last(), Some(EventKind::Finished { .. })), "{kinds:?}");
    let checked = check(&run).unwrap();
    assert!(checked.damage.is_empty() && checked.notes.is_empty(), "the gap is explained: {checked:?}");
}

#[test]
fn a_folder_that_is_deleted_under_a_run() {
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join("run");
    let mut recorder = start(writer(&run), &run);
    record(&mut recorder, 1..2_001);
    wait_until(&recorder, |recorder| recorder.health().is_ok_and(|health| health.rows_written == 2_000));
    fs::remove_dir_all(&run).unwrap();
    record(&mut recorder, 2_001..4_001);
    wait_until(&recorder, |recorder| recorder.health().is_err());
    record(&mut recorder, 4_001..6_001);
    let error = recorder.finish().err().unwrap();
    assert!(error.to_string().contains(&run.display().to_string()), "{error}");
    assert!(!run.exists(), "a run without its beginning is not made");
}

#[test]
fn another_run_in_the_place_of_a_deleted_one_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let mut old = start(writer(directory.path()), directory.path());
    record(&mut old, 1..2_001);
    wait_until(&old, |recorder| recorder.health().is_ok_and(|health| health.rows_written == 2_000));
    // Not in the middle of finishing a segment.
    let journal = directory.path().join("steps/000000.arrows");
    wait_until(&old, |_| !journal.exists());
    for entry in fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() { fs::remove_dir_all(entry).unwrap() } else { fs::remove_file(entry).unwrap() }
    }
    let mut new = writer(directory.path());
    new.append(&rows(1..11)).unwrap();
    record(&mut old, 2_001..12_001);
    assert!(matches!(old.finish(), Err(Error::Interrupted { .. })));
    new.append(&rows(11..21)).unwrap();
    new.close().unwrap();
    assert_rows_equal(&read_rows(directory.path()), &rows(1..21));
}

#[test]
fn a_folder_that_is_moved_away_and_back() {
    let directory = tempfile::tempdir().unwrap();
    let (run, elsewhere) = (directory.path().join("run"), directory.path().join("elsewhere"));
    let mut recorder = start(writer(&run), &run);
    record(&mut recorder, 1..2_001);
    wait_until(&recorder, |recorder| recorder.health().is_ok_and(|health| health.rows_written == 2_000));
    fs::rename(&run, &elsewhere).unwrap();
    wait_until(&recorder, |recorder| recorder.health().is_err());
    record(&mut recorder, 2_001..9_001);
    fs::rename(&elsewhere, &run).unwrap();
    wait_until(&recorder, |recorder| recorder.health().is_ok_and(|health| health.rows_written == 9_000));
    assert!(matches!(recorder.finish(), Err(Error::Interrupted { rows_lost: 0, .. })));
    assert_rows_equal(&read_rows(&run), &recorded(1..9_001));
    recover(&run).unwrap();
}

/// Root may write anywhere, so that a test run as root runs this one again without that capability.
#[cfg(target_os = "linux")]
#[test]
fn permission_that_is_withdrawn_and_given_back() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    const AGAIN: &str = "PERRIN_TEST_WITHOUT_CAPABILITIES";
    let directory = tempfile::tempdir().unwrap();
    if directory.path().metadata().unwrap().uid() == 0 && std::env::var_os(AGAIN).is_none() {
        let mut child = Command::new("setpriv");
        child.arg("--bounding-set=-dac_override,-dac_read_search").arg(std::env::current_exe().unwrap());
        child.args(["permission_that_is_withdrawn_and_given_back", "--exact", "--nocapture"]);
        match child.env(AGAIN, "1").output() {
            Ok(output) => assert!(output.status.success(), "{output:?}"),
            Err(error) => println!("skipped: run by root, and there is no setpriv: {error}"),
        }
        return;
    }
    let allow = |folder: &Path, mode| fs::set_permissions(folder, fs::Permissions::from_mode(mode)).unwrap();
    let run = directory.path().join("run");
    let mut recorder = start(writer(&run), &run);
    record(&mut recorder, 1..2_001);
    wait_until(&recorder, |recorder| recorder.health().is_ok_and(|health| health.rows_written == 2_000));
    allow(&run, 0o000);
    record(&mut recorder, 2_001..9_001);
    wait_until(&recorder, |recorder| recorder.health().is_err());
    allow(&run, 0o755);
    wait_until(&recorder, |recorder| recorder.health().is_ok_and(|health| health.rows_written == 9_000));
    let error = recorder.finish().err().unwrap();
    assert!(matches!(error, Error::Interrupted { rows_lost: 0, .. }), "{error}");
    assert!(error.to_string().contains("ermission denied"), "{error}");
    assert_rows_equal(&read_rows(&run), &recorded(1..9_001));
}
