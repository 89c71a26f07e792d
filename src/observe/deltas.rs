//! Whole displacements of chosen parameters, every so many steps.

use std::path::Path;

use tch::{Kind, TchError, Tensor, no_grad};

use super::observation::Observation;
use super::parameters::Filter;
use super::tracker::Tracker;
use crate::error::{Error, Result};
use crate::record::ParameterInfo;
use crate::recorder::{DeltaRecorder, QueuePolicy};
use crate::run::{DeltaWriter, FullDelta};

/// Memory for deltas that wait for the disk; two may wait however large they are.
const WAITING_BYTES: usize = 256 << 20;

/// What was asked for.
pub(super) struct DeltaOptions {
    pub every_steps: u64,
    pub wanted: Filter,
}

/// The parameters it is of.
pub(super) struct DeltaChoice {
    every_steps: u64,
    members: Vec<usize>,
}

/// Where they go.
pub(super) struct DeltaTap {
    choice: DeltaChoice,
    pub recorder: DeltaRecorder,
}

impl DeltaOptions {
    /// # Errors
    /// [`Error::InvalidValue`] for steps that make no row, [`Error::Parameters`] if nothing is chosen.
    pub fn choose(&self, parameters: &[ParameterInfo], steps_between_rows: u64) -> Result<DeltaChoice> {
        let every_steps = self.every_steps;
        if every_steps == 0 || !every_steps.is_multiple_of(steps_between_rows) {
            let requirement = "a multiple of the steps from row to row";
            return Err(Error::InvalidValue { name: "steps between deltas", value: every_steps as f64, requirement });
        }
        let chosen = |member: &usize| (self.wanted)(&parameters[*member].name);
        let members: Vec<usize> = (0..parameters.len()).filter(chosen).collect();
        if members.is_empty() {
            let names = parameters.iter().map(|parameter| parameter.name.as_str()).collect::<Vec<_>>().join(", ");
            let reason = format!("no parameter was chosen whose displacements to keep; observed: {names}");
            return Err(Error::Parameters { reason });
        }
        let shapes = members.iter().map(|member| &parameters[*member].shape);
        let elements = shapes.map(|shape| shape.iter().product::<i64>()).sum::<i64>();
        if elements > i64::from(i32::MAX) {
            let requirement = "below 2^31: choose fewer parameters";
            return Err(Error::InvalidValue { name: "elements of a delta", value: elements as f64, requirement });
        }
        Ok(DeltaChoice { every_steps, members })
    }
}

impl DeltaChoice {
    /// Whether a run that is to be resumed kept those of the same parameters, if any.
    ///
    /// # Errors
    /// [`Error::ResumeMismatch`].
    pub fn check(&self, directory: &Path, parameters: &[ParameterInfo]) -> Result<()> {
        DeltaWriter::check(directory, &self.of(parameters))
    }

    fn of(&self, parameters: &[ParameterInfo]) -> Vec<ParameterInfo> {
        self.members.iter().map(|member| parameters[*member].clone()).collect()
    }

    pub fn start(self, directory: &Path, parameters: &[ParameterInfo], policy: QueuePolicy) -> Result<DeltaTap> {
        let chosen = self.of(parameters);
        let elements: i64 = chosen.iter().map(|parameter| parameter.shape.iter().product::<i64>()).sum();
        let capacity = (WAITING_BYTES / (8 * elements.max(1) as usize)).clamp(2, 4_096);
        let recorder = DeltaRecorder::start(DeltaWriter::create(directory, &chosen)?, directory, policy, capacity)?;
        Ok(DeltaTap { choice: self, recorder })
    }
}

impl Observation {
    /// Takes the step's whole displacement, where it is wanted; before the step is measured.
    pub(super) fn tap_delta(&mut self) -> Result<()> {
        let Some(tap) = self.deltas.as_mut().filter(|tap| self.step.is_multiple_of(tap.choice.every_steps)) else {
            return Ok(());
        };
        if tap.recorder.failed() {
            return Ok(());
        }
        let (delta, displacement) = self.tracker.displacement_of(&tap.choice.members)?;
        let learning_rate = self.settings.one_learning_rate();
        tap.recorder.delta(FullDelta { step: self.step, learning_rate, delta, displacement });
        Ok(())
    }
}

impl Tracker {
    /// theta - previous and theta - theta_* of some parameters, one after the other. Waits for their device.
    fn displacement_of(&self, members: &[usize]) -> Result<(Vec<f32>, Vec<f32>)> {
        let read = || -> std::result::Result<_, TchError> {
            let (mut delta, mut displacement) = (Vec::new(), Vec::new());
            for &member in members {
                let (theta, previous, reference) = self.state_of(member);
                for (values, from) in [(&mut delta, previous), (&mut displacement, reference)] {
                    values.extend(difference(theta, &from)?);
                }
            }
            Ok((delta, displacement))
        };
        no_grad(read).map_err(|source| Error::Torch { action: "copy whole displacements", source })
    }
}

fn difference(theta: &Tensor, from: &Tensor) -> std::result::Result<Vec<f32>, TchError> {
    let theta = theta.f_detach()?.f_reshape([-1])?.f_to_kind(from.kind())?;
    let from = from.f_reshape([-1])?.f_to_device(theta.device())?;
    Vec::try_from(&theta.f_sub(&from)?.f_to_device(tch::Device::Cpu)?.f_to_kind(Kind::Float)?)
}
