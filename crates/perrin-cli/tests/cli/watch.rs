//! `perrin watch --once`, as a script runs it: without a terminal.

use std::path::Path;
use std::process::{Command, Output};

use crate::common::{rows, writer};
use perrin::record::{Event, EventKind};

fn perrin(command: &str, run: &Path, options: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_perrin")).arg(command).arg(run).args(options).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn json_has_the_numbers_of_fit_and_of_the_last_row() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = writer(directory.path());
    writer.append(&rows(1..1002)).unwrap();
    let json = |command, options: &[&str]| -> serde_json::Value {
        serde_json::from_slice(&perrin(command, directory.path(), options).stdout).unwrap()
    };
    let watch = json("watch", &["--once", "--json"]);
    let fit = json("fit", &["--json"]);
    assert_eq!(watch["exponent"], fit["displacement_all"]["exponent"]);
    assert_eq!(
        (&watch["rows"], &watch["last_step"], &watch["finished"]),
        (&1001.into(), &1001.into(), &false.into())
    );
    assert_eq!((&watch["learning_rate"], &watch["batch_size"]), (&1e-3.into(), &128.0.into()));
    assert!((watch["local_exponent"].as_f64().unwrap() - 1.2).abs() < 1e-6);
    assert!((watch["rows_per_second"].as_f64().unwrap() * 0.011 - 1.0).abs() < 1e-9);
    assert!(watch["seconds_since_last_row"].as_f64().unwrap() < 60.0);
    writer
        .event(&Event {
            step: 1001,
            elapsed_seconds: 11.0,
            kind: EventKind::Finished { rows: 1001, dropped: 0 },
        })
        .unwrap();
    writer.close().unwrap();
    assert_eq!(json("watch", &["--once", "--json"])["finished"], true);
}

#[test]
fn text_keeps_to_the_width_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = writer(directory.path());
    writer.append(&rows(1..500)).unwrap();
    for width in [40, 120] {
        let output = perrin("watch", directory.path(), &["--once", "--width", &width.to_string()]);
        let text = text(&output.stdout);
        assert!(
            output.status.success() && text.contains("499 rows") && text.contains("running"),
            "{text}"
        );
        let plots: Vec<&str> = text.lines().filter(|line| line.starts_with('┌')).collect();
        assert_eq!(plots.len(), 3, "{text}");
        assert!(plots.iter().all(|line| line.chars().count() == width), "{text}");
    }
    let without = text(&perrin("watch", directory.path(), &["--once", "--width", "0"]).stdout);
    assert!(without.contains("499 rows") && !without.contains('┌'), "{without}");
}

#[test]
fn without_a_run_or_a_terminal_it_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let output = perrin("watch", directory.path(), &["--once"]);
    assert!(!output.status.success() && text(&output.stderr).contains("no run at"), "{output:?}");
    let output = perrin("watch", directory.path(), &[]);
    assert!(!output.status.success() && text(&output.stderr).contains("--once"), "{output:?}");
    let output = perrin("watch", directory.path(), &["--interval", "0"]);
    assert!(
        !output.status.success() && text(&output.stderr).contains("0.05 to 3600"),
        "{output:?}"
    );
}

/// As logged by hand: a run that broke, was resumed from a step before, and went on.
#[test]
fn what_was_discarded_is_not_said() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = writer(directory.path());
    writer.append(&rows(1..1001)).unwrap();
    let events = r#"{"step":9,"elapsed_seconds":0.1,"event":"outside_write","parameters":["a"],"displacement_squared":0.5,"count":64}
{"step":1001,"elapsed_seconds":5.0,"event":"non_finite","local_displacement_squared":"NaN","global_displacement_squared":"NaN"}
{"step":1050,"elapsed_seconds":5.0,"event":"rows_dropped","count":40,"first_step":1010,"last_step":1049}
{"step":1060,"elapsed_seconds":5.0,"event":"stability_crossed","sharpness":41.0,"limit":40.0,"unstable":true}
{"step":901,"elapsed_seconds":4.3,"event":"resumed","last_step":1100,"rows_discarded":200}
{"step":950,"elapsed_seconds":4.3,"event":"outside_write","parameters":["a"],"displacement_squared":0.5,"count":1}
{"step":1000,"elapsed_seconds":4.4,"event":"finished","rows":1000,"dropped":0}
"#;
    events.lines().for_each(|event| writer.event(&serde_json::from_str(event).unwrap()).unwrap());
    drop(writer);
    let output = perrin("watch", directory.path(), &["--once", "--json"]);
    let watch: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&watch["outside_writes"], &watch["rows_dropped"]), (&65.into(), &0.into()));
    let warnings = serde_json::json!([
        "parameters were changed 65 times from outside: part of the global displacement"
    ]);
    assert_eq!(watch["warnings"], warnings);
    let fit: serde_json::Value =
        serde_json::from_slice(&perrin("fit", directory.path(), &["--json"]).stdout).unwrap();
    assert_eq!(fit["notes"].as_array().unwrap().last(), warnings.get(0));
}
