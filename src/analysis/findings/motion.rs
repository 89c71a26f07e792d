//! How far and how fast the parameters move.

use super::stationary::constant_speed;
use super::words::and_interval;
use super::{Finding, Question, Size, Verdict};
use crate::analysis::Answer;
use crate::analysis::diffusion::DisplacementPowerLaw;
use crate::analysis::displacement::PredictedDisplacement;
use crate::analysis::fit::RunFit;
use crate::analysis::render_text::{grouped, number, percent, thousandths};

pub(super) fn findings(fit: &RunFit) -> Vec<Finding> {
    let mut found = vec![
        Finding::of(Question::Exponent, &fit.displacement, exponent),
        Finding::of(Question::PredictedExponent, &fit.predicted, |predicted| {
            predicted_exponent(fit, predicted)
        }),
    ];
    found.extend(fit.predicted.known().and_then(predicted_height));
    found.push(Finding::of(Question::ExponentByLag, &fit.lags, |lags| {
        let [first, last] = lags.fit_lags.map(grouped);
        let exponent = lags.exponent;
        let kind = kind(exponent.value, Some([exponent.low, exponent.high]));
        let sentence = format!(
            "along the directions, over all origins, c = {} (95%: {} to {}) for lags of {first} to {last} steps: {kind}",
            thousandths(exponent.value),
            thousandths(exponent.low),
            thousandths(exponent.high)
        );
        let size = Size::of_interval(exponent.value, Some(&exponent), "exponent");
        Finding::new(Question::ExponentByLag, Verdict::Measured, sentence).with_size(size)
    }));
    found.push(Finding::of(Question::Speed, &fit.speed, |speed| {
        let (mean, interval) = (speed.mean_local_displacement_squared, speed.interval.known());
        let sentence = format!("mean ||delta||^2 is {}", and_interval(mean, interval));
        let size = Size::of_interval(mean, interval, "parameter units squared");
        Finding::new(Question::Speed, Verdict::Measured, sentence).with_size(size)
    }));
    found.push(constant_speed(fit));
    found.push(Finding::of(Question::NoiseTrace, &fit.gradient_noise, |noise| {
        let (value, interval) = (noise.noise_scale_times_trace, noise.interval.known());
        let sentence =
            format!("sigma^2 tr(H) is {}, by eq. 12 from the speed", and_interval(value, interval));
        let size = Size::of_interval(value, interval, "gradient units squared");
        Finding::new(Question::NoiseTrace, Verdict::Measured, sentence).with_size(size)
    }));
    found
}

fn exponent(law: &DisplacementPowerLaw) -> Finding {
    let steps = format!("over steps {} to {}", grouped(law.first_step), grouped(law.last_step));
    let c = thousandths(law.exponent);
    let interval = law.interval.known().map(|interval| [interval.low, interval.high]);
    let kind = kind(law.exponent, interval);
    let sentence = match &law.interval {
        Answer::Known(interval) => {
            let [low, high] = [interval.low, interval.high].map(thousandths);
            format!("c = {c} (95%: {low} to {high}) {steps}: {kind}")
        }
        Answer::CannotSay { reason } => {
            format!("c = {c} {steps}, {kind}: no interval, as {reason}")
        }
    };
    let size = Size { value: law.exponent, interval, unit: "exponent" };
    Finding::new(Question::Exponent, Verdict::Measured, sentence).with_size(size)
}

/// What an exponent says beside that of ordinary diffusion, 1. Without an interval it says nothing.
fn kind(exponent: f64, interval: Option<[f64; 2]>) -> &'static str {
    match interval {
        Some([low, high]) if !(low <= 1.0 && 1.0 <= high) => {
            if exponent > 1.0 {
                "faster than ordinary diffusion"
            } else {
                "slower than ordinary diffusion"
            }
        }
        _ => "not told from 1",
    }
}

fn predicted_exponent(fit: &RunFit, predicted: &PredictedDisplacement) -> Finding {
    let [exact, measured] =
        [predicted.exact_exponent, predicted.measured_exponent].map(thousandths);
    let of = match fit.projected_share.filter(|_| predicted.projected_part) {
        Some(share) => {
            format!(" of the part along the directions, {} of ||Delta||^2,", percent(share))
        }
        None if predicted.projected_part => " of the part along the directions".to_owned(),
        None => String::new(),
    };
    let (verdict, interval, said) = match &predicted.interval {
        Answer::Known(interval) => {
            let holds = interval.low <= predicted.exact_exponent
                && predicted.exact_exponent <= interval.high;
            let [low, high] = [interval.low, interval.high].map(thousandths);
            (
                Verdict::holds(holds),
                Some([interval.low, interval.high]),
                format!(" (95%: {low} to {high})"),
            )
        }
        Answer::CannotSay { .. } => (Verdict::Measured, None, String::new()),
    };
    let sentence =
        format!("c{of} is {exact} by measured eigenvalues, and {measured}{said} as measured");
    let size = Size { value: predicted.measured_exponent, interval, unit: "exponent" };
    Finding::new(Question::PredictedExponent, verdict, sentence).with_size(size)
}

fn predicted_height(predicted: &PredictedDisplacement) -> Option<Finding> {
    let height = predicted.height_by_gradients?;
    let sentence = format!(
        "by the measured covariance of gradients ||Delta||^2 is {} (95%: {} to {}) times as high as by the speed",
        number(height.value),
        number(height.low),
        number(height.high)
    );
    let size = Size::of_interval(height.value, Some(&height), "times");
    Some(
        Finding::new(Question::PredictedHeight, Verdict::holds(height.covers(1.0)), sentence)
            .with_size(size),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_interval_an_exponent_is_not_told_from_one() {
        assert_eq!(kind(1.2, Some([0.9, 1.4])), "not told from 1");
        assert_eq!(kind(1.2, Some([1.1, 1.4])), "faster than ordinary diffusion");
        assert_eq!(kind(0.7, Some([0.6, 0.8])), "slower than ordinary diffusion");
        assert_eq!(kind(0.982, None), "not told from 1");
    }
}
