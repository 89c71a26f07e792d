//! A `run.json` that was changed after the run wrote it: found by its checksum, and by what the
//! segments and rows say.

use std::fs;
use std::path::Path;

use crate::common::{compact_at_once, info, rows, writer};
use perrin::Error;
use perrin::record::{Hyperparameters, OptimizerInfo, ParameterInfo, RunInfo};
use perrin::run::{Check, Run, RunWriter, check};
use serde_json::{Value, json};

/// A finished run of three segments, of an optimizer that is known.
fn run(directory: &Path) {
    let parameter = ParameterInfo {
        name: "weight".to_owned(),
        shape: vec![2],
        kind: "f32".to_owned(),
        device: "cpu".to_owned(),
        group: Some(0),
    };
    let optimizer = OptimizerInfo {
        name: Some("sgd".to_owned()),
        dampening: Some(0.0),
        nesterov: Some(false),
        ..OptimizerInfo::default()
    };
    let hyperparameters =
        Hyperparameters { learning_rate: Some(1e-3), momentum: Some(0.9), weight_decay: None };
    let hyperparameters = vec![hyperparameters, Hyperparameters::default()];
    let info = RunInfo { optimizer, hyperparameters, parameters: vec![parameter], ..info() };
    let bytes = std::borrow::Cow::Owned(vec![0; 8]);
    let tensor =
        perrin::run::ReferenceTensor { name: "weight", kind: "f32", shape: vec![2], bytes };
    let mut writer = RunWriter::create(directory, &info, vec![tensor]).unwrap();
    for block in 0..3 {
        writer.append(&rows(10 * block + 1..10 * block + 11)).unwrap();
        writer.roll_if_due(std::time::Duration::from_secs(2_000 * block)).unwrap();
        writer.roll_if_due(std::time::Duration::from_secs(2_000 * block + 1_000)).unwrap();
    }
    writer.close().unwrap();
}

fn edit(directory: &Path, edit: impl FnOnce(&mut Value)) {
    let path = directory.join("run.json");
    let mut value: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    edit(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

fn texts(found: &Check) -> (Vec<String>, Vec<String>) {
    let texts =
        |findings: &[perrin::run::Finding]| findings.iter().map(ToString::to_string).collect();
    (texts(&found.damage), texts(&found.notes))
}

#[test]
fn every_changed_value_is_told_with_what_it_was() {
    for (pointer, value, difference) in [
        ("/optimizer/name", json!("adam"), r#"optimizer.name was "sgd" and is "adam""#),
        ("/optimizer/dampening", json!(0.5), "optimizer.dampening was 0.0 and is 0.5"),
        ("/optimizer/nesterov", json!(true), "optimizer.nesterov was false and is true"),
        (
            "/hyperparameters/0/learning_rate",
            json!(0.01),
            "hyperparameters[0].learning_rate was 0.001 and is 0.01",
        ),
        (
            "/hyperparameters/0/weight_decay",
            json!(1e-5),
            "hyperparameters[0].weight_decay was null and is 0.00001",
        ),
        ("/batch_size", json!(64), "batch_size was null and is 64"),
        ("/steps_per_epoch", json!(469), "steps_per_epoch was null and is 469"),
        ("/created", json!("x"), r#"" and is "x""#),
        ("/parameters/0/device", json!("cuda:0"), "its checksum does not fit"),
        ("/checksum", json!(17), "its checksum does not fit"),
        ("/checksum", json!("none"), "its checksum does not fit"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        run(directory.path());
        assert_eq!(Run::open(directory.path()).unwrap().info_change(), None);
        edit(directory.path(), |info| *info.pointer_mut(pointer).unwrap() = value);
        let change = Run::open(directory.path()).unwrap().info_change().unwrap();
        assert!(!change.meant);
        let (damage, notes) = texts(&check(directory.path()).unwrap());
        assert_eq!((damage.len(), notes.len()), (1, 0), "{pointer}: {damage:?} {notes:?}");
        for part in [
            "run.json: it was changed after the run wrote it: ",
            difference,
            "remove \"checksum\" from it",
        ] {
            assert!(damage[0].contains(part), "{pointer}: {}", damage[0]);
        }
        let error = compact_at_once(directory.path()).unwrap_err();
        assert!(
            matches!(&error, Error::Damaged { path, .. } if path.ends_with("run.json")),
            "{error}"
        );
        assert!(error.to_string().contains(difference), "{error}");
    }
}

#[test]
fn a_change_that_is_meant_is_a_note_and_merging_makes_it_the_runs() {
    let directory = tempfile::tempdir().unwrap();
    run(directory.path());
    edit(directory.path(), |info| {
        info["optimizer"]["dampening"] = json!(0.1);
        info.as_object_mut().unwrap().remove("checksum");
    });
    let change = Run::open(directory.path()).unwrap().info_change().unwrap();
    assert!(change.meant);
    let (damage, notes) = texts(&check(directory.path()).unwrap());
    assert!(damage.is_empty(), "{damage:?}");
    assert!(
        notes.len() == 1 && notes[0].contains("dampening was 0.0 and is 0.1 (meant"),
        "{notes:?}"
    );
    compact_at_once(directory.path()).unwrap();
    assert_eq!(Run::open(directory.path()).unwrap().info_change(), None);
    let (damage, notes) = texts(&check(directory.path()).unwrap());
    assert!(
        damage.is_empty() && notes.len() == 1 && notes[0].contains("it has no checksum"),
        "{damage:?} {notes:?}"
    );
}

#[test]
fn spaces_and_the_order_of_keys_are_no_change() {
    let directory = tempfile::tempdir().unwrap();
    run(directory.path());
    // Written without spaces, keys sorted.
    edit(directory.path(), |_| ());
    assert_eq!(Run::open(directory.path()).unwrap().info_change(), None);
    assert_eq!(texts(&check(directory.path()).unwrap()), (Vec::new(), Vec::new()));
}

#[test]
fn the_description_of_another_run_is_told_though_its_checksum_fits() {
    let (directory, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    run(directory.path());
    let nesterov = OptimizerInfo { nesterov: Some(true), ..OptimizerInfo::default() };
    let parameters = Run::open(directory.path()).unwrap().info().parameters.clone();
    RunWriter::create(
        other.path(),
        &RunInfo { optimizer: nesterov, parameters, ..info() },
        Vec::new(),
    )
    .unwrap();
    fs::copy(other.path().join("run.json"), directory.path().join("run.json")).unwrap();
    let (damage, _) = texts(&check(directory.path()).unwrap());
    assert!(
        damage.len() == 1 && damage[0].contains("optimizer.nesterov was false and is true"),
        "{damage:?}"
    );
}

#[test]
fn rows_closer_than_every_steps_are_told_where_no_segment_tells() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = writer(directory.path());
    log.append(&rows(1..11)).unwrap();
    drop(log);
    edit(directory.path(), |info| info["every_steps"] = json!(10));
    let (damage, notes) = texts(&check(directory.path()).unwrap());
    assert!(damage.len() == 1 && damage[0].contains("its checksum does not fit"), "{damage:?}");
    assert!(
        notes.len() == 1 && notes[0].contains("row 1: it is 1 after the row before"),
        "{notes:?}"
    );
}

#[test]
fn of_a_run_of_version_1_the_segments_tell() {
    let directory = tempfile::tempdir().unwrap();
    let mut log =
        RunWriter::create(directory.path(), &RunInfo { schema_version: 1, ..info() }, Vec::new())
            .unwrap();
    log.append(&rows(1..11)).unwrap();
    log.close().unwrap();
    assert_eq!(texts(&check(directory.path()).unwrap()), (Vec::new(), Vec::new()));
    edit(directory.path(), |info| info["batch_size"] = json!(7));
    let change = Run::open(directory.path()).unwrap().info_change().unwrap();
    assert_eq!(
        change.to_string(),
        "it was changed after the run wrote it: batch_size was null and is 7. If this is not meant, put back what it was"
    );
}
