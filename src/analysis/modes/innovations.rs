//! What the noise of the steps is like, once the recursion's forces are taken out: white, Gaussian, heavy-tailed, drawn
//! without replacement.
//!
//! The steps themselves are correlated and would fail any test for independent values. The recursion's innovations,
//! v' - beta v + (rho + lambda)(x - mu), are the batches' noises one by one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use serde::Serialize;
use statrs::distribution::{ChiSquared, ContinuousCDF, Normal};
use statrs::function::beta::beta_reg;

use super::estimate::{Estimate, Test, standard_normal_quantile};
use super::recursion::RecursionFit;
use super::series::ModeSeries;

/// Lags of the test for whiteness.
const LAGS: usize = 20;
/// Values multiplied at a time.
const BLOCK: usize = 4096;
/// The most values of a tail that are looked at.
const LARGEST_TAIL: usize = 10_000;

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
    /// The mark of sampling without replacement; none where steps per epoch are not known or too few epochs are whole.
    pub epochs: Option<EpochMark>,
    /// Values.
    pub count: u64,
}

/// The power alpha of a tail P(|noise| > y) ~ y^-alpha, by Hill's estimator over the largest values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TailIndex {
    /// alpha. Below 2 the variance would be infinite.
    pub index: Estimate,
    /// What Gaussian noise gives at the same place: it has no power law, and the index grows with the number of values.
    pub of_gaussian_noise: f64,
    /// Values used: the square root of all, at most 10,000.
    pub tail_values: u64,
    /// Whether the tail is heavier than Gaussian: the interval lies below.
    pub heavier_than_gaussian: bool,
}

/// Whether the noises of an epoch cancel, as they do if every example is used once.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct EpochMark {
    /// Steps in an epoch.
    pub steps_per_epoch: u64,
    /// Whole epochs summed.
    pub epochs: u64,
    /// Variance of an epoch's sum over that of as many independent noises: 1 with replacement, near 0 without.
    pub variance_ratio: f64,
    /// Mean correlation of two steps of one epoch: 0, or -1/(n-1).
    pub correlation_within: f64,
    /// Against independent noise.
    pub against_independent: Test,
    /// Correlation at a lag of one epoch: near 1 if batches come in the same order again; none without such pairs.
    pub correlation_after_epoch: Option<f64>,
    /// Against independent noise.
    pub repeats: Option<Test>,
}

impl NoiseShape {
    pub(super) fn new(
        series: &ModeSeries,
        fit: &RecursionFit,
        steps_per_epoch: Option<u64>,
    ) -> Result<NoiseShape, String> {
        series.require_every_step()?;
        let scale = fit.regression.noise_variance.sqrt();
        let count = fit.regression.transitions;
        let (mut mean, mut third, mut variance) = (0.0, 0.0, 0.0);
        let innovations = || fit.regression.innovations(series).map(move |noise| noise / scale);
        innovations().for_each(|noise| mean += noise);
        mean /= count as f64;
        innovations().for_each(|noise| {
            variance += (noise - mean).powi(2);
            third += (noise - mean).powi(3);
        });
        variance /= count as f64;
        let skewness = third / count as f64 / variance.powf(1.5);
        let kurtosis = fit.kurtosis / (variance * variance);
        let out_of_range = || "the noise cannot be told from rounding".to_owned();
        if !skewness.is_finite() || !kurtosis.is_finite() {
            return Err(out_of_range());
        }
        let count_f64 = count as f64;
        let gaussian =
            skewness_deviation(skewness, count_f64).powi(2) + kurtosis_deviation(kurtosis, count_f64).powi(2);
        let chi = |freedom: f64, value: f64| ChiSquared::new(freedom).ok().and_then(|of| Test::new(of.sf(value)));
        let [white, pairs] = ljung_box(series, fit, scale);
        Ok(NoiseShape {
            skewness,
            excess_kurtosis: kurtosis - 3.0,
            against_gaussian: chi(2.0, gaussian).ok_or_else(out_of_range)?,
            // The fitted curvature has used up one correlation.
            against_white: chi(LAGS as f64 - 1.0, white).ok_or_else(out_of_range)?,
            correlation: (white / pairs).sqrt(),
            tail: TailIndex::new(innovations().map(f64::abs), count).ok_or_else(out_of_range)?,
            epochs: steps_per_epoch.and_then(|steps| EpochMark::new(series, fit, scale, steps)),
            count: count as u64,
        })
    }
}

/// Sum over lags of pairs r^2, over pairs in the same stretch. Each correlation has variance 1 / pairs; without gaps that
/// is Ljung's and Box's weight but for 1/n. The pairs of all lags come second.
fn ljung_box(series: &ModeSeries, fit: &RecursionFit, scale: f64) -> [f64; 2] {
    let (mut products, mut pairs) = ([0.0; LAGS], [0_usize; LAGS]);
    let mut noises: Vec<f64> = Vec::with_capacity(BLOCK + LAGS);
    for stretch in &series.stretches {
        noises.clear();
        let mut steps = series.transitions_of(stretch).peekable();
        while steps.peek().is_some() {
            // The last noises of the block before, then the next block.
            let kept = noises.len().min(LAGS);
            noises.drain(..noises.len() - kept);
            noises.extend(steps.by_ref().take(BLOCK).map(|step| fit.regression.innovation(&step) / scale));
            for lag in 1..=LAGS {
                let later = noises.get(kept.max(lag)..).unwrap_or_default();
                let earlier = &noises[kept.max(lag) - lag..][..later.len()];
                products[lag - 1] += dot(later, earlier);
                pairs[lag - 1] += later.len();
            }
        }
    }
    let known = products.iter().zip(&pairs).filter(|(_, pairs)| **pairs > 0);
    let sum = known.map(|(sum, &pairs)| sum * sum / pairs as f64).sum();
    [sum, pairs.iter().sum::<usize>() as f64]
}

/// Four sums side by side, which processors add faster than one.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

/// A standard normal deviation for the skewness of Gaussian values: D'Agostino (1970), as in scipy's `skewtest`.
fn skewness_deviation(skewness: f64, n: f64) -> f64 {
    let y = skewness * ((n + 1.0) * (n + 3.0) / (6.0 * (n - 2.0))).sqrt();
    let beta =
        3.0 * (n * n + 27.0 * n - 70.0) * (n + 1.0) * (n + 3.0) / ((n - 2.0) * (n + 5.0) * (n + 7.0) * (n + 9.0));
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
    (term - denominator.signum() * ((1.0 - 2.0 / a) / denominator.abs()).cbrt()) / (2.0 / (9.0 * a)).sqrt()
}

impl TailIndex {
    fn new(sizes: impl Iterator<Item = f64>, count: usize) -> Option<TailIndex> {
        let tail = ((count as f64).sqrt() as usize).clamp(5, LARGEST_TAIL);
        // The largest tail + 1 values, the smallest of them on top. Positive floats are ordered as their bits are.
        let mut largest = BinaryHeap::with_capacity(tail + 2);
        for size in sizes {
            let bits = size.to_bits();
            if largest.len() <= tail {
                largest.push(Reverse(bits));
            } else if let Some(mut smallest) = largest.peek_mut()
                && bits > smallest.0
            {
                *smallest = Reverse(bits);
            }
        }
        let threshold = f64::from_bits(largest.pop()?.0);
        let sum: f64 = largest.iter().map(|Reverse(bits)| (f64::from_bits(*bits) / threshold).ln()).sum();
        let index = tail as f64 / sum;
        // The inverse is a mean of independent exponentials.
        let half = standard_normal_quantile(0.975) / (tail as f64).sqrt();
        let index = Estimate::new(index, index / (1.0 + half), index / (1.0 - half).max(0.0))?;
        let of_gaussian_noise = gaussian_tail_index(tail as f64 / count as f64)?;
        let heavier_than_gaussian = index.high.is_some_and(|high| high < of_gaussian_noise);
        Some(TailIndex { index, of_gaussian_noise, tail_values: tail as u64, heavier_than_gaussian })
    }
}

/// 1 / E[ln(|z|/u) given |z| > u] of a standard normal z, u its threshold of probability `share`.
fn gaussian_tail_index(share: f64) -> Option<f64> {
    let normal = Normal::standard();
    let threshold = -normal.inverse_cdf(0.5 * share);
    // The mean of ln(z/u) over the tail is the integral of P(|z| > y)/(share y) over y > u; in y = u e^w.
    let (steps, reach) = (2000, (1.0 + 40.0 / (threshold * threshold).max(0.1)).ln());
    let width = reach / f64::from(steps);
    let sum: f64 = (0..steps).map(|k| normal.sf(threshold * ((f64::from(k) + 0.5) * width).exp())).sum();
    Some(share / (2.0 * sum * width)).filter(|index| index.is_finite())
}

impl EpochMark {
    /// Epochs begin behind multiples of `steps_per_epoch`; a transition belongs to the step it makes.
    fn new(series: &ModeSeries, fit: &RecursionFit, scale: f64, steps_per_epoch: u64) -> Option<EpochMark> {
        let length = usize::try_from(steps_per_epoch).ok().filter(|length| *length >= 2)?;
        let (mut epochs, mut squares) = (0_u64, 0.0);
        let (mut product, mut pairs) = (0.0, 0_u64);
        let (mut with_positions, mut noises, mut positions): (f64, Vec<f64>, Vec<f64>) = (0.0, Vec::new(), Vec::new());
        for (stretch, &first_step) in series.stretches.iter().zip(&series.first_steps) {
            if stretch.len() <= length {
                continue;
            }
            noises.clear();
            noises.extend(series.transitions_of(stretch).map(|step| fit.regression.innovation(&step) / scale));
            // The first transition makes step first_step + 1.
            let passed = (first_step % steps_per_epoch) as usize;
            let start = (length - passed) % length;
            positions.clear();
            positions.extend(series.transitions_of(stretch).map(|step| step.position - fit.regression.centre));
            let of_epochs = |values: &[f64]| -> Vec<f64> {
                let whole = values.get(start..).unwrap_or_default().chunks_exact(length);
                whole.map(|epoch| epoch.iter().sum()).collect()
            };
            for (noise, position) in of_epochs(&noises).into_iter().zip(of_epochs(&positions)) {
                squares += noise * noise;
                with_positions += noise * position;
                epochs += 1;
            }
            for (now, then) in noises[length.min(noises.len())..].iter().zip(&noises) {
                product += now * then;
                pairs += 1;
            }
        }
        if epochs < 5 {
            return None;
        }
        // The fitted mean takes its share of every sum.
        let transitions = fit.regression.transitions as f64;
        let sums = epochs as f64 * (1.0 - length as f64 / transitions);
        let ratio = squares / (sums * length as f64);
        // So does the fitted curvature: positions depend on the noise before them, and the ratio of the fitted noise
        // varies less than that of the noise itself, by the square of its slope times the curvature's error (as
        // Durbin 1970 has it for residuals of autoregressions).
        let slope = 2.0 * with_positions / (scale * sums * length as f64);
        let variance = 2.0 / sums - (slope * fit.regression.curvature_error).powi(2);
        let lower = f_distribution(ratio, 2.0 / variance.max(1.0 / transitions), transitions);
        let correlation = product / pairs as f64;
        Some(EpochMark {
            steps_per_epoch,
            epochs,
            variance_ratio: ratio,
            correlation_within: (ratio - 1.0) / (length as f64 - 1.0),
            against_independent: Test::new(2.0 * lower.min(1.0 - lower))?,
            correlation_after_epoch: (pairs > 0).then_some(correlation),
            repeats: Test::of_normal(correlation * (pairs as f64).sqrt()).filter(|_| pairs > 0),
        })
    }
}

/// Cumulative distribution of a ratio of mean squares.
fn f_distribution(ratio: f64, numerator: f64, denominator: f64) -> f64 {
    let share = numerator * ratio / (numerator * ratio + denominator);
    beta_reg(0.5 * numerator, 0.5 * denominator, share.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal, StudentT};

    use super::*;

    #[test]
    fn tails_are_told_from_gaussian_ones() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let count = 40_000;
        let of = |sizes: Vec<f64>| TailIndex::new(sizes.into_iter().map(f64::abs), count).unwrap();
        let gaussian = of((0..count).map(|_| StandardNormal.sample(&mut random)).collect());
        assert!(gaussian.index.covers(gaussian.of_gaussian_noise) && !gaussian.heavier_than_gaussian, "{gaussian:?}");
        let student = StudentT::new(3.0).unwrap();
        let heavy = of((0..count).map(|_| student.sample(&mut random)).collect());
        assert!(heavy.index.covers(3.0) && heavy.heavier_than_gaussian, "{heavy:?}");
        assert_eq!(heavy.tail_values, 200);
    }
}
