//! File systems without locks, or with locks that hold on one machine only: a run is logged, that
//! is said, and a live run is not taken for an abandoned one.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::common::{assert_rows_equal, info, read_rows, rows};
use crate::faulty::Faulty;
use perrin::record::EventKind;
use perrin::run::{
    Encoding, ResumeFrom, Run, RunWriter, check, compact_on, declare_abandoned, recover_on,
};
use perrin::{Error, Result};
use rustix::io::Errno;

fn create(disk: &Faulty, directory: &Path) -> Result<RunWriter> {
    RunWriter::create_on(Arc::new(disk.clone()), directory, &info(), Vec::new())
}

/// What another process does to a run.
type Act = fn(&Faulty, &Path) -> Result<()>;

const ACTS: [(&str, Act); 3] = [
    ("recover", |disk, directory| recover_on(disk, directory).map(drop)),
    ("compact", |disk, directory| compact_on(disk, Encoding::Small, directory).map(drop)),
    ("resume", |disk, directory| {
        RunWriter::resume_on(Arc::new(disk.clone()), directory, &info(), ResumeFrom::default())
            .map(drop)
    }),
];

/// A number that the kernel keeps to itself on most file systems.
const ENOTSUPP: i32 = 524;

#[test]
fn a_file_system_without_locks_is_no_reason_not_to_log() {
    let without = [Errno::NOSYS, Errno::OPNOTSUPP, Errno::NOLCK, Errno::INVAL]
        .map(|error| error.raw_os_error());
    for error in without.into_iter().chain([ENOTSUPP]) {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = create(&Faulty::without_locks(error), directory.path()).unwrap();
        writer.append(&rows(1..11)).unwrap();
        writer.close().unwrap();
        assert_rows_equal(&read_rows(directory.path()), &rows(1..11));
        let events = Run::open(directory.path()).unwrap().events().unwrap();
        let [EventKind::NotLocked { reason }] =
            &events.iter().map(|event| event.kind.clone()).collect::<Vec<_>>()[..]
        else {
            panic!("{events:?}");
        };
        assert!(reason.contains(&format!("os error {error}")), "{reason}");
        assert!(check(directory.path()).unwrap().notes.is_empty());
    }
    for error in [Errno::IO, Errno::ACCESS, Errno::STALE] {
        let directory = tempfile::tempdir().unwrap();
        let refused =
            create(&Faulty::without_locks(error.raw_os_error()), directory.path()).err().unwrap();
        assert!(refused.to_string().starts_with("cannot lock"), "{refused}");
        create(&Faulty::default(), directory.path()).unwrap().close().unwrap();
    }
}

#[test]
fn a_live_run_without_a_lock_is_left_alone() {
    for (name, act) in ACTS {
        let directory = tempfile::tempdir().unwrap();
        let here = Faulty::without_locks(Errno::NOSYS.raw_os_error());
        let mut writer = create(&here, directory.path()).unwrap();
        writer.append(&rows(1..11)).unwrap();
        let (there, mut seconds) = (here.clone(), 0);
        // Training stands still; only the worker goes on looking.
        there.meanwhile(move || {
            seconds += 1;
            writer.roll_if_due(Duration::from_millis(100 * seconds)).unwrap();
        });
        let before = names(directory.path());
        let error = act(&there, directory.path()).err().unwrap_or_else(|| panic!("{name}"));
        assert!(matches!(error, Error::RunGrows { .. }), "{name}: {error}");
        assert!(
            error.to_string().contains(&format!("process {} on ", std::process::id())),
            "{error}"
        );
        assert!(there.waited() <= Duration::from_secs(6), "{:?}", there.waited());
        assert_eq!(names(directory.path()), before, "{name} has changed nothing");
    }
}

/// Names in `steps` and `open`, and the length of each file.
fn names(directory: &Path) -> Vec<(String, u64)> {
    let entries =
        |folder| fs::read_dir(directory.join(folder)).unwrap().map(|entry| entry.unwrap());
    let entries = entries("steps").chain(entries("open"));
    let mut names: Vec<_> = entries
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len()))
        .collect();
    names.sort();
    names
}

/// A run as a killed process on another machine leaves it.
fn killed_elsewhere(directory: &Path) {
    let mut writer = create(&Faulty::default(), directory).unwrap();
    writer.append(&rows(1..11)).unwrap();
    let lock = directory.join("lock");
    let held = fs::read_to_string(&lock).unwrap();
    drop(writer);
    let machine = fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let machine = machine
        .unwrap_or_else(|_| rustix::system::uname().nodename().to_string_lossy().into_owned());
    fs::write(
        &lock,
        held.replace(&format!("\"machine\":\"{}\"", machine.trim()), "\"machine\":\"another\""),
    )
    .unwrap();
}

#[test]
fn locks_that_hold_on_one_machine_only_do_not_decide() {
    for (name, act) in ACTS {
        let directory = tempfile::tempdir().unwrap();
        killed_elsewhere(directory.path());
        let disk = Faulty::default();
        let lock = directory.path().join("lock");
        let mut beats = 0;
        disk.meanwhile({
            let lock = lock.clone();
            move || {
                beats += 1;
                let held = fs::read_to_string(&lock).unwrap();
                if beats == 9 {
                    fs::write(&lock, held.replace("\"beats\":0", "\"beats\":1")).unwrap();
                }
            }
        });
        let error = act(&disk, directory.path()).err().unwrap_or_else(|| panic!("{name}"));
        assert!(matches!(error, Error::RunGrows { .. }), "{name}: {error}");

        let disk = Faulty::default();
        act(&disk, directory.path()).unwrap();
        assert_eq!(disk.waited(), Duration::from_secs(16), "{name}: it is dead");
        assert_rows_equal(&read_rows(directory.path()), &rows(1..11));
        let disk = Faulty::default();
        act(&disk, directory.path()).unwrap();
        assert_eq!(disk.waited(), Duration::ZERO, "{name}: and was let go");
    }
}

#[test]
fn a_dead_process_of_this_machine_is_known_to_be_dead_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = create(&Faulty::default(), directory.path()).unwrap();
    writer.append(&rows(1..11)).unwrap();
    let held = fs::read(directory.path().join("lock")).unwrap();
    drop(writer);
    fs::write(directory.path().join("lock"), held).unwrap();
    let disk = Faulty::default();
    recover_on(&disk, directory.path()).unwrap();
    assert_eq!(disk.waited(), Duration::ZERO);
    assert_rows_equal(&read_rows(directory.path()), &rows(1..11));
}

#[test]
fn who_says_that_the_writer_is_gone_does_not_wait() {
    let directory = tempfile::tempdir().unwrap();
    killed_elsewhere(directory.path());
    declare_abandoned(directory.path()).unwrap();
    let disk = Faulty::default();
    recover_on(&disk, directory.path()).unwrap();
    assert_eq!(disk.waited(), Duration::ZERO);

    let _writer = create(&Faulty::default(), &directory.path().join("live")).unwrap();
    let locked = declare_abandoned(directory.path().join("live"));
    assert!(matches!(locked, Err(Error::RunLocked { .. })), "a lock that is held says otherwise");
}

/// Somebody removes a `lock` that looks left over.
#[test]
fn a_lock_that_was_removed_is_made_again() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Faulty::default();
    let mut writer = create(&disk, directory.path()).unwrap();
    writer.append(&rows(1..11)).unwrap();
    fs::remove_file(directory.path().join("lock")).unwrap();
    // Not at once: the folder may be being deleted.
    (0..3).for_each(|beat| writer.roll_if_due(Duration::from_secs(5 * beat)).unwrap());
    assert!(matches!(recover_on(&disk, directory.path()), Err(Error::RunLocked { .. })));
    writer.append(&rows(11..21)).unwrap();
    writer.close().unwrap();
    assert_rows_equal(&read_rows(directory.path()), &rows(1..21));
}

/// Whoever may write into a run's folder does not choose what else its writer writes to.
#[test]
fn links_under_names_of_the_log_are_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let (run, mine) = (directory.path().join("run"), directory.path().join("mine"));
    fs::create_dir(&run).unwrap();
    fs::write(&mine, "mine").unwrap();
    std::os::unix::fs::symlink(&mine, run.join(".run.json.partial")).unwrap();
    create(&Faulty::default(), &run).unwrap().close().unwrap();
    assert_eq!(fs::read(&mine).unwrap(), b"mine");
    fs::remove_file(run.join("lock")).unwrap();
    std::os::unix::fs::symlink(&mine, run.join("lock")).unwrap();
    assert!(recover_on(&Faulty::default(), &run).is_err());
    assert_eq!(fs::read(&mine).unwrap(), b"mine");
}
