//! A run, or its `steps`, behind a symbolic link or on another disk: recovered, resumed and merged
//! where the files are, or refused before anything is made.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::RwLock;
use std::time::Duration;

use crate::common::{assert_rows_equal, compact_at_once, info, read_rows, rows, writer};
use crate::stopping::{Stopping, Then};
use perrin::run::{Encoding, ResumeFrom, RunWriter, check, compact_on, recover};

/// Three segments of ten rows, and ten rows in a journal.
fn killed_run(directory: &Path) {
    let mut writer = writer(directory);
    for segment in 0..4 {
        writer.append(&rows(10 * segment + 1..10 * segment + 11)).unwrap();
        if segment < 3 {
            writer.roll_if_due(Duration::from_secs(segment * 2_000)).unwrap();
            writer.roll_if_due(Duration::from_secs(segment * 2_000 + 1_000)).unwrap();
        }
    }
}

fn assert_sound(directory: &Path, last_step: u64) {
    assert_rows_equal(&read_rows(directory), &rows(1..last_step + 1));
    let checked = check(directory).unwrap();
    assert!(checked.damage.is_empty() && checked.notes.is_empty(), "{checked:?}");
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Moves `steps` of a run to another folder and leaves a link; returns the folder with the run, and
/// that of `steps`.
fn with_linked_steps(root: &Path, way: &str) -> (PathBuf, PathBuf) {
    let (run, big) = (root.join("run"), root.join("big"));
    killed_run(&run);
    fs::create_dir(&big).unwrap();
    fs::rename(run.join("steps"), big.join("data")).unwrap();
    match way {
        "absolute" => symlink(big.join("data"), run.join("steps")).unwrap(),
        "relative" => symlink("../big/data", run.join("steps")).unwrap(),
        _ => {
            symlink("data", big.join("link")).unwrap();
            symlink(big.join("link"), run.join("steps")).unwrap();
        }
    }
    (run, big)
}

/// A process that is being started holds this one's locks until it has a program of its own: tests
/// that start one are alone.
static STARTS_PROCESSES: RwLock<()> = RwLock::new(());

#[test]
fn steps_behind_a_link_are_recovered_merged_and_gone_on_with() {
    let _none_is_started = STARTS_PROCESSES.read();
    for way in ["absolute", "relative", "two links"] {
        let root = tempfile::tempdir().unwrap();
        let (run, big) = with_linked_steps(root.path(), way);
        let before = names(&big);
        assert_sound(&run, 40);
        recover(&run).unwrap();
        assert_eq!(compact_at_once(&run).unwrap().segments_after, 1);
        assert_eq!(names(&big), before, "{way}");
        assert_eq!(names(&big.join("data")), ["000000-000003.parquet"]);
        assert!(run.join("steps").is_symlink());
        assert!(names(&run).iter().all(|name| !name.starts_with("steps.")), "{:?}", names(&run));
        let (mut writer, resumed) =
            RunWriter::resume(&run, &info(), ResumeFrom::default()).unwrap();
        assert_eq!(resumed.step, 40);
        writer.append(&rows(41..51)).unwrap();
        writer.close().unwrap();
        compact_at_once(&run).unwrap();
        assert_sound(&run, 50);
    }
}

#[test]
fn a_run_behind_a_link_is_merged() {
    let _none_is_started = STARTS_PROCESSES.read();
    let root = tempfile::tempdir().unwrap();
    killed_run(&root.path().join("run"));
    symlink("run", root.path().join("link")).unwrap();
    compact_at_once(&root.path().join("link")).unwrap();
    assert_sound(&root.path().join("link"), 40);
    assert_eq!(names(&root.path().join("run/steps")), ["000000-000003.parquet"]);
}

#[test]
fn a_merging_behind_a_link_may_die_at_any_operation() {
    let _none_is_started = STARTS_PROCESSES.read();
    for exchanges in [true, false] {
        for stop in 0.. {
            let root = tempfile::tempdir().unwrap();
            let (run, big) = with_linked_steps(root.path(), "absolute");
            recover(&run).unwrap();
            let mut storage = Stopping::at(stop, Then::Dead);
            storage.exchanges = exchanges;
            let outcome = compact_on(&storage, Encoding::Small, &run);
            recover(&run).unwrap();
            assert_sound(&run, 40);
            assert_eq!(names(&big), ["data"], "operation {stop}");
            if outcome.is_ok() {
                assert!(stop > 8);
                break;
            }
        }
    }
}

/// What a version that did not look left: the link has the place of the merged folder's name, the
/// merged segments are on the small disk.
#[test]
fn a_link_that_an_exchange_left_over_is_removed_and_not_followed() {
    let _none_is_started = STARTS_PROCESSES.read();
    let root = tempfile::tempdir().unwrap();
    let (run, mine) = (root.path().join("run"), root.path().join("mine"));
    killed_run(&run);
    fs::create_dir(&mine).unwrap();
    fs::write(mine.join("notes.txt"), "mine").unwrap();
    for name in ["steps.compacting", "steps.replaced"] {
        symlink(&mine, run.join(name)).unwrap();
        recover(&run).unwrap();
        assert_eq!(names(&mine), ["notes.txt"]);
        assert!(!run.join(name).is_symlink());
        assert_sound(&run, 40);
    }
}

struct Mounted(PathBuf);

impl Mounted {
    fn new(folder: &Path, arguments: &[&str]) -> Option<Mounted> {
        let mounted = Command::new("mount").args(arguments).arg(folder).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Mounted(folder.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn steps_that_are_a_mount_point_are_refused_before_anything_is_made() {
    let _alone = STARTS_PROCESSES.write();
    let root = tempfile::tempdir().unwrap();
    let (run, elsewhere) = (root.path().join("run"), root.path().join("elsewhere"));
    fs::create_dir(&elsewhere).unwrap();
    fs::create_dir_all(run.join("steps")).unwrap();
    let bind = ["--bind", elsewhere.to_str().unwrap()];
    // A file system of its own, and a folder of the same one.
    for arguments in [["-t", "tmpfs", "tmpfs"].as_slice(), &bind] {
        let Some(mounted) = Mounted::new(&run.join("steps"), arguments) else {
            println!("skipped: no file system may be mounted here");
            return;
        };
        killed_run(&run);
        recover(&run).unwrap();
        let before = (names(&run), names(&run.join("steps")));
        let error = compact_at_once(&run).err().unwrap();
        assert!(error.to_string().contains("it is a mount point"), "{error}");
        assert_eq!((names(&run), names(&run.join("steps"))), before);
        let (mut writer, _) = RunWriter::resume(&run, &info(), ResumeFrom::default()).unwrap();
        writer.append(&rows(41..51)).unwrap();
        writer.close().unwrap();
        assert_sound(&run, 50);
        drop(mounted);
        fs::remove_dir_all(&run).unwrap();
        fs::create_dir_all(run.join("steps")).unwrap();
    }
}
