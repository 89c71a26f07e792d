//! How fast the tails of a mode's noise fall.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, Normal};

use super::estimate::{Estimate, standard_normal_quantile};

/// The most values of a tail that are looked at.
const LARGEST_TAIL: usize = 10_000;

/// The power alpha of a tail P(|noise| > y) ~ y^-alpha, by Hill's estimator over the largest
/// values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TailIndex {
    /// alpha. Below 2 the variance would be infinite.
    pub index: Estimate,
    /// What Gaussian noise gives at the same place: it has no power law, and the index grows with
    /// the number of values.
    pub of_gaussian_noise: f64,
    /// Values used: the square root of all, at most 10,000.
    pub tail_values: u64,
    /// Whether the tail is heavier than Gaussian: the interval lies below.
    pub heavier_than_gaussian: bool,
}

/// The largest of a number of sizes.
#[derive(Debug, Clone)]
pub(super) struct LargestSizes {
    count: usize,
    /// Those of the tail and the next one, the smallest on top. Positive floats are ordered as
    /// their bits are.
    largest: BinaryHeap<Reverse<u64>>,
}

impl LargestSizes {
    /// Of so many sizes.
    pub(super) fn of(count: usize) -> LargestSizes {
        LargestSizes { count, largest: BinaryHeap::new() }
    }

    fn tail(&self) -> usize {
        ((self.count as f64).sqrt() as usize).clamp(5, LARGEST_TAIL)
    }

    /// Takes numbers, of which the sizes count.
    pub(super) fn add(&mut self, values: &[f64]) {
        let tail = self.tail();
        for bits in values.iter().map(|value| value.abs().to_bits()) {
            if self.largest.len() <= tail {
                self.largest.push(Reverse(bits));
            } else if self.largest.peek().is_some_and(|smallest| bits > smallest.0)
                && let Some(mut smallest) = self.largest.peek_mut()
            {
                *smallest = Reverse(bits);
            }
        }
    }
}

impl TailIndex {
    pub(super) fn new(sizes: &LargestSizes) -> Option<TailIndex> {
        let (mut largest, tail) = (sizes.largest.clone(), sizes.tail());
        let threshold = f64::from_bits(largest.pop()?.0);
        let sum: f64 =
            largest.iter().map(|Reverse(bits)| (f64::from_bits(*bits) / threshold).ln()).sum();
        let index = tail as f64 / sum;
        // The inverse is a mean of independent exponentials.
        let half = standard_normal_quantile(0.975) / (tail as f64).sqrt();
        let index = Estimate::new(index, index / (1.0 + half), index / (1.0 - half).max(0.0))?;
        let of_gaussian_noise = gaussian_tail_index(tail as f64 / sizes.count as f64)?;
        let heavier_than_gaussian = index.high.is_some_and(|high| high < of_gaussian_noise);
        Some(TailIndex {
            index,
            of_gaussian_noise,
            tail_values: tail as u64,
            heavier_than_gaussian,
        })
    }
}

/// 1 / E[ln(|z|/u) given |z| > u] of a standard normal z, u its threshold of probability `share`.
fn gaussian_tail_index(share: f64) -> Option<f64> {
    let normal = Normal::standard();
    let threshold = -normal.inverse_cdf(0.5 * share);
    // The mean of ln(z/u) over the tail is the integral of P(|z| > y)/(share y) over y > u; in y =
    // u e^w.
    let (steps, reach) = (2000, (1.0 + 40.0 / (threshold * threshold).max(0.1)).ln());
    let width = reach / f64::from(steps);
    let sum: f64 =
        (0..steps).map(|k| normal.sf(threshold * ((f64::from(k) + 0.5) * width).exp())).sum();
    Some(share / (2.0 * sum * width)).filter(|index| index.is_finite())
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
        let of = |values: Vec<f64>| {
            let mut sizes = LargestSizes::of(count);
            values.chunks(1000).for_each(|values| sizes.add(values));
            TailIndex::new(&sizes).unwrap()
        };
        let gaussian = of((0..count).map(|_| StandardNormal.sample(&mut random)).collect());
        assert!(
            gaussian.index.covers(gaussian.of_gaussian_noise) && !gaussian.heavier_than_gaussian,
            "{gaussian:?}"
        );
        let student = StudentT::new(3.0).unwrap();
        let heavy = of((0..count).map(|_| student.sample(&mut random)).collect());
        assert!(heavy.index.covers(3.0) && heavy.heavier_than_gaussian, "{heavy:?}");
        assert_eq!(heavy.tail_values, 200);
    }
}
