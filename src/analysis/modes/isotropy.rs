//! Is the motion the same in every direction, as the modified loss has it: variances of positions
//! and velocities over the modes, and the correlations between modes.
//!
//! Variances of correlated values have the chi-squared distribution's mean and variance for degrees
//! of freedom that follow from the autocorrelation (Satterthwaite), which the fitted recursion
//! gives in closed form.

use serde::Serialize;
use statrs::distribution::{ChiSquared, ContinuousCDF, StudentsT};
use statrs::function::beta::inv_beta_reg;
use statrs::function::gamma::digamma;

use super::correlation::Correlation;
use super::estimate::{Estimate, Test, standard_normal_quantile};
use super::mode::{EigenvalueSource, ModeFit};
use super::recursion::{RecursionFit, variance_interval};
use super::window::Window;
use crate::analysis::Answer;
use crate::analysis::settings::not_known;

/// Variances over the modes against the theory.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Isotropy {
    /// The modes compared: fitted, and with at least 20 relaxation times in the window.
    pub modes: Vec<ModeVariances>,
    /// Modes left out.
    pub modes_left_out: u64,
    /// Whose rho_i.
    pub eigenvalues: EigenvalueSource,
    /// Do the variances of the positions follow the modified loss, rho / (rho + lambda) times one
    /// number (eq. 8)?
    pub against_modified_loss: Answer<Test>,
    /// The largest of the positions' variances over the modified loss's, over the smallest: 1 if
    /// they follow it.
    pub position_spread: Option<f64>,
    /// The same over those of the theory in discrete time.
    pub discrete_spread: Option<f64>,
    /// The same in discrete time, where sharp modes have more: times 1 / (1 - eta (rho+lambda) / (2
    /// (1+beta))).
    pub against_discrete_theory: Answer<Test>,
    /// Var q_1 : Var q_K of the positions, first to last of the modes compared.
    pub first_to_last: Answer<Estimate>,
    /// Slope of ln Var(velocity) on ln rho: 1 by assumption 5.
    pub velocity_slope: Answer<Estimate>,
    /// Correlations of positions between modes: none by the theory.
    pub correlation: Answer<Correlation>,
}

/// One mode's variances.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ModeVariances {
    /// Counted from 1.
    pub mode: usize,
    /// rho.
    pub eigenvalue: f64,
    /// Of the position, parameter units squared.
    pub position: Estimate,
    /// Independent values it is worth, as degrees of freedom.
    pub position_freedom: f64,
    /// Of the velocity.
    pub velocity: Estimate,
    /// Independent values it is worth, as degrees of freedom.
    pub velocity_freedom: f64,
    /// Position variance over that of the modified loss with this window's sigma^2 (from the
    /// innovations of all modes); none where sigma^2 or weight decay are not known.
    pub position_over_modified_loss: Option<f64>,
    /// eta (rho + lambda) / (2 (1 + beta)), 0 in the limit of continuous time, 1 at the edge of
    /// stability.
    pub(super) stiffness: f64,
}

impl ModeVariances {
    /// None for modes that were not fitted or hold too few relaxation times.
    pub(super) fn new(mode: &ModeFit, eigenvalue: f64) -> Option<ModeVariances> {
        let (fit, moments) = (mode.recursion.known()?, mode.moments.known()?);
        if fit.is_short() || eigenvalue <= 0.0 || eigenvalue.is_nan() {
            return None;
        }
        let [position, position_freedom] = corrected(fit, moments.position_variance, true);
        let [velocity, velocity_freedom] = corrected(fit, moments.velocity_variance, false);
        Some(ModeVariances {
            mode: mode.mode,
            eigenvalue,
            position: variance_interval(position, position_freedom)?,
            position_freedom,
            velocity: variance_interval(velocity, velocity_freedom)?,
            velocity_freedom,
            position_over_modified_loss: None,
            stiffness: fit.dynamics.pull / (2.0 * (1.0 + fit.dynamics.momentum)),
        })
    }
}

fn corrected(fit: &RecursionFit, variance: f64, of_position: bool) -> [f64; 2] {
    let memory = if of_position {
        fit.dynamics.position_autocorrelation()
    } else {
        fit.dynamics.velocity_autocorrelation()
    };
    let [bias, freedom] =
        memory.sampled_every(fit.every_steps).freedom_of_variance(fit.transitions as f64);
    // Noise with heavy tails counts for less where there is little memory.
    let count = fit.transitions as f64;
    let spread = 2.0 / freedom + (fit.kurtosis - 3.0).max(0.0) / count;
    [variance / bias, 2.0 / spread]
}

impl Isotropy {
    pub(super) fn new(
        modes: &[ModeFit],
        window: &Window,
        source: EigenvalueSource,
        noise_scale: Option<f64>,
        correlation: Answer<Correlation>,
    ) -> Isotropy {
        let mut variances: Vec<ModeVariances> = modes
            .iter()
            .filter_map(|mode| ModeVariances::new(mode, mode.eigenvalue_of(source, window)?))
            .collect();
        let decay = window.weight_decay;
        // Var(position) over the number that is the same in all modes.
        let shape = |mode: &ModeVariances, decay: f64| mode.eigenvalue / (mode.eigenvalue + decay);
        if let (Some(decay), Some(noise_scale), Some(rate), Some(momentum), Some(batch)) =
            (decay, noise_scale, window.learning_rate, window.momentum, window.batch_size)
        {
            for mode in &mut variances {
                let langevin = rate * noise_scale / (2.0 * batch as f64 * (1.0 - momentum))
                    * shape(mode, decay);
                mode.position_over_modified_loss =
                    Some(mode.position.value / langevin).filter(|ratio| ratio.is_finite());
            }
        }
        let against = |predicted: &dyn Fn(&ModeVariances, f64) -> f64| match decay {
            None => Answer::cannot_say(not_known("weight decay")),
            Some(decay) => homogeneous(variances.iter().map(|mode| LogVariance {
                logarithm: (mode.position.value / predicted(mode, decay)).ln(),
                freedom: mode.position_freedom,
            })),
        };
        let discrete =
            |mode: &ModeVariances, decay: f64| shape(mode, decay) / (1.0 - mode.stiffness);
        let spread = |predicted: &dyn Fn(&ModeVariances, f64) -> f64| {
            let ratios = || {
                variances
                    .iter()
                    .filter_map(|mode| Some(mode.position.value / predicted(mode, decay?)))
            };
            let spread = ratios().reduce(f64::max)? / ratios().reduce(f64::min)?;
            spread.is_finite().then_some(spread)
        };
        Isotropy {
            position_spread: spread(&shape),
            discrete_spread: spread(&discrete),
            modes_left_out: (modes.len() - variances.len()) as u64,
            eigenvalues: source,
            against_modified_loss: against(&shape),
            against_discrete_theory: against(&discrete),
            first_to_last: first_to_last(&variances),
            velocity_slope: velocity_slope(&variances),
            correlation,
            modes: variances,
        }
    }
}

const TWO_MODES: &str = "fewer than two modes are fitted and hold 20 relaxation times";

/// A logarithm of a variance of so many degrees of freedom.
struct LogVariance {
    logarithm: f64,
    freedom: f64,
}

impl LogVariance {
    /// Its value without the bias of the logarithm, and its variance.
    fn unbiased(&self) -> [f64; 2] {
        let half = 0.5 * self.freedom;
        [self.logarithm - (digamma(half) - half.ln()), trigamma(half)]
    }
}

/// Bartlett's question, are variances the same, with weights: squared deviations of the logarithms
/// are chi-squared.
fn homogeneous(variances: impl Iterator<Item = LogVariance>) -> Answer<Test> {
    let values: Vec<[f64; 2]> = variances.map(|variance| variance.unbiased()).collect();
    if values.len() < 2 {
        return Answer::cannot_say(TWO_MODES);
    }
    match heterogeneity(&values) {
        Some(test) => Answer::Known(test),
        None => Answer::cannot_say("a variance is out of range"),
    }
}

/// Whether values with these variances are one value: Cochran's Q.
pub(super) fn heterogeneity(values: &[[f64; 2]]) -> Option<Test> {
    let weight: f64 = values.iter().map(|[_, variance]| 1.0 / variance).sum();
    let mean: f64 = values.iter().map(|[value, variance]| value / variance).sum::<f64>() / weight;
    let deviation: f64 =
        values.iter().map(|[value, variance]| (value - mean).powi(2) / variance).sum();
    let chi_squared = ChiSquared::new(values.len() as f64 - 1.0).ok()?;
    Some(deviation)
        .filter(|deviation| deviation.is_finite())
        .and_then(|deviation| Test::new(chi_squared.sf(deviation)))
}

fn first_to_last(modes: &[ModeVariances]) -> Answer<Estimate> {
    let [first, .., last] = modes else {
        return Answer::cannot_say(TWO_MODES);
    };
    let ratio = first.position.value / last.position.value;
    let quantile = |p: f64| {
        // Beyond, the distribution no longer changes.
        let [numerator, denominator] = [first, last].map(|mode| mode.position_freedom.min(1e5));
        let share = inv_beta_reg(0.5 * numerator, 0.5 * denominator, p);
        denominator * share / (numerator * (1.0 - share))
    };
    let freedom = first.position_freedom.min(last.position_freedom);
    let estimate = if freedom > 1e4 {
        Estimate::from_logarithm(
            ratio,
            (2.0 / first.position_freedom + 2.0 / last.position_freedom).sqrt(),
        )
    } else {
        Estimate::new(ratio, ratio / quantile(0.975), ratio / quantile(0.025))
    };
    estimate.map_or_else(|| Answer::cannot_say("a variance is out of range"), Answer::Known)
}

/// Weighted least squares of the logarithms; where they scatter more than their errors allow, the
/// interval is widened by it.
fn velocity_slope(modes: &[ModeVariances]) -> Answer<Estimate> {
    if modes.len() < 3 {
        return Answer::cannot_say(
            "a slope with an interval takes three modes with 20 relaxation times",
        );
    }
    let points: Vec<[f64; 3]> = modes
        .iter()
        .map(|mode| {
            let log =
                LogVariance { logarithm: mode.velocity.value.ln(), freedom: mode.velocity_freedom };
            let [value, variance] = log.unbiased();
            [mode.eigenvalue.ln(), value, 1.0 / variance]
        })
        .collect();
    let weight: f64 = points.iter().map(|[_, _, w]| w).sum();
    let mean =
        |index: usize| points.iter().map(|point| point[index] * point[2]).sum::<f64>() / weight;
    let (x_mean, y_mean) = (mean(0), mean(1));
    let xx: f64 = points.iter().map(|[x, _, w]| w * (x - x_mean).powi(2)).sum();
    let xy: f64 = points.iter().map(|[x, y, w]| w * (x - x_mean) * (y - y_mean)).sum();
    let slope = xy / xx;
    let scatter: f64 =
        points.iter().map(|[x, y, w]| w * (y - y_mean - slope * (x - x_mean)).powi(2)).sum();
    let freedom = points.len() as f64 - 2.0;
    let distributions = (ChiSquared::new(freedom), StudentsT::new(0.0, 1.0, freedom));
    let (Ok(chi_squared), Ok(student)) = distributions else {
        return Answer::cannot_say("a variance is out of range");
    };
    let mut half = standard_normal_quantile(0.975) / xx.sqrt();
    if scatter.is_finite() && chi_squared.sf(scatter) < super::estimate::SIGNIFICANCE {
        half = half.max(student.inverse_cdf(0.975) * (scatter / freedom / xx).sqrt());
    }
    Estimate::new(slope, slope - half, slope + half).map_or_else(
        || Answer::cannot_say("the eigenvalues of the modes are all the same"),
        Answer::Known,
    )
}

/// The second derivative of ln Gamma: variance of the logarithm of a gamma variable.
fn trigamma(x: f64) -> f64 {
    let (mut x, mut sum) = (x, 0.0);
    while x < 20.0 {
        sum += 1.0 / (x * x);
        x += 1.0;
    }
    let inverse = 1.0 / (x * x);
    sum + (1.0 + 0.5 / x + inverse * (1.0 / 6.0 - inverse * (1.0 / 30.0 - inverse / 42.0))) / x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trigammas() {
        // pi^2 / 6 and scipy.special.polygamma(1, 7.3).
        assert!((trigamma(1.0) - std::f64::consts::PI.powi(2) / 6.0).abs() < 1e-11);
        assert!((trigamma(7.3) - 0.146_795_768_131).abs() < 1e-10, "{}", trigamma(7.3));
    }

    #[test]
    fn equal_variances_pass_and_others_do_not() {
        let of = |ratio: f64| {
            let variances =
                [1.0, 1.02, ratio].map(|v: f64| LogVariance { logarithm: v.ln(), freedom: 500.0 });
            *homogeneous(variances.into_iter()).known().unwrap()
        };
        assert!(!of(0.97).rejected && of(1.6).rejected);
        assert!(homogeneous([].into_iter()).reason().is_some());
    }
}
