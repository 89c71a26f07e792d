//! The modes as text for people: a table of 80 columns, and findings in words as wide as they are
//! asked for.

use std::fmt::{self, Display, Formatter};

use super::{Estimate, ModeFit, ModesFit, Window};
use crate::analysis::Answer;
use crate::analysis::findings::{Verdict, of_modes};
use crate::analysis::render_text::{columns, grouped, number};
use crate::printable::{line, wrapped};

impl Display for ModesFit {
    fn fmt(&self, text: &mut Formatter<'_>) -> fmt::Result {
        let window = match &self.window {
            Answer::Known(window) => window,
            Answer::CannotSay { reason } => {
                let said = format!("cannot say: {}", line(reason));
                return write!(text, "{}", wrapped("modes      ", &said, columns(text)));
            }
        };
        let columns = columns(text);
        write!(text, "{}", wrapped("modes      ", &header(window), columns))?;
        let heads = [
            ["mode", "curvature", "Hessian", "damping", "theory", "peak", "Var x"],
            ["", "rho + lambda [95%]", "rho", "ratio", "cycles", "/step", "/theory"],
        ];
        for head in heads {
            write!(text, "\n{}", cells(head.map(str::to_owned)))?;
        }
        for mode in &self.modes {
            write!(text, "\n{}", row(mode, self, columns))?;
        }
        write!(text, "\n  peak: of the velocity's spectrum; * stands out of noise (5%)")?;
        let mut topic = |name: &str, said: &str| {
            write!(text, "\n{}", wrapped(&format!("  {name:<15}"), &line(said), columns))
        };
        let about = of_window(self, window);
        if !about.is_empty() {
            topic("window", &about)?;
        }
        for finding in of_modes(self) {
            let cannot = if finding.verdict == Verdict::Unanswered { "cannot say: " } else { "" };
            topic(finding.question.name(), &format!("{cannot}{}", finding.sentence))?;
        }
        Ok(())
    }
}

fn header(window: &Window) -> String {
    let (first, last) = (grouped(window.first_step), grouped(window.last_step));
    let settings = [
        ("learning rate", window.learning_rate),
        ("momentum", window.momentum),
        ("weight decay", window.weight_decay),
        ("batch size", window.batch_size.map(|size| size as f64)),
        ("basis", window.basis.map(|basis| basis as f64)),
    ];
    let known: Vec<String> = settings
        .iter()
        .filter_map(|(name, value)| value.map(|value| format!("{name} {}", short(value))))
        .collect();
    format!("steps {first} to {last}, {} rows, {}", grouped(window.rows), known.join(", "))
}

fn row(mode: &ModeFit, fit: &ModesFit, columns: usize) -> String {
    let Some(recursion) = mode.recursion.known() else {
        let peak = mode
            .spectrum
            .known()
            .map(|peak| format!("; peak at {} cycles/step", number(peak.cycles_per_step)));
        let reason = mode.recursion.reason().unwrap_or_default();
        let said = format!("cannot say: {}{}", line(reason), peak.unwrap_or_default());
        return wrapped(&format!("{:>5}  ", mode.mode), &said, columns);
    };
    let none = || "-".to_owned();
    let peak = mode.spectrum.known().map_or_else(none, |peak| {
        let mark = if peak.against_noise.rejected { "*" } else { " " };
        number(peak.cycles_per_step) + mark
    });
    let hessian = mode.hessian_eigenvalue.map_or_else(none, number);
    let variances = fit
        .isotropy
        .known()
        .and_then(|isotropy| isotropy.modes.iter().find(|of| of.mode == mode.mode));
    let ratio = variances
        .and_then(|of| of.position_over_modified_loss)
        .map_or_else(none, |ratio| format!("{ratio:.2}"));
    cells([
        mode.mode.to_string(),
        interval(&recursion.curvature),
        hessian,
        short(recursion.damping_ratio.value),
        short(recursion.velocity_peak_cycles_per_step.value),
        peak,
        ratio,
    ])
}

fn cells([mode, curvature, hessian, damping, theory, peak, variance]: [String; 7]) -> String {
    format!(
        "{mode:>5}  {curvature:<29} {hessian:>8} {damping:>8} {theory:>7} {peak:>8} {variance:>7}"
    )
    .trim_end()
    .to_owned()
}

/// Which rows they are, where that has to be known.
fn of_window(fit: &ModesFit, window: &Window) -> String {
    let mut parts = Vec::new();
    if window.stretches > 1 {
        parts.push(format!(
            "the longest of {} stretches of the same settings and basis; {} rows belong to others",
            grouped(window.stretches),
            grouped(window.rows_left_out)
        ));
    }
    let short: Vec<&ModeFit> = fit
        .modes
        .iter()
        .filter(|mode| mode.recursion.known().is_some_and(|fit| fit.is_short()))
        .collect();
    if !short.is_empty() {
        parts.push(format!("fewer than 20 relaxation times of mode {}", numbers(&short)));
    }
    let gaps = fit.modes.iter().map(|mode| mode.stretches.saturating_sub(1)).max().unwrap_or(0);
    if gaps > 0 {
        parts.push(format!("{} gaps, passed over", grouped(gaps)));
    }
    parts.join("; ")
}

/// 1, 3 and 5 more.
pub(crate) fn numbers(modes: &[&ModeFit]) -> String {
    let all: Vec<String> = modes.iter().map(|mode| mode.mode.to_string()).collect();
    match all.len() {
        0..=6 => all.join(", "),
        more => format!("{} and {} more", all[..5].join(", "), more - 5),
    }
}

/// At most seven characters where a number has a plain form, and whole numbers as such.
fn short(value: f64) -> String {
    match value.abs() {
        size if size.fract() == 0.0 && size < 1e7 => format!("{value}"),
        0.001..0.1 => format!("{value:.5}"),
        0.1..10.0 => format!("{value:.3}"),
        10.0..1000.0 => format!("{value:.1}"),
        _ => format!("{value:.2e}"),
    }
}

/// 1.234 [1.100, 1.370]; an open end is a dash.
fn interval(estimate: &Estimate) -> String {
    let end = |end: Option<f64>| end.map_or_else(|| "-".to_owned(), number);
    format!("{} [{}, {}]", number(estimate.value), end(estimate.low), end(estimate.high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_numbers_are_short() {
        let cases = [
            (0.0, "0"),
            (128.0, "128"),
            (0.9, "0.900"),
            (0.0345678, "0.03457"),
            (123.45, "123.5"),
            (1e-5, "1.00e-5"),
        ];
        for (value, expected) in cases {
            assert_eq!(short(value), expected);
        }
    }

    #[test]
    fn open_intervals_have_a_dash() {
        assert_eq!(interval(&Estimate::new(2.0, 1.0, f64::INFINITY).unwrap()), "2.000 [1.000, -]");
    }
}
