//! A run whose folder is deleted, replaced, moved or closed to it while it is written: training
//! goes on, it is told, and what comes back is gone on with.

use std::fs;
#[cfg(target_os = "linux")]
use std::path::Path;
#[cfg(target_os = "linux")]
use std::process::Command;

use crate::common::{assert_rows_equal, read_rows, rows, writer};
use crate::recorded::{record, recorded, start, wait_until};
use perrin::Error;
use perrin::run::recover;

#[test]
fn a_folder_that_is_deleted_under_a_run() {
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join("run");
    let mut recorder = start(writer(&run), &run);
    record(&mut recorder, 1..2_001);
    wait_until(&recorder, |recorder| {
        recorder.health().is_ok_and(|health| health.rows_written == 2_000)
    });
    // Not in the middle of finishing a segment.
    let journal = run.join("open/000000.arrows");
    wait_until(&recorder, |_| !journal.exists());
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
    let journal = directory.path().join("open/000000.arrows");
    wait_until(&old, |_| !journal.exists());
    for entry in fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            fs::remove_dir_all(entry).unwrap()
        } else {
            fs::remove_file(entry).unwrap()
        }
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
    wait_until(&recorder, |recorder| {
        recorder.health().is_ok_and(|health| health.rows_written == 2_000)
    });
    fs::rename(&run, &elsewhere).unwrap();
    wait_until(&recorder, |recorder| recorder.health().is_err());
    record(&mut recorder, 2_001..9_001);
    fs::rename(&elsewhere, &run).unwrap();
    wait_until(&recorder, |recorder| {
        recorder.health().is_ok_and(|health| health.rows_written == 9_000)
    });
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
        child
            .arg("--bounding-set=-dac_override,-dac_read_search")
            .arg(std::env::current_exe().unwrap());
        child.args([
            "place::permission_that_is_withdrawn_and_given_back",
            "--exact",
            "--nocapture",
        ]);
        match child.env(AGAIN, "1").output() {
            Ok(output) => {
                let told = String::from_utf8_lossy(&output.stdout);
                assert!(output.status.success() && told.contains("1 passed"), "{output:?}");
            }
            Err(error) => println!("skipped: run by root, and there is no setpriv: {error}"),
        }
        return;
    }
    let allow = |folder: &Path, mode| {
        fs::set_permissions(folder, fs::Permissions::from_mode(mode)).unwrap()
    };
    let run = directory.path().join("run");
    let mut recorder = start(writer(&run), &run);
    record(&mut recorder, 1..2_001);
    wait_until(&recorder, |recorder| {
        recorder.health().is_ok_and(|health| health.rows_written == 2_000)
    });
    allow(&run, 0o000);
    record(&mut recorder, 2_001..9_001);
    wait_until(&recorder, |recorder| recorder.health().is_err());
    allow(&run, 0o755);
    wait_until(&recorder, |recorder| {
        recorder.health().is_ok_and(|health| health.rows_written == 9_000)
    });
    let error = recorder.finish().err().unwrap();
    assert!(matches!(error, Error::Interrupted { rows_lost: 0, .. }), "{error}");
    assert!(error.to_string().contains("ermission denied"), "{error}");
    assert_rows_equal(&read_rows(&run), &recorded(1..9_001));
}
