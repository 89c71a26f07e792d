//! The mean of the latest values of a sequence.

use std::collections::VecDeque;
use std::num::NonZeroUsize;

/// A trailing moving average over a fixed number of values, in memory of that size.
///
/// ```
/// use perrin::stats::moving_average::MovingAverage;
///
/// let mut average = MovingAverage::new(3.try_into()?);
/// let averages: Vec<_> = [1.0, 2.0, 6.0, 4.0].into_iter().filter_map(|value| average.push(value)).collect();
/// assert_eq!(averages, [3.0, 4.0]);
/// # Ok::<(), std::num::TryFromIntError>(())
/// ```
#[derive(Debug, Clone)]
pub struct MovingAverage {
    latest: VecDeque<f64>,
    window: usize,
}

impl MovingAverage {
    /// An average over `window` values.
    pub fn new(window: NonZeroUsize) -> MovingAverage {
        MovingAverage { latest: VecDeque::with_capacity(window.get()), window: window.get() }
    }

    /// Takes the next value; gives the mean of the latest `window` values, once there are that
    /// many.
    pub fn push(&mut self, value: f64) -> Option<f64> {
        if self.latest.len() == self.window {
            self.latest.pop_front();
        }
        self.latest.push_back(value);
        // Summed anew each time: a running sum keeps the rounding error, or the NaN, of values long
        // gone.
        (self.latest.len() == self.window)
            .then(|| self.latest.iter().sum::<f64>() / self.window as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_value_or_nan_leaves_no_trace_once_it_is_out_of_the_window() {
        let mut average = MovingAverage::new(2.try_into().unwrap());
        let averages: Vec<_> =
            [1e300, f64::NAN, 1.0, 2.0, 4.0].map(|value| average.push(value)).to_vec();
        assert_eq!(averages[0], None);
        assert!(averages[1].is_some_and(f64::is_nan) && averages[2].is_some_and(f64::is_nan));
        assert_eq!(averages[3..], [Some(1.5), Some(3.0)]);
    }
}
