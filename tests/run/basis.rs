//! The bases of a run on disk: written whole or not at all, checked, cleaned up after.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::common::{info, read_rows, rows, writer};
use crate::stopping::{Stopping, Then};
use perrin::record::ParameterInfo;
use perrin::run::Eigenvectors;
use perrin::run::{CurvatureRow, CurvatureSummary, Measured, Run, RunWriter, check, recover};

fn eigenvectors() -> Eigenvectors {
    let (kind, device) = ("f32".to_owned(), "cpu".to_owned());
    let parameter = ParameterInfo {
        name: "weight".to_owned(),
        shape: vec![2, 2],
        kind,
        device,
        group: Some(0),
    };
    Eigenvectors {
        parameters: vec![parameter],
        eigenvectors: vec![vec![0.5; 4], vec![0.5, -0.5, 0.5, -0.5], vec![0.0; 4]].into(),
        eigenvalues: vec![2.5, 1.0 + 0.125, f64::NAN],
        residuals: vec![1e-3, 2e-3, f64::NAN],
        converged: vec![true, true, false],
        overlaps: vec![f64::NAN; 3],
        weight_decay: 0.125,
        products: Some(40),
        summary: None,
    }
}

fn files(directory: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for place in ["curvature", "eigenvectors"] {
        let entries = fs::read_dir(directory.join(place)).into_iter().flatten();
        names.extend(
            entries.map(|entry| format!("{place}/{}", entry.unwrap().file_name().display())),
        );
    }
    names.sort();
    names
}

#[test]
fn the_table_says_what_was_estimated() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = writer(directory.path());
    writer.basis(0, 0, &eigenvectors(), true).unwrap();
    let turned = Eigenvectors { overlaps: vec![1.0, 0.75, 0.0], products: None, ..eigenvectors() };
    writer.basis(1, 1000, &turned, false).unwrap();
    writer.close().unwrap();

    let run = Run::open(directory.path()).unwrap();
    let table = run.curvature().unwrap();
    assert_eq!(table.len(), 6);
    // Without the weight decay that was added.
    let first = CurvatureRow {
        step: 0,
        basis: 0,
        mode: 1,
        eigenvalue: Some(2.375),
        residual: Some(1e-3),
        converged: true,
        overlap: None,
        products: Some(40),
    };
    assert_eq!(table[0], first);
    assert_eq!((table[2].eigenvalue, table[2].residual, table[2].converged), (None, None, false));
    let second = CurvatureRow {
        step: 1000,
        basis: 1,
        mode: 2,
        eigenvalue: Some(1.0),
        residual: Some(2e-3),
        converged: true,
        overlap: Some(0.75),
        products: None,
    };
    assert_eq!(table[4], second);
    assert_eq!(run.eigenvectors(0).unwrap().eigenvectors, eigenvectors().eigenvectors);
    assert!(run.eigenvectors(1).is_err(), "it was not to be kept");
    let found = check(directory.path()).unwrap();
    assert_eq!((found.damage, found.notes), (vec![], vec![]));
}

#[test]
fn a_process_that_dies_at_any_operation_leaves_whole_bases() {
    let undisturbed = Stopping::never();
    let trace = Some(Measured { value: 3.5, standard_error: 0.25 });
    let summary = CurvatureSummary { trace, ..CurvatureSummary::default() };
    let attempt = |storage: &Stopping, directory: &Path| -> perrin::Result<()> {
        let mut writer =
            RunWriter::create_on(Arc::new(storage.clone()), directory, &info(), Vec::new())?;
        writer.basis(0, 0, &eigenvectors(), true)?;
        writer.append(&rows(1..5))?;
        writer.basis(1, 4, &eigenvectors().with_summary(summary.clone()), true)?;
        writer.append(&rows(5..9))?;
        writer.close().map(drop)
    };
    attempt(&undisturbed, tempfile::tempdir().unwrap().path()).unwrap();
    assert!(undisturbed.count() > 20);
    for stop in 0..undisturbed.count() {
        let directory = tempfile::tempdir().unwrap();
        assert!(attempt(&Stopping::at(stop, Then::Dead), directory.path()).is_err());
        if !directory.path().join("run.json").exists() {
            continue;
        }
        recover(directory.path()).unwrap();
        let run = Run::open(directory.path()).unwrap();
        let bases = run.bases().unwrap().end;
        assert_eq!(run.curvature().unwrap().len() as u64, 3 * bases);
        (0..bases)
            .for_each(|basis| assert_eq!(run.eigenvectors(basis).unwrap().products, Some(40)));
        // What a basis came with is there whenever the basis is, and never without it.
        assert_eq!(
            run.curvature_summary(1).unwrap(),
            (bases == 2).then(|| summary.clone()),
            "stopped at {stop}"
        );
        // A row is there only if its basis is.
        assert!(read_rows(directory.path()).len() as u64 <= 4 * bases, "stopped at {stop}");
        assert!(
            files(directory.path()).iter().all(|name| !name.ends_with(".partial")),
            "stopped at {stop}"
        );
    }
}

#[test]
fn damage_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = writer(directory.path());
    (0..2).for_each(|basis| writer.basis(basis, basis, &eigenvectors(), true).unwrap());
    writer.close().unwrap();
    for name in files(directory.path()) {
        let path = directory.path().join(&name);
        let whole = fs::read(&path).unwrap();
        for position in (4..whole.len()).step_by(29) {
            let mut flipped = whole.clone();
            flipped[position] ^= 1 << (position % 8);
            fs::write(&path, flipped).unwrap();
            let found = check(directory.path());
            // What tells the version may say that it is a newer one.
            let found = found
                .map(|found| found.damage.iter().map(|finding| finding.path.clone()).collect());
            let newer = matches!(found, Err(perrin::Error::NewerSchema { .. }));
            assert!(
                newer || found.unwrap_or_else(|_| vec![]) == [path.clone()],
                "{name}, byte {position}"
            );
        }
        fs::write(&path, whole).unwrap();
    }
    fs::remove_file(directory.path().join("curvature/000000.parquet")).unwrap();
    assert_eq!(check(directory.path()).unwrap().damage.len(), 1);
}

#[test]
fn rows_along_a_basis_without_a_table_are_noted() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = writer(directory.path());
    writer.basis(0, 0, &eigenvectors(), true).unwrap();
    let mut along = rows(1..11);
    for (row, basis) in along.records.iter_mut().zip([0, 0, 0, 0, 1, 1, 1, 0, 0, 0]) {
        row.basis = Some(basis);
    }
    writer.append(&along).unwrap();
    drop(writer);
    let found = check(directory.path()).unwrap();
    assert_eq!((found.damage.len(), found.notes.len()), (0, 1), "{found:?}");
    assert_eq!(found.notes[0].row, Some(4));
    assert!(found.notes[0].what.contains("basis 1"), "{found:?}");
}

#[test]
fn another_run_in_the_place_of_the_folder_keeps_its_bases() {
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join("run");
    let mut old = writer(&run);
    fs::rename(&run, directory.path().join("elsewhere")).unwrap();
    let mut new = writer(&run);
    new.basis(0, 0, &eigenvectors(), true).unwrap();
    let theirs = Eigenvectors { products: Some(1), ..eigenvectors() };
    assert!(matches!(old.basis(0, 0, &theirs, true), Err(perrin::Error::Io { .. })));
    assert_eq!(Run::open(&run).unwrap().eigenvectors(0).unwrap().products, Some(40));
}

#[test]
fn vectors_of_a_basis_that_was_never_complete_are_not_the_next_ones() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = writer(directory.path());
    (0..2).for_each(|basis| first.basis(basis, basis, &eigenvectors(), true).unwrap());
    drop(first);
    // As a process leaves it that dies between the vectors and their table.
    fs::remove_file(directory.path().join("curvature/000001.parquet")).unwrap();
    recover(directory.path()).unwrap();
    assert_eq!(
        files(directory.path()),
        ["curvature/000000.parquet", "eigenvectors/000000.safetensors"]
    );

    let (mut second, _) = RunWriter::resume(directory.path(), &info(), Default::default()).unwrap();
    second.basis(1, 1, &eigenvectors(), true).unwrap();
    // Without its vectors it has none, given or not, and its table is the same.
    let table = Run::open(directory.path()).unwrap().estimate(1).unwrap();
    let known = Eigenvectors { eigenvectors: Vec::new().into(), ..eigenvectors() };
    second.basis(1, 1, &known, false).unwrap();
    assert_eq!(files(directory.path()).len(), 3);
    let again = Run::open(directory.path()).unwrap().estimate(1).unwrap();
    assert_eq!(format!("{again:?}"), format!("{table:?}"));
    let unequal = Eigenvectors { residuals: vec![0.0], ..known };
    assert!(matches!(
        second.basis(2, 2, &unequal, false),
        Err(perrin::Error::ShapeMismatch { .. })
    ));
}
