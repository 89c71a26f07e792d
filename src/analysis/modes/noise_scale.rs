//! sigma^2, by assumption 5 the one number behind all noise, measured in up to five ways: do they
//! agree, and is it one number?

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::dynamics::Dynamics;
use super::estimate::{BatchSums, BatchedMean, Estimate, Test};
use super::isotropy::{ModeVariances, heterogeneity};
use super::mode::{EigenvalueSource, ModeFit};
use super::options::ModesOptions;
use super::outline::Outline;
use super::recursion::RecursionFit;
use super::series::Part;
use super::speed::SpeedNoiseScale;
use super::window::Window;
use crate::analysis::Answer;
use crate::analysis::settings::not_known;

/// Where a value of sigma^2 comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NoiseSource {
    /// S / rho times the variance of the fitted recursion's noise, over the modes.
    Innovations,
    /// The variances of the velocities, over the modes, by the stationary state in discrete time.
    VelocityVariances,
    /// The mean squared displacement of all parameters a step, by eq. 12, and the trace of the
    /// Hessian.
    Speed,
    /// The measured covariance of gradients, over the modes.
    GradientCovariance,
    /// The trace of the measured covariance of gradients over that of the Hessian: all directions.
    GradientTrace,
}

impl NoiseSource {
    /// As it continues "sigma^2 by".
    pub fn name(self) -> &'static str {
        match self {
            NoiseSource::Innovations => "innovations",
            NoiseSource::VelocityVariances => "velocities",
            NoiseSource::Speed => "speed",
            NoiseSource::GradientCovariance => "gradients",
            NoiseSource::GradientTrace => "tr(Sigma)/tr(H)",
        }
    }
}

/// One value of sigma^2.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct NoiseScale {
    /// How it was got.
    pub source: NoiseSource,
    /// sigma^2.
    pub value: Estimate,
    /// Modes pooled; none where it is of all directions.
    pub modes: Option<u64>,
    /// Is it the same in all modes (assumption 5)? Where it is not, the interval is too narrow for
    /// any one mode.
    pub same_in_all_modes: Option<Test>,
    /// The lowest and the highest of the modes' own values, over the pooled one; `None` where it is
    /// of all directions.
    pub spread: Option<[f64; 2]>,
}

/// Whether two of them agree.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Agreement {
    /// The one.
    pub first: NoiseSource,
    /// The other.
    pub second: NoiseSource,
    /// Second over first.
    pub ratio: f64,
    /// Against a ratio of 1.
    pub test: Test,
}

/// All of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NoiseScales {
    /// Whose rho_i.
    pub eigenvalues: EigenvalueSource,
    /// Those that could be had.
    pub values: Vec<NoiseScale>,
    /// Every pair.
    pub agreements: Vec<Agreement>,
}

/// Sums of v^2 (1 - beta)(2 (1 + beta) - p) / 2 - noise^2 over a mode's transitions.
#[derive(Debug, Clone)]
pub(super) struct BalanceSums {
    step_variance: f64,
    excess: BatchSums,
    values: Vec<f64>,
}

impl BalanceSums {
    pub(super) fn new(outline: &Outline, dynamics: &Dynamics) -> Option<BalanceSums> {
        let ([_, step_variance], relaxation) = (dynamics.variances(), outline.relaxation(dynamics));
        let excess =
            BatchSums::new(relaxation.transitions, relaxation.batches().ok()?, relaxation.steps)?;
        Some(BalanceSums { step_variance, excess, values: Vec::new() })
    }

    /// Takes a part, and the noise of each of its transitions.
    pub(super) fn add(&mut self, part: &Part, noises: &[f64]) {
        let excess = |(velocity, noise): (&f64, &f64)| {
            velocity * velocity / self.step_variance - noise * noise
        };
        self.values.clear();
        self.values.extend(part.velocities.iter().zip(noises).map(excess));
        self.excess.add(&self.values);
    }

    /// Their mean over the noise variance: 0 in the stationary state. Velocities and innovations
    /// are the same rows, so their agreement is tested row by row.
    pub(super) fn mean(&self, fit: &RecursionFit) -> Option<BatchedMean> {
        self.excess.mean()?.times(fit.regression.noise_variance.recip())
    }
}

impl NoiseScales {
    pub(super) fn new(
        modes: &[ModeFit],
        balances: &[Option<BatchedMean>],
        window: &Window,
        source: EigenvalueSource,
        speed: Option<SpeedNoiseScale>,
        options: &ModesOptions,
    ) -> Answer<NoiseScales> {
        let Some(batch_size) = window.batch_size.map(|size| size as f64).filter(|size| *size > 0.0)
        else {
            return Answer::cannot_say(not_known("batch size"));
        };
        let eigenvalue =
            |mode: &ModeFit| mode.eigenvalue_of(source, window).filter(|rho| *rho > 0.0);
        // The fitted curvature's own uncertainty, where it is the one used.
        let of_curvature = |mode: &ModeFit| match source {
            EigenvalueSource::Hessian => Some(0.0),
            EigenvalueSource::Fit => mode.recursion.known()?.curvature.logarithmic_error(),
        };
        let innovations = modes.iter().filter_map(|mode| {
            let fit = mode.recursion.known()?;
            let own = (fit.kurtosis - 1.0).max(2.0) / fit.noise_values();
            let value = batch_size * fit.noise_variance.value / eigenvalue(mode)?;
            // Of rows far apart, noise and curvature err together.
            let shared = match source {
                EigenvalueSource::Hessian => fit.noise_with_curvature,
                EigenvalueSource::Fit => fit.noise_with_curvature - 1.0,
            };
            let of_curvature =
                if shared == 0.0 { 0.0 } else { shared * fit.curvature.logarithmic_error()? };
            Some([value.ln(), own + of_curvature.powi(2)])
        });
        let velocities = modes.iter().filter_map(|mode| {
            let rho = eigenvalue(mode)?;
            let (variances, fit) = (ModeVariances::new(mode, rho)?, mode.recursion.known()?);
            let [_, step_variance] = fit.dynamics.variances();
            let value = batch_size * variances.velocity.value / (step_variance * rho);
            Some([value.ln(), 2.0 / variances.velocity_freedom + of_curvature(mode)?.powi(2)])
        });
        let gradients = modes
            .iter()
            .zip(options.gradient_variances.unwrap_or_default())
            .filter_map(|(mode, measured)| {
                let value = measured.value / eigenvalue(mode)?;
                Some([value.ln(), (measured.standard_error / measured.value).powi(2)])
            });
        let of_all = |source, value| NoiseScale {
            source,
            value,
            modes: None,
            same_in_all_modes: None,
            spread: None,
        };
        let traces =
            options.gradient_trace.zip(options.hessian_trace).and_then(|(noise, hessian)| {
                let errors = [noise, hessian].map(|trace| trace.standard_error / trace.value);
                let with =
                    |error: f64| Estimate::from_logarithm(noise.value / hessian.value, error);
                Some([with(errors[0].hypot(errors[1]))?, with(errors[0])?])
            });
        let traces = traces.filter(|[value, _]| value.value > 0.0);
        let values: Vec<NoiseScale> = [
            pooled(NoiseSource::Innovations, innovations),
            pooled(NoiseSource::VelocityVariances, velocities),
            speed.map(|speed| of_all(NoiseSource::Speed, speed.value)),
            pooled(NoiseSource::GradientCovariance, gradients),
            traces.map(|[value, _]| of_all(NoiseSource::GradientTrace, value)),
        ]
        .into_iter()
        .flatten()
        .collect();
        if values.is_empty() {
            return Answer::cannot_say("no mode is fitted with a positive eigenvalue");
        }
        let mut agreements = Vec::new();
        for (index, first) in values.iter().enumerate() {
            for second in &values[index + 1..] {
                let test = match (first.source, second.source, speed, traces) {
                    (NoiseSource::Innovations, NoiseSource::VelocityVariances, ..) => {
                        balanced(balances)
                    }
                    // Both are divided by the same tr(H): its error is not in their ratio.
                    (
                        NoiseSource::Speed,
                        NoiseSource::GradientTrace,
                        Some(speed),
                        Some([_, given_trace]),
                    ) => agree(&speed.given_trace, &given_trace),
                    _ => agree(&first.value, &second.value),
                };
                let ratio = second.value.value / first.value.value;
                let pair = (first.source, second.source);
                agreements.extend(test.map(|test| Agreement {
                    first: pair.0,
                    second: pair.1,
                    ratio,
                    test,
                }));
            }
        }
        Answer::Known(NoiseScales { eigenvalues: source, values, agreements })
    }

    /// By that source.
    pub fn value(&self, source: NoiseSource) -> Option<Estimate> {
        self.values.iter().find(|scale| scale.source == source).map(|scale| scale.value)
    }
}

/// Mean of logarithms with weights.
fn pooled(source: NoiseSource, values: impl Iterator<Item = [f64; 2]>) -> Option<NoiseScale> {
    let values: Vec<[f64; 2]> = values
        .filter(|[value, variance]| value.is_finite() && *variance > 0.0 && variance.is_finite())
        .collect();
    let weight: f64 = values.iter().map(|[_, variance]| 1.0 / variance).sum();
    let mean = values.iter().map(|[value, variance]| value / variance).sum::<f64>() / weight;
    let value = Estimate::from_logarithm(mean.exp(), weight.sqrt().recip())?;
    let same_in_all_modes = if values.len() > 1 { heterogeneity(&values) } else { None };
    let ratios = || values.iter().map(|[value, _]| (value - mean).exp());
    let spread =
        ratios().reduce(f64::min).zip(ratios().reduce(f64::max)).map(|(low, high)| [low, high]);
    Some(NoiseScale { source, value, modes: Some(values.len() as u64), same_in_all_modes, spread })
}

/// Independent values: errors of the logarithms added in squares. Where they share rows the test is
/// too mild.
fn agree(first: &Estimate, second: &Estimate) -> Option<Test> {
    let error = first.logarithmic_error()?.hypot(second.logarithmic_error()?);
    Test::of_normal((second.value / first.value).ln() / error)
}

/// Whether the modes' balances are 0 in the mean: Student's t, degrees of freedom by Welch and
/// Satterthwaite.
fn balanced(balances: &[Option<BatchedMean>]) -> Option<Test> {
    let known: Vec<&BatchedMean> = balances.iter().flatten().collect();
    let sum: f64 = known.iter().map(|mean| mean.mean).sum();
    let variance: f64 = known.iter().map(|mean| mean.standard_error.powi(2)).sum();
    let fourth: f64 = known.iter().map(|mean| mean.standard_error.powi(4) / mean.freedom).sum();
    let student = StudentsT::new(0.0, 1.0, variance * variance / fourth).ok()?;
    Test::new(2.0 * student.cdf(-(sum / variance.sqrt()).abs())).filter(|_| variance > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Measured;

    /// 2 and 2.3 with errors of 4% and 3% beside one of tr(H), which both are divided by.
    #[test]
    fn the_error_of_the_trace_is_not_in_the_ratio_of_what_is_divided_by_it() {
        let test = |of_hessian: f64| {
            let with = |error: f64| Estimate::from_logarithm(2.0, error).unwrap();
            let speed =
                SpeedNoiseScale { value: with(of_hessian.hypot(0.04)), given_trace: with(0.04) };
            let options = ModesOptions {
                hessian_trace: Some(Measured { value: 10.0, standard_error: 10.0 * of_hessian }),
                gradient_trace: Some(Measured { value: 23.0, standard_error: 23.0 * 0.03 }),
                ..ModesOptions::default()
            };
            let window = Window {
                first_step: 1,
                last_step: 1000,
                rows: 1000,
                rows_left_out: 0,
                stretches: 1,
                learning_rate: Some(0.1),
                momentum: Some(0.9),
                weight_decay: Some(0.0),
                batch_size: Some(32),
                basis: None,
                range: 0..1000,
            };
            let scales = NoiseScales::new(
                &[],
                &[],
                &window,
                EigenvalueSource::Hessian,
                Some(speed),
                &options,
            );
            scales.known().unwrap().agreements[0].test
        };
        let expected = Test::of_normal(1.15_f64.ln() / 0.05).unwrap().probability;
        for of_hessian in [0.0, 0.1, 0.5] {
            let found = test(of_hessian);
            assert!(
                found.rejected && (found.probability / expected - 1.0).abs() < 1e-9,
                "{of_hessian}: {found:?}"
            );
        }
    }
}
