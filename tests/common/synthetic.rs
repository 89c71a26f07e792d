//! Runs whose truth is known: SGD on a quadratic loss in its stationary state, drawn step by step
//! and logged.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::path::Path;
use std::time::Duration;

use perrin::record::{
    Event, EventKind, Hyperparameters, Layout, OptimizerInfo, RowBuffer, RunInfo, StepRecord,
};
use perrin::run::Eigenvectors;
use perrin::run::RunWriter;
use perrin::theory::parameters::SgdParameters;
use perrin::theory::sampler::QuadraticSampler;
use perrin::theory::update_rule::UpdateRule;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What most runs are drawn with.
pub const USUAL_SGD: SgdParameters = SgdParameters {
    learning_rate: 0.1,
    momentum: 0.9,
    weight_decay: 1e-4,
    batch_size: 32.0,
    noise_scale: 2.0,
};
/// Rows appended at a time.
const BLOCK: u64 = 1000;

/// What `run.json` says of plain SGD.
pub fn plain_sgd(hyperparameters: Hyperparameters, batch_size: u64, directions: usize) -> RunInfo {
    RunInfo {
        optimizer: OptimizerInfo {
            name: Some("sgd".to_owned()),
            dampening: Some(0.0),
            nesterov: Some(false),
            ..OptimizerInfo::default()
        },
        hyperparameters: vec![hyperparameters],
        batch_size: Some(batch_size),
        layout: Layout { parameter_groups: 1, directions },
        ..RunInfo::default()
    }
}

/// A basis without its vectors.
pub fn table(eigenvalues: &[f64]) -> Eigenvectors {
    let count = eigenvalues.len();
    Eigenvectors {
        eigenvalues: eigenvalues.to_vec(),
        residuals: vec![1e-6; count],
        converged: vec![true; count],
        overlaps: vec![f64::NAN; count],
        ..Eigenvectors::default()
    }
}

/// A run to be drawn. Directions are the modes, all of them.
#[derive(Clone)]
pub struct SyntheticRun {
    pub parameters: SgdParameters,
    pub eigenvalues: Vec<f64>,
    pub rows: u64,
    pub seed: u64,
}

impl SyntheticRun {
    /// What `run.json` says of it.
    pub fn info(&self) -> RunInfo {
        self.info_along(self.eigenvalues.len())
    }

    /// The same, projected on its first modes.
    pub fn info_along(&self, directions: usize) -> RunInfo {
        plain_sgd(self.hyperparameters(), self.parameters.batch_size as u64, directions)
    }

    fn hyperparameters(&self) -> Hyperparameters {
        Hyperparameters {
            learning_rate: Some(self.parameters.learning_rate),
            momentum: Some(self.parameters.momentum),
            weight_decay: Some(self.parameters.weight_decay),
        }
    }

    /// Draws it and writes it; `change` may alter every row and its projections (positions, then
    /// velocities), or leave it out.
    pub fn write_with(
        &self,
        directory: &Path,
        change: impl FnMut(&mut StepRecord, &mut [Option<f64>]) -> bool,
    ) {
        let writer = RunWriter::create(directory, &self.info(), Vec::new()).unwrap();
        self.draw(writer, self.eigenvalues.len(), change);
    }

    /// Draws it and writes it, projected on its first modes only, whose eigenvalues are in its
    /// curvature table.
    pub fn write_along(&self, directory: &Path, directions: usize) {
        let mut writer =
            RunWriter::create(directory, &self.info_along(directions), Vec::new()).unwrap();
        writer.basis(0, 0, &table(&self.eigenvalues[..directions]), false).unwrap();
        self.draw(writer, directions, |row, _| {
            row.basis = Some(0);
            true
        });
    }

    /// The same, begun at rest: positions are stationary, velocities 0.
    pub fn write_from_rest(&self, directory: &Path, directions: usize) {
        let writer =
            RunWriter::create(directory, &self.info_along(directions), Vec::new()).unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let stationary =
            QuadraticSampler::stationary(&self.parameters, &self.eigenvalues, &mut random).unwrap();
        let start = stationary.positions();
        let rest = QuadraticSampler::new(
            &self.parameters,
            UpdateRule::default(),
            &self.eigenvalues,
            start,
        )
        .unwrap();
        self.draw_from(rest, random, writer, directions, |_, _| true);
    }

    /// Draws it and appends it, projected on its first modes.
    pub fn draw(
        &self,
        writer: RunWriter,
        directions: usize,
        change: impl FnMut(&mut StepRecord, &mut [Option<f64>]) -> bool,
    ) {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let sampler =
            QuadraticSampler::stationary(&self.parameters, &self.eigenvalues, &mut random).unwrap();
        self.draw_from(sampler, random, writer, directions, change);
    }

    fn draw_from(
        &self,
        mut sampler: QuadraticSampler,
        mut random: ChaCha8Rng,
        mut writer: RunWriter,
        directions: usize,
        mut change: impl FnMut(&mut StepRecord, &mut [Option<f64>]) -> bool,
    ) {
        let start = sampler.positions().to_vec();
        let mut rows = RowBuffer::default();
        for step in 1..=self.rows {
            let loss = self.loss(sampler.positions());
            sampler.step(&mut random);
            let positions = sampler.positions().iter().zip(&start).map(|(x, from)| x - from);
            let velocities = sampler.velocities();
            let local: f64 =
                velocities.iter().map(|v| (v * self.parameters.learning_rate).powi(2)).sum();
            let mut record = StepRecord {
                step,
                elapsed_seconds: step as f64 * 0.01,
                hyperparameters: self.hyperparameters(),
                batch_size: Some(self.parameters.batch_size as u64),
                loss: Some(loss),
                local_displacement_squared: Some(local),
                global_displacement_squared: Some(positions.clone().map(|x| x * x).sum()),
                ..StepRecord::default()
            };
            let (positions, velocities) =
                (positions.take(directions), velocities.iter().copied().take(directions));
            let mut projections: Vec<Option<f64>> = positions.chain(velocities).map(Some).collect();
            if change(&mut record, &mut projections) {
                rows.records.push(record);
                rows.projections.extend(projections);
            }
            if rows.len() as u64 >= BLOCK || step == self.rows {
                writer.append(&rows).unwrap();
                rows.clear();
                writer.roll_if_due(Duration::from_millis(10 * step)).unwrap();
            }
        }
        let kind = EventKind::Finished { rows: self.rows, dropped: 0 };
        writer.event(&Event { step: self.rows + 1, elapsed_seconds: 1.0, kind }).unwrap();
        writer.close().unwrap();
    }

    /// Draws it and writes it.
    pub fn write(&self, directory: &Path) {
        self.write_with(directory, |_, _| true);
    }

    fn loss(&self, positions: &[f64]) -> f64 {
        self.eigenvalues.iter().zip(positions).map(|(rho, x)| 0.5 * rho * x * x).sum()
    }
}
