//! A number with its 95% interval, and the test of a mean of correlated values.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use crate::stats::joint_sums::sum;

/// Two-sided 5%.
pub(super) const SIGNIFICANCE: f64 = 0.05;

/// A number and its 95% interval; no end where it is unbounded.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// Lower end.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

impl Estimate {
    /// None unless the value is finite; ends that are not finite are unbounded.
    pub(super) fn new(value: f64, low: f64, high: f64) -> Option<Estimate> {
        let end = |end: f64| Some(end).filter(|end| end.is_finite());
        value.is_finite().then(|| Estimate { value, low: end(low), high: end(high) })
    }

    /// Whether a value is inside.
    pub fn covers(&self, value: f64) -> bool {
        self.low.is_none_or(|low| low <= value) && self.high.is_none_or(|high| value <= high)
    }

    /// Its image under a falling or rising function.
    pub(super) fn map(&self, function: impl Fn(f64) -> f64) -> Option<Estimate> {
        let ends = [self.low.map_or(f64::NAN, &function), self.high.map_or(f64::NAN, &function)];
        let value = function(self.value);
        let rising = match ends {
            [low, high] if low.is_finite() && high.is_finite() => low <= high,
            [low, _] if low.is_finite() => low <= value,
            [_, high] => !high.is_finite() || high >= value,
        };
        if rising {
            Estimate::new(value, ends[0], ends[1])
        } else {
            Estimate::new(value, ends[1], ends[0])
        }
    }

    /// The same number with a further, independent, deviation: they add in squares, side by side.
    pub(super) fn combined_with(&self, other: &Estimate) -> Option<Estimate> {
        let reach = |end: &dyn Fn(&Estimate) -> Option<f64>| {
            let of = |estimate: &Estimate| {
                end(estimate).map_or(f64::INFINITY, |end| end - estimate.value)
            };
            of(self).hypot(of(other))
        };
        Estimate::new(
            self.value,
            self.value - reach(&|of| of.low),
            self.value + reach(&|of| of.high),
        )
    }

    /// From a positive value and the standard error of its logarithm.
    pub(super) fn from_logarithm(value: f64, standard_error: f64) -> Option<Estimate> {
        let factor = (standard_normal_quantile(0.975) * standard_error).exp();
        Estimate::new(value, value / factor, value * factor)
    }

    /// The standard error of the logarithm that makes the interval as wide; none unless both ends
    /// are positive.
    pub(super) fn logarithmic_error(&self) -> Option<f64> {
        match (self.low, self.high) {
            (Some(low), Some(high)) if low > 0.0 => {
                Some((high / low).ln() / (2.0 * standard_normal_quantile(0.975)))
            }
            _ => None,
        }
    }
}

/// The outcome of a test at the level of 5%.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Test {
    /// Probability of so large a deviation if what is tested holds.
    pub probability: f64,
    /// Whether it is rejected: probability below 0.05.
    pub rejected: bool,
}

impl Test {
    pub(super) fn new(probability: f64) -> Option<Test> {
        let probability =
            Some(probability.clamp(0.0, 1.0)).filter(|probability| probability.is_finite())?;
        Some(Test { probability, rejected: probability < SIGNIFICANCE })
    }

    /// Two-sided, of a standard normal deviation.
    pub(super) fn of_normal(deviation: f64) -> Option<Test> {
        let normal = Normal::standard();
        Test::new(2.0 * normal.cdf(-deviation.abs()))
    }
}

/// The p-quantile of the standard normal distribution.
pub(super) fn standard_normal_quantile(p: f64) -> f64 {
    Normal::standard().inverse_cdf(p)
}

/// The mean of correlated values by the means of batches of them, side by side: those of batches
/// much longer than the memory are independent, and Student's t has as many degrees of freedom as
/// batches less one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct BatchedMean {
    pub(super) mean: f64,
    pub(super) standard_error: f64,
    pub(super) freedom: f64,
}

/// Sums of batches of values.
#[derive(Debug, Clone)]
pub(super) struct BatchSums {
    /// Values still to be taken, and those of a batch; what is left over joins the last.
    left: usize,
    length: usize,
    batches: usize,
    memory: f64,
    sums: Vec<f64>,
    counts: Vec<usize>,
}

impl BatchSums {
    /// For `count` values in `batches` batches, at least two; `None` if there are fewer values.
    /// `memory`, in values, makes up for what neighbouring batches share: means of batches of b
    /// values with a memory of m vary less, by 1 - m/b, than they would if they were independent.
    pub(super) fn new(count: usize, batches: usize, memory: f64) -> Option<BatchSums> {
        let length = count / batches.max(1);
        let sums = BatchSums {
            left: count,
            length,
            batches,
            memory,
            sums: Vec::new(),
            counts: Vec::new(),
        };
        (batches >= 2 && length > 0).then_some(sums)
    }

    /// Takes the next values.
    pub(super) fn add(&mut self, values: &[f64]) {
        let mut values = &values[..values.len().min(self.left)];
        self.left -= values.len();
        while !values.is_empty() {
            if self.counts.last().is_none_or(|count| *count == self.length)
                && self.counts.len() < self.batches
            {
                self.sums.push(0.0);
                self.counts.push(0);
            }
            let last = self.counts.len() - 1;
            let room = if last + 1 == self.batches {
                values.len()
            } else {
                self.length - self.counts[last]
            };
            let (these, rest) = values.split_at(room.min(values.len()));
            self.sums[last] += sum(these);
            self.counts[last] += these.len();
            values = rest;
        }
    }

    /// Their mean; `None` if values are missing, or out of range.
    pub(super) fn mean(&self) -> Option<BatchedMean> {
        if self.left > 0 {
            return None;
        }
        let batches = self.batches as f64;
        let means: Vec<f64> =
            self.sums.iter().zip(&self.counts).map(|(sum, count)| sum / *count as f64).collect();
        let mean = means.iter().sum::<f64>() / batches;
        let spread: f64 = means.iter().map(|value| (value - mean).powi(2)).sum();
        let freedom = batches - 1.0;
        let shared = 1.0 - (self.memory / self.length as f64).min(0.5);
        let standard_error = (spread / (freedom * batches) / shared).sqrt();
        (mean.is_finite() && standard_error.is_finite()).then_some(BatchedMean {
            mean,
            standard_error,
            freedom,
        })
    }
}

impl BatchedMean {
    /// Of the values times a number.
    pub(super) fn times(self, factor: f64) -> Option<BatchedMean> {
        let (mean, standard_error) = (factor * self.mean, factor.abs() * self.standard_error);
        (mean.is_finite() && standard_error.is_finite()).then_some(BatchedMean {
            mean,
            standard_error,
            ..self
        })
    }

    pub(super) fn estimate(&self) -> Option<Estimate> {
        let half =
            StudentsT::new(0.0, 1.0, self.freedom).ok()?.inverse_cdf(0.975) * self.standard_error;
        Estimate::new(self.mean, self.mean - half, self.mean + half)
    }

    /// Tests whether the expectation is zero; none where nothing varies.
    pub(super) fn against_zero(&self) -> Option<Test> {
        if self.standard_error <= 0.0 {
            return None;
        }
        let student = StudentsT::new(0.0, 1.0, self.freedom).ok()?;
        Test::new(2.0 * student.cdf(-(self.mean / self.standard_error).abs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_turn_round_under_falling_functions() {
        let estimate = Estimate::new(2.0, 1.0, 4.0).unwrap();
        assert_eq!(estimate.map(|x| 1.0 / x), Estimate::new(0.5, 0.25, 1.0));
        let unbounded = Estimate::new(2.0, 0.0, 4.0).unwrap().map(|x| 1.0 / x).unwrap();
        assert_eq!((unbounded.low, unbounded.high), (Some(0.25), None));
        assert!(unbounded.covers(1e9) && !unbounded.covers(0.2));
        assert_eq!(Estimate::new(f64::NAN, 0.0, 1.0), None);
    }

    #[test]
    fn batched_means_are_students() {
        // scipy.stats.ttest_1samp([1, 2, 3, 4.5], 0): p = 0.0390203
        let values = [1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.5, 4.5];
        let of = |values: &[f64], batches: usize| {
            let mut sums = BatchSums::new(values.len(), batches, 0.0)?;
            values.chunks(3).for_each(|values| sums.add(values));
            sums.mean()
        };
        let mean = of(&values, 4).unwrap();
        assert_eq!(mean.mean, 2.625);
        assert!((mean.against_zero().unwrap().probability - 0.039_020_304).abs() < 1e-8);
        assert!(of(&[1.0; 8], 4).unwrap().against_zero().is_none());
        assert!(of(&[1.0], 4).is_none());
        // The last batch takes what is left over.
        assert_eq!(of(&[1.0, 1.0, 2.0, 2.0, 5.0], 2).unwrap().mean, 2.0);
    }
}
