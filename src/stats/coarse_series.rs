//! A sequence of any length kept as at most 8,192 means of equally many successive values.
//!
//! Short sequences are kept as they are. When the bins are full, neighbours are merged and the bins
//! become twice as wide. Slow structure (trends, long correlations, the variance of the mean)
//! survives that; only what is faster than a bin is averaged away, and its size is kept in the
//! variance of the single values.

use super::joint_sums::sum;
use super::moments::Moments;

/// Bins are merged when there would be more.
const MOST_BINS: usize = 1 << 13;

/// Bins of a sequence that is given value by value. Values that are not finite leave a hole and are
/// counted.
#[derive(Debug, Clone)]
pub struct CoarseSeries {
    bins: Vec<Bin>,
    width: u64,
    most_bins: usize,
    /// Values in the last bin, holes included.
    filled: u64,
    values: Moments,
    left_out: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Bin {
    mean: f64,
    count: u64,
}

impl Default for CoarseSeries {
    fn default() -> Self {
        CoarseSeries::with_most_bins(MOST_BINS)
    }
}

impl CoarseSeries {
    /// A series of at most this many bins; an even number, at least 2.
    pub(crate) fn with_most_bins(most_bins: usize) -> CoarseSeries {
        let values = Moments::default();
        CoarseSeries { bins: Vec::new(), width: 1, most_bins, filled: 0, values, left_out: 0 }
    }

    /// Takes the next value; `None` is one that is not known.
    pub fn push(&mut self, value: Option<f64>) {
        let bin = self.open_bin();
        self.filled += 1;
        match value.filter(|value| value.is_finite()) {
            Some(value) => {
                let bin = &mut self.bins[bin];
                bin.count += 1;
                bin.mean += (value - bin.mean) / bin.count as f64;
                self.values.push(value);
            }
            None => self.left_out += 1,
        }
    }

    /// Takes the next values; those that are not finite are not known.
    pub fn extend(&mut self, values: &[f64]) {
        if !values.iter().fold(true, |finite, value| finite & value.is_finite()) {
            values.iter().for_each(|value| self.push(Some(*value)));
            return;
        }
        self.values.extend(values);
        let mut left = values;
        while !left.is_empty() {
            let bin = self.open_bin();
            let room = usize::try_from(self.width - self.filled).unwrap_or(usize::MAX);
            let (these, rest) = left.split_at(room.min(left.len()));
            self.filled += these.len() as u64;
            let count = these.len() as u64;
            self.bins[bin] = self.bins[bin].joined(Bin { mean: sum(these) / count as f64, count });
            left = rest;
        }
    }

    /// The bin that takes the next value.
    fn open_bin(&mut self) -> usize {
        if self.bins.is_empty() || self.filled == self.width {
            if self.bins.len() == self.most_bins {
                self.merge();
            }
            self.bins.push(Bin::default());
            self.filled = 0;
        }
        self.bins.len() - 1
    }

    /// Halves the number of bins. All are full when this is called.
    fn merge(&mut self) {
        self.bins = self
            .bins
            .chunks(2)
            .map(|pair| pair.iter().copied().fold(Bin::default(), Bin::joined))
            .collect();
        self.width *= 2;
    }

    /// The means of the bins that have a value, in order. The last bin is left out unless it is
    /// full.
    pub fn means(&self) -> Vec<f64> {
        let full = if self.filled == self.width {
            self.bins.len()
        } else {
            self.bins.len().saturating_sub(1)
        };
        self.bins[..full].iter().filter(|bin| bin.count > 0).map(|bin| bin.mean).collect()
    }

    /// Values a bin.
    pub fn width(&self) -> u64 {
        self.width
    }

    /// Values given, holes included.
    pub fn len(&self) -> u64 {
        self.values.count() + self.left_out
    }

    /// Whether nothing was given.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Count, mean and variance of the single values.
    pub fn values(&self) -> &Moments {
        &self.values
    }

    /// Values that were not known or not finite.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }
}

impl Bin {
    fn joined(self, other: Bin) -> Bin {
        let count = self.count + other.count;
        if self.count == 0 {
            return other;
        }
        let share = other.count as f64 / count as f64;
        Bin { mean: self.mean * (1.0 - share) + other.mean * share, count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_sequence_is_kept_and_a_long_one_is_averaged() {
        let mut series = CoarseSeries::with_most_bins(4);
        for value in [1.0, 3.0, 5.0, 7.0] {
            series.push(Some(value));
        }
        assert_eq!((series.means(), series.width()), (vec![1.0, 3.0, 5.0, 7.0], 1));
        for value in [9.0, 11.0, 13.0, 15.0, 17.0] {
            series.push(Some(value));
        }
        // Nine values in bins of four; the ninth's bin is not full.
        assert_eq!((series.means(), series.width(), series.len()), (vec![4.0, 12.0], 4, 9));
        assert_eq!(series.values().mean(), 9.0);
    }

    #[test]
    fn slices_give_the_bins_of_single_values() {
        let values: Vec<f64> = (0..100).map(|k| f64::from(k * k % 23)).collect();
        for rows in [1, 3, 7, 100] {
            let [mut single, mut slices] = [0; 2].map(|_| CoarseSeries::with_most_bins(8));
            values.iter().for_each(|value| single.push(Some(*value)));
            values.chunks(rows).for_each(|values| slices.extend(values));
            assert_eq!((slices.width(), slices.len()), (single.width(), 100));
            let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-12;
            assert!(slices.means().iter().zip(&single.means()).all(near));
            assert!((slices.values().variance() - single.values().variance()).abs() < 1e-12);
        }
    }

    #[test]
    fn holes_are_counted_and_carry_no_value() {
        let mut series = CoarseSeries::with_most_bins(2);
        for value in [Some(1.0), None, Some(f64::NAN), Some(f64::INFINITY)] {
            series.push(value);
        }
        assert_eq!((series.means(), series.left_out(), series.len()), (vec![1.0], 3, 4));
        assert!(CoarseSeries::default().is_empty());
    }
}
