//! What is wrong with the log, and an optimizer beyond the theory.

use super::{Finding, Question, Verdict};
use crate::analysis::fit::RunFit;
use crate::analysis::settings::beyond_theory;

pub(super) fn findings(fit: &RunFit) -> Vec<Finding> {
    let beyond = beyond_theory(&fit.optimizer);
    let question = |note: &String| {
        if Some(note) == beyond.as_ref() { Question::Optimizer } else { Question::Log }
    };
    fit.notes
        .iter()
        .map(|note| Finding::new(question(note), Verdict::Fails, note.as_str()))
        .collect()
}
