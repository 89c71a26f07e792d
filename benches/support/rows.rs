//! Rows as a training run makes them, for the bench of the log.

use perrin::record::{Hyperparameters, StepRecord};
use perrin::recorder::{Block, Row};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// Projection directions.
pub const DIRECTIONS: usize = 30;

const LEARNING_RATE: f64 = 1e-3;
const MOMENTUM: f64 = 0.9;

/// SGD with momentum on a quadratic loss, one oscillator a direction, driven by noise.
pub struct Motion {
    random: ChaCha8Rng,
    rows: u64,
    displacement: [f32; DIRECTIONS],
    position: [f64; DIRECTIONS],
}

impl Motion {
    /// Seeded: every reader of the table gets the same one.
    pub fn new() -> Motion {
        let (displacement, position) = ([0.0; DIRECTIONS], [0.0; DIRECTIONS]);
        Motion { random: ChaCha8Rng::seed_from_u64(30), rows: 0, displacement, position }
    }

    /// Rows made so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The next rows.
    pub fn block(&mut self, rows: u64) -> Block<()> {
        let mut block = Block::default();
        for _ in 0..rows {
            self.rows += 1;
            let mut squared = 0.0;
            for direction in 0..DIRECTIONS {
                let eigenvalue = 10.0 / (direction + 1) as f64;
                let noise: f64 = StandardNormal.sample(&mut self.random);
                let gradient = eigenvalue * self.position[direction] + eigenvalue.sqrt() * noise;
                let moved =
                    MOMENTUM * f64::from(self.displacement[direction]) - LEARNING_RATE * gradient;
                self.displacement[direction] = moved as f32;
                self.position[direction] += f64::from(self.displacement[direction]);
                squared += f64::from(self.displacement[direction]).powi(2);
            }
            block.projections.extend(self.position);
            block
                .projections
                .extend(self.displacement.map(|moved| f64::from(moved) / LEARNING_RATE));
            block.rows.push(Row { record: self.record(squared), groups: None, deferred: None });
        }
        block
    }

    fn record(&mut self, local_displacement_squared: f64) -> StepRecord {
        let noise: f32 = StandardNormal.sample(&mut self.random);
        StepRecord {
            step: self.rows,
            epoch: Some(self.rows / 469 + 1),
            elapsed_seconds: self.rows as f64 * 1e-3 + 1e-5 * f64::from(noise),
            hyperparameters: Hyperparameters {
                learning_rate: Some(LEARNING_RATE),
                momentum: Some(MOMENTUM),
                weight_decay: Some(5e-4),
            },
            batch_size: Some(128),
            // A loss is one f32.
            loss: Some(f64::from(0.3 + 0.1 * noise)),
            gradient_norm_squared: Some(f64::from(2.0 + 0.3 * noise)),
            local_displacement_squared: Some(local_displacement_squared),
            global_displacement_squared: Some(
                self.position.iter().map(|position| position * position).sum(),
            ),
            basis: Some(0),
        }
    }
}

/// A row's values with their names, apart from step and projections.
pub fn known_values(record: &StepRecord) -> Vec<(&'static str, f64)> {
    let settings = record.hyperparameters;
    let values = [
        ("epoch", record.epoch.map(|epoch| epoch as f64)),
        ("elapsed_seconds", Some(record.elapsed_seconds)),
        ("learning_rate", settings.learning_rate),
        ("momentum", settings.momentum),
        ("weight_decay", settings.weight_decay),
        ("batch_size", record.batch_size.map(|size| size as f64)),
        ("loss", record.loss),
        ("gradient_norm_squared", record.gradient_norm_squared),
        ("local_displacement_squared", record.local_displacement_squared),
        ("global_displacement_squared", record.global_displacement_squared),
    ];
    values.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}
