//! The findings of a run in the lists of its page: what does not hold first, then numbers, advice,
//! and what has no answer.

use super::material::Material;
use crate::analysis::Verdict;
use crate::analysis::findings::{sentence, unanswered};

/// Text of the analysis, and what a page writes for it.
const SYMBOLS: [(&str, &str); 6] = [
    ("sigma^2", "σ²"),
    ("||delta||^2", "‖δ‖²"),
    ("||Delta||^2", "‖Δ‖²"),
    ("tr(Sigma)", "tr(Σ)"),
    ("<theta g>", "⟨θ·g⟩"),
    ("eta (1+beta)/2 <v^2>", "η(1+β)/2 ⟨v²⟩"),
];

/// The findings of a run, each list in the order of reading.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Findings {
    /// What theory takes for granted and the run does not show, and what is wrong with the log.
    pub failed: Vec<String>,
    /// Numbers, and what agrees with theory.
    pub measured: Vec<String>,
    /// What to do about it.
    pub advice: Vec<String>,
    /// Questions without an answer, and why.
    pub unanswered: Vec<String>,
}

impl Findings {
    /// Of a run.
    pub fn of(material: &Material) -> Findings {
        let Some(fit) = &material.fit else {
            return Findings {
                failed: vec!["The run has no rows.".to_owned()],
                ..Findings::default()
            };
        };
        let with = |verdicts: &[Verdict]| -> Vec<String> {
            let found = fit.findings.iter().filter(|finding| verdicts.contains(&finding.verdict));
            found.map(|finding| with_symbols(&finding.as_sentence())).collect()
        };
        Findings {
            failed: with(&[Verdict::Fails]),
            measured: with(&[Verdict::Holds, Verdict::Measured]),
            advice: with(&[Verdict::Advice]),
            unanswered: unanswered(&fit.findings)
                .into_iter()
                .map(|(questions, reason)| {
                    let names: Vec<&str> =
                        questions.iter().map(|question| question.name()).collect();
                    with_symbols(&sentence(&format!("{}: {reason}", names.join(", "))))
                })
                .collect(),
        }
    }
}

/// As a page writes it.
pub fn with_symbols(text: &str) -> String {
    SYMBOLS.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_stand_for_their_names() {
        assert_eq!(
            with_symbols("mean ||delta||^2 1 and sigma^2 tr(H)"),
            "mean ‖δ‖² 1 and σ² tr(H)"
        );
    }
}
