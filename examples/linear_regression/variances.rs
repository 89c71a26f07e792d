//! Variances of the modes in the stationary state, over those of the exact theory.

use anyhow::{Context, Result};
use perrin::analysis::modes::{Estimate, ModeVariances, ModesFit, ModesOptions};
use perrin::run::Run;
use perrin::theory::discrete::DiscreteMode;
use perrin::theory::langevin::LangevinMode;
use perrin::theory::parameters::SgdParameters;

use super::problem::{Directions, Noise};

/// One mode of the stationary state.
pub struct ModeRatios {
    pub mode: usize,
    pub eigenvalue: f64,
    /// Variances of position and velocity over those of the exact theory, with 95% intervals.
    pub ratios: [Estimate; 2],
    /// The Langevin values over the exact ones: 1 in the limit of small steps.
    pub langevin: f64,
}

/// Measures the modes that hold 20 relaxation times in the run. The noise is that of the images at
/// its end: nothing is fitted to the motion.
pub fn measure(
    run: &Run,
    directions: &Directions,
    parameters: &SgdParameters,
    noise: &Noise,
) -> Result<Vec<ModeRatios>> {
    let eigenvalues = Some(directions.vectors.eigenvalues.as_slice());
    let fit = ModesFit::of(run, &ModesOptions { eigenvalues, ..ModesOptions::default() })?;
    let isotropy = fit.isotropy.known().context("the modes' variances are not known")?;
    let over = |measured: Estimate, expected: f64| Estimate {
        value: measured.value / expected,
        low: measured.low.map(|low| low / expected),
        high: measured.high.map(|high| high / expected),
    };
    let of_mode = |measured: &ModeVariances| -> Result<ModeRatios> {
        let noise_scale = noise.along[measured.mode - 1] / measured.eigenvalue;
        let parameters = SgdParameters { noise_scale, ..*parameters };
        let exact = DiscreteMode::new(&parameters, measured.eigenvalue)?;
        let [[position, _], [_, velocity]] = exact.stationary_covariance();
        Ok(ModeRatios {
            mode: measured.mode,
            eigenvalue: measured.eigenvalue,
            ratios: [over(measured.position, position), over(measured.velocity, velocity)],
            langevin: LangevinMode::new(&parameters, measured.eigenvalue)?.position_variance()
                / position,
        })
    };
    isotropy.modes.iter().map(of_mode).collect()
}

/// The geometric mean of ratios and its 95% interval, each weighted by its precision.
pub fn pooled(ratios: impl Iterator<Item = Estimate>) -> [f64; 3] {
    let (mut weights, mut sum) = (0.0, 0.0);
    for Estimate { value, low, high } in ratios {
        let reach = 0.5 * (high.unwrap_or(f64::INFINITY) / low.unwrap_or(0.0)).ln();
        weights += reach.powi(-2);
        sum += reach.powi(-2) * value.ln();
    }
    let (mean, half) = (sum / weights, weights.powf(-0.5));
    [mean, mean - half, mean + half].map(f64::exp)
}
