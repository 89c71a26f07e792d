//! Means of several quantities and the sums of products of their deviations, block by block.
//!
//! A block is centred on its own means, and blocks are joined by their means (Chan, Golub and
//! LeVeque 1983): no digits are lost far from the origin, and sums of neighbouring stretches of
//! rows can be joined afterwards.

/// Rows centred at a time: they stay in the processor's nearest memory.
const BLOCK: usize = 256;

/// Sums over rows of `N` quantities.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct JointSums<const N: usize> {
    /// Rows.
    pub(crate) count: f64,
    pub(crate) means: [f64; N],
    /// Sums of products of deviations from the means, both triangles.
    pub(crate) products: [[f64; N]; N],
}

impl<const N: usize> Default for JointSums<N> {
    fn default() -> Self {
        JointSums { count: 0.0, means: [0.0; N], products: [[0.0; N]; N] }
    }
}

impl<const N: usize> JointSums<N> {
    /// Takes rows: a column a quantity, all equally long.
    pub(crate) fn add(&mut self, columns: [&[f64]; N]) {
        let rows = columns[0].len();
        if rows == 1 {
            return self.push(columns.map(|column| column[0]));
        }
        let mut deviations = [[0.0; BLOCK]; N];
        for first in (0..rows).step_by(BLOCK) {
            let block = columns.map(|column| &column[first..(first + BLOCK).min(rows)]);
            let length = block[0].len();
            let mut sums = JointSums { count: length as f64, ..JointSums::default() };
            for ((mean, column), deviations) in
                sums.means.iter_mut().zip(block).zip(&mut deviations)
            {
                *mean = sum(column) / length as f64;
                // Once more from there: the mean of equal values is that value.
                deviations
                    .iter_mut()
                    .zip(column)
                    .for_each(|(deviation, value)| *deviation = value - *mean);
                *mean += sum(&deviations[..length]) / length as f64;
                deviations
                    .iter_mut()
                    .zip(column)
                    .for_each(|(deviation, value)| *deviation = value - *mean);
            }
            for i in 0..N {
                for j in 0..=i {
                    let product = dot(&deviations[i][..length], &deviations[j][..length]);
                    (sums.products[i][j], sums.products[j][i]) = (product, product);
                }
            }
            self.join(&sums);
        }
    }

    /// Takes a row.
    pub(crate) fn push(&mut self, values: [f64; N]) {
        self.join(&JointSums { count: 1.0, means: values, ..JointSums::default() });
    }

    /// Takes the rows of other sums.
    pub(crate) fn join(&mut self, other: &JointSums<N>) {
        if other.count == 0.0 {
            return;
        }
        if self.count == 0.0 {
            *self = *other;
            return;
        }
        let count = self.count + other.count;
        let apart: [f64; N] = std::array::from_fn(|i| other.means[i] - self.means[i]);
        let weight = self.count * other.count / count;
        for i in 0..N {
            for j in 0..N {
                self.products[i][j] += other.products[i][j] + weight * apart[i] * apart[j];
            }
            self.means[i] += apart[i] * (other.count / count);
        }
        self.count = count;
    }

    /// Variance of a quantity, over n.
    pub(crate) fn variance(&self, quantity: usize) -> f64 {
        self.products[quantity][quantity] / self.count
    }
}

/// Sum of values, four sums side by side, which processors add faster than one.
pub(crate) fn sum(values: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (fours, rest) = values.as_chunks::<4>();
    for four in fours {
        sums.iter_mut().zip(four).for_each(|(sum, value)| *sum += value);
    }
    sums.iter().sum::<f64>() + rest.iter().sum::<f64>()
}

/// Sum of products, likewise.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_and_joined_sums_are_those_of_all_rows() {
        let x: Vec<f64> = (0..1000).map(|k| 1e6 + (0.37 * f64::from(k)).sin()).collect();
        let y: Vec<f64> = (0..1000).map(|k| 0.01 * f64::from(k % 17) - 3.0).collect();
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let (mx, my) = (mean(&x), mean(&y));
        let product: f64 = x.iter().zip(&y).map(|(x, y)| (x - mx) * (y - my)).sum();
        let mut all = JointSums::<2>::default();
        all.add([&x[..300], &y[..300]]);
        let mut rest = JointSums::<2>::default();
        rest.push([x[300], y[300]]);
        rest.add([&x[301..], &y[301..]]);
        all.join(&rest);
        assert_eq!(all.count, 1000.0);
        assert!((all.means[0] - mx).abs() < 1e-9 && (all.means[1] - my).abs() < 1e-14);
        assert!((all.products[0][1] / product - 1.0).abs() < 1e-9, "{:?} {product}", all.products);
        assert_eq!(all.products[0][1], all.products[1][0]);
    }
}
