//! Runs to report on.

use std::path::Path;
use std::sync::Arc;

use perrin::record::{
    Event, EventKind, Hyperparameters, ParameterInfo, RowBuffer, RunInfo, StepRecord,
};
use perrin::report::{ReportOptions, Written, write_report};
use perrin::run::Eigenvectors;
use perrin::run::{LossLandscape, Run, RunWriter};
use perrin::theory::sampler::QuadraticSampler;
use perrin::theory::update_rule::UpdateRule;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::synthetic::{SyntheticRun, USUAL_SGD};

/// SGD on a quadratic loss.
pub fn synthetic(rows: u64, eigenvalues: &[f64]) -> SyntheticRun {
    SyntheticRun { parameters: USUAL_SGD, eigenvalues: eigenvalues.to_vec(), rows, seed: 7 }
}

/// A run of these rows and events.
pub fn plain(directory: &Path, info: &RunInfo, records: Vec<StepRecord>, events: Vec<EventKind>) {
    let mut writer = RunWriter::create(directory, info, Vec::new()).unwrap();
    let projections = vec![None; records.len() * 2 * info.layout.directions];
    if !records.is_empty() {
        writer.append(&RowBuffer { records, projections, ..RowBuffer::default() }).unwrap();
    }
    for (index, kind) in events.into_iter().enumerate() {
        writer.event(&Event { step: 10 * index as u64 + 1, elapsed_seconds: 1.0, kind }).unwrap();
    }
    writer.close().unwrap();
}

/// The report's page beside the runs, and what was written.
pub fn report(runs: &[&Path], figures: Option<&Path>) -> (String, Written) {
    let page = runs[0].parent().unwrap().join("page.html");
    let options = ReportOptions {
        output: Some(page),
        figures: figures.map(Path::to_owned),
        ..ReportOptions::default()
    };
    let runs: Vec<Run> = runs.iter().map(|run| Run::open(run).unwrap()).collect();
    let written = write_report(&runs, &options, &mut |_| {}).unwrap();
    (std::fs::read_to_string(&written.page).unwrap(), written)
}

/// SGD on a quadratic loss that kept its eigenvalues at three estimates, lost rows, changed its
/// learning rate at the end, and was resumed: something for every figure.
pub fn rich(directory: &Path, rows: u64) {
    let drawn = synthetic(rows, &[8.0, 3.0, 1.0, 0.3, 0.1, 0.03]);
    let info = RunInfo {
        parameters: vec![ParameterInfo {
            name: "layer<1>.weight & bias".to_owned(),
            shape: vec![2, 3],
            kind: "f32".to_owned(),
            device: "cpu".to_owned(),
            group: Some(0),
        }],
        created: "2026-01-01T00:00:00Z".to_owned(),
        ..drawn.info()
    };
    let axis = |mode: usize| {
        (0..6).map(|element| f32::from(u8::from(element == mode))).collect::<Vec<f32>>()
    };
    let estimate = |growth: f64| Eigenvectors {
        eigenvectors: Arc::new((0..6).map(axis).collect()),
        eigenvalues: drawn.eigenvalues.iter().map(|rho| rho * growth).collect(),
        residuals: drawn.eigenvalues.iter().map(|rho| 0.02 * rho).collect(),
        converged: vec![true; 6],
        overlaps: vec![1.0; 6],
        parameters: info.parameters.clone(),
        ..Eigenvectors::default()
    };
    let mut writer = RunWriter::create(directory, &info, Vec::new()).unwrap();
    for (basis, growth) in [(0, 0.4), (1, 0.7), (2, 1.0)] {
        writer.basis(basis, basis * rows / 100, &estimate(growth), false).unwrap();
    }
    let mut buffer = RowBuffer::default();
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let mut sampler =
        QuadraticSampler::new(&USUAL_SGD, UpdateRule::default(), &drawn.eigenvalues, &[1.0; 6])
            .unwrap();
    for step in 1..=rows {
        let loss = drawn
            .eigenvalues
            .iter()
            .zip(sampler.positions())
            .map(|(rho, x)| 0.5 * rho * x * x)
            .sum();
        sampler.step(&mut random);
        if (rows / 3..rows / 3 + rows / 50).contains(&step) || step == rows / 2 {
            continue;
        }
        let positions = sampler.positions().iter().map(|x| x - 1.0);
        let velocities = sampler.velocities().iter().copied();
        buffer.records.push(StepRecord {
            step,
            elapsed_seconds: step as f64 * 0.01,
            hyperparameters: Hyperparameters {
                learning_rate: Some(if step * 20 > rows * 19 {
                    0.01
                } else {
                    USUAL_SGD.learning_rate
                }),
                ..info.hyperparameters[0]
            },
            batch_size: info.batch_size,
            loss: Some(loss),
            local_displacement_squared: Some(
                velocities.clone().map(|v| (v * USUAL_SGD.learning_rate).powi(2)).sum(),
            ),
            global_displacement_squared: Some(positions.clone().map(|x| x * x).sum()),
            basis: Some((step * 100 / rows).min(2)),
            ..StepRecord::default()
        });
        buffer.projections.extend(positions.chain(velocities).map(Some));
    }
    writer.append(&buffer).unwrap();
    let events = [
        (
            rows / 3,
            EventKind::RowsDropped {
                count: rows / 50,
                first_step: rows / 3,
                last_step: rows / 3 + rows / 50 - 1,
            },
        ),
        (
            rows / 2,
            EventKind::Resumed {
                last_step: Some(rows / 2 - 1),
                rows_discarded: 0,
                next_landscape: None,
                time: None,
            },
        ),
        (
            rows / 2,
            EventKind::OutsideWrite {
                parameters: vec!["<script>alert(1)</script>".to_owned()],
                displacement_squared: Some(1e-7),
                count: 1,
            },
        ),
        (rows + 1, EventKind::Finished { rows, dropped: rows / 50 }),
    ];
    for (step, kind) in events {
        writer.event(&Event { step, elapsed_seconds: step as f64 * 0.01, kind }).unwrap();
    }
    writer.close().unwrap();
    landscape(&drawn.eigenvalues).write(directory).unwrap();
}

/// The loss about its minimum, and another one as that of a test.
fn landscape(eigenvalues: &[f64]) -> LossLandscape {
    let [sharp, flat] = [eigenvalues[0], eigenvalues[5]];
    let axis =
        |reach: f64| (-10..=10).map(|index| f64::from(index) / 10.0 * reach).collect::<Vec<f64>>();
    // Positions count from 1 below the minimum.
    let coordinates = [axis(3.0), axis(6.0)];
    let loss =
        |x: f64, y: f64| 0.3 + 0.5 * sharp * (x + 1.0).powi(2) + 0.5 * flat * (y + 1.0).powi(2);
    let all = |of: &dyn Fn(f64, f64) -> f64| -> Vec<f64> {
        coordinates[1].iter().flat_map(|y| coordinates[0].iter().map(move |x| of(*x, *y))).collect()
    };
    LossLandscape {
        step: 0,
        basis: 2,
        modes: [1, 6],
        train_loss: all(&|x, y| loss(x, y) + 0.05 * x.powi(3)),
        test_loss: Some(all(&|x, y| 0.2 + loss(x - 0.3, y + 0.5))),
        quadratic_loss: Some(all(&loss)),
        coordinates,
    }
}
