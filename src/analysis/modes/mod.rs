//! How a run moves along its directions, one mode at a time: oscillation, isotropy, equipartition,
//! currents, noise.
//!
//! Along an eigenvector of the Hessian SGD with momentum is a linear recursion in position and
//! velocity, both of which the log has. One file a question; `docs/modes.md` has the formulas, how
//! each interval is made, and measured coverages.
//!
//! Rows of different settings or bases are not mixed: the longest stretch of the same is fitted.
//! All modes are read side by side, twice: for sums that give the recursion (`sums.rs`), then for
//! its noise, spectra and currents (`reading.rs`). Both keep sums, so that memory does not grow
//! with the rows.

mod batches;
mod correlation;
mod covariance;
#[cfg(test)]
mod coverage;
mod current;
mod dynamics;
mod energy;
mod epoch_mark;
mod epoch_regression;
mod estimate;
mod gradient_noise;
mod innovations;
mod isotropy;
mod mode;
mod noise_powers;
mod noise_scale;
mod options;
mod oscillation;
mod outline;
mod pieces;
mod reading;
mod recursion;
mod regression;
mod render;
mod series;
mod several_steps;
mod slow_mode_quantiles;
mod sparse_regression;
mod speed;
mod sums;
mod tail_index;
mod trajectory;
mod window;

use serde::Serialize;

pub(in crate::analysis) use batches::columns_with_modes;
pub use correlation::Correlation;
pub use current::Rotation;
pub use energy::{Equipartition, TotalEquipartition};
pub use epoch_mark::EpochMark;
pub use epoch_regression::EpochNoise;
pub use estimate::{Estimate, Test};
pub use gradient_noise::{AgainstGradients, ModeAgainstGradients, Pooled};
pub use innovations::NoiseShape;
pub use isotropy::{Isotropy, ModeVariances};
pub use mode::{EigenvalueSource, ModeFit, Moments};
pub use noise_scale::{Agreement, NoiseScale, NoiseScales, NoiseSource};
pub use options::ModesOptions;
pub use oscillation::SpectralPeak;
pub(in crate::analysis) use pieces::{Cuts, ModePieces, SharedPieces, WindowSums};
pub use recursion::RecursionFit;
pub(crate) use regression::FEWEST_TRANSITIONS;
pub(crate) use render::numbers;
pub(in crate::analysis) use series::Splitter;
pub use tail_index::TailIndex;
pub use trajectory::TransientFit;
pub use window::Window;
pub(in crate::analysis) use window::{WindowSearch, settings_columns};

use super::Answer;
use super::curvatures::Curvatures;
use super::settings::{NO_DIRECTIONS, is_plain_sgd};
use crate::error::{Error, Result};
use crate::run::{Measured, Run};
use crate::stats::spectrum::Plans;
use batches::{first_reading, second_reading};
use estimate::BatchedMean;
use reading::ModeReading;
use speed::{noise_scale_from_speed, speed_sums};

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
    /// Reads the run once for its settings, and twice for all modes; once more where rows have
    /// positions of some modes alone.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when eigenvalues or variances are not one a direction; those of
    /// reading.
    pub fn of(run: &Run, options: &ModesOptions) -> Result<ModesFit> {
        let directions = run.info().layout.directions;
        check_lengths(options, directions)?;
        let steps = options.first_step.unwrap_or(0)
            ..options.last_step.map_or(u64::MAX, |step| step.saturating_add(1));
        let window = match directions {
            0 => Answer::cannot_say(NO_DIRECTIONS),
            _ => {
                let mut search = WindowSearch::new(run, steps);
                run.for_each_row(settings_columns(run), |[step, settings @ ..]| {
                    search.see(step.unwrap_or_default() as u64, settings);
                })?;
                search.finish()
            }
        };
        match window {
            Answer::Known(window) => {
                let sums = first_reading(run, &window)?;
                ModesFit::of_sums(run, options, window, sums)
            }
            Answer::CannotSay { reason } => Ok(ModesFit::nothing(reason)),
        }
    }

    /// Reads the modes a second time, with what the first reading says of the window.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub(in crate::analysis) fn of_sums(
        run: &Run,
        options: &ModesOptions,
        window: Window,
        sums: WindowSums,
    ) -> Result<ModesFit> {
        let info = run.info();
        let directions = info.layout.directions;
        check_lengths(options, directions)?;
        let other = match (options.basis, window.basis) {
            (Some(known), Some(basis)) if known != basis => {
                Some(Curvatures::of_basis(run, basis)?.unwrap_or_default())
            }
            _ => None,
        };
        let options =
            &other.as_ref().map_or(*options, |other| options.with_curvatures(other, directions));
        let applies = is_plain_sgd(&info.optimizer, info.layout.parameter_groups, window.momentum);
        let trace = options.hessian_trace.filter(|trace| trace.value > 0.0 && applies.is_ok());
        let mut squares = trace.and_then(|_| speed_sums(sums.moved));
        let WindowSums { modes, positions, .. } = sums;
        let mut plans = Plans::default();
        let mut readings: Vec<ModeReading> = (1..)
            .zip(modes)
            .map(|(mode, sums)| {
                let eigenvalue = options.eigenvalues.map(|eigenvalues| eigenvalues[mode - 1]);
                ModeReading::new(
                    mode,
                    sums,
                    &window,
                    eigenvalue,
                    info.steps_per_epoch,
                    &applies,
                    &mut plans,
                )
            })
            .collect();
        second_reading(run, &window, &mut readings, squares.as_mut())?;
        let (modes, balances): (Vec<ModeFit>, Vec<Option<BatchedMean>>) =
            readings.into_iter().map(|reading| reading.finish(&window)).unzip();

        let source = match options.eigenvalues {
            Some(_) => EigenvalueSource::Hessian,
            None => EigenvalueSource::Fit,
        };
        let speed = squares.zip(trace);
        let speed = speed
            .and_then(|(squares, trace)| noise_scale_from_speed(&squares, &window, &modes, trace));
        let noise_scale = NoiseScales::new(&modes, &balances, &window, source, speed, options);
        let correlation = Correlation::new(run, &window, &modes, &positions)?;
        let of_innovations =
            noise_scale.known().and_then(|scales| scales.value(NoiseSource::Innovations));
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
            let (found, expected) =
                (format!("[{length}]"), format!("[{directions}], one a direction"));
            return Err(Error::ShapeMismatch { name, found, expected });
        }
    }
    Ok(())
}
