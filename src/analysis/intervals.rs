//! Which modes an interval is drawn from: measured curvatures, or the recursion fitted to the
//! projections; and what is said where neither is to be had.

use std::cell::OnceCell;

use super::Answer;
use super::curvatures::Curvatures;
use super::diffusion::DisplacementPowerLaw;
use super::displacement::{
    MeasuredDisplacement, PredictedDisplacement, exponent_interval, predicted_displacement,
    weighted_modes,
};
use super::displacement_noise::{self, ExponentInterval, Start, WeightedMode, Window};
use super::inputs::projections::Projections;
use super::lags::is_reproduced;
use super::render_text::percent;
use super::settings::{NO_DIRECTIONS, PlainSgd};
use super::speed::Speed;
use crate::theory::parameters::SgdParameters;
use crate::theory::spectrum::Spectrum;

/// The projected part stands for the whole displacement from this share of it on.
const SHARE_OF_THE_WHOLE: f64 = 0.95;

/// What is known of the process that made a run.
pub(crate) struct Process<'a> {
    pub(crate) window: Window,
    pub(crate) start: Start,
    pub(crate) sgd: Result<PlainSgd, String>,
    pub(crate) weight_decay: Result<f64, String>,
    pub(crate) batch_size: Result<f64, String>,
    pub(crate) curvatures: Option<&'a Curvatures>,
    pub(crate) projections: Option<&'a Projections>,
    /// The interval of the projected part over the window, around 0: the same trajectories do for
    /// every exponent. Starts empty.
    pub(crate) around_zero: OnceCell<Answer<ExponentInterval>>,
}

impl Process<'_> {
    /// The interval of the exponent of the global displacement over some rows.
    pub(crate) fn interval_of_whole(
        &self,
        rows: Window,
        exponent: f64,
    ) -> Answer<ExponentInterval> {
        if let Some(curvatures) = self.curvatures.filter(|curvatures| curvatures.density.is_some())
        {
            return self.given_modes(curvatures).map_or_else(Answer::cannot_say, |modes| {
                exponent_interval(
                    &modes,
                    displacement_noise::Curvatures::Given,
                    (rows, self.start),
                    exponent,
                )
            });
        }
        match self.projections.and_then(Projections::share) {
            None => Answer::cannot_say(
                "one trajectory has no error bar in itself: it takes directions, or eigenvalues with a density",
            ),
            Some(share) if share < SHARE_OF_THE_WHOLE => Answer::cannot_say(format!(
                "the directions carry {} of it: it takes {}, or eigenvalues with a density",
                percent(share),
                percent(SHARE_OF_THE_WHOLE)
            )),
            Some(_) => self.interval_of_projected(rows, exponent),
        }
    }

    /// The interval of the exponent of the displacement along the projections over some rows.
    pub(crate) fn interval_of_projected(
        &self,
        rows: Window,
        exponent: f64,
    ) -> Answer<ExponentInterval> {
        let mut interval = if rows == self.window {
            self.around_zero.get_or_init(|| self.draw_around_zero(rows)).clone()
        } else {
            self.draw_around_zero(rows)
        };
        if let Answer::Known(interval) = &mut interval {
            (interval.low, interval.high) = (exponent + interval.low, exponent + interval.high);
        }
        interval
    }

    fn draw_around_zero(&self, rows: Window) -> Answer<ExponentInterval> {
        let of_projections = self.curvatures.filter(|curvatures| {
            self.projections
                .is_some_and(|found| found.recursions.len() == curvatures.eigenvalues.len())
        });
        let modes = match of_projections {
            Some(curvatures) => {
                let alone = Curvatures {
                    eigenvalues: curvatures.eigenvalues.clone(),
                    ..Curvatures::default()
                };
                let same =
                    self.projections.map_or(Ok(()), |projections| self.same_basis(projections));
                match same.and_then(|()| alone.spectrum()) {
                    Ok(spectrum) => {
                        (self.modes_of(&spectrum), displacement_noise::Curvatures::Given)
                    }
                    // Beside a density a negative one is left out, and the rows themselves tell
                    // what it does.
                    Err(_) if curvatures.density.is_some() => {
                        (self.fitted_modes(), displacement_noise::Curvatures::Fitted)
                    }
                    Err(reason) => (Err(reason), displacement_noise::Curvatures::Given),
                }
            }
            None => (self.fitted_modes(), displacement_noise::Curvatures::Fitted),
        };
        match modes {
            (Ok(modes), curvatures) => {
                exponent_interval(&modes, curvatures, (rows, self.start), 0.0)
            }
            (Err(reason), _) => Answer::CannotSay { reason },
        }
    }

    /// The prediction of the measured curvatures: of the whole where they have a density, else of
    /// the projected part.
    pub(crate) fn prediction(
        &self,
        whole: &Answer<DisplacementPowerLaw>,
        whole_curve: &[(u64, f64)],
        projected: &Answer<DisplacementPowerLaw>,
        speed: &Answer<Speed>,
    ) -> Answer<PredictedDisplacement> {
        self.try_prediction(whole, whole_curve, projected, speed)
            .unwrap_or_else(|reason| Answer::CannotSay { reason })
    }

    fn try_prediction(
        &self,
        whole: &Answer<DisplacementPowerLaw>,
        whole_curve: &[(u64, f64)],
        projected: &Answer<DisplacementPowerLaw>,
        speed: &Answer<Speed>,
    ) -> Result<Answer<PredictedDisplacement>, String> {
        let Some(curvatures) = self.curvatures else {
            return Err("no eigenvalues are given".to_owned());
        };
        let parameters =
            SgdParameters { batch_size: self.batch_size.clone()?, ..self.parameters()? };
        let of_projections =
            self.projections.filter(|found| found.recursions.len() == curvatures.eigenvalues.len());
        let measured = if curvatures.density.is_some() {
            let speed = known(speed)?;
            MeasuredDisplacement {
                speed: speed.mean_local_displacement_squared,
                speed_interval: speed
                    .interval
                    .known()
                    .map(|interval| [interval.low, interval.high]),
                exponent: known(whole)?.exponent,
                window: self.window,
                start: self.start,
                points: whole_curve.to_vec(),
            }
        } else if let Some(projections) = of_projections {
            self.same_basis(projections)?;
            let speed =
                projections.together.squared_velocity.mean() * parameters.learning_rate.powi(2);
            let points = projections.together.curve.found.clone();
            let exponent = known(projected)?.exponent;
            let (window, start) = (self.window, self.start);
            MeasuredDisplacement { speed, speed_interval: None, exponent, window, start, points }
        } else {
            return Err(
                "the eigenvalues have no density for the other directions, and are not those of the projections"
                    .to_owned(),
            );
        };
        Ok(predicted_displacement(curvatures, &parameters, &measured))
    }

    /// The largest rho + lambda known.
    pub(crate) fn largest_curvature(&self) -> Option<(f64, displacement_noise::Curvatures)> {
        if let Some(largest) = self.curvatures.and_then(Curvatures::largest) {
            let decay = self.weight_decay.as_ref().copied().unwrap_or(0.0);
            return Some((largest + decay, displacement_noise::Curvatures::Given));
        }
        let sgd = self.sgd.as_ref().ok()?;
        let fitted =
            self.projections?.recursions.iter().filter_map(|recursion| recursion.curvature(*sgd));
        fitted.reduce(f64::max).map(|largest| (largest, displacement_noise::Curvatures::Fitted))
    }

    /// Noise scale and batch size 1: the strength of the noise cancels in exponents.
    fn parameters(&self) -> Result<SgdParameters, String> {
        let PlainSgd { learning_rate, momentum } = self.sgd.clone()?;
        let weight_decay = self.weight_decay.clone()?;
        Ok(SgdParameters {
            learning_rate,
            momentum,
            weight_decay,
            batch_size: 1.0,
            noise_scale: 1.0,
        })
    }

    fn given_modes(&self, curvatures: &Curvatures) -> Result<Vec<WeightedMode>, String> {
        self.modes_of(&curvatures.spectrum()?)
    }

    fn modes_of(&self, spectrum: &Spectrum) -> Result<Vec<WeightedMode>, String> {
        weighted_modes(spectrum, &self.parameters()?)
    }

    fn fitted_modes(&self) -> Result<Vec<WeightedMode>, String> {
        let sgd = self.sgd.clone()?;
        let projections = self.projections.ok_or(NO_DIRECTIONS)?;
        self.same_basis(projections)?;
        let mut modes = Vec::with_capacity(projections.recursions.len());
        for (index, recursion) in projections.recursions.iter().enumerate() {
            let mode =
                recursion.mode(sgd).map_err(|reason| format!("mode {}: {reason}", index + 1))?;
            modes.extend(mode.map(|mode| WeightedMode { mode, multiplicity: 1.0 }));
        }
        if modes.is_empty() {
            return Err("nothing moves along the projections".to_owned());
        }
        // The recursion is fitted to successive steps only: a row a step.
        let expected = |lag| {
            modes
                .iter()
                .map(|mode| mode.multiplicity * mode.mode.mean_squared_displacement(lag))
                .sum::<f64>()
        };
        is_reproduced(&projections.lags, projections.recursions.len(), expected)?;
        Ok(modes)
    }

    fn same_basis(&self, projections: &Projections) -> Result<(), String> {
        match projections.basis_changed {
            Some(step) => Err(format!("the directions were replaced at step {step}")),
            None => Ok(()),
        }
    }
}

fn known<T>(answer: &Answer<T>) -> Result<&T, String> {
    answer.known().ok_or_else(|| answer.reason().unwrap_or_default().to_owned())
}
