//! What is done with each network, unless the command line says otherwise.

use anyhow::Result;

use crate::arguments::Arguments;
use crate::curvature::Effort;
use crate::networks::Architecture;

/// As many directions as the paper's.
const DIRECTIONS: usize = 30;

/// Names of the options that change a plan.
pub const OPTIONS: &[&str] = &[
    "steps",
    "refresh",
    "learning-rate",
    "momentum",
    "batch",
    "weight-decay",
    "directions",
    "examples",
];

/// How training is resumed, and what is measured of the loss.
pub struct Plan {
    pub directions: usize,
    pub learning_rate: f64,
    pub momentum: f64,
    pub weight_decay: f64,
    pub batch_size: usize,
    pub steps: u64,
    /// Steps from one estimate of the eigenvectors to the next.
    pub refresh_steps: u64,
    /// Training examples whose loss has the Hessian, and in what portions.
    pub hessian_examples: usize,
    pub hessian_batch: usize,
    pub effort: Effort,
    /// Batches whose gradients tell the noise, and their size.
    pub noise_batches: usize,
    pub noise_batch: usize,
    /// Points of the landscape along each direction, and examples at each point.
    pub landscape_points: usize,
    pub landscape_examples: usize,
}

impl Plan {
    pub fn new(architecture: Architecture, arguments: &Arguments) -> Result<Plan> {
        let plan = match architecture {
            Architecture::Small => Plan {
                directions: DIRECTIONS,
                learning_rate: 0.01,
                momentum: 0.9,
                weight_decay: 1e-4,
                batch_size: 256,
                steps: 8_000,
                refresh_steps: 4_000,
                hessian_examples: 5_000,
                hessian_batch: 1_000,
                effort: Effort { trace_samples: 20, density_starts: 2, density_steps: 40 },
                noise_batches: 2_000,
                noise_batch: 1,
                landscape_points: 15,
                landscape_examples: 10_000,
            },
            Architecture::Mnist => Plan {
                directions: DIRECTIONS,
                learning_rate: 0.01,
                momentum: 0.9,
                weight_decay: 1e-4,
                batch_size: 64,
                steps: 2_000,
                refresh_steps: 2_000,
                hessian_examples: 500,
                hessian_batch: 250,
                effort: Effort { trace_samples: 10, density_starts: 1, density_steps: 30 },
                noise_batches: 2_000,
                noise_batch: 1,
                landscape_points: 9,
                landscape_examples: 1_000,
            },
            // Its loss of a batch depends on the whole batch, so batches are as large as in
            // training everywhere. The eigenvectors of fewer examples are sharp for these alone:
            // few directions, and many examples.
            Architecture::Resnet => Plan {
                directions: 10,
                learning_rate: 0.01,
                momentum: 0.9,
                weight_decay: 5e-4,
                batch_size: 128,
                steps: 2_000,
                refresh_steps: 2_000,
                hessian_examples: 5_120,
                hessian_batch: 128,
                effort: Effort { trace_samples: 10, density_starts: 1, density_steps: 40 },
                noise_batches: 468,
                noise_batch: 128,
                landscape_points: 9,
                landscape_examples: 1_280,
            },
        };
        Ok(Plan {
            learning_rate: arguments.number("learning-rate", plan.learning_rate)?,
            momentum: arguments.number("momentum", plan.momentum)?,
            weight_decay: arguments.number("weight-decay", plan.weight_decay)?,
            batch_size: arguments.number("batch", plan.batch_size)?,
            steps: arguments.number("steps", plan.steps)?,
            directions: arguments.number("directions", plan.directions)?,
            hessian_examples: arguments.number("examples", plan.hessian_examples)?,
            refresh_steps: arguments.number("refresh", plan.refresh_steps)?,
            ..plan
        })
    }
}
