//! The runs that are damaged: together they have every kind of file.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use perrin::record::{Event, EventKind, Layout, ParameterInfo, RowBuffer, RunInfo};
use perrin::report::{ReportOptions, write_report};
use perrin::run::Eigenvectors;
use perrin::run::{
    CurvatureSummary, DeltaWriter, FullDelta, GradientNoiseSummary, LossLandscape, Measured,
    ReferenceTensor, Run, RunWriter, SpectralBulk,
};

use crate::common::{compact_at_once, read_rows};
use crate::safetensors;
use crate::synthetic::{SyntheticRun, USUAL_SGD};

const EIGENVALUES: [f64; 2] = [2.0, 0.5];
const ROWS: u64 = 120;

/// Every run that is damaged has a folder of its name.
pub const NAMES: [&str; 4] = ["everything", "finished", "version_1_killed", "version_1_finished"];
/// How often each is, in ten.
const SHARES: [u32; 4] = [5, 2, 2, 1];
/// A run like `everything`, of which files are taken.
pub const OTHER: &str = "other";

/// The run that a number below ten stands for.
pub fn chosen(number: u32) -> usize {
    let mut sum = 0;
    SHARES
        .iter()
        .position(|share| {
            sum += share;
            number < sum
        })
        .unwrap_or(0)
}

/// Makes all of them.
pub fn make(folder: &Path) {
    everything(&folder.join(NAMES[0]), "2026-11-29T00:00:00Z", 1);
    everything(&folder.join(OTHER), "2026-11-30T00:00:00Z", 2);
    finished(&folder.join(NAMES[1]));
    let kept =
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("tests/data/runs_schema_1");
    copy(&kept.join("killed"), &folder.join(NAMES[2]));
    copy(&kept.join("finished"), &folder.join(NAMES[3]));
    for name in NAMES.into_iter().chain([OTHER]) {
        let run = folder.join(name);
        // Beside a lock that the same machine let go.
        write_report(&[Run::open(&run).unwrap()], &ReportOptions::default(), &mut |_| {}).unwrap();
    }
}

/// Copies a folder's files, and its folders.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let place = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &place);
        } else {
            fs::copy(entry.path(), place).unwrap();
        }
    }
}

/// The regular files below a folder, relative to it, sorted.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(inside) = folders.pop() {
        for entry in fs::read_dir(folder.join(&inside)).unwrap().map(Result::unwrap) {
            let path = inside.join(entry.file_name());
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                found.push(path);
            }
        }
    }
    found.sort_unstable();
    found
}

fn info(directions: usize, created: &str) -> RunInfo {
    let drawn = SyntheticRun {
        parameters: USUAL_SGD,
        eigenvalues: EIGENVALUES.to_vec(),
        rows: ROWS,
        seed: 1,
    };
    // Nothing that depends on the moment.
    let created = created.to_owned();
    let parameter = |name: &str, shape: &[i64]| ParameterInfo {
        name: name.to_owned(),
        shape: shape.to_vec(),
        kind: "f32".to_owned(),
        device: "cpu".to_owned(),
        group: Some(0),
    };
    let parameters = vec![parameter("weight", &[2, 2]), parameter("bias", &[2])];
    let layout = Layout { parameter_groups: 1, directions };
    RunInfo {
        created,
        parameters,
        layout,
        steps_per_epoch: Some(20),
        ..drawn.info_along(directions)
    }
}

fn reference() -> Vec<ReferenceTensor<'static>> {
    let bytes = |elements: &[f32]| {
        Cow::Owned(elements.iter().flat_map(|element| element.to_le_bytes()).collect())
    };
    vec![
        ReferenceTensor {
            name: "weight",
            kind: "f32",
            shape: vec![2, 2],
            bytes: bytes(&[0.5, -1.0, 2.0, 0.25]),
        },
        ReferenceTensor { name: "bias", kind: "f32", shape: vec![2], bytes: bytes(&[0.0, -0.125]) },
    ]
}

fn drawn_rows(directions: usize, seed: u64) -> RowBuffer {
    let folder = tempfile::tempdir().unwrap();
    let drawn =
        SyntheticRun { parameters: USUAL_SGD, eigenvalues: EIGENVALUES.to_vec(), rows: ROWS, seed };
    let writer =
        RunWriter::create(folder.path(), &drawn.info_along(directions), Vec::new()).unwrap();
    drawn.draw(writer, directions, |_, _| true);
    read_rows(folder.path())
}

fn some(rows: &RowBuffer, directions: usize, steps: std::ops::Range<usize>) -> RowBuffer {
    let mut records = rows.records[steps.clone()].to_vec();
    for record in records.iter_mut().filter(|_| directions > 0) {
        record.epoch = Some(record.step / 20);
        record.basis = Some(u64::from(record.step > 75));
    }
    let projections =
        rows.projections[2 * directions * steps.start..2 * directions * steps.end].to_vec();
    RowBuffer { records, projections, ..RowBuffer::default() }
}

fn basis(info: &RunInfo, number: u64) -> Eigenvectors {
    let axis = |axis: usize| {
        (0..6).map(|element| f32::from(u8::from(element == axis))).collect::<Vec<_>>()
    };
    let measured = |value| Measured { value, standard_error: 0.1 };
    let noise = GradientNoiseSummary {
        variances: vec![measured(4.0), measured(1.0)],
        trace: measured(6.0),
        noise_scale: measured(2.0),
        correlation: Some(measured(0.9)),
        off_diagonal: Some(measured(0.1)),
        batches: 8,
        examples: 256,
    };
    let density = SpectralBulk { nodes: vec![0.2, 0.05], weights: vec![1.0, 1.0], dimension: 2.0 };
    Eigenvectors {
        parameters: info.parameters.clone(),
        eigenvectors: vec![axis(number as usize), axis(4)].into(),
        eigenvalues: EIGENVALUES.map(|eigenvalue| eigenvalue + 0.01 * number as f64).to_vec(),
        residuals: vec![1e-6, 2e-6],
        converged: vec![true, number == 0],
        overlaps: vec![0.9, f64::NAN],
        weight_decay: 1e-4,
        products: Some(40),
        summary: Some(CurvatureSummary {
            trace: Some(measured(2.8)),
            density: Some(density),
            gradient_noise: Some(noise),
        }),
    }
}

/// Merged segments, two more, a journal and an unfinished file; bases, displacements, landscapes,
/// events.
fn everything(folder: &Path, created: &str, seed: u64) {
    let (info, rows) = (info(2, created), drawn_rows(2, seed));
    let mut writer = RunWriter::create(folder, &info, reference()).unwrap();
    writer.basis(0, 0, &basis(&info, 0), true).unwrap();
    let mut segments = 0;
    let mut append = |writer: &mut RunWriter, steps: std::ops::Range<usize>| {
        writer.append(&some(&rows, 2, steps)).unwrap();
        writer.roll_if_due(Duration::from_secs(2_000 * segments)).unwrap();
        segments += 1;
        writer.roll_if_due(Duration::from_secs(2_000 * segments - 1_000)).unwrap();
    };
    append(&mut writer, 0..20);
    append(&mut writer, 20..40);
    append(&mut writer, 40..55);
    // The program ended before its next checkpoint.
    deltas(folder, &info, 5..=65);
    writer.close().unwrap();
    compact_at_once(folder).unwrap();
    let from = perrin::run::ResumeFrom::default();
    let (mut writer, _) = RunWriter::resume(folder, &info, from).unwrap();
    append(&mut writer, 55..75);
    writer.basis(1, 75, &basis(&info, 1), true).unwrap();
    append(&mut writer, 75..95);
    let extra =
        ParameterInfo { name: "scale".to_owned(), shape: vec![3], ..info.parameters[0].clone() };
    let began: Vec<u8> =
        [1.0_f32, 0.5, -2.0].iter().flat_map(|element| element.to_le_bytes()).collect();
    let began = ReferenceTensor { name: "scale", kind: "f32", shape: vec![3], bytes: began.into() };
    writer.parameters_joined(58, &[extra], vec![began]).unwrap();
    deltas(folder, &info, 60..=ROWS);
    for (step, kind) in [
        (58, EventKind::ParametersAdded { parameters: vec!["scale".to_owned()] }),
        (
            60,
            EventKind::OutsideWrite {
                parameters: vec!["weight".to_owned()],
                displacement_squared: Some(0.25),
                count: 1,
            },
        ),
        (76, EventKind::BasisChanged { basis: 1 }),
        (76, EventKind::StabilityCrossed { sharpness: 41.0, limit: 40.0, unstable: true }),
        (
            80,
            EventKind::Interrupted {
                reason: "a full disk".to_owned(),
                seconds: 1.5,
                events_lost: 0,
            },
        ),
        (85, EventKind::RowsDropped { count: 2, first_step: 150, last_step: 151 }),
    ] {
        writer.event(&Event { step, elapsed_seconds: step as f64 * 0.01, kind }).unwrap();
    }
    for first in [95, 100, 105, 110, 115] {
        writer.append(&some(&rows, 2, first..first + 5)).unwrap();
    }
    drop(writer);
    for (step, number) in [(0, 0), (95, 1)] {
        let coordinates = [vec![-1.0, 0.0, 1.0], vec![-0.5, 0.0, 0.5]];
        let losses: Vec<f64> =
            (0..9).map(|point| f64::from(point - 4).powi(2) + f64::from(number)).collect();
        let landscape = LossLandscape {
            step,
            basis: 0,
            modes: [1, 2],
            coordinates,
            test_loss: Some(losses.clone()),
            quadratic_loss: Some(losses.clone()),
            train_loss: losses,
        };
        landscape.write(folder).unwrap();
    }
    for file in files(folder) {
        // What writes safetensors files orders their metadata another way each time.
        if file.extension().is_some_and(|extension| extension == "safetensors") {
            let path = folder.join(file);
            fs::write(&path, safetensors::ordered(&fs::read(&path).unwrap())).unwrap();
        }
    }
}

/// Whole displacements of every fifth step.
fn deltas(folder: &Path, info: &RunInfo, steps: std::ops::RangeInclusive<u64>) {
    let mut writer = DeltaWriter::create(folder, &info.parameters).unwrap();
    for step in steps.step_by(5) {
        let displacement =
            (0..6).map(|element| (step as f32 * 0.1 + element as f32).sin()).collect();
        let delta = vec![step as f32 * 1e-3; 6];
        writer.append(FullDelta { step, learning_rate: Some(0.1), delta, displacement }).unwrap();
    }
}

/// Three segments of a run without directions that was closed.
fn finished(folder: &Path) {
    let (info, rows) = (info(0, "2026-11-29T00:00:00Z"), drawn_rows(0, 3));
    let mut writer = RunWriter::create(folder, &info, reference()).unwrap();
    for (number, first) in [0, 40, 80].into_iter().enumerate() {
        writer.append(&some(&rows, 0, first..first + 40)).unwrap();
        writer.roll_if_due(Duration::from_secs(2_000 * number as u64)).unwrap();
        writer.roll_if_due(Duration::from_secs(2_000 * number as u64 + 1_000)).unwrap();
    }
    let kind = EventKind::Finished { rows: ROWS, dropped: 0 };
    writer.event(&Event { step: ROWS + 1, elapsed_seconds: 2.4, kind }).unwrap();
    writer.close().unwrap();
    let path = folder.join("reference.safetensors");
    fs::write(&path, safetensors::ordered(&fs::read(&path).unwrap())).unwrap();
}
