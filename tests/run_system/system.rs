//! The operating system's own calls, refused below the log: what `Disk` makes of their answers. A
//! small library of C stands between the two (LD_PRELOAD), and a limit on the size of files is set
//! as batch systems set it. Without a C compiler there is nothing to test with, which is said.
#![cfg(target_os = "linux")]

use crate::common;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use crate::common::{assert_rows_equal, read_rows, writer};
use crate::recorded::{record, recorded, start};
use perrin::record::EventKind;
use perrin::run::{Run, check, recover};
use rustix::io::Errno;

const RUN: &str = "PERRIN_TEST_SYSTEM_RUN";
const ROWS: u64 = 6_000;
const FOR_EVER: u64 = 1_000_000;

/// Not a test but the child: a training program that observes into a folder; what it prints is what
/// it was told.
#[test]
fn child() {
    let Some(directory) = std::env::var_os(RUN) else { return };
    let directory = Path::new(&directory);
    if directory.join("run.json").exists() {
        match recover(directory) {
            Ok(_) => println!("recovered"),
            Err(error) => println!("refused: {error}"),
        }
        return;
    }
    let writer = match perrin::run::RunWriter::create(directory, &common::info(), Vec::new()) {
        Ok(writer) => writer,
        Err(error) => return println!("refused: {error}"),
    };
    let mut recorder = start(writer, directory);
    record(&mut recorder, 1..ROWS + 1);
    match recorder.finish() {
        Ok(_) => println!("told: nothing"),
        Err(error) => println!("told: {error}"),
    }
}

fn child_command(shell: &str, directory: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{shell} exec \"$0\" system::child --exact --nocapture")]);
    command.arg(std::env::current_exe().unwrap()).env(RUN, directory);
    command
}

fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text
        .lines()
        .find(|line| ["told", "refused", "recovered"].iter().any(|word| line.contains(word)));
    line.unwrap_or_else(|| panic!("the child ended without a word: {output:?}")).to_owned()
}

fn assert_whole(directory: &Path) {
    assert_rows_equal(&read_rows(directory), &recorded(1..ROWS + 1));
    let checked = check(directory).unwrap();
    assert!(checked.damage.is_empty() && checked.notes.is_empty(), "{checked:?}");
}

/// The library, made once; `None` without a compiler.
fn shim() -> Option<&'static Path> {
    static SHIM: OnceLock<Option<(tempfile::TempDir, PathBuf)>> = OnceLock::new();
    let made = SHIM.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let library = directory.path().join("shim.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/common/shim.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl");
        match compiler.output() {
            Ok(output) => assert!(output.status.success(), "{output:?}"),
            Err(error) => {
                println!("skipped: no C compiler: {error}");
                return None;
            }
        }
        Some((directory, library))
    });
    made.as_ref().map(|(_, library)| library.as_path())
}

/// Runs the child with a call that fails; returns what it said.
fn with_fault(
    directory: &Path,
    call: &str,
    error: i32,
    (after, times): (u64, u64),
    path: &str,
) -> Option<String> {
    let mut command = child_command("", directory);
    command
        .env("LD_PRELOAD", shim()?)
        .env("PERRIN_FAULT", format!("{call}:{error}:{after}:{times}:{path}"));
    let output = command.output().unwrap();
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("the fault was met"),
        "{call} {path}: {output:?}"
    );
    Some(said(&output))
}

/// What the system's answers come to: call, error, how many such calls succeed before, how many
/// fail, in paths that contain this; the beginning of what is said.
#[test]
fn what_the_system_answers() {
    const ENOTSUPP: i32 = 524;
    let number = |error: Errno| error.raw_os_error();
    let nothing_told = "told: nothing";
    let nothing_lost = "told: the log was interrupted, 0 rows are lost";
    let table = [
        // A signal came in between: the call is made again.
        ("create", number(Errno::INTR), 0, 3, "/run/", nothing_told),
        ("write", number(Errno::INTR), 0, 3, "/run/", nothing_told),
        ("fsync", number(Errno::INTR), 0, 3, "/run", nothing_told),
        ("truncate", number(Errno::INTR), 0, 3, "/run/", nothing_told),
        ("rename", number(Errno::INTR), 0, 3, "/run/", nothing_told),
        ("unlink", number(Errno::INTR), 0, 3, "/run/", nothing_told),
        ("mkdir", number(Errno::INTR), 0, 3, "/run", nothing_told),
        ("opendir", number(Errno::INTR), 0, 3, "/run/", nothing_told),
        ("flock", number(Errno::INTR), 0, 3, "/lock", nothing_told),
        // A file system that cannot sync folders; others can, and a failure of theirs is one.
        ("fsync", number(Errno::INVAL), 0, FOR_EVER, "/steps$", nothing_told),
        ("fsync", number(Errno::INVAL), 0, FOR_EVER, "/run$", nothing_told),
        ("fsync", number(Errno::OPNOTSUPP), 0, FOR_EVER, "/steps$", nothing_told),
        ("fsync", number(Errno::IO), 0, 1, "/steps$", nothing_lost),
        ("fsync", number(Errno::IO), 0, 1, "/run$", "refused: cannot sync"),
        ("fsync", number(Errno::INVAL), 1, 1, ".partial", nothing_lost),
        // Without locks.
        ("flock", number(Errno::NOSYS), 0, FOR_EVER, "/lock", nothing_told),
        ("flock", number(Errno::NOLCK), 0, FOR_EVER, "/lock", nothing_told),
        ("flock", ENOTSUPP, 0, FOR_EVER, "/lock", nothing_told),
        ("flock", number(Errno::IO), 0, 1, "/lock", "refused: cannot lock"),
        // A handle that is stale, a full disk, no more files, for a while.
        ("write", number(Errno::STALE), 2, 1, ".arrows", nothing_lost),
        ("write", number(Errno::NOSPC), 1, 2, ".arrows", nothing_lost),
        ("write", number(Errno::DQUOT), 0, 1, ".partial", "refused: cannot write"),
        ("create", number(Errno::MFILE), 0, 1, ".arrows", nothing_lost),
        ("rename", number(Errno::STALE), 1, 1, ".parquet", nothing_lost),
        ("mkdir", number(Errno::ROFS), 0, FOR_EVER, "/run", "refused: cannot create"),
        ("opendir", number(Errno::ACCESS), 0, 1, "/steps", "refused: cannot list"),
    ];
    for (call, error, after, times, path, expected) in table {
        let directory = tempfile::tempdir().unwrap();
        let run = directory.path().join("run");
        let Some(said) = with_fault(&run, call, error, (after, times), path) else { return };
        println!("{call:9} errno {error:3} {path:9} {said}");
        assert!(said.contains(expected), "{call} {error}: {said}");
        if expected.starts_with("told") {
            assert_whole(&run);
        }
        if call == "flock" && expected == nothing_told && error != number(Errno::INTR) {
            let kinds: Vec<EventKind> = Run::open(&run)
                .unwrap()
                .events()
                .unwrap()
                .into_iter()
                .map(|event| event.kind)
                .collect();
            assert!(
                kinds.iter().any(|kind| matches!(kind, EventKind::NotLocked { .. })),
                "{kinds:?}"
            );
        }
    }
}

#[test]
fn a_limit_on_the_size_of_files_ends_no_program_and_costs_no_row() {
    // In blocks of 512 bytes: 100 KiB and 1 MiB.
    for limit in [200_u64, 2_048] {
        let directory = tempfile::tempdir().unwrap();
        let run = directory.path().join("run");
        let output =
            child_command(&format!("ulimit -f {limit}; ulimit -c 0;"), &run).output().unwrap();
        assert_eq!((output.status.signal(), output.status.code()), (None, Some(0)), "{output:?}");
        assert!(said(&output).contains("told: nothing"), "{output:?}");
        assert_whole(&run);
        let largest = std::fs::read_dir(run.join("steps"))
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len());
        assert!(largest.max().unwrap() <= 512 * limit);
    }
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join("run");
    writer(&run).append(&common::rows(1..200)).unwrap();
    let output = child_command("ulimit -f 2; ulimit -c 0;", &run).output().unwrap();
    assert_eq!(output.status.signal(), None, "{output:?}");
    assert!(said(&output).contains("refused"), "{output:?}");
    recover(&run).unwrap();
    assert_eq!(read_rows(&run).len(), 199);
}
