//! A network with its data: what an example trains and whose curvature it measures.

#![allow(dead_code)] // Each example uses a part of it.

use std::path::Path;

use anyhow::{Context, Result};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::nn::{ModuleT, SequentialT, VarStore};
use tch::{Device, Tensor, no_grad};

use crate::datasets::{self, Images};
use crate::networks::Architecture;

/// Examples in a forward pass where the batch does not matter: fast, and small enough for a graph
/// of double backward.
const CHUNK: i64 = 1_000;

/// A network with its data.
pub struct Problem {
    pub variables: VarStore,
    network: SequentialT,
    /// Normalised.
    pub train: Images,
    /// Normalised.
    pub test: Images,
}

/// Mean cross-entropy and share of right answers.
pub struct Quality {
    pub loss: f64,
    pub accuracy: f64,
}

impl Problem {
    /// With untrained weights. Seed libtorch before.
    pub fn new(architecture: Architecture, data: Option<&Path>) -> Result<Problem> {
        let data = datasets::load_gray(data, architecture.standard_data())?;
        let (mean, deviation) = architecture.pixel_moments();
        let normalised = |part: Images| Images { images: (part.images - mean) / deviation, ..part };
        Ok(Problem::of(architecture, normalised(data.train), normalised(data.test)))
    }

    fn of(architecture: Architecture, train: Images, test: Images) -> Problem {
        let variables = VarStore::new(Device::Cpu);
        let network = architecture.build(&variables.root());
        Problem { variables, network, train, test }
    }

    /// With trained weights.
    pub fn trained(
        architecture: Architecture,
        data: Option<&Path>,
        weights: &Path,
    ) -> Result<Problem> {
        let mut problem = Problem::new(architecture, data)?;
        problem.load(weights)?;
        Ok(problem)
    }

    pub fn load(&mut self, weights: &Path) -> Result<()> {
        self.variables
            .load(weights)
            .with_context(|| format!("{} does not hold this network's weights", weights.display()))
    }

    /// Another network of the same kind on the same data, for another thread; its weights are to be
    /// loaded.
    pub fn another(&self, architecture: Architecture) -> Problem {
        let shared = |part: &Images| Images {
            images: part.images.shallow_clone(),
            labels: part.labels.shallow_clone(),
        };
        Problem::of(architecture, shared(&self.train), shared(&self.test))
    }

    /// Mean cross-entropy of some of `part`'s examples, by their numbers; in training mode or in
    /// that of evaluation.
    pub fn loss(&self, part: &Images, examples: &Tensor, train_mode: bool) -> Tensor {
        let logits = self.network.forward_t(&part.images.index_select(0, examples), train_mode);
        logits.cross_entropy_for_logits(&part.labels.index_select(0, examples))
    }

    /// Over all of `images`, in evaluation mode.
    pub fn quality(&self, images: &Images) -> Quality {
        let count = images.labels.size()[0];
        let (mut loss, mut right) = (0., 0.);
        for start in (0..count).step_by(CHUNK as usize) {
            let size = CHUNK.min(count - start);
            let labels = images.labels.narrow(0, start, size);
            let logits =
                no_grad(|| self.network.forward_t(&images.images.narrow(0, start, size), false));
            loss += size as f64 * logits.cross_entropy_for_logits(&labels).double_value(&[]);
            right += size as f64 * logits.accuracy_for_logits(&labels).double_value(&[]);
        }
        Quality { loss: loss / count as f64, accuracy: right / count as f64 }
    }

    pub fn parameters(&self) -> usize {
        self.variables.trainable_variables().iter().map(Tensor::numel).sum()
    }
}

/// Mini-batches of a training set, from a seed. A new order each epoch, without what is left over,
/// so that all have one size.
pub struct Batches {
    random: ChaCha8Rng,
    order: Vec<i64>,
    size: usize,
    next: usize,
    with_replacement: bool,
}

impl Batches {
    pub fn new(examples: i64, size: usize, seed: u64) -> Batches {
        Batches {
            random: ChaCha8Rng::seed_from_u64(seed),
            order: (0..examples).collect(),
            size,
            // Past the end: the first batch begins an epoch.
            next: usize::MAX,
            with_replacement: false,
        }
    }

    /// Draws each batch from all examples, as the theory has it (assumption 1), and not from those
    /// the epoch has left.
    pub fn with_replacement(mut self) -> Batches {
        self.with_replacement = true;
        self
    }

    pub fn steps_per_epoch(&self) -> u64 {
        (self.order.len() / self.size) as u64
    }

    /// The numbers of the next batch's examples.
    pub fn next(&mut self) -> Tensor {
        if self.with_replacement {
            let count = self.order.len() as i64;
            let drawn: Vec<i64> =
                (0..self.size).map(|_| self.random.random_range(0..count)).collect();
            return Tensor::from_slice(&drawn);
        }
        if self.next >= self.order.len() / self.size {
            self.order.shuffle(&mut self.random);
            self.next = 0;
        }
        let start = self.next * self.size;
        self.next += 1;
        Tensor::from_slice(&self.order[start..start + self.size])
    }
}
