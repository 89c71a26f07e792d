//! Trace, density and gradient noise in a run's folder: kept whole, checked, cleaned up after, and
//! absent from old runs.

use std::fs;
use std::path::Path;

use crate::common::{info, rows, writer};
use perrin::Error;
use perrin::record::{Layout, RunInfo};
use perrin::run::Eigenvectors;
use perrin::run::{
    CurvatureSummary, GradientNoiseSummary, Measured, Run, RunWriter, SpectralBulk, check, recover,
};

fn measured(value: f64) -> Measured {
    Measured { value, standard_error: 0.1 * value.abs() }
}

fn summary() -> CurvatureSummary {
    CurvatureSummary {
        trace: Some(measured(1.0 / 3.0)),
        density: Some(SpectralBulk {
            nodes: vec![0.1, 2e-17, -0.05],
            weights: vec![0.2, 0.7, 0.1],
            dimension: 390_407.0,
        }),
        gradient_noise: Some(GradientNoiseSummary {
            variances: vec![measured(4.0), measured(2.0), measured(0.5)],
            trace: measured(9.0),
            noise_scale: measured(2.1),
            correlation: Some(measured(-0.5)),
            off_diagonal: None,
            batches: 300,
            examples: 300,
        }),
    }
}

fn directions() -> Eigenvectors {
    Eigenvectors::from(vec![vec![1.0, 0.0, 0.0], vec![0.0, 1.0, 0.0], vec![0.0, 0.0, 1.0]])
}

/// A run of one row with a table of basis 0.
fn run(directory: &Path) -> Run {
    let mut writer = writer(directory);
    writer.basis(0, 0, &directions(), false).unwrap();
    writer.append(&rows(1..2)).unwrap();
    writer.close().unwrap();
    Run::open(directory).unwrap()
}

fn path(directory: &Path, basis: u64) -> std::path::PathBuf {
    directory.join(format!("curvature_summaries/{basis:06}.json"))
}

#[test]
fn what_is_saved_is_read_back_to_the_last_bit() {
    let directory = tempfile::tempdir().unwrap();
    let run = run(directory.path());
    assert_eq!(run.curvature_summary(0).unwrap(), None, "of a run without one");
    summary().save(directory.path(), 0).unwrap();
    assert_eq!(run.curvature_summary(0).unwrap(), Some(summary()));
    assert_eq!(run.curvature_summary(1).unwrap(), None);
    // Saved again it replaces the first.
    let other = CurvatureSummary { density: None, ..summary() };
    other.save(directory.path(), 0).unwrap();
    assert_eq!(run.curvature_summary(0).unwrap(), Some(other));
    assert_eq!(run.bases().unwrap(), 0..1);
    assert!(check(directory.path()).unwrap().damage.is_empty());
    for place in ["curvature", "curvature_summaries"] {
        let entries = fs::read_dir(directory.path().join(place)).unwrap();
        let names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names.len(), 1, "{place}: {names:?}");
    }
}

#[test]
fn while_the_run_is_written_and_before_its_table() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = writer(directory.path());
    summary().save(directory.path(), 0).unwrap();
    writer.basis(0, 0, &directions(), false).unwrap();
    writer.append(&rows(1..2)).unwrap();
    writer.close().unwrap();
    recover(directory.path()).unwrap();
    assert_eq!(Run::open(directory.path()).unwrap().curvature_summary(0).unwrap(), Some(summary()));
}

#[test]
fn what_never_got_its_table_goes_and_other_files_stay() {
    let directory = tempfile::tempdir().unwrap();
    let run = run(directory.path());
    summary().save(directory.path(), 0).unwrap();
    for basis in [1, 2] {
        fs::copy(path(directory.path(), 0), path(directory.path(), basis)).unwrap();
    }
    fs::write(directory.path().join("curvature_summaries/.000001.json.partial"), "{").unwrap();
    fs::write(directory.path().join("curvature_summaries/notes.json"), "mine").unwrap();
    recover(directory.path()).unwrap();
    assert!(
        path(directory.path(), 0).exists()
            && directory.path().join("curvature_summaries/notes.json").exists()
    );
    assert!(!path(directory.path(), 1).exists() && !path(directory.path(), 2).exists());
    assert!(!directory.path().join("curvature_summaries/.000001.json.partial").exists());
    assert_eq!(run.curvature_summary(0).unwrap(), Some(summary()));
}

#[test]
fn a_run_without_directions_keeps_one_too() {
    let directory = tempfile::tempdir().unwrap();
    let info = RunInfo { layout: Layout { parameter_groups: 2, directions: 0 }, ..info() };
    RunWriter::create(directory.path(), &info, Vec::new()).unwrap().close().unwrap();
    let whole = CurvatureSummary { gradient_noise: None, ..summary() };
    whole.save(directory.path(), 0).unwrap();
    recover(directory.path()).unwrap();
    assert_eq!(Run::open(directory.path()).unwrap().curvature_summary(0).unwrap(), Some(whole));
    fs::write(path(directory.path(), 0), "{}").unwrap();
    assert_eq!(check(directory.path()).unwrap().damage.len(), 1);
}

#[test]
fn a_basis_that_the_run_does_not_have_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    run(directory.path());
    for basis in [1, 7, u64::MAX] {
        let error = summary().save(directory.path(), basis).unwrap_err();
        assert!(matches!(&error, Error::InvalidInput { field, .. } if field == "basis"), "{error}");
        assert!(!path(directory.path(), basis).exists());
    }
}

/// Python's `zlib.crc32` of `json.dumps(..., sort_keys=True, separators=(",", ":"))`.
#[test]
fn the_checksum_is_of_sorted_keys_whatever_their_order_in_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let run = run(directory.path());
    summary().save(directory.path(), 0).unwrap();
    let text = fs::read_to_string(path(directory.path(), 0)).unwrap();
    assert!(text.contains("\"checksum\": 2747118460"), "{text}");
    // The keys of a number the other way round.
    let value = r#""value": 0.3333333333333333"#;
    let (before, rest) =
        text.split_at(text.rfind("\"standard_error\": 0.03333333333333333").unwrap());
    let (error, rest) = rest.split_once(',').unwrap();
    let reordered =
        format!("{before}{value}, {error}{}", rest.trim_start().strip_prefix(value).unwrap());
    fs::write(path(directory.path(), 0), reordered).unwrap();
    assert_eq!(run.curvature_summary(0).unwrap(), Some(summary()));
}

#[test]
fn damage_is_found_and_a_newer_version_refused() {
    let directory = tempfile::tempdir().unwrap();
    let run = run(directory.path());
    summary().save(directory.path(), 0).unwrap();
    let path = path(directory.path(), 0);
    let text = fs::read_to_string(&path).unwrap();
    let damaged = [
        text.replace("390407.0", "390408.0"),
        text.replace("-0.05", "0.05"),
        text.replace("\"trace\"", "\"tract\""),
        text[..text.len() / 2].to_owned(),
        text.replace("checksum", "check"),
        text.replace("schema_version", "version"),
        String::new(),
        "[1, 2]".to_owned(),
    ];
    for (index, bytes) in
        damaged.into_iter().map(String::into_bytes).chain([vec![0xff, 0xfe]]).enumerate()
    {
        fs::write(&path, bytes).unwrap();
        assert!(matches!(run.curvature_summary(0), Err(Error::Damaged { .. })), "{index}");
        let found = check(directory.path()).unwrap().damage;
        assert!(found.len() == 1 && found[0].path == path, "{index}: {found:?}");
    }
    fs::write(&path, text.replace("\"schema_version\": 2", "\"schema_version\": 3")).unwrap();
    assert!(matches!(run.curvature_summary(0), Err(Error::NewerSchema { found: 3, .. })));
}

#[test]
fn what_is_no_measurement_is_refused_before_it_is_written() {
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(summary().save(directory.path(), 0), Err(Error::NoSuchRun { .. })));
    run(directory.path());
    let bulk = |nodes: &[f64], weights: &[f64], dimension: f64| CurvatureSummary {
        density: Some(SpectralBulk { nodes: nodes.to_vec(), weights: weights.to_vec(), dimension }),
        ..CurvatureSummary::default()
    };
    let mut noise = summary();
    noise.gradient_noise.as_mut().unwrap().variances[1].value = -1.0;
    let infinite = Some(Measured { value: f64::INFINITY, standard_error: 0.0 });
    for wrong in [
        bulk(&[1.0], &[], 3.0),
        bulk(&[1.0, f64::NAN], &[1.0, 1.0], 3.0),
        bulk(&[1.0, 2.0], &[2.0, -1.0], 3.0),
        bulk(&[1.0], &[0.0], 3.0),
        bulk(&[1.0], &[1.0], 0.0),
        CurvatureSummary { trace: infinite, ..CurvatureSummary::default() },
        CurvatureSummary {
            trace: Some(Measured { value: 1.0, standard_error: -0.1 }),
            ..summary()
        },
        noise,
    ] {
        assert!(
            matches!(wrong.save(directory.path(), 0), Err(Error::InvalidInput { .. })),
            "{wrong:?}"
        );
    }
    assert!(!path(directory.path(), 0).exists());
}
