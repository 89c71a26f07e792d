//! `perrin check`, `perrin recover` and `perrin compact`, as a user runs them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use crate::common::{rows, writer};

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
    assert!(
        String::from_utf8_lossy(&locked.stderr).contains("is being written by another observer")
    );
    drop(writer);
    let journal = directory.path().join("open/000000.arrows");
    let bytes = fs::read(&journal).unwrap();
    fs::write(&journal, &bytes[..bytes.len() - 3]).unwrap();

    let recovered = perrin("recover", directory.path());
    let text = String::from_utf8(recovered.stdout).unwrap();
    assert!(
        recovered.status.success() && text.starts_with("rows recovered 10, journals 1\n"),
        "{text}"
    );
    let checked = perrin("check", directory.path());
    assert!(checked.status.success());
    let discarded = fs::read_to_string(directory.path().join("events.jsonl")).unwrap();
    let discarded =
        discarded.split("\"bytes_discarded\":").nth(1).unwrap().split(',').next().unwrap();
    let expected = format!(
        "{}: {discarded} bytes that were no whole block were discarded when the run was recovered: rows are missing\n\
         good      files  entries  checksums\n\
         events        1        1  fit\n\
         run.json      1        1  fit\n\
         segments      1       10  fit\n\
         rows 10, segments 1, journals 0\n",
        directory.path().join("events.jsonl").display()
    );
    assert_eq!(String::from_utf8(checked.stdout).unwrap(), expected);
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
    assert!(
        text.contains("000000.parquet: row 0: column ")
            && text.contains("does not have its checksum"),
        "{text}"
    );
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
    assert!(
        String::from_utf8_lossy(&running.stderr).contains("is being written by another observer")
    );
    log.close().unwrap();
    let done = perrin("compact", directory.path());
    let text = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success() && text.contains(": rows 30, segments 3 to 1, bytes "), "{text}");
    let small = fs::read(directory.path().join("steps/000000-000002.parquet")).unwrap();
    let mut portable = Command::new(env!("CARGO_BIN_EXE_perrin"));
    assert!(
        portable.args(["compact", "--portable"]).arg(directory.path()).status().unwrap().success()
    );
    assert_ne!(fs::read(directory.path().join("steps/000000-000002.parquet")).unwrap(), small);
    assert!(perrin("check", directory.path()).status.success());
}

#[test]
fn a_changed_run_json_is_told_by_every_program_until_it_is_meant() {
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join("run");
    let mut log = writer(&run);
    log.append(&rows(1..301)).unwrap();
    log.close().unwrap();
    let path = run.join("run.json");
    let text = fs::read_to_string(&path).unwrap();
    let changed = text.replace("\"nesterov\": null", "\"nesterov\": true");
    assert_ne!(text, changed);
    fs::write(&path, &changed).unwrap();
    let told = "optimizer.nesterov was null and is true";
    let remedy = "remove \"checksum\" from it";
    let printed = |command: &str, options: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_perrin"))
            .arg(command)
            .arg(&run)
            .args(options)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let text = if command == "report" {
            fs::read_to_string(run.join("report.html")).unwrap()
        } else {
            text
        };
        (
            output.status.success(),
            text.split_whitespace().collect::<Vec<_>>().join(" ").replace("&quot;", "\""),
        )
    };
    let programs = [("fit", &[][..]), ("watch", &["--once"]), ("report", &[]), ("check", &[])];
    for (command, options) in programs {
        let (ok, text) = printed(command, options);
        assert_eq!(ok, command != "check");
        assert!(text.contains(told) && text.contains(remedy), "{command}: {text}");
    }
    let without = changed
        .lines()
        .filter(|line| !line.contains("\"checksum\""))
        .collect::<Vec<_>>()
        .join("\n");
    fs::write(&path, without.replace("],\n}", "]\n}")).unwrap();
    for (command, options) in programs {
        let (ok, text) = printed(command, options);
        assert!(ok, "{command}");
        assert_eq!(text.contains(told), command == "check", "{command}: {text}");
    }
}

#[test]
fn a_run_of_version_1_is_read_by_every_program() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["finished", "killed"] {
        let run = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
            .join("tests/data/runs_schema_1")
            .join(name);
        let page = directory.path().join(format!("{name}.html"));
        for (command, options) in [
            ("check", vec![]),
            ("fit", vec![]),
            ("watch", vec!["--once"]),
            ("report", vec!["-o", page.to_str().unwrap()]),
        ] {
            let output = Command::new(env!("CARGO_BIN_EXE_perrin"))
                .arg(command)
                .arg(&run)
                .args(options)
                .output()
                .unwrap();
            assert!(
                output.status.success(),
                "{command} {name}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            let text = String::from_utf8(output.stdout).unwrap();
            let rows = if name == "finished" { "900" } else { "446" };
            assert!(command == "report" || text.contains(rows), "{command} {name}: {text}");
        }
        assert!(page.exists());
    }
}
