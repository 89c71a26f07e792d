//! Disks that fail and come back, under the recorder and the log together: every single operation
//! once by the storage seam, syncs that fail, a slow disk, and a file system that really is full.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::common::{assert_rows_equal, info, read_rows, writer};
use crate::recorded::{record, recorded, start, wait_until};
use crate::stopping::{Stopping, Then};
use perrin::Error;
use perrin::record::EventKind;
use perrin::run::storage::{Disk, Storage, StorageFile};
use perrin::run::{RunWriter, check};

fn events(directory: &Path) -> Vec<EventKind> {
    let events = perrin::run::Run::open(directory).unwrap().events().unwrap();
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
        let Ok(writer) =
            RunWriter::create_on(Arc::new(storage.clone()), directory.path(), &info(), Vec::new())
        else {
            assert!(stop < 10, "no run could be made, and that was told");
            continue;
        };
        let mut recorder = start(writer, directory.path());
        record(&mut recorder, 1..STEPS + 1);
        let outcome = recorder.finish();
        assert_eq!(read_rows(directory.path()).len() as u64, STEPS, "operation {stop}");
        let checked = check(directory.path()).unwrap();
        // The last event may have been written in part.
        let notes = checked
            .notes
            .iter()
            .filter(|note| !note.what.ends_with("bytes at its end are no whole line"));
        assert!(checked.damage.is_empty() && notes.count() == 0, "operation {stop}: {checked:?}");
        assert_eq!(dropped(directory.path()), []);
        operations = stop;
        if !storage.stopped() {
            outcome.unwrap();
            break;
        }
        // A Parquet file that cannot be begun or continued is made from the journal later, without
        // a word.
        let failed = &storage.operations()[stop as usize];
        if outcome.is_ok() && (failed.contains(".parquet.partial") || failed == "overwrite lock") {
            continue;
        }
        let error = outcome
            .err()
            .unwrap_or_else(|| panic!("operation {stop} failed: {:?}", storage.operations()));
        assert!(
            matches!(error, Error::Interrupted { rows_lost: 0, .. }),
            "operation {stop}: {error}"
        );
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

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        Disk.make_dir(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        Disk.remove_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        Disk.list(path)
    }

    fn length(&self, path: &Path) -> io::Result<Option<u64>> {
        Disk.length(path)
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        self.sync()
    }

    fn overwrite(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        Disk.overwrite(path, bytes)
    }

    fn open_lock(&self, path: &Path) -> io::Result<fs::File> {
        Disk.open_lock(path)
    }

    fn lock(&self, file: &fs::File) -> io::Result<()> {
        Disk.lock(file)
    }

    fn largest_file(&self) -> Option<u64> {
        None
    }
}

impl Bad {
    fn sync(&self) -> io::Result<()> {
        if self.syncs_fail.load(Ordering::SeqCst) {
            Err(io::Error::other("the sync failed"))
        } else {
            Ok(())
        }
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

    fn length_at(&self, path: &Path) -> io::Result<Option<u64>> {
        self.0.length_at(path)
    }
}

#[test]
fn syncs_that_fail_for_a_while_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Bad::default();
    let writer =
        RunWriter::create_on(Arc::new(disk.clone()), directory.path(), &info(), Vec::new())
            .unwrap();
    let mut recorder = start(writer, directory.path());
    disk.syncs_fail.store(true, Ordering::SeqCst);
    record(&mut recorder, 1..10_001);
    wait_until(&recorder, |recorder| recorder.health().is_err());
    assert!(recorder.health().err().unwrap().to_string().contains("the sync failed"));
    disk.syncs_fail.store(false, Ordering::SeqCst);
    wait_until(&recorder, |recorder| {
        recorder.health().is_ok_and(|health| health.rows_written == 10_000)
    });
    let error = recorder.finish().err().unwrap();
    assert!(matches!(error, Error::Interrupted { rows_lost: 0, .. }), "{error}");
    assert_rows_equal(&read_rows(directory.path()), &recorded(1..10_001));
    assert_eq!(
        check(directory.path()).unwrap().journals,
        0,
        "every segment was finished in the end"
    );
}

#[test]
fn a_slow_disk_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Bad { wait: Duration::from_millis(20), ..Bad::default() };
    let writer =
        RunWriter::create_on(Arc::new(disk), directory.path(), &info(), Vec::new()).unwrap();
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
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(disk.0.path())
            .output();
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
    wait_until(&recorder, |recorder| {
        recorder.health().is_ok_and(|health| health.rows_written == 10_000)
    });
    let ballast = disk.0.path().join("ballast");
    fs::write(&ballast, vec![1; 200 << 20]).expect_err("the disk is full");

    record(&mut recorder, 10_001..10_001 + KEPT_AND_MORE);
    wait_until(&recorder, |recorder| {
        matches!(recorder.health(), Err(Error::Interrupted { rows_lost: 1.., .. }))
    });
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
    assert!(
        checked.damage.is_empty() && checked.notes.is_empty(),
        "the gap is explained: {checked:?}"
    );
}
