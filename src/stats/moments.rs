//! Mean and variance of values given one by one (Welford 1962).

use super::joint_sums::JointSums;

/// Sums for mean and variance, centred as they go: raw squares would cancel far from the origin.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Moments {
    count: u64,
    mean: f64,
    /// Sum of squared deviations from the mean.
    squares: f64,
}

impl Moments {
    /// Takes a value.
    pub fn push(&mut self, value: f64) {
        self.count += 1;
        let before = value - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (value - self.mean);
    }

    /// Takes values, a block of them at a time.
    pub fn extend(&mut self, values: &[f64]) {
        let mut sums = JointSums::<1>::default();
        sums.add([values]);
        if sums.count == 0.0 {
            return;
        }
        let count = self.count + values.len() as u64;
        let (apart, share) = (sums.means[0] - self.mean, sums.count / count as f64);
        self.squares += sums.products[0][0] + apart * apart * self.count as f64 * share;
        self.mean += apart * share;
        self.count = count;
    }

    /// The moments of a list.
    pub fn of(values: &[f64]) -> Moments {
        let mut moments = Moments::default();
        values.iter().for_each(|&value| moments.push(value));
        moments
    }

    /// Values taken.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their mean; 0 without values.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Their variance, divided by one less than their number; 0 with fewer than two.
    pub fn variance(&self) -> f64 {
        if self.count < 2 { 0.0 } else { self.squares / (self.count - 1) as f64 }
    }

    /// The variance of the values as a population, divided by their number.
    pub fn population_variance(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.squares / self.count as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_far_from_zero_has_no_variance() {
        let moments = Moments::of(&[1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0]);
        assert_eq!((moments.count(), moments.mean(), moments.variance()), (3, 1e9 + 2.0, 1.0));
        assert_eq!(moments.population_variance(), 2.0 / 3.0);
        assert_eq!(Moments::of(&[5.0; 10]).variance(), 0.0);
        assert_eq!(Moments::default().variance(), 0.0);
        let mut blocks = Moments::default();
        blocks.extend(&[1e9 + 1.0]);
        blocks.extend(&[1e9 + 2.0, 1e9 + 3.0]);
        assert_eq!(blocks, moments);
    }
}
