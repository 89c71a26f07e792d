//! What a run shows, in words: failed assumptions first, then numbers with their intervals, then what to do.

use super::material::Material;
use crate::analysis::modes::{Estimate, ModesFit, NoiseSource};
use crate::analysis::render_text::{grouped, number, p_value, thousandths};
use crate::analysis::sweep::Sweep;
use crate::analysis::{Answer, RunFit};

/// The findings of a run, each list in the order of reading.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Findings {
    /// What theory takes for granted and the run does not show, and what is wrong with the log.
    pub failed: Vec<String>,
    /// Numbers.
    pub measured: Vec<String>,
    /// What to do about it.
    pub advice: Vec<String>,
    /// Questions without an answer, and why.
    pub unanswered: Vec<String>,
}

/// A number and its 95% interval.
pub fn estimate(estimate: &Estimate) -> String {
    let end = |end: Option<f64>| end.map_or_else(|| "unbounded".to_owned(), number);
    format!("{} (95%: {} to {})", number(estimate.value), end(estimate.low), end(estimate.high))
}

impl Findings {
    /// Of a run.
    pub fn of(material: &Material) -> Findings {
        let mut findings = Findings::default();
        let Some(fit) = &material.fit else {
            findings.failed.push("The run has no rows.".to_owned());
            return findings;
        };
        findings.failed.extend(fit.notes.iter().map(|note| sentence(note)));
        // A sweep of one run says what its assumptions are.
        let alone = Sweep::of(std::slice::from_ref(fit));
        let failed = alone.runs.into_iter().flat_map(|run| run.failed_assumptions);
        findings.failed.extend(failed.map(|text| sentence(&text)));
        findings.motion(fit);
        if !fit.modes.modes.is_empty() {
            findings.modes(&fit.modes);
        }
        findings.advise(fit);
        findings
    }

    /// A finding, or a question that has no answer.
    fn say<T>(&mut self, question: &str, answer: &Answer<T>, known: impl FnOnce(&T) -> String) {
        match answer {
            Answer::Known(value) => self.measured.push(known(value)),
            Answer::CannotSay { reason } => self.unanswered.push(format!("{question}: {reason}.")),
        }
    }

    fn motion(&mut self, fit: &RunFit) {
        self.say("Diffusion exponent", &fit.displacement, |law| {
            let interval = match &law.interval {
                Answer::Known(interval) => format!(" (95%: {:.3} to {:.3})", interval.low, interval.high),
                Answer::CannotSay { .. } => String::new(),
            };
            format!(
                "Diffusion exponent c = {:.3}{interval}, over steps {} to {}: {}.",
                law.exponent,
                grouped(law.first_step),
                grouped(law.last_step),
                kind(law.exponent, law.interval.known().map(|interval| [interval.low, interval.high]))
            )
        });
        if let Some(law) = fit.displacement.known()
            && let Answer::CannotSay { reason } = &law.interval
        {
            self.unanswered.push(format!("Interval of the diffusion exponent: {reason}."));
        }
        self.say("Predicted displacement", &fit.predicted, |predicted| {
            format!(
                "Exponent predicted from measured eigenvalues: {}, measured {}{}.",
                thousandths(predicted.exact_exponent),
                thousandths(predicted.measured_exponent),
                if predicted.projected_part { " (of the part along the directions)" } else { "" }
            )
        });
        if let Some(height) = fit.predicted.known().and_then(|predicted| predicted.height_by_gradients) {
            let said = format!(
                "By the measured covariance of gradients the displacement is {} (95%: {} to {}) times as high as by the speed",
                number(height.value),
                number(height.low),
                number(height.high)
            );
            let agree = height.low <= 1.0 && 1.0 <= height.high;
            let verdict = if agree { "they agree" } else { "they do not agree" };
            self.measured.push(format!("{said}: {verdict}."));
        }
        self.say("Exponent by lag", &fit.lags, |lags| {
            let [first, last] = lags.fit_lags;
            format!(
                "Along the directions, over all origins, c = {:.3} (95%: {:.3} to {:.3}) for lags of {} to {} steps.",
                lags.exponent.value,
                lags.exponent.low,
                lags.exponent.high,
                grouped(first),
                grouped(last)
            )
        });
        self.say("Speed", &fit.speed, |speed| {
            let interval = speed.interval.known();
            let interval = interval.map(|of| format!(" (95%: {} to {})", number(of.low), number(of.high)));
            let mean = number(speed.mean_local_displacement_squared);
            format!("Speed, the mean of ‖δ‖²: {mean}{}.", interval.unwrap_or_default())
        });
        self.say("σ² tr(H)", &fit.gradient_noise, |noise| {
            let interval = noise.interval.known();
            let interval = interval.map(|of| format!(" (95%: {} to {})", number(of.low), number(of.high)));
            let value = number(noise.noise_scale_times_trace);
            format!("Gradient noise σ² tr(H), by eq. 12 from the speed: {value}{}.", interval.unwrap_or_default())
        });
        self.say("Stationarity", &fit.stationarity.beginning, |beginning| match beginning.first_step {
            Some(step) => format!("Stationary from step {} on, by {}.", grouped(step), beginning.tested.join(", ")),
            None => format!("Not stationary: {} still changes ({}).", beginning.worst, p_value(beginning.p_value)),
        });
    }

    fn modes(&mut self, fit: &ModesFit) {
        let fitted: Vec<_> = fit.modes.iter().filter_map(|mode| mode.recursion.known()).collect();
        if !fitted.is_empty() {
            let swinging = fitted.iter().filter(|fit| fit.damping_ratio.high.is_some_and(|high| high < 1.0)).count();
            let creeping = fitted.iter().filter(|fit| fit.damping_ratio.low.is_some_and(|low| low > 1.0)).count();
            self.measured.push(format!(
                "Of {} modes fitted {swinging} swing and {creeping} creep; {} cannot be told.",
                fitted.len(),
                fitted.len() - swinging - creeping
            ));
        }
        if let Some(test) = fit.isotropy.known().and_then(|isotropy| isotropy.against_modified_loss.known()) {
            let p = p_value(test.probability);
            if test.rejected {
                let discrete = fit.isotropy.known().and_then(|isotropy| isotropy.against_discrete_theory.known());
                let discrete = discrete
                    .filter(|test| !test.rejected)
                    .map(|test| format!("; they follow the theory in discrete time ({})", p_value(test.probability)));
                let but = discrete.unwrap_or_default();
                self.failed.push(format!("Isotropy: position variances do not follow the modified loss ({p}){but}."));
            } else {
                self.measured.push(format!("Isotropy: position variances follow the modified loss ({p})."));
            }
        }
        self.say("Equipartition", &fit.equipartition, |total| {
            let verdict = if total.holds { "holds" } else { "does not hold" };
            format!(
                "Equipartition {verdict}: potential over kinetic energy {}.",
                estimate(&total.potential_over_kinetic)
            )
        });
        self.say("σ²", &fit.noise_scale, |scales| {
            let innovations = scales.value(NoiseSource::Innovations);
            match innovations.as_ref().or(scales.values.first().map(|scale| &scale.value)) {
                Some(value) => format!("Noise scale σ²: {}.", estimate(value)),
                None => "Noise scale σ²: no source of it.".to_owned(),
            }
        });
        let differs = fit.noise_scale.known().is_some_and(|scales| {
            scales.values.iter().any(|scale| scale.same_in_all_modes.is_some_and(|test| test.rejected))
        });
        if differs {
            self.failed.push("Assumption 5: σ² is not the same in all modes.".to_owned());
        }
    }

    fn advise(&mut self, fit: &RunFit) {
        match &fit.advice.stability {
            Answer::Known(advice) if advice.share >= 1.0 => self.advice.push(format!(
                "Lower the learning rate: it is {:.1} times the largest stable one, {}.",
                advice.share,
                number(advice.learning_rate_limit)
            )),
            Answer::Known(advice) => self.advice.push(format!(
                "The learning rate is at {:.1}% of the largest stable one, {}.",
                100.0 * advice.share,
                number(advice.learning_rate_limit)
            )),
            Answer::CannotSay { reason } => self.unanswered.push(format!("Limit of stability: {reason}.")),
        }
        match &fit.advice.learning_rate {
            Answer::Known(advice) => {
                let what = if advice.lower_now { "Lower the learning rate now" } else { "Keep the learning rate" };
                self.advice.push(format!("{what}: {}.", advice.evidence.join("; ")));
            }
            Answer::CannotSay { reason } => {
                self.unanswered.push(format!("Whether to lower the learning rate: {reason}."))
            }
        }
        match &fit.advice.averaging {
            Answer::Known(advice) => self.advice.push(format!(
                "Average weights over {} steps, 20 times the memory of mode {}.",
                number(advice.window_steps),
                advice.mode
            )),
            Answer::CannotSay { reason } => self.unanswered.push(format!("Window of a weight average: {reason}.")),
        }
    }
}

/// What an exponent with its interval says.
fn kind(exponent: f64, interval: Option<[f64; 2]>) -> &'static str {
    match interval {
        Some([low, high]) if low <= 1.0 && 1.0 <= high => "not told from ordinary diffusion",
        _ if exponent > 1.0 => "faster than ordinary diffusion",
        _ => "slower than ordinary diffusion",
    }
}

/// A clause as a sentence.
fn sentence(clause: &str) -> String {
    let mut characters = clause.chars();
    let first = characters.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    let end = if clause.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", characters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses_become_sentences_and_intervals_are_said() {
        assert_eq!(sentence("the run was not closed"), "The run was not closed.");
        assert_eq!(sentence("über 1."), "Über 1.");
        assert_eq!(kind(1.2, Some([0.9, 1.4])), "not told from ordinary diffusion");
        assert_eq!(kind(1.2, Some([1.1, 1.4])), "faster than ordinary diffusion");
        assert_eq!(kind(0.7, None), "slower than ordinary diffusion");
    }
}
