//! What the noise of the steps is like, once the recursion's forces are taken out: white, Gaussian,
//! heavy-tailed, drawn without replacement.
//!
//! The steps themselves are correlated and would fail any test for independent values. The
//! recursion's innovations, v' - beta v + (rho + lambda)(x - mu), are the batches' noises one by
//! one.

use serde::Serialize;
use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::epoch_mark::{EpochMark, EpochMarkSums};
use super::estimate::Test;
use super::noise_powers::NoisePowers;
use super::recursion::RecursionFit;
use super::series::Part;
use super::tail_index::{LargestSizes, TailIndex};
use crate::stats::joint_sums::dot;

/// Lags of the test for whiteness.
const LAGS: usize = 20;

/// The noise of one mode's steps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct NoiseShape {
    /// Skewness, 0 if Gaussian.
    pub skewness: f64,
    /// Kurtosis less 3, 0 if Gaussian.
    pub excess_kurtosis: f64,
    /// Both against Gaussian noise: D'Agostino's and Pearson's K^2 (1973).
    pub against_gaussian: Test,
    /// Correlations at lags 1 to 20 against independent noise: Ljung and Box (1978).
    pub against_white: Test,
    /// Root mean square of these correlations.
    pub correlation: f64,
    /// How fast the tails fall.
    pub tail: TailIndex,
    /// The mark of sampling without replacement; none where steps per epoch are not known or too
    /// few epochs are whole.
    pub epochs: Option<EpochMark>,
    /// Values.
    pub count: u64,
}

/// What is summed of a mode's noise.
#[derive(Debug, Clone)]
pub(super) struct NoiseSums {
    pub(super) powers: NoisePowers,
    /// By lag, in units of the square, and how many pairs.
    products: [f64; LAGS],
    pairs: [u64; LAGS],
    /// The last noises of the stretch, then those of the part.
    noises: Vec<f64>,
    tail: LargestSizes,
    epochs: Option<EpochMarkSums>,
}

impl NoiseSums {
    /// For the noises of `transitions` transitions, near `unit` in size.
    pub(super) fn new(unit: f64, transitions: usize, steps_per_epoch: Option<u64>) -> NoiseSums {
        NoiseSums {
            powers: NoisePowers::new(unit),
            products: [0.0; LAGS],
            pairs: [0; LAGS],
            noises: Vec::new(),
            tail: LargestSizes::of(transitions),
            epochs: steps_per_epoch.and_then(EpochMarkSums::new),
        }
    }

    /// Takes the noises of a part's transitions.
    pub(super) fn add(&mut self, part: &Part, noises: &[f64], centre: f64) {
        let kept = if part.continues { self.noises.len().min(LAGS) } else { 0 };
        self.noises.drain(..self.noises.len() - kept);
        let unit = self.powers.unit;
        self.noises.extend(noises.iter().map(|noise| noise / unit));
        let new = &self.noises[kept..];
        self.powers.add(new);
        self.tail.add(new);
        if let Some(epochs) = &mut self.epochs {
            epochs.add(part, new, centre);
        }
        for lag in 1..=LAGS {
            let later = self.noises.get(kept.max(lag)..).unwrap_or_default();
            let earlier = &self.noises[kept.max(lag) - lag..][..later.len()];
            self.products[lag - 1] += dot(later, earlier);
            self.pairs[lag - 1] += later.len() as u64;
        }
    }

    /// Sum over lags of pairs r^2, over pairs in the same stretch. Each correlation has variance 1
    /// / pairs; without gaps that is Ljung's and Box's weight but for 1/n. The pairs of all lags
    /// come second.
    fn ljung_box(&self, scale: f64) -> [f64; 2] {
        let known = self.products.iter().zip(&self.pairs).filter(|(_, pairs)| **pairs > 0);
        let sum = known.map(|(sum, &pairs)| (sum / (scale * scale)).powi(2) / pairs as f64).sum();
        [sum, self.pairs.iter().sum::<u64>() as f64]
    }
}

impl NoiseShape {
    pub(super) fn new(sums: &NoiseSums, fit: &RecursionFit) -> Result<NoiseShape, String> {
        let NoisePowers { unit, first, second, third, .. } = sums.powers;
        let scale = fit.regression.noise_variance.sqrt() / unit;
        let count = fit.regression.transitions as f64;
        // In units of the noise's standard deviation. The mean is near 0, so that nothing cancels.
        let mean = first / count / scale;
        let [square, cube] =
            [second / (scale * scale), third / scale.powi(3)].map(|sum| sum / count);
        let variance = square - mean * mean;
        let third = cube - 3.0 * mean * square + 2.0 * mean.powi(3);
        let skewness = third / variance.powf(1.5);
        let kurtosis = fit.kurtosis / (variance * variance);
        let out_of_range = || "the noise cannot be told from rounding".to_owned();
        if !skewness.is_finite() || !kurtosis.is_finite() {
            return Err(out_of_range());
        }
        let gaussian = skewness_deviation(skewness, count).powi(2)
            + kurtosis_deviation(kurtosis, count).powi(2);
        let chi = |freedom: f64, value: f64| {
            ChiSquared::new(freedom).ok().and_then(|of| Test::new(of.sf(value)))
        };
        let [white, pairs] = sums.ljung_box(scale);
        let epochs = sums.epochs.as_ref();
        Ok(NoiseShape {
            skewness,
            excess_kurtosis: kurtosis - 3.0,
            against_gaussian: chi(2.0, gaussian).ok_or_else(out_of_range)?,
            // The fitted curvature has used up one correlation.
            against_white: chi(LAGS as f64 - 1.0, white).ok_or_else(out_of_range)?,
            correlation: (white / pairs).sqrt(),
            tail: TailIndex::new(&sums.tail).ok_or_else(out_of_range)?,
            epochs: epochs.and_then(|epochs| EpochMark::new(epochs, &fit.regression, scale, unit)),
            count: fit.transitions,
        })
    }
}

/// A standard normal deviation for the skewness of Gaussian values: D'Agostino (1970), as in
/// scipy's `skewtest`.
fn skewness_deviation(skewness: f64, n: f64) -> f64 {
    let y = skewness * ((n + 1.0) * (n + 3.0) / (6.0 * (n - 2.0))).sqrt();
    let beta = 3.0 * (n * n + 27.0 * n - 70.0) * (n + 1.0) * (n + 3.0)
        / ((n - 2.0) * (n + 5.0) * (n + 7.0) * (n + 9.0));
    let w = (2.0 * (beta - 1.0)).sqrt() - 1.0;
    let delta = (0.5 * w.ln()).sqrt().recip();
    let alpha = (2.0 / (w - 1.0)).sqrt();
    delta * (y / alpha).asinh()
}

/// The same for the kurtosis: Anscombe and Glynn (1983), as in scipy's `kurtosistest`.
fn kurtosis_deviation(kurtosis: f64, n: f64) -> f64 {
    let expected = 3.0 * (n - 1.0) / (n + 1.0);
    let variance = 24.0 * n * (n - 2.0) * (n - 3.0) / ((n + 1.0).powi(2) * (n + 3.0) * (n + 5.0));
    let x = (kurtosis - expected) / variance.sqrt();
    let root = 6.0 * (n * n - 5.0 * n + 2.0) / ((n + 7.0) * (n + 9.0))
        * (6.0 * (n + 3.0) * (n + 5.0) / (n * (n - 2.0) * (n - 3.0))).sqrt();
    let a = 6.0 + 8.0 / root * (2.0 / root + (1.0 + 4.0 / (root * root)).sqrt());
    let term = 1.0 - 2.0 / (9.0 * a);
    let denominator = 1.0 + x * (2.0 / (a - 4.0)).sqrt();
    (term - denominator.signum() * ((1.0 - 2.0 / a) / denominator.abs()).cbrt())
        / (2.0 / (9.0 * a)).sqrt()
}
