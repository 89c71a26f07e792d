//! Symbolic links that somebody planted under names the log is going to use: it writes through none
//! of them.
#![cfg(unix)]

use std::borrow::Cow;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::common::{assert_rows_equal, compact_at_once, info, read_rows, rows};
use perrin::record::{Event, EventKind, ParameterInfo, RunInfo};
use perrin::run::Eigenvectors;
use perrin::run::{
    CurvatureSummary, DeltaWriter, FullDelta, LossLandscape, Measured, ReferenceTensor, RunWriter,
    recover,
};

const PRECIOUS: &str = "somebody's\nfile without an end of its last line";

/// Names of files that are written in the course of [`run`].
const NAMES: [&str; 17] = [
    ".run.json.partial",
    "run.json",
    ".reference.safetensors.partial",
    "reference.safetensors",
    "open/000000.arrows",
    "open/000000.parquet.partial",
    "steps/000000.parquet",
    "curvature/.000000.parquet.partial",
    "curvature/000000.parquet",
    "curvature_summaries/.000000.json.partial",
    "curvature_summaries/000000.json",
    "eigenvectors/.000000.safetensors.partial",
    "eigenvectors/000000.safetensors",
    "deltas/.parameters.json.partial",
    "deltas/000000.arrows",
    "landscape/.000000.parquet.partial",
    "landscape/000000.parquet",
];

fn parameters() -> Vec<ParameterInfo> {
    let (name, kind, device) = ("weight".to_owned(), "f32".to_owned(), "cpu".to_owned());
    vec![ParameterInfo { name, shape: vec![2], kind, device, group: Some(0) }]
}

/// Everything that a log can have, and its recovery. Where a name is taken it may be refused; it
/// must then say so.
fn run(directory: &Path, plant: impl FnOnce()) -> perrin::Result<()> {
    let info = RunInfo { parameters: parameters(), ..info() };
    let tensor = ReferenceTensor {
        name: "weight",
        kind: "f32",
        shape: vec![2],
        bytes: Cow::Borrowed(&[1, 2, 3, 4, 5, 6, 7, 8]),
    };
    for folder in
        ["steps", "open", "curvature", "curvature_summaries", "eigenvectors", "deltas", "landscape"]
    {
        fs::create_dir_all(directory.join(folder)).unwrap();
    }
    plant();
    let mut writer = RunWriter::create(directory, &info, vec![tensor])?;
    let eigenvectors =
        Eigenvectors { parameters: parameters(), ..Eigenvectors::from(vec![vec![1.0_f32; 2]; 3]) };
    writer.basis(0, 0, &eigenvectors, true)?;
    let trace = Some(Measured { value: 1.0, standard_error: 0.0 });
    CurvatureSummary { trace, ..CurvatureSummary::default() }.save(directory, 0)?;
    let mut deltas = DeltaWriter::create(directory, &parameters())?;
    deltas.append(FullDelta {
        step: 1,
        learning_rate: None,
        delta: vec![0.0; 2],
        displacement: vec![0.0; 2],
    })?;
    let line = || vec![-1.0, 1.0];
    let losses = LossLandscape {
        coordinates: [line(), line()],
        train_loss: vec![0.5; 4],
        ..LossLandscape::default()
    };
    losses.write(directory)?;
    writer.append(&rows(1..11))?;
    writer.event(&Event {
        step: 1,
        elapsed_seconds: 0.0,
        kind: EventKind::Finished { rows: 10, dropped: 0 },
    })?;
    writer.roll_if_due(Duration::ZERO)?;
    writer.close()?;
    recover(directory)?;
    compact_at_once(directory)?;
    Ok(())
}

/// A link of this name, to a file that is there or to one that is not.
fn attack(name: &str, is_there: bool) -> (perrin::Result<()>, tempfile::TempDir) {
    let root = tempfile::tempdir().unwrap();
    let (directory, target) = (root.path().join("run"), root.path().join("precious"));
    if is_there {
        fs::write(&target, PRECIOUS).unwrap();
    }
    let outcome = run(&directory, || symlink(&target, directory.join(name)).unwrap());
    match is_there {
        true => assert_eq!(fs::read_to_string(&target).unwrap(), PRECIOUS, "{name}"),
        false => assert!(!target.exists(), "{name}: a file was made where the link leads"),
    }
    (outcome, root)
}

#[test]
fn nothing_is_written_where_a_planted_link_leads() {
    let plain = tempfile::tempdir().unwrap();
    run(&plain.path().join("run"), || ()).unwrap();
    for name in NAMES {
        for is_there in [false, true] {
            // A run that seems to be there, or a `steps` that is not empty, is refused; all else is
            // replaced.
            let (outcome, root) = attack(name, is_there);
            if outcome.is_ok() {
                assert_rows_equal(&read_rows(&root.path().join("run")), &rows(1..11));
            }
            let is_refused = name.starts_with("steps/") || (is_there && !name.contains("/."));
            assert!(outcome.is_ok() || is_refused, "{name}: {}", outcome.unwrap_err());
        }
    }
}

#[test]
fn a_lock_and_a_list_of_events_that_are_links_are_refused() {
    for name in ["lock", "events.jsonl"] {
        for is_there in [false, true] {
            let error = attack(name, is_there).0.unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("it is a symbolic link"), "{error}");
        }
    }
}

#[test]
fn links_planted_while_a_run_is_written_are_replaced() {
    for name in ["open/000000.arrows", "open/000000.parquet.partial", "steps/000000.parquet"] {
        let root = tempfile::tempdir().unwrap();
        let (directory, target) = (root.path().join("run"), root.path().join("precious"));
        fs::write(&target, PRECIOUS).unwrap();
        let mut writer = RunWriter::create(&directory, &info(), Vec::new()).unwrap();
        fs::create_dir(directory.join("open")).unwrap();
        symlink(&target, directory.join(name)).unwrap();
        writer.append(&rows(1..11)).unwrap();
        writer.close().unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), PRECIOUS, "{name}");
        assert_rows_equal(&read_rows(&directory), &rows(1..11));
    }
}

#[test]
fn what_a_planted_compaction_leads_to_is_not_removed() {
    for name in ["steps.compacting", "steps.replaced"] {
        let root = tempfile::tempdir().unwrap();
        let (directory, target) = (root.path().join("run"), root.path().join("precious"));
        fs::create_dir(&target).unwrap();
        fs::write(target.join("file"), PRECIOUS).unwrap();
        let mut writer = RunWriter::create(&directory, &info(), Vec::new()).unwrap();
        writer.append(&rows(1..11)).unwrap();
        writer.close().unwrap();
        symlink(&target, directory.join(name)).unwrap();
        recover(&directory).unwrap();
        compact_at_once(&directory).unwrap();
        assert!(!directory.join(name).is_symlink(), "the link goes, and nothing else");
        assert_eq!(fs::read_to_string(target.join("file")).unwrap(), PRECIOUS);
        assert_rows_equal(&read_rows(&directory), &rows(1..11));
    }
}

/// The user's own: a folder of rows on another disk, or the run itself.
#[test]
fn folders_may_be_links() {
    let root = tempfile::tempdir().unwrap();
    let (directory, disk): (PathBuf, PathBuf) = (root.path().join("run"), root.path().join("disk"));
    fs::create_dir_all(disk.join("steps")).unwrap();
    fs::create_dir(disk.join("run")).unwrap();
    symlink(disk.join("run"), &directory).unwrap();
    symlink(disk.join("steps"), disk.join("run/steps")).unwrap();
    let mut writer = RunWriter::create(&directory, &info(), Vec::new()).unwrap();
    writer.append(&rows(1..11)).unwrap();
    writer.close().unwrap();
    assert_rows_equal(&read_rows(&directory), &rows(1..11));
    assert!(disk.join("steps/000000.parquet").exists());
}
