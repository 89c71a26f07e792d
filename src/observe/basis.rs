//! The directions that rows are projected on: taking them up, and what their eigenvalues say at
//! once.

use tch::TchError;

use super::directions::Directions;
use super::observation::Observation;
use super::parameters::Parameter;
use super::projection::Projection;
use super::tracker::{Tracker, threads, torch};
use crate::error::{Error, Result};
use crate::record::{EventKind, Hyperparameters, OptimizerInfo, ParameterInfo};
use crate::recorder::Basis;
use crate::run::Eigenvectors;
use crate::theory::parameters::SgdParameters;
use crate::theory::update_rule::UpdateRule;

impl Observation {
    /// See [`Observer::project_onto`](super::Observer::project_onto).
    pub fn project_onto(&mut self, mut eigenvectors: Eigenvectors) -> Result<()> {
        let mut outcome = Ok(());
        self.guarded(|observation| {
            observation.hand_over_block();
            outcome = take_up(&mut observation.tracker, &mut eigenvectors, &observation.directions);
            if outcome.is_ok() {
                observation.begin_basis(eigenvectors);
            } else if observation.tracker.projection().is_none() {
                observation.directions.basis = None;
            }
            Ok(())
        });
        outcome
    }

    /// See [`Observer::follow`](super::Observer::follow).
    pub fn follow<E>(
        &mut self,
        estimate: impl FnOnce(u64) -> std::result::Result<Option<Eigenvectors>, E>,
    ) -> Option<E>
    where
        E: From<Error> + std::fmt::Display,
    {
        if self.recorder.failed() {
            return None;
        }
        let outcome = match estimate(self.step) {
            Ok(Some(found)) => self.project_onto(found).map_err(E::from),
            Ok(None) => return None,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => {
                self.directions.failures = 0;
                None
            }
            Err(error) => {
                self.tell_failure(error.to_string());
                Some(error)
            }
        }
    }

    fn tell_failure(&mut self, reason: String) {
        self.directions.failures += 1;
        let count = self.directions.failures;
        if count.is_power_of_two() {
            tracing::warn!(
                step = self.step,
                count,
                reason,
                "new directions could not be estimated; the last stay"
            );
            self.tell(self.step + 1, EventKind::EstimateFailed { reason, count });
        }
    }

    /// Says in the log that the tracker projects on `eigenvectors` now.
    pub(super) fn begin_basis(&mut self, eigenvectors: Eigenvectors) {
        let basis = self.directions.next;
        self.directions.next += 1;
        self.directions.basis = Some(basis);
        self.notice_stability(&eigenvectors);
        let keep_vectors = self.directions.keep_vectors;
        self.recorder.basis(Basis { number: basis, step: self.step, eigenvectors, keep_vectors });
        if self.step > 0 {
            self.tell(self.step + 1, EventKind::BasisChanged { basis });
        }
    }

    fn notice_stability(&mut self, eigenvectors: &Eigenvectors) {
        let eigenvalues = eigenvectors.eigenvalues.iter().copied().filter(|value| !value.is_nan());
        let Some(largest) =
            eigenvalues.reduce(f64::max).map(|largest| largest - eigenvectors.weight_decay)
        else {
            return;
        };
        let Some((limit, weight_decay)) =
            stability_limit(self.directions.rule, &self.settings.hyperparameters)
        else {
            return;
        };
        let sharpness = largest + weight_decay;
        let unstable = sharpness > limit;
        if unstable != self.directions.unstable {
            self.directions.unstable = unstable;
            self.tell(self.step + 1, EventKind::StabilityCrossed { sharpness, limit, unstable });
        }
    }
}

impl Tracker {
    /// Projects on these directions from now on; positions count from the reference point. The
    /// block of the directions before must be finished.
    ///
    /// # Errors
    /// As [`Projection::check`]. The directions before then stay in force; after [`Error::Torch`]
    /// there are none.
    pub fn project_onto(&mut self, directions: &Eigenvectors, memory_bytes: usize) -> Result<()> {
        let of = &self.parameters[..directions.parameters.len().min(self.parameters.len())];
        let elements = of.iter().map(|parameter| parameter.tensor.numel()).sum();
        Projection::check(&directions.eigenvectors, elements)?;
        // The directions before go first: each set is K times as large as the parameters.
        let correction = self.projection.take().and_then(|before| before.largest_correction());
        let mut projection = Projection::new(&directions.eigenvectors, elements, memory_bytes);
        projection.remember(correction);
        self.arrange(&mut projection).map_err(torch("copy the directions"))?;
        projection.begin_at(self.host.distance());
        self.projection = Some(projection);
        Ok(())
    }

    pub fn projection(&self) -> Option<&Projection> {
        self.projection.as_ref()
    }

    /// Finishes the projection's block and hands over what was projected, row by row: positions,
    /// then displacements.
    pub fn finish_projection(&mut self, projected: &mut Vec<f64>) {
        if let Some(projection) = &mut self.projection {
            projection.finish(threads(), &mut self.projected);
            projection.anchor_if_due(self.host.distance());
            projected.append(&mut self.projected);
        }
    }

    /// Tells the projection, and the groups of the other parameters, which elements are whose.
    pub(super) fn arrange(
        &mut self,
        projection: &mut Projection,
    ) -> std::result::Result<(), TchError> {
        let mut end = 0;
        let ranges: Vec<_> = self
            .parameters
            .iter()
            .map(|parameter| {
                let start = end;
                end += parameter.tensor.numel();
                start..end
            })
            .collect();
        projection.arrange(
            &self.host_members.iter().map(|member| ranges[*member].clone()).collect::<Vec<_>>(),
        );
        self.device.project_onto(|parameter| projection.part(ranges[parameter].clone()))
    }
}

/// Lets `tracker` project on them, if they are of its parameters.
pub(super) fn take_up(
    tracker: &mut Tracker,
    eigenvectors: &mut Eigenvectors,
    directions: &Directions,
) -> Result<()> {
    let count = eigenvectors.eigenvectors.len();
    if count != directions.count {
        let expected = format!("[{}], as the run was begun with", directions.count);
        return Err(Error::ShapeMismatch {
            name: "directions to project on",
            found: format!("[{count}]"),
            expected,
        });
    }
    let observed = tracker.info();
    if eigenvectors.parameters.is_empty() {
        eigenvectors.parameters = observed;
    } else {
        check_parameters(
            &eigenvectors.parameters,
            &tracker.parameters,
            directions.first_parameters,
        )?;
        // Under the names that the run has for them.
        let names = observed.into_iter().map(|parameter| parameter.name);
        eigenvectors.parameters.iter_mut().zip(names).for_each(|(given, name)| given.name = name);
    }
    eigenvectors.check()?;
    eigenvectors.check_summary()?;
    tracker.project_onto(eigenvectors, directions.memory_bytes)
}

/// Whether the directions are of the first of the observed parameters: all the run began with, and
/// not necessarily those that have joined since.
fn check_parameters(
    given: &[ParameterInfo],
    observed: &[Parameter],
    first_parameters: usize,
) -> Result<()> {
    let fits = |given: &ParameterInfo, observed: &Parameter| {
        observed.is_called(&given.name) && observed.tensor.size() == given.shape
    };
    let reason = match given.iter().zip(observed).find(|(given, observed)| !fits(given, observed)) {
        Some((given, observed)) => format!(
            "they have `{}` {:?} where `{}` {:?} is observed",
            given.name,
            given.shape,
            observed.name,
            observed.tensor.size()
        ),
        None if given.len() < first_parameters || given.len() > observed.len() => {
            format!("they have {}, {} are observed", given.len(), observed.len())
        }
        None => return Ok(()),
    };
    Err(Error::Parameters {
        reason: format!("the directions to project on are of other parameters: {reason}"),
    })
}

/// The rule of a known optimizer to which a limit of stability belongs.
pub(super) fn update_rule(optimizer: &OptimizerInfo) -> Option<UpdateRule> {
    let dampening = optimizer.dampening.unwrap_or(0.0);
    let rule = UpdateRule { dampening, nesterov: optimizer.nesterov.unwrap_or(false) };
    (optimizer.name.as_deref() == Some("sgd")).then_some(rule)
}

/// The largest stable rho + lambda, and lambda; none where it is not known or differs between
/// parameter groups.
fn stability_limit(rule: Option<UpdateRule>, groups: &[Hyperparameters]) -> Option<(f64, f64)> {
    let first = groups.first().filter(|first| groups.iter().all(|group| group == *first))?;
    let parameters = SgdParameters {
        learning_rate: first.learning_rate?,
        momentum: first.momentum?,
        weight_decay: first.weight_decay?,
        batch_size: 1.0,
        noise_scale: 0.0,
    };
    rule?.curvature_limit(&parameters).ok().map(|limit| (limit, parameters.weight_decay))
}
