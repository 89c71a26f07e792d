//! A run that is to begin with the first variables: tch lets a program make an optimizer before its
//! network.

use std::path::PathBuf;

use tch::Tensor;

use super::observation::Observation;
use super::options::Options;
use super::parameters::Source;
use crate::error::Result;
use crate::record::Hyperparameters;
use crate::variables::Variable;

/// What is said of the run until it begins.
pub(super) struct Waiting {
    pub options: Options,
    source: Source,
    directory: PathBuf,
    pub step: u64,
    epoch: Option<u64>,
    pub next_loss: Option<f64>,
}

impl Waiting {
    pub fn new(options: Options, source: Source, directory: PathBuf) -> Waiting {
        Waiting { options, source, directory, step: 0, epoch: None, next_loss: None }
    }

    /// The variables there are now: those of the store, else of `list`.
    pub fn find(&self, list: impl FnOnce() -> Vec<Tensor>) -> Vec<Variable> {
        self.source.variables(list)
    }

    pub fn start_epoch(&mut self, epoch: u64) {
        self.epoch = Some(epoch);
        self.options.steps_per_epoch = None;
    }

    pub fn set_hyperparameters(
        &mut self,
        group: Option<usize>,
        change: impl Fn(&mut Hyperparameters),
    ) {
        let Options { hyperparameters, group_hyperparameters, .. } = &mut self.options;
        match group {
            None => {
                change(hyperparameters);
                group_hyperparameters.values_mut().for_each(change);
            }
            Some(group) => change(group_hyperparameters.entry(group).or_insert(*hyperparameters)),
        }
    }

    /// Begins the run from where these variables are.
    pub fn begin(self, found: Vec<Variable>) -> Result<Observation> {
        let mut observation = self.options.begin(self.source, found, &self.directory)?;
        observation.go_on_after(self.step);
        observation.epoch = self.epoch;
        observation.next_loss = self.next_loss;
        Ok(observation)
    }
}
