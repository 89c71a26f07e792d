//! Autocorrelation by the fast Fourier transform, and the number of independent values a correlated
//! sequence is worth.

use realfft::RealFftPlanner;

use super::moments::Moments;
use crate::error::{Error, Result};

/// The window of the sum over lags is closed at the first lag that is so many times the time summed
/// so far: Sokal (Monte Carlo methods in statistical mechanics, 1996) takes 4 to 10.
const WINDOW_TIMES: f64 = 6.0;

/// Autocovariance at lags 0 to `values.len() - 1`, about the mean, divided by the number of values
/// at every lag (the usual biased form, whose spectrum is not negative).
///
/// # Errors
/// [`Error::NotEnoughData`] without values, or when one is not finite.
pub fn autocovariance(values: &[f64]) -> Result<Vec<f64>> {
    let cannot = |reason: &str| Error::NotEnoughData {
        question: "correlate a sequence",
        reason: reason.to_owned(),
    };
    if values.is_empty() {
        return Err(cannot("there are no values"));
    }
    if !values.iter().all(|value| value.is_finite()) {
        return Err(cannot("a value is not finite"));
    }
    let mean = Moments::of(values).mean();
    // Padded with as many zeros: otherwise the end would be correlated with the beginning.
    let length = (2 * values.len()).next_power_of_two();
    let mut planner = RealFftPlanner::<f64>::new();
    let (forward, inverse) = (planner.plan_fft_forward(length), planner.plan_fft_inverse(length));
    let mut padded = forward.make_input_vec();
    padded.iter_mut().zip(values).for_each(|(entry, value)| *entry = value - mean);
    let mut spectrum = forward.make_output_vec();
    let transformed = forward.process(&mut padded, &mut spectrum);
    for entry in &mut spectrum {
        *entry = (entry.norm_sqr()).into();
    }
    // Both lengths are the plans' own: neither can fail.
    transformed
        .and_then(|()| inverse.process(&mut spectrum, &mut padded))
        .map_err(|error| cannot(&error.to_string()))?;
    let scale = 1.0 / (length as f64 * values.len() as f64);
    Ok(padded[..values.len()].iter().map(|sum| sum * scale).collect())
}

/// How correlated successive values are, in values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CorrelationTimes {
    /// 1 + 2 sum r(k): the variance of the mean is this many times that of independent values.
    /// Below 1 where the values swing about their mean.
    pub integrated: f64,
    /// 1 + 2 sum r(k)^2: how long values remember, swinging or not.
    pub memory: f64,
}

/// Both correlation times. Sums are closed by themselves (Sokal's window, on the memory, which has
/// no cancellation); a time that is a twentieth of the sequence or longer is not to be trusted, and
/// too short.
///
/// # Errors
/// As [`autocovariance`]; [`Error::NotEnoughData`] for values that are all the same.
pub fn correlation_times(values: &[f64]) -> Result<CorrelationTimes> {
    let covariance = autocovariance(values)?;
    let variance = covariance[0];
    // Rounding leaves some 1e-32 of the squared mean; a constant sequence has nothing more.
    let scale = values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    if !variance.is_finite() {
        let reason = "the values are out of range".to_owned();
        return Err(Error::NotEnoughData { question: "correlate a sequence", reason });
    }
    if variance <= (f64::EPSILON * scale).powi(2) {
        let reason = "the values are all the same".to_owned();
        return Err(Error::NotEnoughData { question: "correlate a sequence", reason });
    }
    let (mut integrated, mut memory) = (1.0, 1.0);
    // Beyond a half of the sequence hardly any pairs are left.
    for (lag, covariance) in covariance.iter().enumerate().take(values.len() / 2 + 1).skip(1) {
        let correlation = covariance / variance;
        integrated += 2.0 * correlation;
        memory += 2.0 * correlation * correlation;
        if lag as f64 >= WINDOW_TIMES * memory {
            break;
        }
    }
    // A mean cannot be better than so many independent values; noise in the correlations says
    // otherwise at times.
    Ok(CorrelationTimes { integrated: integrated.max(1.0 / values.len() as f64), memory })
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    use super::*;

    #[test]
    fn the_transform_gives_the_sums_over_pairs() {
        let values = [1.0, -2.0, 0.5, 4.0, 4.0, -1.0, 3.0];
        let mean = values.iter().sum::<f64>() / 7.0;
        let found = autocovariance(&values).unwrap();
        for (lag, found) in found.iter().enumerate() {
            let pairs = values.iter().zip(&values[lag..]);
            let sum: f64 = pairs.map(|(a, b)| (a - mean) * (b - mean)).sum();
            assert!((found - sum / 7.0).abs() < 1e-14, "lag {lag}");
        }
    }

    #[test]
    fn sequences_without_correlations_are_refused() {
        assert!(autocovariance(&[]).is_err());
        assert!(autocovariance(&[1.0, f64::NAN]).is_err());
        assert!(correlation_times(&[1e300, -1e300, 2e300]).is_err());
        assert!(correlation_times(&[3.0; 100]).is_err());
        assert!(correlation_times(&[0.1; 100]).is_err());
    }

    /// An AR(1) process of coefficient phi has r(k) = phi^k: the sums are known.
    #[test]
    fn the_times_of_an_ar_1_process_are_found() {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        for phi in [-0.6_f64, 0.0, 0.5, 0.9, 0.98] {
            let mut value = 0.0;
            let mut draw = || {
                let noise: f64 = StandardNormal.sample(&mut random);
                value = phi * value + noise;
                value
            };
            (0..1000).for_each(|_| _ = draw());
            let values: Vec<f64> = (0..200_000).map(|_| draw()).collect();
            let times = correlation_times(&values).unwrap();
            let integrated = (1.0 + phi) / (1.0 - phi);
            let memory = (1.0 + phi * phi) / (1.0 - phi * phi);
            // Sokal: relative standard error sqrt(2 (2 window + 1) / n), the window being 6
            // memories: 8% at 0.98.
            let error = (2.0 * (2.0 * WINDOW_TIMES * memory + 1.0) / 200_000.0).sqrt();
            let from = integrated.max(1.0);
            assert!((times.integrated - integrated).abs() < 4.0 * error * from, "{phi}: {times:?}");
            assert!((times.memory / memory - 1.0).abs() < 4.0 * error, "{phi}: {times:?}");
        }
    }
}
