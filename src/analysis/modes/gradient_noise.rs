//! What the measured covariance of gradients predicts of each mode, beside what was measured: the
//! noise of a step, and by the recursion in discrete time the variances of position and velocity.
//! Nothing is fitted but where the Hessian's eigenvalue is not given; assumption 5 is not used.

use serde::Serialize;
use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::dynamics::Dynamics;
use super::estimate::{Estimate, Test};
use super::isotropy::ModeVariances;
use super::mode::ModeFit;
use super::window::Window;
use crate::analysis::Answer;
use crate::analysis::settings::not_known;
use crate::run::Measured;

/// Measured over predicted, by mode and in all.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AgainstGradients {
    /// One a mode of which the covariance is known.
    pub modes: Vec<ModeAgainstGradients>,
    /// Of the noise of steps; none where no mode has it, as of the next two.
    pub noise: Option<Pooled>,
    /// Of the positions' variances.
    pub positions: Option<Pooled>,
    /// Of the velocities' variances.
    pub velocities: Option<Pooled>,
}

/// One mode, measured over predicted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ModeAgainstGradients {
    /// Counted from 1.
    pub mode: usize,
    /// q^T Sigma q / S: the variance of a mini-batch's gradient, gradient units squared.
    pub predicted_noise: f64,
    /// Variance of the recursion's noise over q^T Sigma q / S.
    pub noise: Option<Estimate>,
    /// Variance of the position over that of the recursion driven by such noise; none for modes of
    /// fewer than 20 relaxation times.
    pub position: Option<Estimate>,
    /// The same of the velocity.
    pub velocity: Option<Estimate>,
}

/// A ratio of all modes together.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Pooled {
    /// Its weighted geometric mean.
    pub ratio: Estimate,
    /// Is it 1 in every mode? Errors of the modes are taken for independent.
    pub against_one: Test,
}

impl AgainstGradients {
    pub(super) fn new(
        modes: &[ModeFit],
        window: &Window,
        variances: Option<&[Measured]>,
    ) -> Answer<AgainstGradients> {
        let Some(variances) = variances else {
            return Answer::cannot_say("the covariance of gradients was not measured");
        };
        let Some(batch_size) = window.batch_size.map(|size| size as f64).filter(|size| *size > 0.0)
        else {
            return Answer::cannot_say(not_known("batch size"));
        };
        let modes: Vec<ModeAgainstGradients> = modes
            .iter()
            .zip(variances)
            .filter(|(_, variance)| variance.value > 0.0)
            .filter_map(|(mode, variance)| against(mode, window, variance, batch_size))
            .collect();
        if modes.is_empty() {
            return Answer::cannot_say("no mode is fitted and has noise in its gradients");
        }
        let pooled = |of: &dyn Fn(&ModeAgainstGradients) -> Option<Estimate>| {
            pool(modes.iter().filter_map(of))
        };
        Answer::Known(AgainstGradients {
            noise: pooled(&|mode| mode.noise),
            positions: pooled(&|mode| mode.position),
            velocities: pooled(&|mode| mode.velocity),
            modes,
        })
    }
}

fn against(
    mode: &ModeFit,
    window: &Window,
    variance: &Measured,
    batch_size: f64,
) -> Option<ModeAgainstGradients> {
    let (fit, learning_rate) = (mode.recursion.known()?, window.learning_rate?);
    let error = variance.standard_error / variance.value;
    let over = |measured: &Estimate, predicted: f64| {
        let error = measured.logarithmic_error()?.hypot(error);
        Estimate::from_logarithm(measured.value / predicted, error)
            .filter(|ratio| ratio.value > 0.0)
    };
    let given = mode.hessian_eigenvalue.zip(window.weight_decay);
    let dynamics = match given {
        Some((rho, decay)) => Dynamics::new(fit.dynamics.momentum, learning_rate * (rho + decay)),
        None => Some(fit.dynamics),
    };
    let noise = variance.value / batch_size;
    let found = ModeVariances::new(mode, fit.curvature.value).zip(dynamics);
    Some(ModeAgainstGradients {
        mode: mode.mode,
        predicted_noise: noise,
        noise: over(&fit.noise_variance, noise),
        position: found.and_then(|(found, dynamics)| {
            over(&found.position, learning_rate * learning_rate * dynamics.variances()[0] * noise)
        }),
        velocity: found
            .and_then(|(found, dynamics)| over(&found.velocity, dynamics.variances()[1] * noise)),
    })
}

/// Weighted mean of the logarithms, and whether all of them are 0: the sum of their squares is
/// chi-squared.
fn pool(ratios: impl Iterator<Item = Estimate>) -> Option<Pooled> {
    let values: Vec<[f64; 2]> = ratios
        .filter_map(|ratio| Some([ratio.value.ln(), ratio.logarithmic_error()?.powi(2)]))
        .filter(|[value, variance]| value.is_finite() && *variance > 0.0 && variance.is_finite())
        .collect();
    let weight: f64 = values.iter().map(|[_, variance]| 1.0 / variance).sum();
    let mean = values.iter().map(|[value, variance]| value / variance).sum::<f64>() / weight;
    let deviation: f64 = values.iter().map(|[value, variance]| value * value / variance).sum();
    let chi_squared = ChiSquared::new(values.len() as f64).ok()?;
    Some(Pooled {
        ratio: Estimate::from_logarithm(mean.exp(), weight.sqrt().recip())?,
        against_one: Test::new(chi_squared.sf(deviation))?,
    })
}
