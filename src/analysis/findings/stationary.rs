//! What the theory takes for granted: constant plain SGD in a stationary state, with steps that are
//! small.

use super::words::LEVEL;
use super::{Finding, Question, Size, Verdict};
use crate::analysis::Answer;
use crate::analysis::fit::RunFit;
use crate::analysis::render_text::{grouped, p_value};
use crate::analysis::stationarity::Beginning;

/// Above this share of the limit of stability eq. 12 is off by about as much.
const LARGE_STEP: f64 = 0.1;

pub(super) fn findings(fit: &RunFit, settings_known: bool) -> Vec<Finding> {
    let mut found = vec![
        Finding::of(Question::Stationarity, &fit.stationarity.beginning, |beginning| {
            of_beginning(fit, beginning)
        }),
        Finding::of(Question::Relation, &fit.stationarity.fluctuation_dissipation, |relation| {
            let ratio = relation.ratio;
            let sentence =
                format!("<theta g> is {ratio:.3} of eta (1+beta)/2 <v^2>, 1 in a stationary state");
            Finding::new(Question::Relation, Verdict::holds(relation.holds), sentence)
                .with_size(Size::of(ratio, "of 1"))
        }),
    ];
    let reason = fit.gradient_noise.reason().filter(|reason| Some(*reason) != fit.speed.reason());
    found.extend(reason.map(|reason| {
        let verdict = if settings_known { Verdict::Fails } else { Verdict::Unanswered };
        Finding::new(Question::Settings, verdict, reason)
    }));
    found.extend(fit.advice.stability.known().filter(|stability| stability.share > LARGE_STEP).map(|stability| {
        let percent = 100.0 * stability.share;
        let sentence = format!(
            "steps are large: the learning rate is at {percent:.0}% of its limit, and eq. 12 is off by about as much"
        );
        Finding::new(Question::SmallSteps, Verdict::Fails, sentence).with_size(Size::of(percent, "% of the limit"))
    }));
    found
}

fn of_beginning(fit: &RunFit, beginning: &Beginning) -> Finding {
    let change = beginning.change_in_words();
    let from_first_row = beginning.first_step == Some(fit.first_step);
    let taken = "intervals assume it";
    let (verdict, sentence) = match beginning.first_step {
        Some(step) if beginning.given => {
            let from = format!("from step {} on, as given", grouped(step));
            match (beginning.tested.is_empty(), beginning.is_stationary()) {
                (true, _) => (Verdict::Holds, format!("{from}; nothing could be tested")),
                (_, true) => (Verdict::Holds, format!("{from}; then {change} at most")),
                (_, false) => (Verdict::Fails, format!("{from}, but then {change}; {taken}")),
            }
        }
        Some(_) if from_first_row => {
            (Verdict::Holds, format!("from the first row on; {change} at most"))
        }
        Some(step) => {
            (Verdict::Fails, format!("from step {} on; over all rows {change}", grouped(step)))
        }
        None => (Verdict::Fails, format!("nowhere: {change}; {taken}")),
    };
    let size = beginning.change.and_then(|change| match change.ratio() {
        Some(ratio) if !beginning.worst.starts_with("position") => {
            Some(Size::of(100.0 * (ratio - 1.0), "%"))
        }
        _ => Some(Size::of(change.deviations()?, "standard deviations")),
    });
    Finding { size, ..Finding::new(Question::Stationarity, verdict, sentence) }
}

/// Whether the speed has a trend over the window.
pub(super) fn constant_speed(fit: &RunFit) -> Finding {
    let question = Question::ConstantSpeed;
    Finding::of(question, &fit.speed, |speed| match (&speed.trend, speed.change) {
        (Answer::Known(trend), Some(change)) => {
            let constant = trend.p_value >= LEVEL;
            let size = change.ratio().map(|ratio| Size::of(100.0 * (ratio - 1.0), "%"));
            let chance = if constant { ", as by chance" } else { "" };
            let sentence = format!(
                "{} over the window{chance} ({})",
                change.in_words(false),
                p_value(trend.p_value)
            );
            Finding { size, ..Finding::new(question, Verdict::holds(constant), sentence) }
        }
        (Answer::CannotSay { reason }, _) => Finding::unanswered(question, reason.as_str()),
        (Answer::Known(_), None) => Finding::unanswered(question, "the speed is out of range"),
    })
}
