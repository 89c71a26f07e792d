//! Currents: does a mode turn round in the plane of position and velocity, and is detailed balance
//! broken?
//!
//! From one row to the next the point (x, v) sweeps the area (x v' - x' v) / 2 seen from the mean.
//! A process in detailed balance sweeps as much one way as the other. By the theory (eq. 11) the
//! current turns clockwise, and the mean area is -(eta Var v / 2)(1 + beta - p/2) a step, p = eta
//! (rho + lambda); -eta Var v in the limit of continuous time.

use serde::Serialize;

use super::dynamics::Dynamics;
use super::estimate::{BatchSums, Estimate, Test};
use super::outline::Outline;
use super::recursion::RecursionFit;
use super::series::{Part, Transition};
use crate::stats::joint_sums::sum;

/// Mean rotation of one mode.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rotation {
    /// Area a step, position times velocity units; negative is clockwise with the velocity upwards.
    pub area_per_step: Estimate,
    /// The same over the standard deviations of position and velocity.
    pub relative_area_per_step: f64,
    /// Against zero: rejected, detailed balance is broken.
    pub against_detailed_balance: Test,
    /// By the theory for the measured variance of the velocity, with the Hessian's curvature where
    /// it is given.
    pub predicted_area_per_step: f64,
    /// Against the theory.
    pub against_theory: Test,
}

/// Areas swept from row to row.
#[derive(Debug, Clone)]
pub(super) struct AreaSums {
    learning_rate: f64,
    /// Area a step over the variance of the velocity, by the theory.
    theory: f64,
    areas: BatchSums,
    /// With x' = x + eta v' the area is -eta/4 (v + v')^2 but for a difference of squares of
    /// positions, which cancels from row to row; left in, it would make batches look more uncertain
    /// than their sum is.
    excess: BatchSums,
    squared_velocities: f64,
    values: Vec<f64>,
}

impl AreaSums {
    /// For the mode's dynamics, with the Hessian's curvature where it is given.
    pub(super) fn new(
        outline: &Outline,
        dynamics: &Dynamics,
        hessian_curvature: Option<f64>,
    ) -> Result<AreaSums, String> {
        let (learning_rate, relaxation) = (outline.learning_rate, outline.relaxation(dynamics));
        let batches = relaxation.batches()?;
        let pull = learning_rate * hessian_curvature.unwrap_or(outline.regression().curvature);
        let sums = BatchSums::new(relaxation.transitions, batches, relaxation.steps)
            .ok_or("there are no rows")?;
        Ok(AreaSums {
            learning_rate,
            theory: -0.5 * learning_rate * (1.0 + dynamics.momentum - 0.5 * pull),
            areas: sums.clone(),
            excess: sums,
            squared_velocities: 0.0,
            values: Vec::new(),
        })
    }

    /// Takes a part, seen from `centre`.
    pub(super) fn add(&mut self, part: &Part, centre: f64) {
        let area = |step: Transition| {
            0.5 * ((step.position - centre) * step.next_velocity
                - (step.next_position - centre) * step.velocity)
        };
        self.values.clear();
        self.values.extend(part.transitions().map(area));
        self.areas.add(&self.values);
        let square = |step: &Transition| 0.5 * (step.velocity.powi(2) + step.next_velocity.powi(2));
        let (rate, theory) = (self.learning_rate, self.theory);
        self.values.clear();
        self.values.extend(part.transitions().map(|step| square(&step)));
        self.squared_velocities += sum(&self.values);
        let velocities = part.velocities.windows(2).map(|pair| pair[0] + pair[1]);
        self.values
            .iter_mut()
            .zip(velocities)
            .for_each(|(value, sum)| *value = -0.25 * rate * sum * sum - theory * *value);
        self.excess.add(&self.values);
    }
}

impl Rotation {
    pub(super) fn new(sums: &AreaSums, fit: &RecursionFit) -> Result<Rotation, String> {
        let square = sums.squared_velocities / fit.transitions as f64;
        let variance = fit.regression.position_variance;
        let (mean, excess) = (sums.areas.mean(), sums.excess.mean());
        let relative = |area: f64| area / (square * variance).sqrt();
        let out_of_range = || "areas are out of range".to_owned();
        let (mean, excess) = mean.zip(excess).ok_or_else(out_of_range)?;
        Ok(Rotation {
            area_per_step: mean.estimate().ok_or_else(out_of_range)?,
            relative_area_per_step: Some(relative(mean.mean))
                .filter(|area| area.is_finite())
                .ok_or_else(out_of_range)?,
            against_detailed_balance: mean.against_zero().ok_or_else(out_of_range)?,
            predicted_area_per_step: sums.theory * square,
            against_theory: excess.against_zero().ok_or_else(out_of_range)?,
        })
    }
}
