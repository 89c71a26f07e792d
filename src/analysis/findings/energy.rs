//! Energies and currents: is potential energy equal to kinetic energy, and do modes turn as theory
//! has it?

use super::modes::no_mode;
use super::words::{around, by_chance, is_chance, range, short, spread};
use super::{Finding, Question, Size, Verdict};
use crate::analysis::Answer;
use crate::analysis::modes::{Estimate, ModesFit};
use crate::analysis::render_text::percent;

pub(super) fn findings(fit: &ModesFit) -> Vec<Finding> {
    vec![energy(fit), currents(fit)]
}

fn energy(fit: &ModesFit) -> Finding {
    let total = match &fit.equipartition {
        Answer::Known(total) => total,
        Answer::CannotSay { .. } => {
            let reasons = fit
                .modes
                .iter()
                .map(|mode| mode.recursion.reason().or(mode.equipartition.reason()));
            return Finding::unanswered(Question::Energy, no_mode(fit, reasons));
        }
    };
    let sentence = format!("potential is {}", beside(&total.potential_over_kinetic));
    let ratio = &total.potential_over_kinetic;
    let percents = |ratio: f64| 100.0 * (ratio - 1.0);
    let interval = ratio.low.zip(ratio.high).map(|(low, high)| [percents(low), percents(high)]);
    Finding::new(Question::Energy, Verdict::holds(total.holds), sentence).with_size(Size {
        value: percents(ratio.value),
        interval,
        unit: "% of kinetic energy",
    })
}

/// Potential beside kinetic energy: "2.0% below kinetic energy (95%: 3.3% below to 0.7% above)".
fn beside(ratio: &Estimate) -> String {
    let interval = match (ratio.low, ratio.high) {
        (Some(low), Some(high)) if ratio.value < 2.0 => {
            // A side that both have is said once.
            let first = if (low < 1.0) == (high < 1.0) { percent(low - 1.0) } else { side(low) };
            format!("{first} to {}", side(high))
        }
        (low, high) => {
            let end = |end: Option<f64>| end.map_or_else(|| "unbounded".to_owned(), short);
            format!("{} to {} times", end(low), end(high))
        }
    };
    if ratio.value < 2.0 {
        format!("{} kinetic energy (95%: {interval})", side(ratio.value))
    } else {
        format!("{} times kinetic energy (95%: {interval})", short(ratio.value))
    }
}

fn side(ratio: f64) -> String {
    format!("{} {}", percent(ratio - 1.0), if ratio < 1.0 { "below" } else { "above" })
}

fn currents(fit: &ModesFit) -> Finding {
    let question = Question::Currents;
    let rotations: Vec<_> = fit.modes.iter().filter_map(|mode| mode.rotation.known()).collect();
    let over_theory =
        rotations.iter().map(|of| of.area_per_step.value / of.predicted_area_per_step);
    let areas = rotations.iter().map(|of| of.relative_area_per_step.abs());
    let (Some([lowest, middle, highest]), Some([small, _, large])) =
        (spread(over_theory), spread(areas))
    else {
        let reasons =
            fit.modes.iter().map(|mode| mode.recursion.reason().or(mode.rotation.reason()));
        return Finding::unanswered(question, no_mode(fit, reasons));
    };
    let all = rotations.len();
    let broken =
        rotations.iter().filter(|rotation| rotation.against_detailed_balance.rejected).count();
    let other = rotations.iter().filter(|rotation| rotation.against_theory.rejected).count();
    let sentence = format!(
        "modes turn by {} of theory's area a step, by another one in {other} of {all} modes ({}); it is {} of the spreads of \
         position and velocity, and breaks detailed balance in {broken}",
        around(lowest, middle, highest),
        by_chance(all),
        range(small, large)
    );
    Finding::new(question, Verdict::holds(is_chance(other, all)), sentence)
        .with_size(Size::of(middle, "times the theory's"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(value: f64, low: f64, high: f64) -> String {
        let end = |end: f64| Some(end).filter(|end| end.is_finite());
        beside(&Estimate { value, low: end(low), high: end(high) })
    }

    #[test]
    fn energies_are_compared_by_size() {
        assert_eq!(
            said(0.984, 0.972, 0.996),
            "1.6% below kinetic energy (95%: 2.8% to 0.40% below)"
        );
        assert_eq!(said(1.05, 0.9, 1.2), "5.0% above kinetic energy (95%: 10% below to 20% above)");
        assert_eq!(
            said(4.673, 4.053, f64::INFINITY),
            "4.67 times kinetic energy (95%: 4.05 to unbounded times)"
        );
    }
}
