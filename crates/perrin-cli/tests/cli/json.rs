//! `--json` of every command: its version, and that docs/json.md has its keys.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::synthetic::{SyntheticRun, USUAL_SGD};
use perrin::record::ParameterInfo;
use perrin::run::Eigenvectors;
use perrin::run::{DeltaWriter, FullDelta};

fn json(arguments: &str, folder: &Path, input: &str) -> serde_json::Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perrin"));
    command
        .args(arguments.split(' '))
        .arg("--json")
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Most commands end without having read it.
    let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Whole displacements of a run, and a direction to project them on.
fn keep_displacements(run: &Path, directions: &Path) {
    let (kind, device) = ("f32".to_owned(), "cpu".to_owned());
    let parameters = vec![ParameterInfo {
        name: "weight".to_owned(),
        shape: vec![2],
        kind,
        device,
        group: Some(0),
    }];
    let mut deltas = DeltaWriter::create(run, &parameters).unwrap();
    let delta = |step| FullDelta {
        step,
        learning_rate: Some(0.1),
        delta: vec![0.1; 2],
        displacement: vec![1.0; 2],
    };
    (1..=600).for_each(|step| deltas.append(delta(step)).unwrap());
    let found = Eigenvectors {
        parameters,
        eigenvectors: vec![vec![1.0, 0.0]].into(),
        eigenvalues: vec![2.0],
        residuals: vec![1e-6],
        converged: vec![true],
        overlaps: vec![f64::NAN],
        ..Eigenvectors::default()
    };
    found.write(directions).unwrap();
}

/// The words between backticks under a heading of the page.
fn documented(page: &str, heading: &str) -> BTreeSet<String> {
    let section = page.split("\n## ").find(|section| section.starts_with(&format!("{heading}\n")));
    let section = section.unwrap_or_else(|| panic!("docs/json.md has no section {heading}"));
    section.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_answer_has_its_version_and_its_keys_are_documented() {
    let folder = tempfile::tempdir().unwrap();
    let drawn =
        SyntheticRun { parameters: USUAL_SGD, eigenvalues: vec![2.0, 0.5], rows: 600, seed: 7 };
    for name in ["a", "b"] {
        drawn.write(&folder.path().join(name));
    }
    // A key goes missing from a list that is empty.
    fs::create_dir(folder.path().join("broken")).unwrap();
    fs::write(folder.path().join("broken/run.json"), "{}").unwrap();
    keep_displacements(&folder.path().join("a"), &folder.path().join("f.safetensors"));
    let input = r#"{"learning_rate": 0.01, "momentum": 0.9, "weight_decay": 1e-4, "batch_size": 32, "sigma_squared": 2,
        "steps": [1, 10], "eigenvalues": [5, 1]}"#;
    let page = fs::read_to_string(
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("docs/json.md"),
    )
    .unwrap();
    let mut seen = BTreeSet::new();
    for arguments in [
        "ls .",
        "fit a",
        "sweep a b",
        "check a b",
        "watch a --once",
        "report a --figures figures",
        "compact a b",
        "recover a",
        "project a --eigenvectors f.safetensors --output c",
        "predict --input -",
    ] {
        let answer = json(arguments, folder.path(), input);
        assert_eq!(answer["schema_version"], 1, "{arguments}");
        let command = arguments.split(' ').next().unwrap();
        seen.insert(command.to_owned());
        let words = documented(&page, &format!("perrin {command}"));
        let mut keys: Vec<&String> =
            answer.as_object().unwrap().keys().filter(|key| *key != "schema_version").collect();
        for list in ["runs", "modes"] {
            let rows = answer[list].as_array();
            keys.extend(rows.into_iter().flatten().flat_map(|row| row.as_object().unwrap().keys()));
        }
        for key in keys {
            assert!(words.contains(key), "docs/json.md does not have `{key}` of perrin {command}");
        }
    }
    // A command that learns --json is to be in this test.
    let help = |command: &str| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_perrin")).args([command, "--help"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let all = String::from_utf8(
        Command::new(env!("CARGO_BIN_EXE_perrin")).arg("--help").output().unwrap().stdout,
    )
    .unwrap();
    let list = all.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let commands = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let with_json: BTreeSet<String> = commands
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .filter(|command| command != "help" && help(command).contains("--json"))
        .collect();
    assert_eq!(with_json, seen);
}
