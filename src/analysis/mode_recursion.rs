//! The recursion of one projected mode, by least squares: what
//! [`displacement_noise`](super::displacement_noise) draws trajectories from where no curvatures
//! were given.
//!
//! Between successive steps v' - beta v = -(rho + lambda) (x - mu) + noise: a line of known left
//! side on x. Noise of one step is independent of x, so the least-squares line is the
//! maximum-likelihood one. Where a mode relaxes slowly beside the run, its fitted curvature is too
//! large, by about four relaxations a run in the mean (Kendall, Biometrika 1954, for AR(1)). Half
//! of that is taken off: without it intervals of the exponent cover 90% in the worst case tried,
//! with all of it 99.5% (docs/analysis.md).
//!
//! It is of all rows; [`modes`](super::modes) fits the same line over its window, and gives
//! intervals.

use super::settings::PlainSgd;
use crate::stats::regression::LineFit;
use crate::theory::discrete::DiscreteMode;
use crate::theory::parameters::SgdParameters;

/// Relaxations a run that are taken off a fitted curvature.
const BIAS_RELAXATIONS: f64 = 2.0;
/// A mode is not taken to be slower than this many relaxations a run: no run could tell.
const FEWEST_RELAXATIONS: f64 = 0.3;
/// A mode whose curvature is this many standard errors below zero is driven away from its mean.
const REPELLED: f64 = 4.0;
/// A line of two unknowns, and enough left to know the noise.
const FEWEST_PAIRS: u64 = 20;

/// Sums over pairs of successive steps.
#[derive(Debug, Clone, Copy, Default)]
pub struct ModeRecursion {
    line: LineFit,
    previous: Option<(u64, f64, f64)>,
    pairs: u64,
}

impl ModeRecursion {
    /// Takes a row. A row whose step does not follow the one before, or with a value that is not
    /// finite, makes no pair.
    pub fn push(&mut self, step: u64, position: f64, velocity: f64, momentum: f64) {
        let finite = position.is_finite() && velocity.is_finite();
        if let Some((before, x, v)) = self.previous
            && finite
            && step == before + 1
        {
            self.line.push(x, velocity - momentum * v);
            self.pairs += 1;
        }
        self.previous = finite.then_some((step, position, velocity));
    }

    /// Takes pairs of rows of successive steps: the positions and velocities of the first ones, and
    /// the velocities of the second.
    pub(crate) fn extend(
        &mut self,
        positions: &[f64],
        velocities: &[f64],
        next_velocities: &[f64],
        momentum: f64,
    ) {
        let changes = next_velocities
            .iter()
            .zip(velocities)
            .map(|(next, velocity)| next - momentum * velocity);
        self.line.extend(positions, &changes.collect::<Vec<f64>>());
        self.pairs += positions.len() as u64;
    }

    /// Pairs taken.
    pub fn pairs(&self) -> u64 {
        self.pairs
    }

    /// rho + lambda as fitted; none where the mode does not move.
    pub fn curvature(&self, sgd: PlainSgd) -> Option<f64> {
        self.mode(sgd).ok().flatten()?;
        self.line.line().ok().map(|line| -line.slope)
    }

    /// The mode, or none where it does not move; the reason where it is nothing the theory
    /// describes.
    pub fn mode(&self, sgd: PlainSgd) -> Result<Option<DiscreteMode>, String> {
        if self.pairs < FEWEST_PAIRS {
            return Err(format!(
                "there are {} pairs of successive steps; it takes {FEWEST_PAIRS}",
                self.pairs
            ));
        }
        let Ok(line) = self.line.line() else { return Ok(None) };
        let curvature = -line.slope;
        // Also where there is no noise, or none but rounding.
        if line.slope_standard_error.is_some_and(|error| curvature < -REPELLED * error) {
            return Err("its curvature is negative: it is driven away from its mean".to_owned());
        }
        let noise_variance = line.residual_variance.unwrap_or_default();
        if noise_variance <= 0.0 {
            return Ok(None);
        }
        let a_relaxation = (1.0 - sgd.momentum) / (sgd.learning_rate * self.pairs as f64);
        let curvature =
            (curvature - BIAS_RELAXATIONS * a_relaxation).max(FEWEST_RELAXATIONS * a_relaxation);
        let parameters = SgdParameters {
            learning_rate: sgd.learning_rate,
            momentum: sgd.momentum,
            weight_decay: 0.0,
            batch_size: 1.0,
            noise_scale: noise_variance / curvature,
        };
        DiscreteMode::new(&parameters, curvature).map(Some).map_err(|error| error.to_string())
    }
}
