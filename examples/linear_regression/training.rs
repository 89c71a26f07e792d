//! SGD on the problem, observed.

use std::io::{IsTerminal, Write};
use std::path::Path;

use anyhow::Result;
use perrin::Options;
use perrin::run::Eigenvectors;
use tch::{Device, Kind, Tensor, nn};

use super::problem::Problem;

/// Where a step's images come from.
#[derive(Clone, Copy, PartialEq)]
pub enum Batches {
    /// All of them: no noise.
    Whole,
    /// In a new order each epoch, none twice in one. So the paper trained, and so do we all.
    Epochs(i64),
    /// Each drawn from all: the noises of steps are independent, as the theory has it.
    WithReplacement(i64),
}

/// One training run.
pub struct Training<'a> {
    pub title: &'a str,
    pub batches: Batches,
    pub learning_rate: f64,
    pub momentum: f64,
    pub steps: i64,
}

impl Training<'_> {
    /// Trains from where the weights are, observed along `directions` into a new run folder.
    pub fn run(&self, problem: &Problem, directions: &Eigenvectors, folder: &Path) -> Result<()> {
        let count = problem.count();
        let (batch_size, steps_per_epoch) = match self.batches {
            Batches::Whole => (count, None),
            Batches::Epochs(size) => (size, Some(count / size)),
            Batches::WithReplacement(size) => (size, None),
        };
        let mut options =
            Options::new().batch_size(batch_size as u64).project_onto(directions.clone());
        if let Some(steps) = steps_per_epoch {
            options = options.steps_per_epoch(steps as u64);
        }
        let mut optimizer = options.build(
            nn::sgd(self.momentum, 0., 0., false),
            &problem.variables,
            self.learning_rate,
            folder,
        )?;
        let mut order = Tensor::new();
        for step in 0..self.steps {
            let chosen = match self.batches {
                Batches::Whole => None,
                Batches::Epochs(size) => {
                    let place = step % (count / size);
                    if place == 0 {
                        order = Tensor::randperm(count, (Kind::Int64, Device::Cpu));
                    }
                    Some(order.narrow(0, place * size, size))
                }
                Batches::WithReplacement(size) => {
                    Some(Tensor::randint(count, [size], (Kind::Int64, Device::Cpu)))
                }
            };
            optimizer.backward_step(
                &chosen.map_or_else(|| problem.loss_of_all(), |images| problem.loss(&images)),
            );
            if std::io::stdout().is_terminal() && (step + 1) % (self.steps / 20).max(1) == 0 {
                print!("\r{}: step {} of {}", self.title, step + 1, self.steps);
                std::io::stdout().flush()?;
            }
        }
        optimizer.finish()?;
        let line = if std::io::stdout().is_terminal() { "\r" } else { "" };
        println!(
            "{line}{}: {} steps; loss of all images {:.4}",
            self.title,
            self.steps,
            problem.loss_of_all().double_value(&[])
        );
        Ok(())
    }
}
