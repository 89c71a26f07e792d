//! Equipartition: is a mode's energy shared evenly between position and velocity (appendix G.3)?
//!
//! In a stationary state x' = x + eta v' alone makes Cov(x, v) = eta/2 Var v, and with that the
//! *fitted* curvature obeys equipartition whatever the noise: it would be tested against itself. So
//! the test is of the Hessian's curvature, and its interval that of the fitted one.

use serde::Serialize;

use super::estimate::Estimate;
use super::mode::{ModeFit, Moments};
use super::recursion::RecursionFit;
use super::window::Window;
use crate::analysis::Answer;
use crate::analysis::settings::not_known;

/// How far the balance of the fitted curvature may be from 1 in a state that is called stationary.
const STATIONARY: f64 = 0.2;

/// Mean energies of one mode, in units of the loss, and their ratio.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Equipartition {
    /// (rho + lambda) Var(x) / 2, with the Hessian's rho.
    pub potential_energy: f64,
    /// eta (1 + beta) Var(v) / 4: mass eta (1 + beta) / 2.
    pub kinetic_energy: f64,
    /// The Hessian's curvature over the fitted one, which is potential over kinetic energy in a
    /// stationary state.
    pub potential_over_kinetic: Estimate,
    /// Is it 1?
    pub holds: bool,
    /// Potential over kinetic energy with the fitted curvature: 1 in a stationary state, whatever
    /// the curvature is.
    pub stationary_balance: f64,
    /// Whether that is within 20% of 1.
    pub stationary: bool,
}

/// The same of all modes that have an answer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TotalEquipartition {
    /// Sum of the potential energies.
    pub potential_energy: f64,
    /// Sum of the kinetic energies.
    pub kinetic_energy: f64,
    /// The modes' ratios together, each weighted by its kinetic energy.
    pub potential_over_kinetic: Estimate,
    /// Is it 1?
    pub holds: bool,
    /// Modes summed.
    pub modes: u64,
}

impl Equipartition {
    pub(super) fn new(
        moments: &Moments,
        window: &Window,
        fit: &RecursionFit,
        hessian_curvature: Result<f64, String>,
    ) -> Result<Equipartition, String> {
        let curvature = hessian_curvature.map_err(|reason| {
            format!(
                "{reason}; with the fitted curvature equipartition would be tested against itself"
            )
        })?;
        let learning_rate = window.learning_rate.ok_or_else(|| not_known("learning rate"))?;
        let mass = 0.5 * learning_rate * (1.0 + fit.dynamics.momentum);
        let kinetic_energy = 0.5 * mass * moments.velocity_variance;
        let fitted_energy = 0.5 * fit.curvature.value * moments.position_variance;
        let ratio =
            fit.curvature.map(|fitted| curvature / fitted).ok_or("the ratio is out of range")?;
        let stationary_balance = fitted_energy / kinetic_energy;
        if !stationary_balance.is_finite() {
            return Err("the mode has no kinetic energy".to_owned());
        }
        Ok(Equipartition {
            potential_energy: 0.5 * curvature * moments.position_variance,
            kinetic_energy,
            potential_over_kinetic: ratio,
            holds: ratio.covers(1.0),
            stationary_balance,
            stationary: (stationary_balance - 1.0).abs() < STATIONARY,
        })
    }
}

impl TotalEquipartition {
    pub(super) fn new(modes: &[ModeFit]) -> Answer<TotalEquipartition> {
        let parts: Vec<&Equipartition> =
            modes.iter().filter_map(|mode| mode.equipartition.known()).collect();
        let kinetic_energy: f64 = parts.iter().map(|part| part.kinetic_energy).sum();
        let potential_energy: f64 = parts.iter().map(|part| part.potential_energy).sum();
        if parts.is_empty() || kinetic_energy <= 0.0 {
            return Answer::cannot_say("no mode has an answer");
        }
        // Kinetic over potential: fitted curvatures are unbiased, their inverses are not. Weighted
        // by kinetic energies, which hardly depend on the fitted curvatures; potential ones do.
        // Modes are independent: their deviations add in squares, side by side.
        let mut inverse = [0.0; 3];
        for part in &parts {
            let ratio = &part.potential_over_kinetic;
            let weighted = |ratio: Option<f64>| {
                ratio.map(|ratio| part.kinetic_energy / kinetic_energy / ratio)
            };
            let value = weighted(Some(ratio.value)).unwrap_or(f64::INFINITY);
            let [low, high] =
                [ratio.high, ratio.low].map(|end| weighted(end).unwrap_or(f64::INFINITY) - value);
            inverse = [inverse[0] + value, inverse[1] + low * low, inverse[2] + high * high];
        }
        let [value, low, high] =
            [inverse[0], inverse[0] - inverse[1].sqrt(), inverse[0] + inverse[2].sqrt()];
        // Down to no kinetic energy at all the ratio is unbounded.
        let upper = if low > 0.0 { 1.0 / low } else { f64::INFINITY };
        match Estimate::new(1.0 / value, 1.0 / high, upper) {
            Some(potential_over_kinetic) => Answer::Known(TotalEquipartition {
                potential_energy,
                kinetic_energy,
                potential_over_kinetic,
                holds: potential_over_kinetic.covers(1.0),
                modes: parts.len() as u64,
            }),
            None => Answer::cannot_say("the ratio is out of range"),
        }
    }
}
