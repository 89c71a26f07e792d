//! How a run moves along its directions, one mode at a time: oscillation, isotropy, equipartition, currents, noise.
//!
//! Along an eigenvector of the Hessian SGD with momentum is a linear recursion in position and velocity, both of which
//! the log has. One file a question; `docs/modes.md` has the formulas, how each interval is made, and measured coverages.
//!
//! Rows of different settings or bases are not mixed: the longest stretch of the same is fitted. A mode's two columns
//! are read at a time, two modes side by side, so that memory is 32 bytes a row; correlations take one more pass.

mod correlation;
#[cfg(test)]
mod coverage;
mod current;
mod dynamics;
mod energy;
mod epoch_regression;
mod estimate;
mod gradient_noise;
mod innovations;
mod isotropy;
mod mode;
mod noise_scale;
mod options;
mod oscillation;
mod recursion;
mod regression;
mod render;
mod series;
mod slow_mode_quantiles;
mod sparse_regression;
mod speed;
mod trajectory;
mod window;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde::Serialize;

pub use correlation::Correlation;
pub use current::Rotation;
pub use energy::{Equipartition, TotalEquipartition};
pub use epoch_regression::EpochNoise;
pub use estimate::{Estimate, Test};
pub use gradient_noise::{AgainstGradients, ModeAgainstGradients, Pooled};
pub use innovations::{EpochMark, NoiseShape, TailIndex};
pub use isotropy::{Isotropy, ModeVariances};
pub use mode::{EigenvalueSource, ModeFit, Moments};
pub use noise_scale::{Agreement, NoiseScale, NoiseScales, NoiseSource};
pub use options::ModesOptions;
pub use oscillation::SpectralPeak;
pub use recursion::RecursionFit;
pub(crate) use regression::FEWEST_TRANSITIONS;
pub(crate) use render::numbers;
pub use trajectory::TransientFit;
pub use window::Window;

use super::Answer;
use super::curvatures::Curvatures;
use super::settings::{NO_DIRECTIONS, is_plain_sgd};
use crate::error::{Error, Result};
use crate::run::{Measured, Run};
use estimate::BatchedMean;
use noise_scale::velocity_balance;
use series::ModeSeries;
use speed::noise_scale_from_speed;

/// Modes read side by side.
const READERS: usize = 2;

/// What a run's projections on directions say. `Display` is for people, serde for programs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModesFit {
    /// The rows used.
    pub window: Answer<Window>,
    /// One a direction.
    pub modes: Vec<ModeFit>,
    /// Variances over the modes.
    pub isotropy: Answer<Isotropy>,
    /// Energies of all modes.
    pub equipartition: Answer<TotalEquipartition>,
    /// sigma^2.
    pub noise_scale: Answer<NoiseScales>,
    /// Noise and variances against what the measured covariance of gradients predicts.
    pub gradient_noise: Answer<AgainstGradients>,
}

impl ModesFit {
    /// Reads the run once for its settings, once a mode, and once for the correlations.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when eigenvalues or variances are not one a direction; those of reading.
    pub fn of(run: &Run, options: &ModesOptions) -> Result<ModesFit> {
        let info = run.info();
        let directions = info.layout.directions;
        check_lengths(options, directions)?;
        let steps = options.first_step.unwrap_or(0)..options.last_step.map_or(u64::MAX, |step| step.saturating_add(1));
        let window = match directions {
            0 => Answer::cannot_say(NO_DIRECTIONS),
            _ => Window::longest(run, &steps)?,
        };
        let window = match window {
            Answer::Known(window) => window,
            Answer::CannotSay { reason } => return Ok(ModesFit::nothing(reason)),
        };
        let other = match (options.basis, window.basis) {
            (Some(known), Some(basis)) if known != basis => Some(Curvatures::of_basis(run, basis)?.unwrap_or_default()),
            _ => None,
        };
        let options = &other.as_ref().map_or(*options, |other| options.with_curvatures(other, directions));
        let applies = is_plain_sgd(&info.optimizer, info.layout.parameter_groups, window.momentum);
        let (modes, balances): (Vec<ModeFit>, Vec<Option<BatchedMean>>) =
            read_modes(run, &window, options, &applies)?.into_iter().unzip();

        let source = match options.eigenvalues {
            Some(_) => EigenvalueSource::Hessian,
            None => EigenvalueSource::Fit,
        };
        let speed = match (applies, options.hessian_trace.filter(|trace| trace.value > 0.0)) {
            (Ok(()), Some(trace)) => noise_scale_from_speed(run, &window, &modes, trace)?,
            _ => None,
        };
        let noise_scale = NoiseScales::new(&modes, &balances, &window, source, speed, options);
        let correlation = Correlation::new(run, &window, &modes)?;
        let of_innovations = noise_scale.known().and_then(|scales| scales.value(NoiseSource::Innovations));
        Ok(ModesFit {
            isotropy: Answer::Known(Isotropy::new(
                &modes,
                &window,
                source,
                of_innovations.map(|scale| scale.value),
                correlation,
            )),
            equipartition: TotalEquipartition::new(&modes),
            noise_scale,
            gradient_noise: AgainstGradients::new(&modes, &window, options.gradient_variances),
            modes,
            window: Answer::Known(window),
        })
    }

    /// No answer to anything, for this reason.
    pub(crate) fn nothing(reason: String) -> ModesFit {
        ModesFit {
            modes: Vec::new(),
            isotropy: Answer::cannot_say(reason.clone()),
            equipartition: Answer::cannot_say(reason.clone()),
            noise_scale: Answer::cannot_say(reason.clone()),
            gradient_noise: Answer::cannot_say(reason.clone()),
            window: Answer::CannotSay { reason },
        }
    }
}

fn check_lengths(options: &ModesOptions, directions: usize) -> Result<()> {
    let lengths = [
        ("eigenvalues", options.eigenvalues.map(<[f64]>::len)),
        ("gradient_variances", options.gradient_variances.map(<[Measured]>::len)),
    ];
    for (name, length) in lengths {
        if let Some(length) = length.filter(|length| *length != directions) {
            let (found, expected) = (format!("[{length}]"), format!("[{directions}], one a direction"));
            return Err(Error::ShapeMismatch { name, found, expected });
        }
    }
    Ok(())
}

/// A mode's answers, and what of sigma^2 is pooled over modes.
type FitAndBalance = (ModeFit, Option<BatchedMean>);

/// Reads and fits the modes, [`READERS`] at a time, in order.
fn read_modes(
    run: &Run,
    window: &Window,
    options: &ModesOptions,
    applies: &std::result::Result<(), String>,
) -> Result<Vec<FitAndBalance>> {
    let directions = run.info().layout.directions;
    let next = AtomicUsize::new(0);
    let read = |mode: usize| -> Result<FitAndBalance> {
        let series = ModeSeries::read(run, window, mode + 1)?;
        let eigenvalue = options.eigenvalues.map(|eigenvalues| eigenvalues[mode]);
        let fit = ModeFit::new(mode + 1, &series, window, eigenvalue, run.info().steps_per_epoch, applies);
        let balance = velocity_balance(&series, &fit);
        Ok((fit, balance))
    };
    let work = || -> Vec<(usize, Result<FitAndBalance>)> {
        let mut done = Vec::new();
        loop {
            let mode = next.fetch_add(1, Ordering::Relaxed);
            if mode >= directions {
                return done;
            }
            done.push((mode, read(mode)));
        }
    };
    let mut done = thread::scope(|scope| {
        let readers: Vec<_> = (1..READERS).map(|_| scope.spawn(work)).collect();
        let mut done = work();
        for reader in readers {
            match reader.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_by_key(|(mode, _)| *mode);
    done.into_iter().map(|(_, fit)| fit).collect()
}
