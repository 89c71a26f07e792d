//! `perrin fit`, as a user runs it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::common::{info, rows, writer};
use crate::synthetic::plain_sgd;
use perrin::record::{Event, EventKind, Hyperparameters, RowBuffer, RunInfo, StepRecord};
use perrin::run::RunWriter;

fn perrin(arguments: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_perrin"))
        .arg("fit")
        .args(arguments)
        .env("COLUMNS", "80")
        .output()
        .unwrap()
}

/// SGD whose squared displacements follow laws exactly: 3e-4 k^1.2, and a speed of which sigma^2
/// tr(H) is 12.44.
fn exact_run(directory: &Path, steps: u64) {
    let hyperparameters = Hyperparameters {
        learning_rate: Some(0.01),
        momentum: Some(0.9),
        weight_decay: Some(1e-4),
    };
    let info = plain_sgd(hyperparameters, 32, 0);
    let mut writer = RunWriter::create(directory, &info, Vec::new()).unwrap();
    for step in 1..=steps {
        let record = StepRecord {
            step,
            elapsed_seconds: step as f64 * 0.01,
            hyperparameters,
            batch_size: Some(32),
            local_displacement_squared: Some(1e-4 * 12.44 / (32.0 * 0.19)),
            global_displacement_squared: Some(3e-4 * (step as f64).powf(1.2)),
            ..StepRecord::default()
        };
        writer.append(&RowBuffer { records: vec![record], ..RowBuffer::default() }).unwrap();
        writer.roll_if_due(Duration::from_secs(step)).unwrap();
    }
    let kind = EventKind::Finished { rows: steps, dropped: 0 };
    writer.event(&Event { step: steps + 1, elapsed_seconds: 1.0, kind }).unwrap();
    writer.close().unwrap();
}

#[test]
fn json_holds_the_fits() {
    let directory = tempfile::tempdir().unwrap();
    exact_run(directory.path(), 1500);
    let output = perrin(&[directory.path(), Path::new("--json")]);
    assert!(output.status.success());
    let fit: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let close = |value: &serde_json::Value, expected: f64| {
        let found = value.as_f64().unwrap();
        assert!((found / expected - 1.0).abs() < 1e-9, "{found} is not {expected}");
    };
    for (window, points, first_step) in [("displacement", 1000, 501), ("displacement_all", 1500, 1)]
    {
        close(&fit[window]["exponent"], 1.2);
        close(&fit[window]["prefactor"], 3e-4);
        close(&fit[window]["r_squared"], 1.0);
        assert_eq!(
            (fit[window]["points"].as_u64(), fit[window]["first_step"].as_u64()),
            (Some(points), Some(first_step))
        );
    }
    close(&fit["gradient_noise"]["noise_scale_times_trace"], 12.44);
    assert_eq!(fit["rows"], 1500);
    assert_eq!(fit["notes"], serde_json::json!([]));
}

const SUMMARY: &str = "\
run          RUN
rows         1,500, steps 1 to 1,500, 15.0 s, finished
settings     sgd, learning rate 0.01, momentum 0.9, weight decay 0.0001, batch
             32
exponent     c = 1.200 over steps 501 to 1,500, not told from 1: no interval, as
             one trajectory has no error bar in itself: it takes directions, or
             eigenvalues with a density
speed        mean ||delta||^2 is 2.046e-4
not said     stationary, advice: no quantity is known, moves and forgets fast
             enough beside the run to be tested
not said     curvature, oscillation, positions, energy, noise: the run has no
             directions: `Options::project_onto` logs positions along them
not said     stability: no curvature is known: it takes eigenvalues
             (`--eigenvalues`), or directions logged at every step
             (`Options::project_onto`)
";
const MORE: &str = "\
more         every number: --all; for programs: --json; figures: perrin report
";
const REST: &str = "
displacement from the reference point, ||Delta_k||^2 = a k^c
  last 2/3   c = 1.2000  a = 3.000e-4  R^2 = 1.0000
             1,000 points, steps 501 to 1,500
             95% interval of c: cannot say: one trajectory has no error bar in
             itself: it takes directions, or eigenvalues with a density
  all rows   c = 1.2000  a = 3.000e-4  R^2 = 1.0000
             1,500 points, steps 1 to 1,500
  prefixes   c by tenths of the run: 1.20 1.20 1.20 1.20 1.20 1.20 1.20 1.20
             1.20 1.20
speed, mean of ||delta_k||^2
  last 2/3   2.046e-4
             95% interval: cannot say: the values are all the same
             15-point average: 2.046e-4 at first, 2.046e-4 at last,
             between 2.046e-4 and 2.046e-4
  trend      cannot say: the values are all the same, or on a line
gradient noise sigma^2 tr(H), by eq. 12 from the speed
  last 2/3   12.44
             95% interval: cannot say: the values are all the same
stationarity
  begins     cannot say: no quantity is known, moves and forgets fast enough
             beside the run to be tested
  relation   <theta g> is 0.634 of eta (1+beta)/2 <v^2>, 1 in a stationary state
displacement predicted from eigenvalues, nothing fitted to it
  cannot say: no eigenvalues are given
advice
  stability  cannot say: no curvature is known: it takes eigenvalues
             (`--eigenvalues`), or directions logged at every step
             (`Options::project_onto`)
  rate       cannot say: no quantity is known, moves and forgets fast enough
             beside the run to be tested
  averaging  cannot say: the run has no directions: `Options::project_onto` logs
             positions along them
";

#[test]
fn text_is_what_a_person_reads() {
    let directory = tempfile::tempdir().unwrap();
    exact_run(directory.path(), 1500);
    let text = |options: &[&Path]| {
        let output = perrin(&[&[directory.path()], options].concat());
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().replace(directory.path().to_str().unwrap(), "RUN")
    };
    assert_eq!(text(&[]), format!("{SUMMARY}{MORE}"));
    assert_eq!(text(&[Path::new("--all")]), format!("{SUMMARY}{REST}"));
}

#[test]
fn text_is_as_wide_as_it_is_asked_to_be() {
    let directory = tempfile::tempdir().unwrap();
    exact_run(directory.path(), 100);
    let widest = |columns: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_perrin"));
        command.arg("fit").arg(directory.path()).env_remove("COLUMNS");
        columns.map(|columns| command.env("COLUMNS", columns));
        let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
        text.lines().skip(1).map(|line| line.chars().count()).max().unwrap()
    };
    let [narrow, piped, wide] = [Some("80"), None, Some("300")].map(widest);
    assert!(
        narrow <= 80 && (81..=100).contains(&piped) && (101..=300).contains(&wide),
        "{narrow} {piped} {wide}"
    );
    assert_eq!(widest(Some("none")), piped);
}

#[test]
fn a_reader_that_closes_the_pipe_is_no_failure() {
    let directory = tempfile::tempdir().unwrap();
    exact_run(directory.path(), 10);
    let mut command = Command::new(env!("CARGO_BIN_EXE_perrin"));
    let mut child = command
        .arg("fit")
        .arg(directory.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn what_cannot_be_said_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = writer(directory.path());
    writer.append(&rows(1..2)).unwrap();
    drop(writer);
    let output = perrin(&[directory.path(), Path::new("--all")]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("last 2/3   cannot say: 1 of 1 rows have a global displacement"),
        "{text}"
    );
    assert!(text.contains("cannot say: the optimizer is not known"), "{text}");
    assert!(text.contains("the run was not closed"), "{text}");
    let output = perrin(&[directory.path(), Path::new("--json")]);
    let fit: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let reason = "the optimizer is not known: `Options::build` in place of `attach` logs it";
    assert_eq!(fit["gradient_noise"]["cannot_say"], reason);
}

#[test]
fn bad_input_is_one_line_with_the_path() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("notes.txt"), "hello").unwrap();
    fs::create_dir(at("foreign")).unwrap();
    fs::write(at("foreign/run.json"), "[1, 2]").unwrap();
    drop(writer(&at("empty")));
    exact_run(&at("truncated"), 10);
    let segment = at("truncated/steps/000000.parquet");
    fs::write(&segment, &fs::read(&segment).unwrap()[..500]).unwrap();
    drop(
        RunWriter::create(at("newer"), &RunInfo { schema_version: 99, ..info() }, Vec::new())
            .unwrap(),
    );
    for (run, path, reason) in [
        ("nothing", "nothing", "no run at"),
        ("notes.txt", "notes.txt", "no run at"),
        ("foreign", "foreign/run.json", "damaged or not written by perrin"),
        ("empty", "empty", "no rows yet"),
        ("truncated", "000000.parquet", "does not end as a Parquet file does"),
        ("newer", "newer/run.json", "schema version 99"),
    ] {
        for json in [false, true] {
            let run = at(run);
            let arguments: &[&Path] = if json { &[&run, Path::new("--json")] } else { &[&run] };
            let output = perrin(arguments);
            let message = String::from_utf8(output.stderr).unwrap();
            assert!(!output.status.success() && output.stdout.is_empty(), "{run:?}");
            assert_eq!(message.lines().count(), 1, "{message}");
            assert!(message.contains(path) && message.contains(reason), "{message}");
        }
    }
}

/// A NaN would be null in JSON: null is only where it means unknown.
#[test]
fn degenerate_runs_have_no_nan_in_their_json() {
    type Value = fn(u64) -> Option<f64>;
    let cases: [(&str, Value); 7] = [
        ("unknown", |_| None),
        ("zero", |_| Some(0.0)),
        ("constant", |_| Some(2.5)),
        ("nan", |_| Some(f64::NAN)),
        ("diverging", |step| Some(if step < 30 { 1e300 * step as f64 } else { f64::INFINITY })),
        ("largest", |_| Some(f64::MAX)),
        ("smallest", |_| Some(f64::from_bits(1))),
    ];
    for (name, value) in cases {
        for length in [1, 2, 3, 60] {
            let directory = tempfile::tempdir().unwrap();
            let mut writer = writer(directory.path());
            let mut rows = rows(1..length + 1);
            for row in &mut rows.records {
                row.elapsed_seconds = value(row.step).unwrap_or_default();
                row.local_displacement_squared = value(row.step);
                row.global_displacement_squared = value(row.step);
            }
            writer.append(&rows).unwrap();
            drop(writer);
            let output = perrin(&[directory.path(), Path::new("--json")]);
            assert!(output.status.success(), "{name}, {length} rows");
            let fit: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            for part in ["displacement", "displacement_all", "speed", "gradient_noise"] {
                for (key, value) in fit[part].as_object().unwrap() {
                    let may_be_null = [
                        "prefactor",
                        "prefactor_interval",
                        "r_squared",
                        "moving_average",
                        "plain_interval",
                        "change",
                    ]
                    .contains(&key.as_str());
                    assert!(may_be_null || !value.is_null(), "{name}, {length} rows: {part} {key}");
                }
                if let Some(range) = fit[part]["moving_average"].as_object() {
                    assert!(range.values().all(serde_json::Value::is_number), "{name}: {range:?}");
                }
            }
        }
    }
}
