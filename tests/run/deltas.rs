//! Whole displacements over resumptions: which of them count, whose they are, and where they are
//! written.

use std::fs;
use std::path::Path;

use crate::common::{info, rows, writer};
use perrin::Error;
use perrin::record::ParameterInfo;
use perrin::run::{DeltaWriter, FullDelta, ResumeFrom, Run, RunWriter, check};

fn parameter(name: &str, shape: &[i64]) -> ParameterInfo {
    let (kind, device) = ("f32".to_owned(), "cpu".to_owned());
    ParameterInfo { name: name.to_owned(), shape: shape.to_vec(), kind, device, group: Some(0) }
}

fn parameters() -> Vec<ParameterInfo> {
    vec![parameter("weight", &[2]), parameter("bias", &[])]
}

/// Keeps the displacements of some steps; `process` tells whose they are.
fn keep(directory: &Path, process: f32, steps: impl IntoIterator<Item = u64>) {
    let mut deltas = DeltaWriter::create(directory, &parameters()).unwrap();
    for step in steps {
        let delta = FullDelta {
            step,
            learning_rate: None,
            delta: vec![process; 3],
            displacement: vec![step as f32; 3],
        };
        deltas.append(delta).unwrap();
    }
}

/// Step and process of every displacement that counts.
fn kept(directory: &Path) -> Vec<(u64, f32)> {
    let deltas = Run::open(directory).unwrap().deltas().unwrap();
    deltas.map(|delta| delta.map(|delta| (delta.step, delta.delta[0])).unwrap()).collect()
}

/// A run of 70 steps whose process died, with the displacement of each.
fn killed_run(directory: &Path) {
    let mut writer = writer(directory);
    writer.append(&rows(1..71)).unwrap();
    keep(directory, 1.0, 1..71);
}

fn resume_after(directory: &Path, step: u64) -> RunWriter {
    RunWriter::resume(directory, &info(), ResumeFrom { step: Some(step), discard_later_rows: true })
        .unwrap()
        .0
}

fn of(process: f32, steps: impl IntoIterator<Item = u64>) -> Vec<(u64, f32)> {
    steps.into_iter().map(|step| (step, process)).collect()
}

#[test]
fn displacements_of_steps_taken_anew_do_not_count() {
    // Resumed without keeping any, keeping rarer ones, and having dropped the first ones.
    for again in [vec![], vec![60, 70, 80], (57..81).collect()] {
        let directory = tempfile::tempdir().unwrap();
        killed_run(directory.path());
        let writer = resume_after(directory.path(), 50);
        if !again.is_empty() {
            keep(directory.path(), 2.0, again.clone());
        }
        drop(writer);
        let expected = [of(1.0, 1..51), of(2.0, again)].concat();
        assert_eq!(kept(directory.path()), expected);
        let mut deltas = Run::open(directory.path()).unwrap().deltas().unwrap();
        assert_eq!(deltas.at(50).unwrap().map(|delta| delta.delta[0]), Some(1.0));
        assert_eq!(deltas.at(55).unwrap(), None, "of the steps that were given up");
    }
}

#[test]
fn the_earliest_of_later_resumptions_decides() {
    let directory = tempfile::tempdir().unwrap();
    killed_run(directory.path());
    let resumed = |step: u64, process: f32, steps: std::ops::Range<u64>| {
        let mut writer = resume_after(directory.path(), step);
        writer.append(&rows(step + 1..steps.end)).unwrap();
        keep(directory.path(), process, steps);
    };
    resumed(50, 2.0, 51..91);
    resumed(80, 3.0, 81..86);
    assert_eq!(kept(directory.path()), [of(1.0, 1..51), of(2.0, 51..81), of(3.0, 81..86)].concat());
    // Twice without anything kept between.
    drop(resume_after(directory.path(), 84));
    drop(resume_after(directory.path(), 40));
    resumed(40, 4.0, 41..46);
    assert_eq!(kept(directory.path()), [of(1.0, 1..41), of(4.0, 41..46)].concat());
    let checked = check(directory.path()).unwrap();
    assert!(checked.damage.is_empty() && checked.notes.is_empty(), "{checked:?}");
}

#[test]
fn displacements_of_other_parameters_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(writer(directory.path()));
    DeltaWriter::check(directory.path(), &parameters()).unwrap();
    keep(directory.path(), 1.0, [1]);
    DeltaWriter::check(directory.path(), &parameters()).unwrap();
    let list = directory.path().join("deltas/parameters.json");
    let before = fs::read(&list).unwrap();
    let turned: Vec<ParameterInfo> = parameters().into_iter().rev().collect();
    for (other, expected) in [
        (vec![parameter("weight", &[2])], "parameters are missing: bias"),
        (
            vec![parameter("weight", &[2, 1]), parameter("bias", &[])],
            "weight (was f32 [2], is f32 [2, 1])",
        ),
        (turned, "another order"),
    ] {
        assert!(matches!(
            DeltaWriter::check(directory.path(), &other),
            Err(Error::ResumeMismatch { .. })
        ));
        let error = DeltaWriter::create(directory.path(), &other).err().unwrap();
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert_eq!(fs::read(&list).unwrap(), before);
}

#[test]
fn another_run_in_the_place_of_the_folder_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join("run");
    let _old = writer(&run);
    let mut deltas = DeltaWriter::create(&run, &parameters()).unwrap();
    fs::rename(&run, directory.path().join("elsewhere")).unwrap();
    let _new = writer(&run);
    keep(&run, 2.0, [1]);
    let delta = || FullDelta {
        step: 7,
        learning_rate: None,
        delta: vec![0.0; 3],
        displacement: vec![0.0; 3],
    };
    assert!(matches!(deltas.append(delta()), Err(Error::Io { .. })));
    // Nor a file in the run itself that another made.
    let mut deltas = DeltaWriter::create(&run, &parameters()).unwrap();
    keep(&run, 3.0, [2]);
    assert!(matches!(deltas.append(delta()), Err(Error::Io { .. })));
    assert_eq!(kept(&run), [(1, 2.0), (2, 3.0)]);
}

#[test]
fn damage_to_displacements_is_found() {
    let directory = tempfile::tempdir().unwrap();
    killed_run(directory.path());
    let found = check(directory.path()).unwrap();
    assert!(found.damage.is_empty() && found.notes.is_empty(), "{found:?}");
    let path = directory.path().join("deltas/000000.arrows");
    let whole = fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() - 30] ^= 4;
    fs::write(&path, flipped).unwrap();
    let found = check(directory.path()).unwrap();
    assert_eq!((found.damage.len(), found.notes.len()), (0, 1), "{found:?}");
    assert!(
        found.notes[0].path == path && found.notes[0].what.contains("no whole block"),
        "{found:?}"
    );
    fs::write(&path, b"no Arrow stream at all").unwrap();
    assert_eq!(check(directory.path()).unwrap().damage[0].path, path);
    fs::write(&path, &whole).unwrap();
    for name in ["parameters.json", "bounds.json"] {
        let path = directory.path().join("deltas").join(name);
        fs::write(&path, "{").unwrap();
        assert_eq!(check(directory.path()).unwrap().damage[0].path, path);
        fs::remove_file(path).unwrap();
        keep(directory.path(), 1.0, []);
    }
}
