//! What a practitioner may do about it, each with its evidence.

use serde::Serialize;

use super::Answer;
use super::displacement_noise::Curvatures;
use super::render_text::p_value;
use super::settings::PlainSgd;
use super::speed::Speed;
use super::stationarity::{EffectiveSamples, Stationarity};

/// A test speaks against stationarity below this.
const LEVEL: f64 = 0.05;
/// Weights are averaged over this many autocorrelation times of the slowest mode: its variance falls to a twentieth.
const AVERAGED_TIMES: f64 = 20.0;

/// All advice.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Advice {
    /// How far the learning rate is from where the sharpest direction becomes unstable.
    pub stability: Answer<StabilityAdvice>,
    /// Whether to lower the learning rate now.
    pub learning_rate: Answer<LearningRateAdvice>,
    /// Over how many steps to average weights.
    pub averaging: Answer<AveragingAdvice>,
}

/// The learning rate against 2 (1 + beta) / (rho_1 + lambda).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct StabilityAdvice {
    /// rho_1 + lambda, the largest known.
    pub largest_curvature: f64,
    /// Where it is from.
    pub curvatures: Curvatures,
    /// The learning rate at which it becomes unstable.
    pub learning_rate_limit: f64,
    /// eta as a share of that; above 1 the step is unstable.
    pub share: f64,
}

/// Whether to lower the learning rate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LearningRateAdvice {
    /// A stationary state gains nothing more at this learning rate; a lower one has less noise.
    pub lower_now: bool,
    /// What speaks for it or against it.
    pub evidence: Vec<String>,
}

/// Over how many steps to average.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AveragingAdvice {
    /// 20 autocorrelation times of the slowest resolved mode.
    pub window_steps: f64,
    /// That autocorrelation time, steps.
    pub slowest_autocorrelation_steps: f64,
    /// Its mode, counted from 1.
    pub mode: usize,
    /// Modes that the run does not resolve: they are slower still.
    pub unresolved_modes: usize,
}

/// Stability, from the largest rho + lambda that is known.
pub fn stability(sgd: Result<PlainSgd, String>, largest: Option<(f64, Curvatures)>) -> Answer<StabilityAdvice> {
    let PlainSgd { learning_rate, momentum } = match sgd {
        Ok(sgd) => sgd,
        Err(reason) => return Answer::CannotSay { reason },
    };
    let Some((largest_curvature, curvatures)) = largest else {
        return Answer::cannot_say("no curvature is known: give eigenvalues, or log projections at every step");
    };
    if !(largest_curvature > 0.0 && largest_curvature.is_finite()) {
        return Answer::cannot_say("no known direction has a positive curvature");
    }
    let learning_rate_limit = 2.0 * (1.0 + momentum) / largest_curvature;
    let share = learning_rate / learning_rate_limit;
    Answer::Known(StabilityAdvice { largest_curvature, curvatures, learning_rate_limit, share })
}

/// The learning rate, from what is stationary.
pub fn learning_rate(stationarity: &Stationarity, speed: &Answer<Speed>) -> Answer<LearningRateAdvice> {
    let beginning = match &stationarity.beginning {
        Answer::Known(beginning) => beginning,
        Answer::CannotSay { reason } => return Answer::cannot_say(reason.as_str()),
    };
    let mut evidence = Vec::new();
    let mut lower_now = beginning.is_stationary();
    evidence.push(match beginning.first_step.filter(|_| lower_now) {
        Some(step) if beginning.given => format!("taken to be stationary from step {step} on, as given"),
        Some(step) => format!("{} stationary from step {step} on", beginning.tested.join(", ")),
        None => format!("{} still changes ({})", beginning.worst, p_value(beginning.p_value)),
    });
    if let Some(trend) = speed.known().and_then(|speed| speed.trend.known()) {
        let constant = trend.p_value >= LEVEL;
        lower_now &= constant;
        let state = if constant { "constant" } else { "not constant" };
        evidence.push(format!("the speed is {state} ({})", p_value(trend.p_value)));
    }
    match &stationarity.fluctuation_dissipation {
        Answer::Known(relation) => {
            lower_now &= relation.holds;
            let state = if relation.holds { "holds" } else { "does not hold" };
            evidence.push(format!("fluctuation-dissipation {state} ({:.2} of 1)", relation.ratio));
        }
        Answer::CannotSay { reason } => evidence.push(format!("fluctuation-dissipation not known: {reason}")),
    }
    Answer::Known(LearningRateAdvice { lower_now, evidence })
}

/// The window of an average, from the modes' autocorrelation times.
pub fn averaging(modes: &[Answer<EffectiveSamples>]) -> Answer<AveragingAdvice> {
    let known = modes.iter().enumerate().filter_map(|(index, mode)| Some((index + 1, mode.known()?)));
    let (resolved, unresolved): (Vec<_>, Vec<_>) = known.partition(|(_, mode)| mode.resolved);
    let slowest = resolved.iter().max_by(|a, b| a.1.autocorrelation_steps.total_cmp(&b.1.autocorrelation_steps));
    let Some((mode, slowest)) = slowest else {
        return Answer::cannot_say("no projected mode is resolved by the run: log projections, and longer");
    };
    Answer::Known(AveragingAdvice {
        window_steps: AVERAGED_TIMES * slowest.autocorrelation_steps,
        slowest_autocorrelation_steps: slowest.autocorrelation_steps,
        mode: *mode,
        unresolved_modes: unresolved.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_stability_is_where_it_is() {
        let sgd = PlainSgd { learning_rate: 0.1, momentum: 0.9 };
        let answer = stability(Ok(sgd), Some((38.0, Curvatures::Given)));
        let advice = answer.known().unwrap();
        assert!((advice.share - 1.0).abs() < 1e-12 && (advice.learning_rate_limit - 0.1).abs() < 1e-12);
        assert!(stability(Ok(sgd), None).reason().is_some());
        assert!(stability(Ok(sgd), Some((-1.0, Curvatures::Fitted))).reason().is_some());
        assert!(stability(Err("unknown".to_owned()), Some((1.0, Curvatures::Given))).reason().is_some());
    }

    #[test]
    fn the_slowest_resolved_mode_sets_the_window() {
        let mode = |autocorrelation_steps, resolved| {
            Answer::Known(EffectiveSamples { autocorrelation_steps, effective_samples: 100.0, resolved })
        };
        let modes = [mode(5.0, true), mode(40.0, true), mode(1e4, false), Answer::cannot_say("constant")];
        let answer = averaging(&modes);
        let advice = answer.known().unwrap();
        assert_eq!((advice.window_steps, advice.mode, advice.unresolved_modes), (800.0, 2, 1));
        assert!(averaging(&modes[2..]).reason().is_some());
    }
}
