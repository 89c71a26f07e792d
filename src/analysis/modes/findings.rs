//! What the modes say, in words.

use super::estimate::{SIGNIFICANCE, Test};
use super::mode::EigenvalueSource;
use super::noise_scale::NoiseSource;
use super::render::interval;
use super::{AgainstGradients, Isotropy, ModeFit, ModesFit, NoiseScales, Pooled, Window};
use crate::analysis::Answer;
use crate::analysis::render_text::{grouped, number, p_value};

/// A topic, indented, and what was found.
pub(super) fn findings(fit: &ModesFit, window: &Window) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut say = |topic: &str, text: String| {
        if !text.is_empty() {
            found.push((format!("  {topic:<13}"), text));
        }
    };
    say("window", of_window(fit, window));
    say("oscillation", oscillation(fit));
    say("Hessian", hessian(fit));
    say("transient", transients(fit));
    say("isotropy", said(&fit.isotropy, isotropy));
    say(
        "energy",
        said(&fit.equipartition, |total| {
            let verdict = if total.holds { "equipartition holds" } else { "equipartition does not hold" };
            format!("{verdict}: potential/kinetic {} in {} modes", interval(&total.potential_over_kinetic), total.modes)
        }),
    );
    say("currents", currents(fit));
    say("sigma^2", said(&fit.noise_scale, noise_scale));
    if fit.gradient_noise.known().is_some() {
        say("gradients", said(&fit.gradient_noise, of_gradients));
    }
    say("noise", noise(fit));
    found
}

fn said<T>(answer: &Answer<T>, known: impl Fn(&T) -> String) -> String {
    match answer {
        Answer::Known(value) => known(value),
        Answer::CannotSay { reason } => format!("cannot say: {reason}"),
    }
}

fn of_window(fit: &ModesFit, window: &Window) -> String {
    let mut parts = Vec::new();
    if window.stretches > 1 {
        parts.push(format!(
            "the longest of {} stretches of the same settings and basis; {} rows belong to others",
            grouped(window.stretches),
            grouped(window.rows_left_out)
        ));
    }
    let short = numbers(fit.modes.iter().filter(|mode| mode.recursion.known().is_some_and(|fit| fit.is_short())));
    if !short.is_empty() {
        parts.push(format!("fewer than 20 relaxation times of mode {short}"));
    }
    let gaps = fit.modes.iter().map(|mode| mode.stretches.saturating_sub(1)).max().unwrap_or(0);
    if gaps > 0 {
        parts.push(format!("{} gaps, passed over", grouped(gaps)));
    }
    parts.join("; ")
}

fn oscillation(fit: &ModesFit) -> String {
    let fitted: Vec<_> = fit.modes.iter().filter_map(|mode| mode.recursion.known()).collect();
    if fitted.is_empty() {
        return String::new();
    }
    let swinging = fitted.iter().filter(|fit| fit.damping_ratio.high.is_some_and(|high| high < 1.0)).count();
    let creeping = fitted.iter().filter(|fit| fit.damping_ratio.low.is_some_and(|low| low > 1.0)).count();
    let peaks = fit.modes.iter().filter_map(|mode| Some((mode.spectrum.known()?, mode.recursion.known()?)));
    let visible: Vec<_> = peaks.filter(|(peak, _)| peak.against_noise.rejected).collect();
    let agreeing = visible.iter().filter(|(peak, fit)| peak.agrees_with(fit.velocity_peak_cycles_per_step.value));
    format!(
        "of {} modes {swinging} swing, {creeping} creep, {} cannot be told; {} spectral peaks stand out of noise, {} of \
         them where the recursion has them",
        fitted.len(),
        fitted.len() - swinging - creeping,
        visible.len(),
        agreeing.count()
    )
}

fn hessian(fit: &ModesFit) -> String {
    let ratios: Vec<_> =
        fit.modes.iter().filter_map(|mode| Some((mode.mode, mode.curvature_over_hessian.known()?))).collect();
    if ratios.is_empty() {
        return String::new();
    }
    let off: Vec<_> = ratios.iter().filter(|(_, ratio)| !ratio.covers(1.0)).collect();
    let mut text = format!("fitted curvatures agree in {} of {} modes", ratios.len() - off.len(), ratios.len());
    if let Some((mode, ratio)) = off.first() {
        text += &format!("; fitted/Hessian's is {} in mode {mode}", interval(ratio));
    }
    text + &by_chance(ratios.len())
}

fn transients(fit: &ModesFit) -> String {
    let seen: Vec<_> = fit.modes.iter().filter_map(|mode| Some((mode.mode, mode.transient.known()?))).collect();
    let Some((mode, worst)) = seen.iter().min_by(|a, b| a.1.position_r_squared.total_cmp(&b.1.position_r_squared))
    else {
        return String::new();
    };
    format!(
        "{} modes start far from their mean; eq. 5 explains them with R^2 from {:.3} (position, mode {mode}) and {:.3} \
         (velocity) on",
        seen.len(),
        worst.position_r_squared,
        worst.velocity_r_squared
    )
}

fn isotropy(isotropy: &Isotropy) -> String {
    let mut parts = vec![said(&isotropy.against_modified_loss, |test| {
        let verdict = if test.rejected { "do not follow" } else { "follow" };
        format!("position variances {verdict} the modified loss {}", probability(test))
    })];
    let modified = isotropy.against_modified_loss.known();
    let discrete = isotropy.against_discrete_theory.known().filter(|_| modified.is_some_and(|test| test.rejected));
    parts.extend(discrete.map(|test| {
        let verdict = if test.rejected { "nor" } else { "but" };
        format!("{verdict} the theory in discrete time {}", probability(test))
    }));
    if let (Answer::Known(ratio), [first, .., last]) = (&isotropy.first_to_last, isotropy.modes.as_slice()) {
        parts.push(format!("q_{} : q_{} is {}", first.mode, last.mode, interval(ratio)));
    }
    parts.extend(isotropy.velocity_slope.known().map(|slope| format!("Var v ~ rho^{}", interval(slope))));
    parts.extend(isotropy.correlation.known().map(|correlation| {
        let [first, second] = correlation.most_deviating_pair;
        let verdict = if correlation.against_none.rejected { "correlated" } else { "uncorrelated" };
        let probability = probability(&correlation.against_none);
        let largest = number(correlation.most_deviating_correlation);
        format!("modes are {verdict} {probability}, most {first} and {second}: {largest}")
    }));
    if isotropy.eigenvalues == EigenvalueSource::Fit {
        parts.push("rho by the fit".to_owned());
    }
    parts.join("; ")
}

fn currents(fit: &ModesFit) -> String {
    let rotations: Vec<_> = fit.modes.iter().filter_map(|mode| mode.rotation.known()).collect();
    if rotations.is_empty() {
        return String::new();
    }
    let broken = rotations.iter().filter(|rotation| rotation.against_detailed_balance.rejected).count();
    let other = rotations.iter().filter(|rotation| rotation.against_theory.rejected).count();
    let all = rotations.len();
    let chance = by_chance(all);
    format!(
        "detailed balance is broken in {broken} of {all} modes; rotation other than the theory's in {other}{chance}"
    )
}

fn noise_scale(scales: &NoiseScales) -> String {
    let mut parts: Vec<String> =
        scales.values.iter().map(|scale| format!("{} by {}", interval(&scale.value), scale.source.name())).collect();
    for pair in scales.agreements.iter().filter(|pair| pair.test.rejected) {
        let probability = probability(&pair.test);
        parts.push(format!("{} and {} disagree {probability}", pair.first.name(), pair.second.name()));
    }
    let differs = |source: NoiseSource| {
        scales.values.iter().any(|of| of.source == source && of.same_in_all_modes.is_some_and(|test| test.rejected))
    };
    if differs(NoiseSource::Innovations) || differs(NoiseSource::GradientCovariance) {
        parts.push("not the same in all modes: assumption 5 does not hold".to_owned());
    }
    parts.join("; ")
}

fn of_gradients(against: &AgainstGradients) -> String {
    let part = |name: &str, of: &Pooled| {
        let verdict = if of.against_one.rejected { " (not as predicted)" } else { "" };
        format!("{name} {}{verdict}", interval(&of.ratio))
    };
    let named = [
        ("noise of steps", &against.noise),
        ("position variances", &against.positions),
        ("velocity variances", &against.velocities),
    ];
    let parts: Vec<String> = named.iter().filter_map(|(name, of)| Some(part(name, of.as_ref()?))).collect();
    format!("over what the measured covariance of gradients predicts: {}", parts.join("; "))
}

fn noise(fit: &ModesFit) -> String {
    let shapes: Vec<_> = fit.modes.iter().filter_map(|mode| Some((mode, mode.noise.known()?))).collect();
    if shapes.is_empty() {
        return String::new();
    }
    let all = shapes.len();
    let of = |holds: &dyn Fn(&super::NoiseShape) -> bool| shapes.iter().filter(|(_, shape)| holds(shape)).count();
    let mut parts = vec![
        format!("not Gaussian in {} of {all} modes", of(&|shape| shape.against_gaussian.rejected)),
        format!("heavier tails than that in {}", of(&|shape| shape.tail.heavier_than_gaussian)),
        format!("not white in {}{}", of(&|shape| shape.against_white.rejected), by_chance(all)),
    ];
    let cancels = |mode: &ModeFit| mode.recursion.known().is_some_and(|fit| fit.epoch_noise.is_some());
    let coloured: Vec<&ModeFit> =
        shapes.iter().filter(|(mode, shape)| shape.against_white.rejected && !cancels(mode)).map(|of| of.0).collect();
    if coloured.len() as f64 > 3.0 * SIGNIFICANCE * all as f64 {
        parts.push(format!("intervals of mode {} take it for white", numbers(coloured.into_iter())));
    }
    let cancelling = fit.modes.iter().filter(|mode| cancels(mode)).count();
    if cancelling > 0 {
        parts.push(format!(
            "fitted as noise that cancels over epochs in {cancelling}; variances, energies, currents and sigma^2 by \
             velocities are compared with theory that takes batches for independent"
        ));
    }
    let epochs: Vec<_> = shapes.iter().filter_map(|(_, shape)| shape.epochs).collect();
    if let Some(first) = epochs.first() {
        let cancelling = epochs.iter().filter(|mark| mark.against_independent.rejected && mark.variance_ratio < 1.0);
        let repeating = epochs.iter().filter(|mark| mark.repeats.is_some_and(|test| test.rejected));
        parts.push(format!(
            "over an epoch of {} steps it cancels (drawn without replacement) in {} of {}, repeats in {}",
            grouped(first.steps_per_epoch),
            cancelling.count(),
            epochs.len(),
            repeating.count()
        ));
    }
    parts.join("; ")
}

fn probability(test: &Test) -> String {
    format!("({})", p_value(test.probability))
}

fn by_chance(tests: usize) -> String {
    format!(" ({:.1} expected by chance)", SIGNIFICANCE * tests as f64)
}

/// 1, 3 and 5 more.
fn numbers<'a>(modes: impl Iterator<Item = &'a ModeFit>) -> String {
    let all: Vec<String> = modes.map(|mode| mode.mode.to_string()).collect();
    match all.len() {
        0..=6 => all.join(", "),
        more => format!("{} and {} more", all[..5].join(", "), more - 5),
    }
}
