//! Currents: does a mode turn round in the plane of position and velocity, and is detailed balance broken?
//!
//! From one row to the next the point (x, v) sweeps the area (x v' - x' v) / 2 seen from the mean. A process in detailed
//! balance sweeps as much one way as the other. By the theory (eq. 11) the current turns clockwise, and the mean area is
//! -(eta Var v / 2)(1 + beta - p/2) a step, p = eta (rho + lambda); -eta Var v in the limit of continuous time.

use serde::Serialize;

use super::estimate::{BatchedMean, Estimate, Test};
use super::recursion::RecursionFit;
use super::series::ModeSeries;
use super::window::Window;
use crate::analysis::settings::not_known;

/// Batches hold at least so many relaxation times.
const RELAXATION_TIMES_PER_BATCH: f64 = 10.0;
/// Fewest and most batches.
const BATCHES: [usize; 2] = [8, 30];

/// Mean rotation of one mode.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rotation {
    /// Area a step, position times velocity units; negative is clockwise with the velocity upwards.
    pub area_per_step: Estimate,
    /// The same over the standard deviations of position and velocity.
    pub relative_area_per_step: f64,
    /// Against zero: rejected, detailed balance is broken.
    pub against_detailed_balance: Test,
    /// By the theory for the measured variance of the velocity, with the Hessian's curvature where it is given.
    pub predicted_area_per_step: f64,
    /// Against the theory.
    pub against_theory: Test,
}

/// How many batches much longer than the memory there are; none where too few.
pub(super) fn batches(fit: &RecursionFit) -> Result<usize, String> {
    let count = (fit.relaxation_times / RELAXATION_TIMES_PER_BATCH) as usize;
    let count = count.min(fit.transitions as usize / 10);
    if count < BATCHES[0] {
        return Err(format!(
            "the window holds {:.1} relaxation times; a mean with an interval takes {}",
            fit.relaxation_times,
            BATCHES[0] as f64 * RELAXATION_TIMES_PER_BATCH
        ));
    }
    Ok(count.min(BATCHES[1]))
}

impl Rotation {
    pub(super) fn new(
        series: &ModeSeries,
        window: &Window,
        fit: &RecursionFit,
        hessian_curvature: Option<f64>,
    ) -> Result<Rotation, String> {
        series.require_every_step()?;
        let learning_rate = window.learning_rate.ok_or_else(|| not_known("learning rate"))?;
        let (batches, centre) = (batches(fit)?, fit.regression.centre);
        let pull = learning_rate * hessian_curvature.unwrap_or(fit.curvature.value);
        let theory = -0.5 * learning_rate * (1.0 + fit.dynamics.momentum - 0.5 * pull);
        let areas = || {
            series.transitions().map(|step| {
                0.5 * ((step.position - centre) * step.next_velocity - (step.next_position - centre) * step.velocity)
            })
        };
        let squares = || series.transitions().map(|step| 0.5 * (step.velocity.powi(2) + step.next_velocity.powi(2)));
        let count = fit.transitions as usize;
        let mean = BatchedMean::new(areas(), count, batches, fit.relaxation_steps);
        // With x' = x + eta v' the area is -eta/4 (v + v')^2 but for a difference of squares of positions, which cancels
        // from row to row; left in, it would make batches look more uncertain than their sum is.
        let excess = series.transitions().map(|step| {
            let sum = step.velocity + step.next_velocity;
            let square = 0.5 * (step.velocity.powi(2) + step.next_velocity.powi(2));
            -0.25 * learning_rate * sum * sum - theory * square
        });
        let excess = BatchedMean::new(excess, count, batches, fit.relaxation_steps);
        let square = squares().sum::<f64>() / count as f64;
        let variance = series.transitions().map(|step| (step.position - centre).powi(2)).sum::<f64>() / count as f64;
        let relative = |area: f64| area / (square * variance).sqrt();
        let out_of_range = || "areas are out of range".to_owned();
        let (mean, excess) = mean.zip(excess).ok_or_else(out_of_range)?;
        Ok(Rotation {
            area_per_step: mean.estimate().ok_or_else(out_of_range)?,
            relative_area_per_step: Some(relative(mean.mean))
                .filter(|area| area.is_finite())
                .ok_or_else(out_of_range)?,
            against_detailed_balance: mean.against_zero().ok_or_else(out_of_range)?,
            predicted_area_per_step: theory * square,
            against_theory: excess.against_zero().ok_or_else(out_of_range)?,
        })
    }
}
