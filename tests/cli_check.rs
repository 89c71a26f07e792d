//! `perrin check`, `perrin recover` and `perrin compact`, as a user runs them.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use common::{rows, writer};

fn perrin(command: &str, run: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_perrin")).arg(command).arg(run).output().unwrap()
}

#[test]
fn a_killed_run_is_recovered_and_then_sound() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = writer(directory.path());
    writer.append(&rows(1..11)).unwrap();
    writer.append(&rows(11..21)).unwrap();
    let locked = perrin("recover", directory.path());
    assert!(!locked.status.success());
    assert!(String::from_utf8_lossy(&locked.stderr).contains("is being written by another observer"));
    drop(writer);
    let journal = directory.path().join("steps/.000000.arrows");
    let bytes = fs::read(&journal).unwrap();
    fs::write(&journal, &bytes[..bytes.len() - 3]).unwrap();

    let recovered = perrin("recover", directory.path());
    let text = String::from_utf8(recovered.stdout).unwrap();
    assert!(recovered.status.success() && text.starts_with("rows recovered 10, journals 1\n"), "{text}");
    let checked = perrin("check", directory.path());
    assert!(checked.status.success());
    assert_eq!(String::from_utf8(checked.stdout).unwrap(), "rows 10, segments 1, journals 0\n");
}

#[test]
fn damage_fails_the_check_and_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = writer(directory.path());
    writer.append(&rows(1..11)).unwrap();
    writer.close().unwrap();
    let segment = directory.path().join("steps/000000.parquet");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[100] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let checked = perrin("check", directory.path());
    let text = String::from_utf8(checked.stdout).unwrap();
    assert!(!checked.status.success());
    assert!(text.contains("000000.parquet: row 0: column ") && text.contains("does not have its checksum"), "{text}");
    assert!(String::from_utf8(checked.stderr).unwrap().contains("is damaged"));
}

#[test]
fn runs_are_compacted_and_the_others_named() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = writer(directory.path());
    for segment in 0..3 {
        log.append(&rows(segment * 10 + 1..segment * 10 + 11)).unwrap();
        log.roll_if_due(Duration::from_secs(segment * 1000)).unwrap();
        log.roll_if_due(Duration::from_secs(segment * 1000 + 900)).unwrap();
    }
    let running = perrin("compact", directory.path());
    assert!(!running.status.success());
    assert!(String::from_utf8_lossy(&running.stderr).contains("is being written by another observer"));
    log.close().unwrap();
    let done = perrin("compact", directory.path());
    let text = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success() && text.contains(": rows 30, segments 3 to 1, bytes "), "{text}");
    assert!(perrin("check", directory.path()).status.success());
}
