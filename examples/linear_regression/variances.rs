//! Variances of the modes in the stationary state, over those of the exact theory.

use anyhow::{Context, Result};
use perrin::analysis::modes::{Estimate, MeasuredVariance, ModeVariances, ModesFit, ModesOptions};
use perrin::curvature;
use perrin::log::Run;
use perrin::theory::discrete::DiscreteMode;
use perrin::theory::langevin::LangevinMode;
use perrin::theory::parameters::SgdParameters;

use super::problem::Directions;

/// Standard errors to either side of a 95% interval.
const TWO_SIDED: f64 = 1.96;

/// One mode of the stationary state.
pub struct ModeRatios {
    pub mode: usize,
    pub eigenvalue: f64,
    /// Variances of position and velocity over those of the exact theory, with 95% intervals: of the measurement and of
    /// the noise that the theory is given.
    pub ratios: [Estimate; 2],
    /// Relative standard error of the noise, which is in both.
    pub noise_error: f64,
    /// The Langevin value over the exact one: 1 in the limit of small steps.
    pub langevin: f64,
}

/// Measures the modes that hold 20 relaxation times in the run from `first_step` on. `noise` is q_i^T Sigma q_i, measured at
/// the minimum: nothing is fitted to the run.
pub fn measure(
    run: &Run,
    directions: &Directions,
    parameters: &SgdParameters,
    noise: &[curvature::Estimate],
    first_step: u64,
) -> Result<Vec<ModeRatios>> {
    let eigenvalues = &directions.vectors.eigenvalues;
    let variance = |estimate: &curvature::Estimate| MeasuredVariance {
        variance: estimate.value,
        standard_error: estimate.standard_error,
    };
    let variances: Vec<MeasuredVariance> = noise[..eigenvalues.len()].iter().map(variance).collect();
    let options = ModesOptions {
        eigenvalues: Some(eigenvalues),
        gradient_variances: Some(&variances),
        first_step: Some(first_step),
        ..ModesOptions::default()
    };
    let fit = ModesFit::of(run, &options)?;
    let isotropy = fit.isotropy.known().context("the modes' variances are not known")?;
    let of_mode = |measured: &ModeVariances| -> Result<ModeRatios> {
        let noise = &noise[measured.mode - 1];
        let noise_scale = noise.value / measured.eigenvalue;
        let parameters = SgdParameters { noise_scale, ..*parameters };
        let exact = DiscreteMode::new(&parameters, measured.eigenvalue)?;
        let [[position, _], [_, velocity]] = exact.stationary_covariance();
        Ok(ModeRatios {
            mode: measured.mode,
            eigenvalue: measured.eigenvalue,
            ratios: [over(measured.position, position, noise), over(measured.velocity, velocity, noise)],
            noise_error: noise.standard_error / noise.value,
            langevin: LangevinMode::new(&parameters, measured.eigenvalue)?.position_variance() / position,
        })
    };
    isotropy.modes.iter().map(of_mode).collect()
}

/// A variance over the expected one. Errors of the two add in squares, of their logarithms.
fn over(measured: Estimate, expected: f64, noise: &curvature::Estimate) -> Estimate {
    let of_noise = TWO_SIDED * noise.standard_error / noise.value;
    let factor = |end: Option<f64>| end.map(|end| (end / measured.value).ln().hypot(of_noise).exp());
    let value = measured.value / expected;
    Estimate {
        value,
        low: factor(measured.low).map(|factor| value / factor),
        high: factor(measured.high).map(|factor| value * factor),
    }
}

/// The geometric mean of all modes' ratios of positions (0) or velocities (1) and its 95% interval, weighted by precision.
/// The noise was measured on the same images for all modes: its errors may be one.
pub fn pooled(modes: &[ModeRatios], of: usize) -> [f64; 3] {
    let [mut weights, mut sum, mut own, mut common] = [0.0; 4];
    for mode in modes {
        let Estimate { value, low, high } = mode.ratios[of];
        let error = (high.unwrap_or(f64::INFINITY) / low.unwrap_or(0.0)).ln() / (2.0 * TWO_SIDED);
        let weight = error.powi(-2);
        weights += weight;
        sum += weight * value.ln();
        own += weight * weight * (error * error - mode.noise_error * mode.noise_error);
        common += weight * mode.noise_error;
    }
    let (mean, half) = (sum / weights, TWO_SIDED * (own + common * common).sqrt() / weights);
    [mean, mean - half, mean + half].map(f64::exp)
}
