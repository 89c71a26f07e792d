//! A mode's fitted recursion in the terms of the theory: curvature, mean, noise, damping,
//! frequency.

use serde::Serialize;
use statrs::distribution::{ChiSquared, ContinuousCDF, StudentsT};

use super::dynamics::Dynamics;
use super::epoch_regression::EpochNoise;
use super::estimate::{Estimate, standard_normal_quantile};
use super::noise_powers::NoisePowers;
use super::outline::{Method, Outline};
use super::regression::Regression;
use super::slow_mode_quantiles::quantiles;

/// Below so many relaxation times the window is called short: estimates of variances and of the
/// mean rest on few independent values.
pub(super) const FEW_RELAXATION_TIMES: f64 = 20.0;

/// A start nearer to the mean than so many standard deviations is no transient.
pub(super) const FAR: f64 = 3.0;

/// One mode of SGD with momentum, v' = beta v - (rho + lambda)(x - mu) + noise, x' = x + eta v', by
/// maximum likelihood.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecursionFit {
    /// rho + lambda: the curvature of loss and weight decay together.
    pub curvature: Estimate,
    /// Whether the interval reaches zero: the data cannot tell the mode from a flat one.
    pub curvature_reaches_zero: bool,
    /// beta; where it was fitted, with an interval, else the one of the log.
    pub momentum: Estimate,
    /// Whether it had to be fitted.
    pub momentum_fitted: bool,
    /// mu from the reference point, parameter units; none where a flat mode leaves it open.
    pub mean: Option<Estimate>,
    /// Variance of the noise of one batch's gradient along the mode, sigma^2 rho / S by assumption
    /// 5.
    pub noise_variance: Estimate,
    /// zeta = (1 - beta) / sqrt(2 eta (1 + beta)(rho + lambda)); 1 is critical.
    pub damping_ratio: Estimate,
    /// Cycles per step of a free oscillation in discrete time; 0 where it creeps back, 1/2 where it
    /// jumps from side to side.
    pub cycles_per_step: Estimate,
    /// Cycles per step at which the spectrum of the velocity peaks, swinging or not: 4
    /// sin^2(angle/2) = eta (rho + lambda) / sqrt(beta).
    pub velocity_peak_cycles_per_step: Estimate,
    /// Steps in which the slowest part of a deviation falls to 1/e.
    pub relaxation_steps: f64,
    /// The transitions used, in relaxation times.
    pub relaxation_times: f64,
    /// Pairs of rows without a gap between them.
    pub transitions: u64,
    /// Steps from one row of a pair to the other.
    pub every_steps: u64,
    /// How the noise of an epoch cancels, where it does: then the fit allows for it.
    pub epoch_noise: Option<EpochNoise>,
    #[serde(skip)]
    pub(super) regression: Regression,
    #[serde(skip)]
    pub(super) dynamics: Dynamics,
    /// Kurtosis of the noise.
    #[serde(skip)]
    pub(super) kurtosis: f64,
    /// By how much the logarithm of the noise variance rises with that of the curvature; 0 where
    /// they are independent.
    #[serde(skip)]
    pub(super) noise_with_curvature: f64,
}

impl RecursionFit {
    /// The outline, with the noise of the second reading.
    pub(super) fn new(outline: &Outline, noise: &NoisePowers) -> Result<RecursionFit, String> {
        let Outline { learning_rate, every: every_steps, .. } = *outline;
        let Fitted { regression, epoch_noise, kurtosis, noise_with_curvature } =
            fitted(outline, noise)?;
        let momentum = regression.momentum;
        let [low, high] = pull_interval(&regression, every_steps, learning_rate);
        let pull = learning_rate * regression.curvature;
        if high <= 0.0 {
            return Err("the curvature is negative: the mode runs away from its mean".to_owned());
        }
        let dynamics = match Dynamics::new(momentum, pull) {
            Some(dynamics) => dynamics,
            None if pull <= 0.0 => {
                let at_most = high / learning_rate;
                return Err(format!(
                    "the curvature cannot be told from zero; it is at most {at_most:.3e}"
                ));
            }
            None => {
                return Err(format!(
                    "the step is unstable: learning rate times curvature is {pull:.3}"
                ));
            }
        };
        // The edge of stability is as far as there are frequencies.
        let limit = 2.0 * (1.0 + momentum) * (1.0 - f64::EPSILON);
        let half = regression.momentum_error.unwrap_or(0.0) * standard_normal_quantile(0.975);
        let mode = |momentum: f64, pull: f64| Dynamics {
            momentum: momentum.clamp(0.0, 1.0),
            pull: pull.min(limit),
        };
        // The two fitted numbers are nearly independent: their deviations add in squares, side by
        // side.
        let of_both = |function: &dyn Fn(&Dynamics) -> f64| {
            let of_pull =
                Estimate::new(pull, low, high)?.map(|pull| function(&mode(momentum, pull)))?;
            let of_momentum = Estimate::new(momentum, momentum - half, momentum + half)?
                .map(|momentum| function(&mode(momentum, pull)))?;
            of_pull.combined_with(&of_momentum)
        };
        let none = || "a number is out of range".to_owned();
        // Not less than Gaussian noise has: few values' kurtosis is often too low.
        let spread = (kurtosis - 1.0).max(2.0);
        let of_curvature = noise_with_curvature * regression.curvature_error / regression.curvature;
        let noise_freedom =
            2.0 / (spread / noise_values(&regression, every_steps) + of_curvature * of_curvature);
        let mean = mean(&regression, [low, high].map(|pull| pull / learning_rate));
        let relaxation = outline.relaxation(&dynamics);
        let langevin_ratio = |mode: &Dynamics| {
            (1.0 - mode.momentum) / (2.0 * (1.0 + mode.momentum) * mode.pull).sqrt()
        };
        Ok(RecursionFit {
            curvature: of_both(&|mode| mode.pull / learning_rate).ok_or_else(none)?,
            curvature_reaches_zero: low <= 0.0,
            momentum: Estimate::new(momentum, momentum - half, momentum + half).ok_or_else(none)?,
            momentum_fitted: regression.momentum_error.is_some(),
            mean,
            noise_variance: variance_interval(regression.noise_variance, noise_freedom)
                .ok_or_else(none)?,
            damping_ratio: of_both(&langevin_ratio).ok_or_else(none)?,
            cycles_per_step: of_both(&|mode| mode.angle_per_step() / std::f64::consts::TAU)
                .ok_or_else(none)?,
            velocity_peak_cycles_per_step: of_both(&Dynamics::velocity_peak).ok_or_else(none)?,
            relaxation_steps: relaxation.steps,
            relaxation_times: relaxation.times,
            transitions: regression.transitions as u64,
            every_steps,
            epoch_noise,
            regression,
            dynamics,
            kurtosis,
            noise_with_curvature,
        })
    }

    /// Numbers that the noise variance is from.
    pub(super) fn noise_values(&self) -> f64 {
        noise_values(&self.regression, self.every_steps)
    }

    /// Whether there are too few relaxation times for variances.
    pub(super) fn is_short(&self) -> bool {
        self.relaxation_times < FEW_RELAXATION_TIMES
    }
}

/// A regression with its noise, and the kurtosis of that.
struct Fitted {
    regression: Regression,
    epoch_noise: Option<EpochNoise>,
    kurtosis: f64,
    noise_with_curvature: f64,
}

fn fitted(outline: &Outline, noise: &NoisePowers) -> Result<Fitted, String> {
    let (regression, epoch_noise) = match &outline.method {
        Method::Sparse(fit) => {
            return Ok(Fitted {
                regression: fit.regression,
                epoch_noise: None,
                kurtosis: fit.kurtosis(noise.fourth)?,
                noise_with_curvature: fit.noise_with_curvature,
            });
        }
        Method::Plain(regression) => {
            (regression.with_noise(noise.second * noise.unit.powi(2))?, None)
        }
        // Its errors are from the likelihood.
        Method::Epochs(regression, epochs) => {
            let Regression { noise_variance, .. } =
                regression.with_noise(noise.second * noise.unit.powi(2))?;
            (Regression { noise_variance, ..*regression }, Some(*epochs))
        }
    };
    let variance = regression.noise_variance / noise.unit.powi(2);
    let kurtosis = noise.fourth / (regression.transitions as f64 * variance * variance);
    let kurtosis =
        Some(kurtosis).filter(|kurtosis| kurtosis.is_finite() && regression.noise_variance > 0.0);
    let kurtosis = kurtosis.ok_or("there is no noise: every step follows from the one before")?;
    Ok(Fitted { regression, epoch_noise, kurtosis, noise_with_curvature: 0.0 })
}

/// The mean, with an interval for as many transitions as there are. Its width goes as one over the
/// curvature, of which the middle of the interval has less bias than the estimate.
fn mean(regression: &Regression, [low, high]: [f64; 2]) -> Option<Estimate> {
    let student = StudentsT::new(0.0, 1.0, (regression.transitions as f64 - 2.0).min(1e5)).ok()?;
    let curvature =
        if low > 0.0 { regression.curvature.min(0.5 * (low + high)) } else { regression.curvature };
    let [mean, low, high] =
        Regression { curvature, ..*regression }.mean(student.inverse_cdf(0.975))?;
    Estimate::new(mean, low, high)
}

/// Noise of several steps has a part of the position and one of the velocity.
fn noise_values(regression: &Regression, every: u64) -> f64 {
    regression.transitions as f64 * if every > 1 { 2.0 } else { 1.0 }
}

/// The pulls that are not rejected: where (estimate - pull) / standard error is between the
/// quantiles that it has if the pull is the true one. From 0 on: a mode is taken to be bound.
fn pull_interval(regression: &Regression, every: u64, learning_rate: f64) -> [f64; 2] {
    let (steps, momentum) = (every as f64 * regression.transitions as f64, regression.momentum);
    let (estimate, error) =
        (learning_rate * regression.curvature, learning_rate * regression.curvature_error);
    let normal = standard_normal_quantile(0.975);
    // Few transitions widen it as they do Student's t.
    let student = StudentsT::new(0.0, 1.0, (regression.transitions as f64 - 2.0).min(1e5));
    let widening = student.map_or(1.0, |student| student.inverse_cdf(0.975) / normal);
    let quantile = |pull: f64, end: usize| {
        let limit = [-normal, normal][end];
        let of = match Dynamics::new(momentum, pull) {
            None if pull > 0.0 => limit,
            None => quantiles(None, steps)[end],
            Some(mode) => {
                let share = stationary_share(regression, every, learning_rate, &mode);
                limit + (quantiles(Some(mode), steps)[end] - limit) * share.sqrt()
            }
        };
        of * widening
    };
    let accepts_low = |pull: f64| (estimate - pull) <= error * quantile(pull, 1);
    let accepts_high = |pull: f64| (estimate - pull) >= error * quantile(pull, 0);
    if estimate <= 0.0 && !accepts_high(0.0) {
        return [0.0, 0.0];
    }
    let start = estimate.max(0.0);
    let low = if accepts_low(0.0) { 0.0 } else { edge(start, 0.0, accepts_low) };
    let high = edge(start, start + 10.0 * error, accepts_high);
    [low, high]
}

/// How much of the positions' variance is that of a stationary state. The way back from a start far
/// away says as much of the curvature as its share is, and that with a normal error.
fn stationary_share(
    regression: &Regression,
    every: u64,
    learning_rate: f64,
    mode: &Dynamics,
) -> f64 {
    let mean = regression.centre + regression.intercept * learning_rate / mode.pull;
    let [position_variance, _] = mode.variances();
    let stationary = learning_rate * learning_rate * position_variance * regression.noise_variance;
    if (regression.first_position - mean).abs() < FAR * stationary.sqrt() {
        return 1.0;
    }
    let memory = mode.position_autocorrelation().sampled_every(every);
    let [bias, _] = memory.freedom_of_variance(regression.transitions as f64);
    (stationary * bias / regression.position_variance).min(1.0)
}

/// Between a point that is accepted and one that is not.
fn edge(mut accepted: f64, mut rejected: f64, accepts: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..60 {
        let middle = 0.5 * (accepted + rejected);
        if accepts(middle) { accepted = middle } else { rejected = middle }
    }
    accepted
}

/// A variance estimated with so many degrees of freedom, by the chi-squared distribution.
pub(super) fn variance_interval(variance: f64, freedom: f64) -> Option<Estimate> {
    // Where the distribution's tails take long to sum, the logarithm is normal to five digits.
    if freedom > 1e5 {
        return Estimate::from_logarithm(variance, (2.0 / freedom).sqrt());
    }
    let distribution = ChiSquared::new(freedom).ok()?;
    let end = |p: f64| variance * freedom / distribution.inverse_cdf(p);
    Estimate::new(variance, end(0.975), end(0.025))
}
