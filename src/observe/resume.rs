//! Taking up a run again: what was not said anew is as it was.

use std::path::Path;

use tch::{Kind, Tensor};

use super::basis::{Directions, take_up};
use super::options::Options;
use super::settings::{Settings, later_groups};
use super::tracker::{Tracker, torch};
use crate::error::{Error, Result};
use crate::log::eigenvectors::Eigenvectors;
use crate::log::{ReferenceTensor, Resumed, Run, kept_before};
use crate::record::{EventKind, Hyperparameters};

/// What is read of a run before it is taken up again: whatever cannot be read is told before anything is changed.
pub(super) struct Past {
    run: Run,
    next_basis: u64,
    unstable: bool,
}

impl Options {
    /// Takes from the run to be resumed what its rows need and was not said.
    pub(super) fn fill_in_from_run(&mut self, directory: &Path) -> Result<Option<Past>> {
        if self.resume.is_none() {
            return Ok(None);
        }
        if !self.reference.is_empty() {
            let reason = "a run that is resumed has its reference point already: leave it out".to_owned();
            return Err(Error::Parameters { reason });
        }
        let run = Run::open(directory)?;
        self.every_steps = self.every_steps.or(Some(run.info().every_steps));
        if self.directions == 0 {
            self.directions = run.info().layout.directions;
        }
        let events = run.events()?;
        let first_discarded = self.resume.and_then(|from| from.step).map_or(u64::MAX, |step| step.saturating_add(1));
        let crossings = kept_before(&events, first_discarded).filter_map(|event| match event.kind {
            EventKind::StabilityCrossed { unstable, .. } => Some(unstable),
            _ => None,
        });
        let unstable = crossings.last().unwrap_or(false);
        Ok(Some(Past { next_basis: run.bases()?.end, unstable, run }))
    }
}

impl Past {
    /// Calls tied parameters what the run calls them: it may have begun when they had fewer names.
    pub fn restore_names(&self, tracker: &mut Tracker) {
        for (parameter, before) in tracker.parameters.iter_mut().zip(&self.run.info().parameters) {
            parameter.go_by(&before.name);
        }
    }

    /// Measures from the run's reference point; what was not said is as it was at its last row.
    pub fn restore(&self, resumed: &Resumed, tracker: &mut Tracker, settings: &mut Settings) -> Result<()> {
        let tensors = resumed.reference.tensors().map(|tensor| Ok((tensor.name.to_owned(), tensor_of(&tensor)?)));
        tracker.measure_from(tensors.collect::<Result<_>>()?)?;

        for (now, before) in settings.hyperparameters.iter_mut().zip(&resumed.hyperparameters) {
            *now = Hyperparameters {
                learning_rate: now.learning_rate.or(before.learning_rate),
                momentum: now.momentum.or(before.momentum),
                weight_decay: now.weight_decay.or(before.weight_decay),
            };
        }
        settings.groups = later_groups(&settings.hyperparameters);
        let info = self.run.info();
        let last_row = resumed.last_row;
        let batch_size = || last_row.map_or(info.batch_size, |row| row.batch_size);
        settings.batch_size = settings.batch_size.or_else(batch_size);
        // Rows whose epochs are not those of so many steps were counted by `start_epoch`.
        let counted = |steps: &u64| last_row.is_none_or(|row| row.epoch == Some((row.step - 1) / steps + 1));
        settings.steps_per_epoch = settings.steps_per_epoch.or(info.steps_per_epoch.filter(counted));
        Ok(())
    }

    /// Projects on the directions of the last row, unless there are others now. Where they were not kept, cannot be read
    /// or are of other parameters, the run goes on without, until it is given some.
    pub fn restore_directions(
        &self,
        resumed: &Resumed,
        given: Option<&mut Eigenvectors>,
        tracker: &mut Tracker,
        directions: &mut Directions,
    ) -> Result<()> {
        directions.next = self.next_basis;
        directions.unstable = self.unstable;
        if let Some(given) = given {
            // Anew, because positions count from the run's reference point.
            return take_up(tracker, given, directions);
        }
        let Some(basis) = resumed.last_row.and_then(|row| row.basis) else { return Ok(()) };
        let taken = self.run.eigenvectors(basis).and_then(|mut found| take_up(tracker, &mut found, directions));
        match taken {
            Ok(()) => directions.basis = Some(basis),
            Err(error) => {
                tracing::warn!(run = %self.run.path().display(), %error, "resumed without directions");
            }
        }
        Ok(())
    }
}

fn tensor_of(tensor: &ReferenceTensor) -> Result<Tensor> {
    let kind = kind_of(tensor.kind);
    let shape: Vec<i64> = tensor.shape.iter().map(|extent| *extent as i64).collect();
    Tensor::f_from_data_size(&tensor.bytes, &shape, kind).map_err(torch("read the reference point"))
}

/// The element kinds that a log knows.
pub(super) fn kind_of(name: &str) -> Kind {
    match name {
        "f64" => Kind::Double,
        "bf16" => Kind::BFloat16,
        "f16" => Kind::Half,
        _ => Kind::Float,
    }
}
