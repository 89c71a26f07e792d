//! From options to a running observer: everything is checked before the run folder is made.

use std::borrow::Cow;
use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use tch::{TchError, Tensor};

use super::basis::{take_up, update_rule};
use super::completion::complete;
use super::directions::Directions;
use super::observation::Observation;
use super::observer::Observer;
use super::options::Options;
use super::outside::OutsideWrites;
use super::parameters::{Source, warn_of_tied};
use super::projection::DEFAULT_MEMORY_BYTES;
use super::resume::{Past, bytes_of};
use super::settings::{Settings, later_groups};
use super::tracker::Tracker;
use super::waiting::Waiting;
use crate::error::{Error, Result};
use crate::record::{Hyperparameters, Layout, RunInfo};
use crate::recorder::{Block, Clock, Recorder};
use crate::run::{ReferenceTensor, Run, RunWriter};
use crate::variables::{self, Variable};

impl Options {
    /// Observes the variables of `source`, else of `list`; where there are none yet, from the first
    /// ones on.
    pub(super) fn start(
        self,
        source: Source,
        list: Vec<Tensor>,
        directory: &Path,
    ) -> Result<Observer> {
        if self.unobserved {
            return Ok(Observer::unobserved(self.resume.and_then(|from| from.step).unwrap_or(0)));
        }
        let found = source.variables(|| list);
        if !found.is_empty() || self.resume.is_some() {
            return self.begin(source, found, directory).map(Observer::observing);
        }
        match Run::open(directory) {
            Err(Error::NoSuchRun { .. }) => {
                Ok(Observer::waiting(Waiting::new(self, source, directory.to_owned())))
            }
            Err(error) => Err(error),
            Ok(_) => Err(Error::RunExists { path: directory.to_owned() }),
        }
    }

    /// Begins the run, or takes it up again, with the variables `found` in `source`.
    pub(super) fn begin(
        mut self,
        source: Source,
        mut found: Vec<Variable>,
        directory: &Path,
    ) -> Result<Observation> {
        let past = self.fill_in_from_run(directory)?;
        let positive = |name, value: Option<u64>| match value {
            Some(0) => Err(Error::InvalidValue { name, value: 0.0, requirement: "at least 1" }),
            other => Ok(other),
        };
        let every_steps = positive("every_steps", self.every_steps)?.unwrap_or(1);
        let steps_per_epoch = positive("steps_per_epoch", self.steps_per_epoch)?;
        let store = match source {
            Source::Store(store) => Some(store),
            Source::List => None,
        };
        let known_variables = variables::entries(&found);
        warn_of_tied(&found);
        let passed_over = past.as_ref().map(|past| past.arrange(&mut found)).unwrap_or_default();
        let is_first =
            |variable: &&Variable| past.as_ref().is_none_or(|past| !past.has_joined(variable));
        let parameter_groups = groups_of(found.iter().filter(is_first));
        let mut tracker = Tracker::new(found, self.filter, self.reference)?;
        if let Some(past) = &past {
            past.restore_names(&mut tracker);
        }
        let first_parameters =
            past.as_ref().map_or(tracker.parameters.len(), Past::count_first_parameters);
        let mut directions = Directions {
            count: self.directions,
            first_parameters,
            basis: None,
            next: 0,
            keep_vectors: !self.forget_vectors,
            memory_bytes: self.projection_memory_bytes.unwrap_or(DEFAULT_MEMORY_BYTES),
            rule: update_rule(&self.optimizer),
            unstable: false,
            failures: 0,
        };
        let of_group =
            |group| self.group_hyperparameters.get(&group).copied().unwrap_or(self.hyperparameters);
        let hyperparameters: Vec<Hyperparameters> = (0..parameter_groups).map(of_group).collect();
        let info = RunInfo {
            optimizer: self.optimizer,
            hyperparameters: hyperparameters.clone(),
            batch_size: self.batch_size,
            every_steps,
            steps_per_epoch,
            layout: Layout { parameter_groups, directions: directions.count },
            parameters: tracker.info(),
            ..RunInfo::default()
        };
        let deltas = match self.deltas {
            // Of those of the beginning, whatever has joined since.
            Some(options) => {
                let first = first_parameters.min(info.parameters.len());
                Some(options.choose(&info.parameters[..first], every_steps)?)
            }
            None => None,
        };
        let mut settings = Settings {
            groups: later_groups(&hyperparameters),
            hyperparameters,
            batch_size: self.batch_size,
            steps_per_epoch,
            every_steps,
            gradient_norm: self.gradient_norm,
        };
        let mut projected = self.projected;
        if let Some(eigenvectors) = &mut projected {
            take_up(&mut tracker, eigenvectors, &directions)?;
        }
        let (writer, resumed) = match (self.resume, past) {
            (Some(from), Some(past)) => {
                if let Some(chosen) = &deltas {
                    chosen.check(directory, &info.parameters)?;
                }
                let (writer, resumed) = RunWriter::resume(directory, &info, from)?;
                past.restore(&resumed, &mut tracker, &mut settings)?;
                past.restore_directions(
                    &resumed,
                    projected.as_mut(),
                    &mut tracker,
                    &mut directions,
                )?;
                (writer, Some(resumed))
            }
            _ => (create_writer(directory, &info, &tracker)?, None),
        };
        let deltas = match deltas {
            Some(chosen) => Some(chosen.start(directory, &info.parameters, self.queue.policy)?),
            None => None,
        };
        let clock =
            resumed.as_ref().map_or_else(Clock::start, |resumed| Clock::resume(resumed.elapsed));
        #[cfg(feature = "metrics")]
        let writer = crate::recorder::metrics::MetricsSink::new(writer, directory);
        let recorder = Recorder::start(writer, directory, clock, self.queue, complete)?;
        let mut observation = Observation {
            tracker,
            recorder,
            block: Block::default(),
            settings,
            store,
            known_variables,
            step: 0,
            epoch: resumed.as_ref().and_then(|resumed| resumed.last_row).and_then(|row| row.epoch),
            next_loss: None,
            outside: OutsideWrites::default(),
            directions,
            deltas,
            clock,
            spent: Cell::new(Duration::ZERO),
            gradient_norms: Cell::new(None),
        };
        if let Some(resumed) = &resumed {
            observation.go_on_after(resumed.step);
            let count = observation.tracker.parameters.len();
            observation.tell_joined(count - resumed.joining.len()..count)?;
            observation.tell_passed_over(passed_over);
        }
        if let Some(eigenvectors) = projected {
            observation.begin_basis(eigenvectors);
        }
        Ok(observation)
    }
}

/// Parameter groups are numbered from 0; a list does not tell, and has the one.
fn groups_of<'a>(found: impl Iterator<Item = &'a Variable>) -> usize {
    found.filter_map(|variable| variable.last_group).max().map_or(1, |last| last + 1)
}

fn create_writer(directory: &Path, info: &RunInfo, tracker: &Tracker) -> Result<RunWriter> {
    let reference = tracker.reference();
    let tensors = info.parameters.iter().zip(&reference).map(|(parameter, (_, tensor))| {
        Ok(ReferenceTensor {
            name: &parameter.name,
            kind: &parameter.kind,
            shape: parameter.shape.iter().map(|size| *size as usize).collect(),
            bytes: Cow::Owned(bytes_of(tensor, &parameter.kind)?),
        })
    });
    let tensors = tensors.collect::<std::result::Result<Vec<_>, TchError>>();
    let tensors =
        tensors.map_err(|source| Error::Torch { action: "copy the reference point", source })?;
    RunWriter::create(directory, info, tensors)
}
