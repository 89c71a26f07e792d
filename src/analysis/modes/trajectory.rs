//! The way back from a start far from the mean: eq. 5 without noise, laid over what was measured.

use serde::Serialize;

use super::dynamics::Dynamics;
use super::outline::Outline;
use super::recursion::{FAR, RecursionFit};
use super::series::Part;
use super::sums::ModeSums;
use crate::theory::oscillator::DampedOscillator;

/// How long a transient is followed, in relaxation times.
const RELAXATION_TIMES: f64 = 5.0;
/// Points compared at most.
const POINTS: usize = 1000;

/// How much of a transient's variation eq. 5 explains. The oscillator has the fitted curvature and
/// mean, and starts where the first row is.
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

/// Some rows of the first stretch: from its first one on, as far as a transient is followed.
#[derive(Debug, Clone)]
pub(super) struct TransientRows {
    learning_rate: f64,
    every: usize,
    /// Steps from the first row to the last, and between rows kept.
    steps: usize,
    stride: usize,
    /// Rows of the stretch so far.
    read: usize,
    is_over: bool,
    /// Position and velocity of the first row, then of those kept.
    kept: Vec<[f64; 2]>,
}

impl TransientRows {
    pub(super) fn new(sums: &ModeSums, outline: &Outline, dynamics: &Dynamics) -> TransientRows {
        let every = sums.every as usize;
        let relaxation = outline.relaxation(dynamics).steps;
        let rows = sums.first_stretch.saturating_sub(1) as usize;
        let steps =
            ((RELAXATION_TIMES * relaxation).ceil() as usize).min(every.saturating_mul(rows));
        let stride = steps.div_ceil(POINTS * every).max(1) * every;
        let learning_rate = outline.learning_rate;
        TransientRows {
            learning_rate,
            every,
            steps,
            stride,
            read: 0,
            is_over: false,
            kept: Vec::new(),
        }
    }

    /// Takes a part.
    pub(super) fn add(&mut self, part: &Part) {
        self.is_over |= self.read > 0 && !part.continues;
        let [positions, velocities] = part.new_rows();
        for (position, velocity) in positions.iter().zip(velocities) {
            let step = self.read * self.every;
            if self.is_over || step > self.steps {
                self.is_over = true;
                return;
            }
            if step.is_multiple_of(self.stride) {
                self.kept.push([*position, *velocity]);
            }
            self.read += 1;
        }
    }
}

impl TransientFit {
    pub(super) fn new(rows: &TransientRows, fit: &RecursionFit) -> Result<TransientFit, String> {
        let TransientRows { learning_rate, steps, stride, .. } = *rows;
        let mean =
            fit.mean.ok_or("the mean is not known: the mode cannot be told from a flat one")?.value;
        let [position_variance, _] = fit.dynamics.variances();
        let deviation = learning_rate * (position_variance * fit.noise_variance.value).sqrt();
        let [first, moving] = *rows.kept.first().ok_or("there are no rows")?;
        let start = [first - mean, moving];
        let distance = start[0].abs() / deviation;
        if !distance.is_finite() || distance < FAR {
            return Err(format!(
                "no transient: the window starts {distance:.1} standard deviations from the mean; one takes {FAR}"
            ));
        }
        if steps < 10 {
            return Err(format!("the transient is over in {steps} steps"));
        }
        let inertia = learning_rate * (1.0 + fit.dynamics.momentum);
        let oscillator = DampedOscillator::new(
            (1.0 - fit.dynamics.momentum) / inertia,
            2.0 * fit.curvature.value / inertia,
        )
        .map_err(|error| error.to_string())?;
        let (mut position, mut velocity, mut discrete) =
            (Explained::default(), Explained::default(), Explained::default());
        let [mut x, mut v] = start;
        for k in 1..=steps {
            v = fit.dynamics.momentum * v - fit.curvature.value * x;
            x += learning_rate * v;
            if k % stride != 0 {
                continue;
            }
            let Some([found, moving]) = rows.kept.get(k / stride) else { break };
            let expected = oscillator
                .trajectory(start[0], start[1], learning_rate * k as f64)
                .map_err(|error| error.to_string())?;
            position.push(found - mean, expected[0]);
            velocity.push(*moving, expected[1]);
            discrete.push(found - mean, x);
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
