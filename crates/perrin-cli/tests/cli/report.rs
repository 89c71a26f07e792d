//! `perrin report`, as a user runs it.

use std::path::Path;
use std::process::{Command, Output};

use crate::synthetic::{SyntheticRun, USUAL_SGD};

fn synthetic(rows: u64, eigenvalues: &[f64]) -> SyntheticRun {
    SyntheticRun { parameters: USUAL_SGD, eigenvalues: eigenvalues.to_vec(), rows, seed: 7 }
}

fn perrin(arguments: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_perrin")).arg("report").args(arguments).output().unwrap()
}

#[test]
fn the_page_is_in_the_runs_folder_and_may_be_written_again() {
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join("run");
    synthetic(600, &[1.0]).write(&run);
    for _ in 0..2 {
        let output = perrin(&[&run]);
        let page = run.join("report.html");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{}\n", page.display()));
        assert!(output.stderr.is_empty() && page.exists());
    }
    let check = Command::new(env!("CARGO_BIN_EXE_perrin")).arg("check").arg(&run).output().unwrap();
    assert!(check.status.success(), "a page in its folder does no harm to a run");
}

#[test]
fn what_is_not_a_report_is_not_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join("run");
    synthetic(100, &[1.0]).write(&run);
    let mine = directory.path().join("mine.html");
    std::fs::write(&mine, "<p>mine</p>").unwrap();
    for place in [mine.as_path(), directory.path()] {
        let output = perrin(&[&run, Path::new("-o"), place]);
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains("is not a report of perrin's"));
    }
    assert_eq!(std::fs::read_to_string(&mine).unwrap(), "<p>mine</p>");
    let output = perrin(&[&directory.path().join("none")]);
    assert!(
        !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("no run at")
    );
}

#[test]
fn the_window_and_the_stationary_part_may_be_given() {
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join("run");
    synthetic(600, &[1.0]).write(&run);
    let page = |options: &[&str]| {
        let arguments: Vec<&Path> =
            std::iter::once(run.as_path()).chain(options.iter().map(Path::new)).collect();
        let output = perrin(&arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::read_to_string(run.join("report.html")).unwrap()
    };
    assert!(page(&[]).contains("over steps 201 to 600"));
    assert!(page(&["--from", "101"]).contains("over steps 101 to 600"));
    assert!(page(&["--stationary-from", "301"]).contains("over steps 301 to 600"));
    assert!(page(&["--from", "401", "--stationary-from", "301"]).contains("over steps 401 to 600"));
}
