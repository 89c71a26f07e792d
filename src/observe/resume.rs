//! Taking up a run again: what was not said anew is as it was.

use std::path::Path;

use tch::{Kind, Tensor};

use super::basis::{Directions, take_up};
use super::options::Options;
use super::settings::{Settings, later_groups};
use super::tracker::{Tracker, torch};
use crate::error::{Error, Result};
use crate::log::{ReferenceTensor, Resumed, Run};
use crate::record::Hyperparameters;

impl Options {
    /// Takes from the run to be resumed what its rows need and was not said.
    pub(super) fn fill_in_from_run(&mut self, directory: &Path) -> Result<()> {
        if self.resume.is_none() {
            return Ok(());
        }
        if !self.reference.is_empty() {
            let reason = "a run that is resumed has its reference point already: leave it out".to_owned();
            return Err(Error::Parameters { reason });
        }
        let run = Run::open(directory)?;
        let info = run.info();
        self.every_steps = self.every_steps.or(Some(info.every_steps));
        self.steps_per_epoch = self.steps_per_epoch.or(info.steps_per_epoch);
        self.batch_size = self.batch_size.or(info.batch_size);
        if self.directions == 0 {
            self.directions = info.layout.directions;
        }
        Ok(())
    }
}

/// Measures from the run's reference point, and projects on the directions that were in force.
pub(super) fn restore(
    resumed: &Resumed,
    directory: &Path,
    tracker: &mut Tracker,
    directions: &mut Directions,
    settings: &mut Settings,
) -> Result<()> {
    let tensors = resumed.reference.tensors().map(|tensor| Ok((tensor.name.to_owned(), tensor_of(&tensor)?)));
    tracker.measure_from(tensors.collect::<Result<_>>()?)?;

    let run = Run::open(directory)?;
    directions.next = run.bases()?.end;
    let in_force = run.curvature()?.iter().filter(|row| row.step <= resumed.step).map(|row| row.basis).max();
    if let Some(basis) = in_force
        && let Ok(mut eigenvectors) = run.eigenvectors(basis)
    {
        take_up(tracker, &mut eigenvectors, directions)?;
        directions.basis = Some(basis);
    }

    for (now, before) in settings.hyperparameters.iter_mut().zip(&resumed.hyperparameters) {
        *now = Hyperparameters {
            learning_rate: now.learning_rate.or(before.learning_rate),
            momentum: now.momentum.or(before.momentum),
            weight_decay: now.weight_decay.or(before.weight_decay),
        };
    }
    settings.groups = later_groups(&settings.hyperparameters);
    Ok(())
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
