//! The first lines of `perrin fit`: what one wants to know of a run, a line a question.

use std::fmt::{self, Display, Formatter};

use super::{Finding, Question, Verdict};
use crate::analysis::fit::RunFit;
use crate::analysis::health::RunState;
use crate::analysis::render_text::{grouped, say};
use crate::analysis::settings::settings_in_words;
use crate::printable;

/// Topics, and the findings that answer them.
const TOPICS: [(&str, &[Question]); 10] = [
    ("stationary", &[Question::Stationarity]),
    ("exponent", &[Question::Exponent]),
    ("speed", &[Question::Speed, Question::ConstantSpeed]),
    ("curvature", &[Question::Curvature]),
    ("oscillation", &[Question::Oscillation]),
    ("positions", &[Question::Positions]),
    ("energy", &[Question::Energy]),
    ("noise", &[Question::NoiseScale, Question::OneNoiseScale]),
    ("stability", &[Question::Stability]),
    ("advice", &[Question::LearningRate, Question::Averaging]),
];
const MORE: &str = "every number: --all; for programs: --json; figures: perrin report";

/// A fit in about fourteen lines, 80 columns wide, or `format!("{summary:100}")`.
#[derive(Debug, Clone, Copy)]
pub struct Summary<'a> {
    fit: &'a RunFit,
    more: bool,
}

impl RunFit {
    /// The fit in about fourteen lines, the last of which says where there is more.
    pub fn summary(&self) -> Summary<'_> {
        Summary { fit: self, more: true }
    }

    /// The same without that line.
    pub(crate) fn summary_alone(&self) -> Summary<'_> {
        Summary { fit: self, more: false }
    }
}

impl Display for Summary<'_> {
    fn fmt(&self, text: &mut Formatter<'_>) -> fmt::Result {
        let fit = self.fit;
        // A path is not broken: it is to be copied.
        writeln!(text, "{:<13}{}", "run", printable::line(&fit.run.display().to_string()))?;
        let mut topic =
            |name: &str, said: &str| say(text, &format!("{name:<13}"), &printable::line(said));
        topic("rows", &rows(fit))?;
        topic("settings", &settings_in_words(fit))?;
        for finding in fit.findings.iter().filter(|finding| is_note(finding)) {
            topic("note", &finding.sentence)?;
        }
        let mut unanswered: Vec<(&str, Vec<&str>)> = Vec::new();
        for (name, questions) in TOPICS {
            let asked: Vec<&Finding> =
                questions.iter().filter_map(|question| fit.finding(*question)).collect();
            let answers = asked.iter().filter(|finding| finding.verdict != Verdict::Unanswered);
            let said: Vec<&str> = answers.map(|finding| finding.sentence.as_str()).collect();
            if !said.is_empty() {
                topic(name, &said.join("; "))?;
            } else if let Some(finding) = asked.first() {
                match unanswered.iter_mut().find(|(reason, _)| *reason == finding.sentence) {
                    Some((_, names)) => names.push(name),
                    None => unanswered.push((&finding.sentence, vec![name])),
                }
            }
        }
        for (reason, names) in unanswered {
            topic("not said", &format!("{}: {reason}", names.join(", ")))?;
        }
        if self.more { topic("more", MORE) } else { Ok(()) }
    }
}

fn is_note(finding: &Finding) -> bool {
    matches!(finding.question, Question::Log | Question::Optimizer)
}

fn rows(fit: &RunFit) -> String {
    let seconds =
        fit.elapsed_seconds.map(|seconds| format!(", {seconds:.1} s")).unwrap_or_default();
    let state = match fit.state {
        RunState::Finished => ", finished",
        RunState::Stopped => ", stopped by an error",
        RunState::Open => ", not closed",
    };
    let (first, last) = (grouped(fit.first_step), grouped(fit.last_step));
    format!("{}, steps {first} to {last}{seconds}{state}", grouped(fit.rows))
}
