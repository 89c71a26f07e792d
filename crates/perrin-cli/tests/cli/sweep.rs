//! `perrin sweep`, as a user runs it: eq. 12, calibrated on the first run, predicts the others.

use std::path::Path;
use std::process::{Command, Output};

use crate::synthetic::SyntheticRun;
use perrin::record::StepRecord;
use perrin::theory::parameters::SgdParameters;

const DEFAULT: SgdParameters = SgdParameters {
    learning_rate: 0.01,
    momentum: 0.9,
    weight_decay: 1e-4,
    batch_size: 32.0,
    noise_scale: 2.0,
};

fn perrin(arguments: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_perrin"))
        .arg("sweep")
        .args(arguments)
        .env("COLUMNS", "80")
        .output()
        .unwrap()
}

fn write(
    directory: &Path,
    parameters: SgdParameters,
    change: impl FnMut(&mut StepRecord, &mut [Option<f64>]) -> bool,
) {
    SyntheticRun { parameters, eigenvalues: vec![20.0, 5.0, 2.0, 1.0], rows: 4000, seed: 3 }
        .write_with(directory, change);
}

#[test]
fn the_first_run_predicts_the_others_and_failures_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write(&at("default"), DEFAULT, |_, _| true);
    write(&at("rate"), SgdParameters { learning_rate: 0.02, ..DEFAULT }, |_, _| true);
    write(&at("batch"), SgdParameters { batch_size: 128.0, ..DEFAULT }, |_, _| true);
    write(&at("momentum"), SgdParameters { momentum: 0.8, ..DEFAULT }, |_, _| true);
    write(&at("growing"), DEFAULT, |row, _| {
        row.local_displacement_squared =
            row.local_displacement_squared.map(|x| x * (1.0 + 1e-3 * row.step as f64));
        true
    });
    let runs = ["default", "rate", "batch", "momentum", "growing"].map(at);
    let paths: Vec<&Path> = runs.iter().map(|run| run.as_path()).collect();

    let good: Vec<&Path> = paths[..4].iter().copied().chain([Path::new("--json")]).collect();
    let output = perrin(&good);
    assert!(output.status.success());
    let sweep: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(sweep["speed_r_squared"].as_f64().unwrap() > 0.97, "{sweep:#}");
    for run in sweep["runs"].as_array().unwrap() {
        let ratio = run["speed"].as_f64().unwrap() / run["predicted_speed"].as_f64().unwrap();
        assert!((0.8..1.25).contains(&ratio), "{run:#}");
    }

    let output = perrin(&paths);
    let text = String::from_utf8(output.stdout).unwrap();
    let growing = text.split("growing").nth(1).unwrap();
    assert!(growing.contains("constant speed: rises by "), "{text}");
    assert!(growing.contains("of the predicted one, and their intervals"), "{text}");
    let short = text.lines().filter(|line| !line.contains(folder.path().to_str().unwrap()));
    assert!(short.map(str::len).max().unwrap() <= 80, "{text}");
}

#[test]
fn no_runs_and_bad_runs_are_errors() {
    assert!(!perrin(&[]).status.success());
    let output = perrin(&[Path::new("/nonexistent")]);
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && message.contains("no run at /nonexistent"), "{message}");
}
