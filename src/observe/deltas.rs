//! Whole displacements of chosen parameters, every so many steps.

use tch::{Kind, TchError, Tensor, no_grad};

use super::observation::Observation;
use super::tracker::Tracker;
use crate::error::{Error, Result};
use crate::run::FullDelta;

impl Observation {
    /// Takes the step's whole displacement, where it is wanted; before the step is measured.
    pub(super) fn tap_delta(&mut self) -> Result<()> {
        let Some(tap) =
            self.deltas.as_mut().filter(|tap| self.step.is_multiple_of(tap.choice.every_steps))
        else {
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
    /// theta - previous and theta - theta_* of some parameters, one after the other. Waits for
    /// their device.
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
