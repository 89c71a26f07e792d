//! How modes move: curvature, swinging, the way back from afar.

use super::words::{by_chance, is_chance, range, spread};
use super::{Finding, Question, Size, Verdict};
use crate::analysis::Answer;
use crate::analysis::modes::{FEWEST_TRANSITIONS, ModesFit};
use crate::analysis::render_text::counted;

pub(super) fn findings(fit: &ModesFit) -> Vec<Finding> {
    let mut found = vec![curvature(fit), oscillation(fit)];
    found.extend(peaks(fit));
    found.extend(transients(fit));
    found
}

/// Why no mode has an answer to what is asked of each.
pub(super) fn no_mode<'a>(
    fit: &'a ModesFit,
    mut reasons: impl Iterator<Item = Option<&'a str>>,
) -> String {
    let window = match &fit.window {
        Answer::Known(window) => window,
        Answer::CannotSay { reason } => return reason.clone(),
    };
    if window.stretches > 1 && window.rows <= FEWEST_TRANSITIONS as u64 {
        return format!(
            "settings or directions change, and the longest stretch with the same ones has {}",
            counted(window.rows, "row")
        );
    }
    reasons.find_map(|reason| reason).unwrap_or("there are no modes").to_owned()
}

/// Why a mode has no answer that rests on its recursion.
fn why<'a>(mode: &'a crate::analysis::modes::ModeFit, reason: Option<&'a str>) -> Option<&'a str> {
    mode.recursion.reason().or(reason)
}

fn curvature(fit: &ModesFit) -> Finding {
    let question = Question::Curvature;
    let ratios: Vec<_> =
        fit.modes.iter().filter_map(|mode| mode.curvature_over_hessian.known()).collect();
    let Some([lowest, middle, highest]) = spread(ratios.iter().map(|ratio| ratio.value)) else {
        let reasons = fit.modes.iter().map(|mode| why(mode, mode.curvature_over_hessian.reason()));
        return Finding::unanswered(question, no_mode(fit, reasons));
    };
    let (all, off) = (ratios.len(), ratios.iter().filter(|ratio| !ratio.covers(1.0)).count());
    let sentence = format!(
        "fitted is {} of the Hessian's; agrees in {} of {all} modes",
        range(lowest, highest),
        all - off
    );
    Finding::new(question, Verdict::holds(is_chance(off, all)), sentence)
        .with_size(Size::of(middle, "times the Hessian's"))
}

fn oscillation(fit: &ModesFit) -> Finding {
    let question = Question::Oscillation;
    let fitted: Vec<_> = fit.modes.iter().filter_map(|mode| mode.recursion.known()).collect();
    if fitted.is_empty() {
        return Finding::unanswered(
            question,
            no_mode(fit, fit.modes.iter().map(|mode| why(mode, None))),
        );
    }
    let swinging: Vec<_> =
        fitted.iter().filter(|fit| fit.damping_ratio.high.is_some_and(|high| high < 1.0)).collect();
    let creeping =
        fitted.iter().filter(|fit| fit.damping_ratio.low.is_some_and(|low| low > 1.0)).count();
    let periods = spread(swinging.iter().map(|fit| fit.cycles_per_step.value.recip()));
    let periods =
        periods.map(|[low, _, high]| format!(", with periods of {} steps", range(low, high)));
    let others = match (creeping, fitted.len() - swinging.len() - creeping) {
        (0, 0) => String::new(),
        (creeping, untold) => format!("; {creeping} creep, {untold} cannot be told"),
    };
    let (count, all) = (swinging.len(), fitted.len());
    let sentence = format!("{count} of {all} modes swing{}{others}", periods.unwrap_or_default());
    Finding::new(question, Verdict::Measured, sentence).with_size(Size::of(count as f64, "modes"))
}

fn peaks(fit: &ModesFit) -> Option<Finding> {
    let peaks: Vec<_> = fit
        .modes
        .iter()
        .filter_map(|mode| Some((mode.spectrum.known()?, mode.recursion.known()?)))
        .collect();
    let visible: Vec<_> = peaks.iter().filter(|(peak, _)| peak.against_noise.rejected).collect();
    let periods = spread(visible.iter().map(|(peak, _)| peak.cycles_per_step.recip()));
    let periods =
        periods.map(|[low, _, high]| format!(", at periods of {} steps", range(low, high)));
    let agreeing = visible
        .iter()
        .filter(|(peak, fit)| peak.agrees_with(fit.velocity_peak_cycles_per_step.value))
        .count();
    let sentence = format!(
        "{} of {} spectra of velocities have one out of noise{} ({}); {agreeing} of them where the recursion has it",
        visible.len(),
        peaks.len(),
        periods.unwrap_or_default(),
        by_chance(peaks.len())
    );
    let finding = Finding::new(Question::Peaks, Verdict::Measured, sentence);
    (!peaks.is_empty()).then(|| finding.with_size(Size::of(visible.len() as f64, "modes")))
}

fn transients(fit: &ModesFit) -> Option<Finding> {
    let seen: Vec<_> =
        fit.modes.iter().filter_map(|mode| Some((mode.mode, mode.transient.known()?))).collect();
    let (mode, worst) =
        seen.iter().min_by(|a, b| a.1.position_r_squared.total_cmp(&b.1.position_r_squared))?;
    let sentence = format!(
        "{} far from the mean at first; eq. 5 explains that with R^2 from {:.3} (position, mode {mode}) and {:.3} \
         (velocity) on",
        counted(seen.len() as u64, "mode"),
        worst.position_r_squared,
        worst.velocity_r_squared
    );
    Some(Finding::new(Question::Transients, Verdict::Measured, sentence))
}
