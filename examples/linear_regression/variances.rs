//! Variances of the modes in the stationary state, over those of the exact theory.

use anyhow::{Context, Result};
use perrin::analysis::modes::{Estimate, MeasuredVariance, ModeVariances, ModesFit, ModesOptions};
use perrin::curvature;
use perrin::log::Run;
use perrin::theory::discrete::DiscreteMode;
use perrin::theory::langevin::LangevinMode;
use perrin::theory::parameters::SgdParameters;

use super::problem::Directions;

/// One mode of the stationary state.
pub struct ModeRatios {
    pub mode: usize,
    pub eigenvalue: f64,
    /// Variance of the position over that of the exact theory, with the interval of the measurement.
    pub position: Estimate,
    /// The same of the velocity.
    pub velocity: Estimate,
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
    let over = |measured: Estimate, expected: f64| Estimate {
        value: measured.value / expected,
        low: measured.low.map(|low| low / expected),
        high: measured.high.map(|high| high / expected),
    };
    let of_mode = |measured: &ModeVariances| -> Result<ModeRatios> {
        let noise_scale = noise[measured.mode - 1].value / measured.eigenvalue;
        let parameters = SgdParameters { noise_scale, ..*parameters };
        let exact = DiscreteMode::new(&parameters, measured.eigenvalue)?;
        let [[position, _], [_, velocity]] = exact.stationary_covariance();
        Ok(ModeRatios {
            mode: measured.mode,
            eigenvalue: measured.eigenvalue,
            position: over(measured.position, position),
            velocity: over(measured.velocity, velocity),
            langevin: LangevinMode::new(&parameters, measured.eigenvalue)?.position_variance() / position,
        })
    };
    isotropy.modes.iter().map(of_mode).collect()
}

/// The geometric mean of all modes' ratios with its 95% interval, weighted by precision; that of the noise is added.
pub fn pooled(ratios: impl Iterator<Item = (Estimate, curvature::Estimate)>) -> [f64; 3] {
    let (mut weights, mut sum) = (0.0, 0.0);
    for (ratio, noise) in ratios {
        let half = (ratio.high.unwrap_or(f64::INFINITY) / ratio.low.unwrap_or(0.0)).ln() / (2.0 * 1.96);
        let weight = 1.0 / (half * half + (noise.standard_error / noise.value).powi(2));
        weights += weight;
        sum += weight * ratio.value.ln();
    }
    let (mean, half) = (sum / weights, 1.96 / weights.sqrt());
    [mean, mean - half, mean + half].map(f64::exp)
}
