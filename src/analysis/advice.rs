//! What a practitioner may do about it, each with its evidence.

use serde::Serialize;

use super::Answer;
use super::displacement_noise::Curvatures;
use super::health::RunState;
use super::learning_rates::LearningRates;
use super::render_text::{grouped, p_value};
use super::settings::{NO_DIRECTIONS, PlainSgd, not_known};
use super::speed::Speed;
use super::stationarity::{EffectiveSamples, Stationarity};

/// A test speaks against stationarity below this.
const LEVEL: f64 = 0.05;
/// Weights are averaged over this many autocorrelation times of the slowest mode: its variance
/// falls to a twentieth.
const AVERAGED_TIMES: f64 = 20.0;

const NO_CURVATURE: &str = "no curvature is known: it takes eigenvalues (`--eigenvalues`), or directions logged at every \
                            step (`Options::project_onto`)";

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
    /// eta at the last row.
    pub learning_rate: f64,
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
    /// Whether to do it now: the run goes on, at one rate, and is stationary.
    pub lower_now: bool,
    /// Whether all tests find the run stationary: it gains nothing more at this rate, and a lower
    /// one has less noise.
    pub stationary: bool,
    /// Whether the run has ended: its log was closed, or an error stopped it.
    pub ended: bool,
    /// The rate at the last row.
    pub present: f64,
    /// The highest rate of any row.
    pub highest: f64,
    /// The rate at the window's first row, where it changes within the window.
    pub schedule_from: Option<f64>,
    /// What speaks for it or against it, each with its size.
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
pub fn stability(
    sgd: Result<PlainSgd, String>,
    largest: Option<(f64, Curvatures)>,
) -> Answer<StabilityAdvice> {
    let PlainSgd { learning_rate, momentum } = match sgd {
        Ok(sgd) => sgd,
        Err(reason) => return Answer::CannotSay { reason },
    };
    let Some((largest_curvature, curvatures)) = largest else {
        return Answer::cannot_say(NO_CURVATURE);
    };
    if !(largest_curvature > 0.0 && largest_curvature.is_finite()) {
        return Answer::cannot_say("no known direction has a positive curvature");
    }
    let learning_rate_limit = 2.0 * (1.0 + momentum) / largest_curvature;
    let share = learning_rate / learning_rate_limit;
    Answer::Known(StabilityAdvice {
        learning_rate,
        largest_curvature,
        curvatures,
        learning_rate_limit,
        share,
    })
}

/// The learning rate, from what is stationary, how it went, and whether the run goes on.
pub fn learning_rate(
    stationarity: &Stationarity,
    speed: &Answer<Speed>,
    rates: Option<LearningRates>,
    state: RunState,
) -> Answer<LearningRateAdvice> {
    let beginning = match &stationarity.beginning {
        Answer::Known(beginning) => beginning,
        Answer::CannotSay { reason } => return Answer::cannot_say(reason.as_str()),
    };
    let Some(rates) = rates else { return Answer::cannot_say(not_known("learning rate")) };
    let mut evidence = Vec::new();
    let mut stationary = beginning.is_stationary();
    evidence.push(match beginning.first_step.filter(|_| stationary) {
        Some(step) if beginning.given => {
            format!("stationary from step {} on, as given", grouped(step))
        }
        Some(step) => format!("stationary from step {} on", grouped(step)),
        None => beginning.change_in_words(),
    });
    if let Some((trend, change)) =
        speed.known().and_then(|speed| Some((speed.trend.known()?, speed.change?)))
    {
        stationary &= trend.p_value >= LEVEL;
        evidence.push(format!(
            "the speed {} over the window ({})",
            change.in_words(false),
            p_value(trend.p_value)
        ));
    }
    match &stationarity.fluctuation_dissipation {
        Answer::Known(relation) => {
            stationary &= relation.holds;
            evidence.push(format!(
                "the fluctuation-dissipation ratio is {:.2}, 1 if stationary",
                relation.ratio
            ));
        }
        Answer::CannotSay { reason } => {
            evidence.push(format!("the fluctuation-dissipation ratio is not known: {reason}"))
        }
    }
    let ended = state != RunState::Open;
    Answer::Known(LearningRateAdvice {
        lower_now: stationary && !ended && !rates.changes_in_window,
        stationary,
        ended,
        present: rates.present,
        highest: rates.highest,
        schedule_from: Some(rates.window_first).filter(|_| rates.changes_in_window),
        evidence,
    })
}

/// The window of an average, from the modes' autocorrelation times at one learning rate.
pub fn averaging(
    modes: &[Answer<EffectiveSamples>],
    rates: Option<LearningRates>,
) -> Answer<AveragingAdvice> {
    if rates.is_some_and(|rates| rates.changes_in_window) {
        return Answer::cannot_say(
            "the learning rate changes, and with it how long the modes remember",
        );
    }
    let reason = modes.iter().find_map(Answer::reason);
    let known =
        modes.iter().enumerate().filter_map(|(index, mode)| Some((index + 1, mode.known()?)));
    let (resolved, unresolved): (Vec<_>, Vec<_>) = known.partition(|(_, mode)| mode.resolved);
    let slowest = resolved
        .iter()
        .max_by(|a, b| a.1.autocorrelation_steps.total_cmp(&b.1.autocorrelation_steps));
    let Some((mode, slowest)) = slowest else {
        return Answer::cannot_say(match (modes, reason) {
            ([], _) => NO_DIRECTIONS,
            (_, Some(reason)) if unresolved.is_empty() => reason,
            _ => "no mode forgets fast enough beside the run: it takes a longer one",
        });
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
    use crate::analysis::change::{Change, Course};
    use crate::analysis::stationarity::{Beginning, FluctuationDissipation};

    #[test]
    fn the_limit_of_stability_is_where_it_is() {
        let sgd = PlainSgd { learning_rate: 0.1, momentum: 0.9 };
        let answer = stability(Ok(sgd), Some((38.0, Curvatures::Given)));
        let advice = answer.known().unwrap();
        assert!(
            (advice.share - 1.0).abs() < 1e-12 && (advice.learning_rate_limit - 0.1).abs() < 1e-12
        );
        assert!(stability(Ok(sgd), None).reason().is_some());
        assert!(stability(Ok(sgd), Some((-1.0, Curvatures::Fitted))).reason().is_some());
        assert!(
            stability(Err("unknown".to_owned()), Some((1.0, Curvatures::Given))).reason().is_some()
        );
    }

    #[test]
    fn the_slowest_resolved_mode_sets_the_window() {
        let mode = |autocorrelation_steps, resolved| {
            Answer::Known(EffectiveSamples {
                autocorrelation_steps,
                effective_samples: 100.0,
                resolved,
            })
        };
        let modes =
            [mode(5.0, true), mode(40.0, true), mode(1e4, false), Answer::cannot_say("constant")];
        let answer = averaging(&modes, None);
        let advice = answer.known().unwrap();
        assert_eq!((advice.window_steps, advice.mode, advice.unresolved_modes), (800.0, 2, 1));
        assert!(averaging(&modes[2..], None).reason().is_some());
    }

    fn stationary_from(first_step: Option<u64>) -> Stationarity {
        let change =
            Some(Change { from: 2.0, to: 1.76, deviation: 0.1, course: Course::AlongLine });
        let beginning = Beginning {
            first_step,
            given: false,
            worst: "loss".to_owned(),
            change,
            p_value: 0.01,
            tested: vec!["loss".to_owned()],
            untested: Vec::new(),
        };
        let fluctuation_dissipation = FluctuationDissipation {
            position_times_gradient: 1.0,
            kinetic: 1.0,
            ratio: 1.0,
            holds: true,
        };
        Stationarity {
            beginning: Answer::Known(beginning),
            fluctuation_dissipation: Answer::Known(fluctuation_dissipation),
            modes: Vec::new(),
        }
    }

    const ONE_RATE: LearningRates = LearningRates {
        first: 0.1,
        highest: 0.1,
        window_first: 0.02,
        present: 0.02,
        present_since: 40,
        changes_in_window: false,
    };

    #[test]
    fn lower_now_is_said_of_a_stationary_run_that_goes_on_at_one_rate_alone() {
        let advice = |first_step, rates, state| {
            let answer = learning_rate(
                &stationary_from(first_step),
                &Answer::cannot_say("no rows"),
                Some(rates),
                state,
            );
            answer.known().unwrap().clone()
        };
        let falling = LearningRates { present: 1.5e-6, changes_in_window: true, ..ONE_RATE };
        assert!(advice(Some(1), ONE_RATE, RunState::Open).lower_now);
        assert!(!advice(None, ONE_RATE, RunState::Open).lower_now);
        let finished = advice(Some(1), ONE_RATE, RunState::Finished);
        assert!(!finished.lower_now && finished.stationary && finished.ended);
        assert!(!advice(Some(1), ONE_RATE, RunState::Stopped).lower_now);
        let scheduled = advice(Some(1), falling, RunState::Open);
        assert!(!scheduled.lower_now);
        assert_eq!((scheduled.schedule_from, scheduled.present), (Some(0.02), 1.5e-6));
        assert_eq!(
            advice(None, ONE_RATE, RunState::Open).evidence[0],
            "loss falls by 12% (p = 0.010)"
        );
        let unknown =
            learning_rate(&stationary_from(Some(1)), &Answer::cannot_say(""), None, RunState::Open);
        assert_eq!(unknown.reason(), Some(not_known("learning rate").as_str()));
    }
}
