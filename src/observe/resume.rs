//! Taking up a run again: what was not said anew is as it was.

use std::path::Path;

use tch::{Kind, TchError, Tensor};

use super::basis::take_up;
use super::directions::Directions;
use super::options::Options;
use super::settings::{Settings, later_groups};
use super::tracker::{Tracker, torch};
use crate::error::{Error, Result};
use crate::record::{EventKind, Hyperparameters};
use crate::run::Eigenvectors;
use crate::run::{ReferenceTensor, Resumed, Run, joined, kept_before};
use crate::variables::{Variable, unfit};

/// What is read of a run before it is taken up again: whatever cannot be read is told before
/// anything is changed.
pub(super) struct Past {
    run: Run,
    next_basis: u64,
    unstable: bool,
    /// Names of the parameters that ever were the run's: those of `run.json`, then those that
    /// joined, in their order.
    names: Vec<String>,
    /// Variables that could not be observed when they joined, and why.
    not_observed: Vec<(String, String)>,
    /// Those of them that were told before a step that the run still has.
    told: Vec<(String, String)>,
}

fn not_observed<'a>(kinds: impl IntoIterator<Item = &'a EventKind>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for kind in kinds {
        if let EventKind::ParametersNotObserved { parameters, reason } = kind {
            found.extend(parameters.iter().map(|name| (name.clone(), reason.clone())));
        }
    }
    found
}

impl Options {
    /// Takes from the run to be resumed what its rows need and was not said.
    pub(super) fn fill_in_from_run(&mut self, directory: &Path) -> Result<Option<Past>> {
        if self.resume.is_none() {
            return Ok(None);
        }
        if !self.reference.is_empty() {
            let reason =
                "a run that is resumed has its reference point already: leave it out".to_owned();
            return Err(Error::Parameters { reason });
        }
        let run = Run::open(directory)?;
        self.every_steps = self.every_steps.or(Some(run.info().every_steps));
        if self.directions == 0 {
            self.directions = run.info().layout.directions;
        }
        let events = run.events()?;
        let first = run.info().parameters.iter().map(|parameter| parameter.name.clone());
        let names = first.chain(joined(&events).into_iter().map(|joined| joined.name)).collect();
        let first_discarded =
            self.resume.and_then(|from| from.step).map_or(u64::MAX, |step| step.saturating_add(1));
        let kept: Vec<_> =
            kept_before(&events, first_discarded).map(|event| event.kind.clone()).collect();
        let mut crossings = kept.iter().filter_map(|kind| match kind {
            EventKind::StabilityCrossed { unstable, .. } => Some(*unstable),
            _ => None,
        });
        let unstable = crossings.next_back().unwrap_or(false);
        let told = not_observed(&kept);
        let not_observed = not_observed(events.iter().map(|event| &event.kind));
        Ok(Some(Past { next_basis: run.bases()?.end, unstable, names, not_observed, told, run }))
    }
}

impl Past {
    /// Puts variables into the order of the run: what joined it comes last, wherever in the network
    /// it is. Those that could not be observed when they joined are passed over again; gives back
    /// those that the run does not tell of, and why.
    pub fn arrange(&self, found: &mut Vec<Variable>) -> Vec<(String, String)> {
        let number =
            |variable: &Variable| self.names.iter().position(|name| variable.is_called(name));
        let among = |all: &[(String, String)], variable: &Variable| {
            all.iter().find(|(name, _)| variable.is_called(name)).map(|(_, reason)| reason.clone())
        };
        let mut untold = Vec::new();
        found.retain(|variable| {
            let why_not = || unfit(&variable.tensor).filter(|_| number(variable).is_none());
            let Some(reason) = among(&self.not_observed, variable).or_else(why_not) else {
                return true;
            };
            if among(&self.told, variable).is_none() {
                untold.push((variable.name.clone(), reason));
            }
            false
        });
        found.sort_by_cached_key(|variable| number(variable).unwrap_or(usize::MAX));
        untold
    }

    /// Whether it joined after the run had begun: then its group may have no columns.
    pub fn has_joined(&self, variable: &Variable) -> bool {
        self.names[self.count_first_parameters()..].iter().any(|name| variable.is_called(name))
    }

    /// Parameters that the run began with.
    pub fn count_first_parameters(&self) -> usize {
        self.run.info().parameters.len()
    }

    /// Calls tied parameters what the run calls them: it may have begun when they had fewer names.
    pub fn restore_names(&self, tracker: &mut Tracker) {
        for parameter in &mut tracker.parameters {
            if let Some(name) = self.names.iter().find(|name| parameter.is_called(name)) {
                parameter.go_by(name);
            }
        }
    }

    /// Measures from the run's reference point; what was not said is as it was at its last row.
    pub fn restore(
        &self,
        resumed: &Resumed,
        tracker: &mut Tracker,
        settings: &mut Settings,
    ) -> Result<()> {
        let tensors = resumed
            .reference
            .tensors()
            .map(|tensor| Ok((tensor.name.to_owned(), tensor_of(&tensor)?)));
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
        let counted =
            |steps: &u64| last_row.is_none_or(|row| row.epoch == Some((row.step - 1) / steps + 1));
        settings.steps_per_epoch =
            settings.steps_per_epoch.or(info.steps_per_epoch.filter(counted));
        Ok(())
    }

    /// Projects on the directions of the last row, unless there are others now. Where they were not
    /// kept, cannot be read or are of other parameters, the run goes on without, until it is given
    /// some.
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
        let taken = self
            .run
            .eigenvectors(basis)
            .and_then(|mut found| take_up(tracker, &mut found, directions));
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

/// Elements in memory order, in the parameter's own kind: what is measured from has been rounded to
/// it.
pub(super) fn bytes_of(tensor: &Tensor, kind: &str) -> std::result::Result<Vec<u8>, TchError> {
    let kind = kind_of(kind);
    let tensor = tensor.f_to_device(tch::Device::Cpu)?.f_to_kind(kind)?.f_contiguous()?;
    let mut bytes = vec![0; tensor.numel() * kind.elt_size_in_bytes()];
    tensor.f_copy_data_u8(&mut bytes, tensor.numel())?;
    Ok(bytes)
}
