//! The noise of the steps: sigma^2 and its sources, what gradients predict, and its shape.

use super::modes::no_mode;
use super::words::{LEVEL, by_chance, range, short, spread, with_interval};
use super::{Finding, Question, Size, Verdict};
use crate::analysis::Answer;
use crate::analysis::modes::{
    AgainstGradients, ModeFit, ModesFit, NoiseScale, NoiseScales, NoiseShape, NoiseSource, Pooled,
    numbers,
};
use crate::analysis::render_text::{grouped, p_value, percent};

pub(super) fn findings(fit: &ModesFit) -> Vec<Finding> {
    let mut found = Vec::new();
    match &fit.noise_scale {
        Answer::Known(scales) => {
            found.extend(scale(scales));
            found.extend(agreement(scales));
            found.extend(one_scale(scales));
        }
        Answer::CannotSay { reason } => {
            let fitted = fit.modes.iter().any(|mode| mode.recursion.known().is_some());
            let reasons = fit.modes.iter().map(|mode| mode.recursion.reason());
            let reason = if fitted { reason.clone() } else { no_mode(fit, reasons) };
            found.push(Finding::unanswered(Question::NoiseScale, reason));
        }
    }
    found.extend(fit.gradient_noise.known().map(gradients));
    found.push(shape(fit));
    found
}

fn scale(scales: &NoiseScales) -> Vec<Finding> {
    let said =
        |scale: &NoiseScale| format!("{} by {}", with_interval(&scale.value), scale.source.name());
    let Some((first, others)) = scales.values.split_first() else { return Vec::new() };
    let mut found = vec![
        Finding::new(
            Question::NoiseScale,
            Verdict::Measured,
            format!("sigma^2 is {}", said(first)),
        )
        .with_size(Size::of_estimate(&first.value, "gradient units squared/curvature")),
    ];
    if !others.is_empty() {
        let others: Vec<String> = others.iter().map(said).collect();
        let sentence = format!("sigma^2 is also {}", others.join("; "));
        found.push(Finding::new(Question::NoiseSources, Verdict::Measured, sentence));
    }
    found
}

/// Pairs of sources, second beside first.
fn agreement(scales: &NoiseScales) -> Option<Finding> {
    let beside = |ratio: f64| {
        let side = if ratio < 1.0 { "below" } else { "above" };
        if ratio < 2.0 {
            format!("{} {side}", percent(ratio - 1.0))
        } else {
            format!("{} times", short(ratio))
        }
    };
    let farthest = scales.agreements.iter().map(|pair| pair.ratio.ln().abs()).fold(0.0, f64::max);
    let apart: Vec<_> = scales.agreements.iter().filter(|pair| pair.test.rejected).collect();
    if scales.agreements.is_empty() || !farthest.is_finite() {
        return None;
    }
    if apart.is_empty() {
        let sentence = format!(
            "the sources of sigma^2 are within {} of each other",
            percent(farthest.exp_m1())
        );
        let size = Size::of(100.0 * farthest.exp_m1(), "%");
        return Some(
            Finding::new(Question::NoiseAgreement, Verdict::Holds, sentence).with_size(size),
        );
    }
    let parts: Vec<String> = apart
        .iter()
        .map(|pair| {
            let (second, first) = (pair.second.name(), pair.first.name());
            format!(
                "by {second} it is {} that by {first} ({})",
                beside(pair.ratio),
                p_value(pair.test.probability)
            )
        })
        .collect();
    let size = Size::of(100.0 * (apart[0].ratio - 1.0), "%");
    Some(Finding::new(Question::NoiseAgreement, Verdict::Fails, parts.join("; ")).with_size(size))
}

/// Assumption 5, of the steps' own noise or else of measured gradients.
fn one_scale(scales: &NoiseScales) -> Option<Finding> {
    let of = |source: NoiseSource| scales.values.iter().find(|scale| scale.source == source);
    let tested =
        [NoiseSource::Innovations, NoiseSource::GradientCovariance].into_iter().filter_map(of);
    let tested: Vec<_> =
        tested.filter_map(|scale| Some((scale, scale.same_in_all_modes?, scale.spread?))).collect();
    let (scale, test, [low, high]) =
        tested.iter().find(|(_, test, _)| test.rejected).or(tested.first())?;
    let same = if test.rejected { "not one number" } else { "one number but for chance" };
    let pooled = scale.value.value;
    let by = if scale.source == NoiseSource::Innovations { "" } else { " by gradients" };
    let sentence = format!(
        "from mode to mode sigma^2{by} is {}, {same} ({})",
        range(low * pooled, high * pooled),
        p_value(test.probability)
    );
    let finding = Finding::new(Question::OneNoiseScale, Verdict::holds(!test.rejected), sentence);
    Some(finding.with_size(Size::of(high / low, "largest over smallest")))
}

fn gradients(against: &AgainstGradients) -> Finding {
    let part = |name: &str, of: &Pooled| {
        let p = p_value(of.against_one.probability);
        let verdict = if of.against_one.rejected {
            format!(" (not as predicted, {p})")
        } else {
            String::new()
        };
        format!("{name} {}{verdict}", with_interval(&of.ratio))
    };
    let named = [
        ("noise of steps", &against.noise),
        ("position variances", &against.positions),
        ("velocity variances", &against.velocities),
    ];
    let parts: Vec<String> =
        named.iter().filter_map(|(name, of)| Some(part(name, of.as_ref()?))).collect();
    let holds = !named.iter().filter_map(|(_, of)| of.as_ref()).any(|of| of.against_one.rejected);
    let sentence =
        format!("over what the measured covariance of gradients predicts: {}", parts.join("; "));
    let size = against.noise.map(|of| Size::of_estimate(&of.ratio, "times predicted"));
    Finding { size, ..Finding::new(Question::GradientNoise, Verdict::holds(holds), sentence) }
}

fn shape(fit: &ModesFit) -> Finding {
    let question = Question::NoiseShape;
    let shapes: Vec<_> =
        fit.modes.iter().filter_map(|mode| Some((mode, mode.noise.known()?))).collect();
    let all = shapes.len();
    let of = |holds: &dyn Fn(&NoiseShape) -> bool| {
        shapes.iter().filter(|(_, shape)| holds(shape)).count()
    };
    let between = |value: &dyn Fn(&NoiseShape) -> f64| {
        spread(shapes.iter().map(|(_, shape)| value(shape)))
            .map_or_else(String::new, |[low, _, high]| range(low, high))
    };
    if all == 0 {
        let reasons = fit.modes.iter().map(|mode| mode.recursion.reason().or(mode.noise.reason()));
        return Finding::unanswered(question, no_mode(fit, reasons));
    }
    let mut parts = vec![
        format!(
            "excess kurtosis {}, not Gaussian in {} of {all} modes",
            between(&|shape| shape.excess_kurtosis),
            of(&|shape| shape.against_gaussian.rejected)
        ),
        format!(
            "tail index {} ({} if Gaussian), heavier in {}",
            between(&|shape| shape.tail.index.value),
            between(&|shape| shape.tail.of_gaussian_noise),
            of(&|shape| shape.tail.heavier_than_gaussian)
        ),
        format!(
            "correlation from step to step {} ({} if white), not white in {} ({})",
            between(&|shape| shape.correlation),
            between(&|shape| (shape.count as f64).sqrt().recip()),
            of(&|shape| shape.against_white.rejected),
            by_chance(all)
        ),
    ];
    let cancels =
        |mode: &ModeFit| mode.recursion.known().is_some_and(|fit| fit.epoch_noise.is_some());
    let coloured: Vec<&ModeFit> = shapes
        .iter()
        .filter(|(mode, shape)| shape.against_white.rejected && !cancels(mode))
        .map(|of| of.0)
        .collect();
    if coloured.len() as f64 > 3.0 * LEVEL * all as f64 {
        parts.push(format!("intervals of mode {} take it for white", numbers(&coloured)));
    }
    parts.extend(over_epochs(&shapes));
    let cancelling = fit.modes.iter().filter(|mode| cancels(mode)).count();
    if cancelling > 0 {
        parts.push(format!(
            "fitted as noise that cancels over epochs in {cancelling}; variances, energies, currents and sigma^2 by \
             velocities are compared with theory that takes batches for independent"
        ));
    }
    Finding::new(question, Verdict::Measured, parts.join("; "))
}

fn over_epochs(shapes: &[(&ModeFit, &NoiseShape)]) -> Option<String> {
    let epochs: Vec<_> = shapes.iter().filter_map(|(_, shape)| shape.epochs).collect();
    let [low, _, high] = spread(epochs.iter().map(|mark| mark.variance_ratio))?;
    let cancelling =
        epochs.iter().filter(|mark| mark.against_independent.rejected && mark.variance_ratio < 1.0);
    let repeating = epochs.iter().filter(|mark| mark.repeats.is_some_and(|test| test.rejected));
    Some(format!(
        "over an epoch of {} steps its sum has {} of the variance of independent noise: it cancels (drawn without \
         replacement) in {} of {}, repeats in {}",
        grouped(epochs.first()?.steps_per_epoch),
        range(low, high),
        cancelling.count(),
        epochs.len(),
        repeating.count()
    ))
}
