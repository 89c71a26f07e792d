//! A sequence of any length kept as at most 8,192 means of equally many successive values.
//!
//! Short sequences are kept as they are. When the bins are full, neighbours are merged and the bins become twice as
//! wide. Slow structure (trends, long correlations, the variance of the mean) survives that; only what is faster than a
//! bin is averaged away, and its size is kept in the variance of the single values.

use super::moments::Moments;

/// Bins are merged when there would be more.
const MOST_BINS: usize = 1 << 13;

/// Bins of a sequence that is given value by value. Values that are not finite leave a hole and are counted.
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
        if self.bins.is_empty() || self.filled == self.width {
            if self.bins.len() == self.most_bins {
                self.merge();
            }
            self.bins.push(Bin::default());
            self.filled = 0;
        }
        self.filled += 1;
        match (value.filter(|value| value.is_finite()), self.bins.last_mut()) {
            (Some(value), Some(bin)) => {
                bin.count += 1;
                bin.mean += (value - bin.mean) / bin.count as f64;
                self.values.push(value);
            }
            _ => self.left_out += 1,
        }
    }

    /// Halves the number of bins. All are full when this is called.
    fn merge(&mut self) {
        self.bins = self.bins.chunks(2).map(|pair| pair.iter().copied().fold(Bin::default(), Bin::joined)).collect();
        self.width *= 2;
    }

    /// The means of the bins that have a value, in order. The last bin is left out unless it is full.
    pub fn means(&self) -> Vec<f64> {
        let full = if self.filled == self.width { self.bins.len() } else { self.bins.len().saturating_sub(1) };
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
        if count == 0 {
            return self;
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
    fn holes_are_counted_and_carry_no_value() {
        let mut series = CoarseSeries::with_most_bins(2);
        for value in [Some(1.0), None, Some(f64::NAN), Some(f64::INFINITY)] {
            series.push(value);
        }
        assert_eq!((series.means(), series.left_out(), series.len()), (vec![1.0], 3, 4));
        assert!(CoarseSeries::default().is_empty());
    }
}
