//! `perrin predict` as a user runs it.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

fn predict(input: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perrin"));
    command.arg("predict").args(arguments);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn input() -> Value {
    json!({
        "learning_rate": 0.01, "momentum": 0.9, "weight_decay": 0.001, "batch_size": 32, "sigma_squared": 2.0,
        "steps": [0, 1, 10000000], "eigenvalues": [5.0, 0.0, 0.02],
        "initial_positions": [1.0, -2.0, 0.5], "initial_velocities": [0.0, 0.1, 0.2],
    })
}

#[test]
fn json_has_the_reference_names_and_shapes() {
    let output = predict(&input().to_string(), &["--input", "-", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let prediction: Value = serde_json::from_slice(&output.stdout).unwrap();
    let modes = prediction["modes"].as_array().unwrap();
    assert_eq!(modes.len(), 3);
    let reference: Value =
        serde_json::from_str(include_str!("../../../../tests/data/sgd_modes.json")).unwrap();
    for (mode, eigenvalue) in modes.iter().zip([5.0, 0.0, 0.02]) {
        assert_eq!(mode["eigenvalue"], eigenvalue);
        for part in ["langevin", "exact_discrete"] {
            for (name, like) in reference["cases"][0]["modes"][0][part].as_object().unwrap() {
                if name == "covariance_from_point_after_37_steps" {
                    continue;
                }
                let ours = &mode[part][name];
                let over_steps =
                    !matches!(name.as_str(), "stationary_covariance" | "local_displacement");
                assert_eq!(ours.is_array(), like.is_array(), "{part} {name}");
                assert!(!over_steps || ours.as_array().unwrap().len() == 3, "{part} {name}");
                assert_eq!(ours[0].is_array(), like[0].is_array(), "{part} {name}");
            }
        }
    }
    assert_eq!(modes[0]["exact_discrete"]["mean"][0], json!([1.0, 0.0]));
    assert_eq!(modes[0]["exact_discrete"]["mean_squared_displacement"][0], 0.0);
    let total =
        prediction["totals"]["exact_discrete"]["mean_squared_displacement"][1].as_f64().unwrap();
    let sum: f64 = modes
        .iter()
        .map(|mode| mode["exact_discrete"]["mean_squared_displacement"][1].as_f64().unwrap())
        .sum();
    assert!((total / sum - 1.0).abs() < 1e-15);
    // Order of names is part of what scripts and diffs see.
    let text = String::from_utf8(output.stdout).unwrap();
    let place = |name: &str| text.find(name).unwrap();
    assert!(place("\"steps\"") < place("\"modes\"") && place("\"modes\"") < place("\"totals\""));
}

#[test]
fn a_file_gives_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("input.json");
    std::fs::write(&path, input().to_string()).unwrap();
    let output = predict("", &["--input", path.to_str().unwrap()]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("eigenvalue") && text.contains("10000000"), "{text}");
    assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
}

#[test]
fn bad_input_is_one_line_with_the_field_and_the_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.json");
    let change = |field: &str, value: Value| {
        let mut input = input();
        input[field] = value;
        input.to_string()
    };
    let mut without_momentum = input();
    without_momentum.as_object_mut().unwrap().remove("momentum");
    let cases = [
        ("momentum", change("momentum", json!(1.0))),
        ("momentum", without_momentum.to_string()),
        ("learning_rate", change("learning_rate", json!("fast"))),
        ("learning_rate", change("learning_rate", json!(-0.1))),
        ("weight_decay", change("weight_decay", json!(null))),
        ("batch_size", change("batch_size", json!(0))),
        ("sigma_squared", change("sigma_squared", json!(-1.0))),
        ("steps[1]", change("steps", json!([1, -1]))),
        ("steps[0]", change("steps", json!([0.5]))),
        ("steps", change("steps", json!(5))),
        ("eigenvalues[1]", change("eigenvalues", json!([1.0, -0.5, 2.0]))),
        ("eigenvalues[2]", change("eigenvalues", json!([1.0, 0.5, 400.0]))),
        ("eigenvalues[0]", change("eigenvalues", json!(["a"]))),
        ("initial_positions", change("initial_positions", json!([1.0]))),
        ("initial_velocities[0]", change("initial_velocities", json!([true, 0, 0]))),
        ("JSON", "{\"learning_rate\": 0.1,".to_owned()),
        ("JSON", "[1, 2]".to_owned()),
        ("", String::new()),
    ];
    for (field, text) in cases {
        std::fs::write(&path, &text).unwrap();
        let output = predict("", &["--input", path.to_str().unwrap(), "--json"]);
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && output.stdout.is_empty(), "{text}");
        assert_eq!(message.trim_end().lines().count(), 1, "{message}");
        assert!(
            message.contains(field) && message.contains(path.to_str().unwrap()),
            "{field}: {message}"
        );
    }
    let missing = Path::new("no/such/file.json");
    let output = predict("", &["--input", missing.to_str().unwrap()]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("no/such/file.json"));
}

#[test]
fn steps_may_be_written_with_an_exponent() {
    let text = input().to_string().replace("10000000", "1e7");
    let output = predict(&text, &["--input", "-", "--json"]);
    assert!(output.status.success());
    let prediction: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(prediction["steps"], json!([0, 1, 10_000_000]));
}

#[test]
fn a_field_that_means_nothing_is_told() {
    let mut input = input();
    input["initial_position"] = json!([1.0]);
    let output = predict(&input.to_string(), &["--input", "-", "--json"]);
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("`initial_position`"));
}
