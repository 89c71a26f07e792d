//! The gradient noise: sigma^2 tr(H) that a speed speaks of, by eq. 12, and sigma^2 that measured
//! gradients do.

use serde::Serialize;

use super::Answer;
use super::curvatures::Curvatures;
use super::settings::{PlainSgd, Settings};
use super::speed::Speed;
use crate::error::Result;
use crate::record::OptimizerInfo;
use crate::run::Measured;
use crate::stats::long_run::Estimate;
use crate::theory::langevin::{local_displacement, noise_trace};
use crate::theory::parameters::SgdParameters;
use crate::theory::spectrum::Spectrum;

/// sigma^2 tr(H) from the mean speed by eq. 12, and the settings it was computed with.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GradientNoise {
    /// sigma^2 tr(H), gradient units squared (of one example).
    pub noise_scale_times_trace: f64,
    /// Its 95% interval, from the speed's.
    pub interval: Answer<Estimate>,
    /// eta.
    pub learning_rate: f64,
    /// beta.
    pub momentum: f64,
    /// S, examples.
    pub batch_size: u64,
}

impl GradientNoise {
    /// E||delta||^2 that eq. 12 gives at other settings, with the interval of sigma^2 tr(H) alone:
    /// network, data and place are taken to be the same. `noise_scale` and `weight_decay` of the
    /// parameters are not used.
    ///
    /// # Errors
    /// [`Error::InvalidValue`](crate::Error::InvalidValue) for parameters out of range.
    pub fn predicted_speed(&self, parameters: &SgdParameters) -> Result<(f64, Option<Estimate>)> {
        let unit = local_displacement(&SgdParameters { noise_scale: 1.0, ..*parameters }, 1.0)?;
        Ok((
            unit * self.noise_scale_times_trace,
            self.interval.known().map(|interval| interval.scaled(unit)),
        ))
    }

    /// By eq. 12 from a speed, where it describes what was run; the reason where not.
    pub(super) fn of(
        speed: &Answer<Speed>,
        settings: &Settings,
        optimizer: &OptimizerInfo,
        parameter_groups: usize,
    ) -> std::result::Result<GradientNoise, String> {
        let PlainSgd { learning_rate, momentum } =
            settings.plain_sgd(optimizer, parameter_groups)?;
        let batch_size = settings.batch_size()?;
        let speed = speed.known().ok_or_else(|| speed.reason().unwrap_or_default().to_owned())?;
        // Eq. 12 has no weight decay, and its inverse is where the noise scale is asked for.
        let parameters = SgdParameters {
            learning_rate,
            momentum,
            weight_decay: 0.0,
            batch_size,
            noise_scale: 0.0,
        };
        let noise_scale_times_trace =
            noise_trace(&parameters, speed.mean_local_displacement_squared)
                .map_err(|error| error.to_string())?;
        if !noise_scale_times_trace.is_finite() {
            return Err("it is too large for a number".to_owned());
        }
        let factor = noise_scale_times_trace / speed.mean_local_displacement_squared;
        let interval = match &speed.interval {
            Answer::Known(interval) if factor.is_finite() => Answer::Known(interval.scaled(factor)),
            Answer::Known(_) => Answer::cannot_say("nothing moves"),
            Answer::CannotSay { reason } => Answer::cannot_say(reason.as_str()),
        };
        let batch_size = batch_size as u64;
        Ok(GradientNoise { noise_scale_times_trace, interval, learning_rate, momentum, batch_size })
    }
}

/// sigma^2 by the covariance of gradients: over all directions where the spectrum has all, else
/// along those it has.
pub(crate) fn noise_scale_of_gradients(
    given: &Curvatures,
    spectrum: &Spectrum,
) -> Option<Measured> {
    let noise = given.gradient_noise.as_ref()?;
    let (sum, error) = if given.density.is_some() {
        (noise.trace.value, noise.trace.standard_error)
    } else if noise.variances.len() == given.eigenvalues.len() {
        let squares = noise.variances.iter().map(|variance| variance.standard_error.powi(2));
        (noise.variances.iter().map(|variance| variance.value).sum(), squares.sum::<f64>().sqrt())
    } else {
        return None;
    };
    Some(Measured { value: sum / spectrum.trace(), standard_error: error / spectrum.trace() })
}
