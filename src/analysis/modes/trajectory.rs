//! The way back from a start far from the mean: eq. 5 without noise, laid over what was measured.

use serde::Serialize;

use super::recursion::RecursionFit;
use super::series::ModeSeries;
use super::window::Window;
use crate::analysis::settings::not_known;
use crate::theory::oscillator::DampedOscillator;

/// A start nearer to the mean than so many standard deviations is no transient.
pub(super) const FAR: f64 = 3.0;
/// How long a transient is followed, in relaxation times.
const RELAXATION_TIMES: f64 = 5.0;
/// Points compared at most.
const POINTS: usize = 1000;

/// How much of a transient's variation eq. 5 explains. The oscillator has the fitted curvature and mean, and starts
/// where the first row is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TransientFit {
    /// Distance of the start from the mean, in standard deviations of the stationary position.
    pub start_in_standard_deviations: f64,
    /// Steps followed: five relaxation times, or as far as rows go without a gap.
    pub steps: u64,
    /// R^2 of the position; below 0 where a constant does better.
    pub position_r_squared: f64,
    /// R^2 of the velocity.
    pub velocity_r_squared: f64,
    /// R^2 of the position by SGD's own recursion, in discrete time.
    pub discrete_position_r_squared: f64,
}

impl TransientFit {
    pub(super) fn new(series: &ModeSeries, window: &Window, fit: &RecursionFit) -> Result<TransientFit, String> {
        let learning_rate = window.learning_rate.ok_or_else(|| not_known("learning rate"))?;
        let mean = fit.mean.ok_or("the mean is not known: the mode cannot be told from a flat one")?.value;
        let [position_variance, _] = fit.dynamics.variances();
        let deviation = learning_rate * (position_variance * fit.noise_variance.value).sqrt();
        let first = series.stretches.first().ok_or("there are no rows")?;
        let every = series.every as usize;
        let start = [series.positions[first.start] - mean, series.velocities[first.start]];
        let distance = start[0].abs() / deviation;
        if !distance.is_finite() || distance < FAR {
            return Err(format!(
                "no transient: the window starts {distance:.1} standard deviations from the mean; one takes {FAR}"
            ));
        }
        let steps = ((RELAXATION_TIMES * fit.relaxation_steps).ceil() as usize).min(every * (first.len() - 1));
        if steps < 10 {
            return Err(format!("the transient is over in {steps} steps"));
        }
        let inertia = learning_rate * (1.0 + fit.dynamics.momentum);
        let oscillator =
            DampedOscillator::new((1.0 - fit.dynamics.momentum) / inertia, 2.0 * fit.curvature.value / inertia)
                .map_err(|error| error.to_string())?;
        let stride = steps.div_ceil(POINTS * every) * every;
        let (mut position, mut velocity, mut discrete) =
            (Explained::default(), Explained::default(), Explained::default());
        let [mut x, mut v] = start;
        for k in 1..=steps {
            v = fit.dynamics.momentum * v - fit.curvature.value * x;
            x += learning_rate * v;
            if k % stride != 0 {
                continue;
            }
            let expected = oscillator
                .trajectory(start[0], start[1], learning_rate * k as f64)
                .map_err(|error| error.to_string())?;
            let at = first.start + k / every;
            position.push(series.positions[at] - mean, expected[0]);
            velocity.push(series.velocities[at], expected[1]);
            discrete.push(series.positions[at] - mean, x);
        }
        let unvaried = || "the transient does not vary".to_owned();
        Ok(TransientFit {
            start_in_standard_deviations: distance,
            steps: steps as u64,
            position_r_squared: position.r_squared().ok_or_else(unvaried)?,
            velocity_r_squared: velocity.r_squared().ok_or_else(unvaried)?,
            discrete_position_r_squared: discrete.r_squared().ok_or_else(unvaried)?,
        })
    }
}

/// Sums for R^2 = 1 - sum (y - expected)^2 / sum (y - mean)^2.
#[derive(Default)]
struct Explained {
    count: f64,
    mean: f64,
    total: f64,
    residual: f64,
}

impl Explained {
    fn push(&mut self, value: f64, expected: f64) {
        self.count += 1.0;
        let before = value - self.mean;
        self.mean += before / self.count;
        self.total += before * (value - self.mean);
        self.residual += (value - expected).powi(2);
    }

    fn r_squared(&self) -> Option<f64> {
        Some(1.0 - self.residual / self.total).filter(|r_squared| r_squared.is_finite())
    }
}
