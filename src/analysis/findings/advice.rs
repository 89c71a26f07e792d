//! What to do about it.

use super::{Finding, Question, Size, Verdict};
use crate::analysis::advice::{AveragingAdvice, LearningRateAdvice, StabilityAdvice};
use crate::analysis::fit::RunFit;
use crate::analysis::health::RunState;
use crate::analysis::render_text::{grouped, number, percent, setting};

pub(super) fn findings(fit: &RunFit) -> Vec<Finding> {
    vec![
        Finding::of(Question::Stability, &fit.advice.stability, |advice| stability(fit, advice)),
        Finding::of(Question::LearningRate, &fit.advice.learning_rate, learning_rate),
        Finding::of(Question::Averaging, &fit.advice.averaging, averaging),
    ]
}

fn stability(fit: &RunFit, advice: &StabilityAdvice) -> Finding {
    let (rate, limit) = (setting(advice.learning_rate), number(advice.learning_rate_limit));
    let of = format!("{} of the largest stable one, {limit}", percent(advice.share));
    let sentence = if advice.share < 1.0 {
        format!("stable: rate {rate} is {of}")
    } else {
        let remedy = if fit.state == RunState::Open { ": lower it" } else { "" };
        format!("unstable: rate {rate} is {of}{remedy}")
    };
    Finding::new(Question::Stability, Verdict::Advice, sentence)
        .with_size(Size::of(100.0 * advice.share, "% of the largest stable learning rate"))
}

fn learning_rate(advice: &LearningRateAdvice) -> Finding {
    let (rate, highest) = (setting(advice.present), setting(advice.highest));
    let at_most = if advice.present < advice.highest {
        format!(" ({highest} at most)")
    } else {
        String::new()
    };
    let sentence = match (advice.schedule_from, advice.ended, advice.stationary) {
        (Some(from), ended, _) => {
            let goes = if advice.present < from { "fell" } else { "went" };
            let ended = if ended { ", and the run has ended" } else { "" };
            format!(
                "the learning rate {goes} from {} to {rate} over the window{at_most}{ended}",
                setting(from)
            )
        }
        (None, true, true) => {
            format!(
                "the run has ended, stationary at learning rate {rate}{at_most}: a next one may lower it sooner"
            )
        }
        (None, true, false) => {
            format!("the run has ended, not yet stationary at learning rate {rate}{at_most}")
        }
        (None, false, true) => {
            format!("if the run goes on, lower the learning rate now; it is {rate}{at_most}")
        }
        (None, false, false) => {
            format!("keep the learning rate, {rate}{at_most}: the run is not yet stationary")
        }
    };
    Finding::new(Question::LearningRate, Verdict::Advice, sentence)
}

fn averaging(advice: &AveragingAdvice) -> Finding {
    let steps = grouped(advice.window_steps.round() as u64);
    let mut sentence =
        format!("average weights over {steps} steps, 20 times the memory of mode {}", advice.mode);
    if advice.unresolved_modes > 0 {
        let modes = if advice.unresolved_modes == 1 { "mode is" } else { "modes are" };
        sentence +=
            &format!("; {} {modes} slower still than this run can tell", advice.unresolved_modes);
    }
    Finding::new(Question::Averaging, Verdict::Advice, sentence)
        .with_size(Size::of(advice.window_steps, "steps"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mode_is_slower_and_two_are() {
        let said = |unresolved_modes| {
            let advice = AveragingAdvice {
                window_steps: 200.0,
                slowest_autocorrelation_steps: 10.0,
                mode: 1,
                unresolved_modes,
            };
            averaging(&advice).sentence
        };
        assert_eq!(said(0), "average weights over 200 steps, 20 times the memory of mode 1");
        assert!(said(1).ends_with("; 1 mode is slower still than this run can tell"));
        assert!(said(2).ends_with("; 2 modes are slower still than this run can tell"));
    }

    #[test]
    fn the_rate_is_told_as_it_goes() {
        let advice = LearningRateAdvice {
            lower_now: true,
            stationary: true,
            ended: false,
            present: 0.1,
            highest: 0.1,
            schedule_from: None,
            evidence: Vec::new(),
        };
        let said = |advice: LearningRateAdvice| learning_rate(&advice).sentence;
        assert_eq!(
            said(advice.clone()),
            "if the run goes on, lower the learning rate now; it is 0.1"
        );
        let dropped = LearningRateAdvice { present: 0.02, stationary: false, ..advice.clone() };
        assert_eq!(
            said(dropped),
            "keep the learning rate, 0.02 (0.1 at most): the run is not yet stationary"
        );
        let cosine = LearningRateAdvice {
            present: 1.5e-6,
            schedule_from: Some(0.07),
            ended: true,
            ..advice
        };
        assert_eq!(
            said(cosine),
            "the learning rate fell from 0.07 to 1.5e-6 over the window (0.1 at most), and the run has ended"
        );
    }
}
