//! What a run says, in words. Each answer is worded here and nowhere else: the summary and the text
//! of `perrin fit`, its JSON, the sweep and the report read the same list.
//!
//! The size of an effect comes first, in a unit one knows; the p-value of a test stands beside it.
//! A question that has no answer has the reason, and where the reason is a call or an option that
//! was not used, its name.

mod advice;
mod completeness;
mod energy;
mod modes;
mod motion;
mod noise;
mod positions;
mod question;
mod stationary;
mod summary;
mod words;

use serde::Serialize;

pub use question::Question;
pub use summary::Summary;
#[cfg(feature = "report")]
pub(crate) use words::with_interval;

use super::Answer;
use super::fit::RunFit;
use super::inputs::Inputs;
use super::modes::{Estimate, ModesFit};
use crate::stats::long_run;

/// One thing that a run says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// What was asked.
    pub question: Question,
    /// How the answer stands to what is expected.
    pub verdict: Verdict,
    /// How large it is; `None` where it is no number, or several.
    pub size: Option<Size>,
    /// In words, read beside the question's name: a clause without capital and full stop.
    pub sentence: String,
}

/// How an answer stands to what is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// What theory takes for granted, or predicts, agrees with the rows.
    Holds,
    /// It does not; or something is wrong with the log.
    Fails,
    /// A number that nothing was expected of.
    Measured,
    /// What to do about it.
    Advice,
    /// There is no answer; the sentence is the reason.
    Unanswered,
}

/// A number in a unit, and how far it may be off.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Size {
    /// The number.
    pub value: f64,
    /// Ends of its 95% interval; `None` where there is none, or it is unbounded.
    pub interval: Option<[f64; 2]>,
    /// "%", "times", "parameter units squared".
    pub unit: &'static str,
}

impl Finding {
    fn new(question: Question, verdict: Verdict, sentence: impl Into<String>) -> Finding {
        Finding { question, verdict, size: None, sentence: sentence.into() }
    }

    /// There is no answer, for this reason.
    fn unanswered(question: Question, reason: impl Into<String>) -> Finding {
        Finding::new(question, Verdict::Unanswered, reason)
    }

    fn with_size(self, size: Size) -> Finding {
        Finding { size: Some(size), ..self }
    }

    /// Of an answer; without a value its reason.
    fn of<T>(question: Question, answer: &Answer<T>, known: impl FnOnce(&T) -> Finding) -> Finding {
        match answer {
            Answer::Known(value) => known(value),
            Answer::CannotSay { reason } => Finding::unanswered(question, reason.as_str()),
        }
    }

    /// As a sentence for a page: "Energy: potential is 1.6% below kinetic energy."
    pub fn as_sentence(&self) -> String {
        match self.question {
            Question::Log | Question::Optimizer => sentence(&self.sentence),
            question => sentence(&format!("{question}: {}", self.sentence)),
        }
    }
}

/// A clause with capital and full stop.
pub(crate) fn sentence(clause: &str) -> String {
    let mut characters = clause.chars();
    let first =
        characters.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    let end = if clause.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", characters.as_str())
}

/// The questions without an answer, those with the same reason together, and that reason.
#[cfg(feature = "report")]
pub(crate) fn unanswered(findings: &[Finding]) -> Vec<(Vec<Question>, &str)> {
    let mut reasons: Vec<(Vec<Question>, &str)> = Vec::new();
    for finding in findings.iter().filter(|finding| finding.verdict == Verdict::Unanswered) {
        match reasons.iter_mut().find(|(_, reason)| *reason == finding.sentence) {
            Some((questions, _)) => questions.push(finding.question),
            None => reasons.push((vec![finding.question], &finding.sentence)),
        }
    }
    reasons
}

impl Verdict {
    fn holds(holds: bool) -> Verdict {
        if holds { Verdict::Holds } else { Verdict::Fails }
    }
}

impl Size {
    fn of(value: f64, unit: &'static str) -> Size {
        Size { value, interval: None, unit }
    }

    fn of_estimate(estimate: &Estimate, unit: &'static str) -> Size {
        let interval = estimate.low.zip(estimate.high).map(|(low, high)| [low, high]);
        Size { value: estimate.value, interval, unit }
    }

    fn of_interval(value: f64, interval: Option<&long_run::Estimate>, unit: &'static str) -> Size {
        Size { value, interval: interval.map(|of| [of.low, of.high]), unit }
    }
}

/// All findings of a fit, in the order of reading.
pub(crate) fn findings(fit: &RunFit, inputs: &Inputs) -> Vec<Finding> {
    let settings_known = inputs.extent.settings.are_known(&fit.optimizer);
    let mut found = completeness::findings(fit);
    found.extend(stationary::findings(fit, settings_known));
    found.extend(motion::findings(fit));
    found.extend(of_modes(&fit.modes));
    found.extend(advice::findings(fit));
    found
}

/// The findings of the modes alone.
pub(crate) fn of_modes(fit: &ModesFit) -> Vec<Finding> {
    let mut found = modes::findings(fit);
    found.extend(positions::findings(fit));
    found.extend(energy::findings(fit));
    found.extend(noise::findings(fit));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses_become_sentences() {
        let finding =
            |question, text: &str| Finding::new(question, Verdict::Fails, text).as_sentence();
        assert_eq!(finding(Question::Log, "the run was not closed"), "The run was not closed.");
        assert_eq!(finding(Question::Log, "über 1."), "Über 1.");
        assert_eq!(
            finding(Question::Energy, "potential is 1.6% below"),
            "Energy: potential is 1.6% below."
        );
    }
}
