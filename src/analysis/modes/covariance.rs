//! Covariances of the positions of all modes.

use crate::stats::joint_sums::{dot, sum};

/// Rows centred at a time.
const BLOCK: usize = 256;

/// Sums over rows in which every mode has a position.
#[derive(Debug, Clone)]
pub(super) struct PositionSums {
    pub(super) rows: u64,
    /// Whether a row was left out in which some modes have a position.
    pub(super) has_holes: bool,
    means: Vec<f64>,
    /// Sums of products of deviations from the means: mode by mode, each with those up to itself.
    products: Vec<f64>,
    deviations: Vec<f64>,
}

impl PositionSums {
    pub(super) fn new(modes: usize) -> PositionSums {
        let products = vec![0.0; modes * (modes + 1) / 2];
        PositionSums {
            rows: 0,
            has_holes: false,
            means: vec![0.0; modes],
            products,
            deviations: Vec::new(),
        }
    }

    /// Takes rows, a column a mode.
    pub(super) fn add(&mut self, columns: &[&[f64]]) {
        let rows = columns.first().map_or(0, |column| column.len());
        for first in (0..rows).step_by(BLOCK) {
            let block = first..(first + BLOCK).min(rows);
            let known: Vec<usize> = block
                .clone()
                .filter(|&row| {
                    let known = columns.iter().filter(|column| column[row].is_finite()).count();
                    self.has_holes |= known > 0 && known < columns.len();
                    known == columns.len()
                })
                .collect();
            self.add_known(columns, &known);
        }
    }

    fn add_known(&mut self, columns: &[&[f64]], known: &[usize]) {
        if known.is_empty() {
            return;
        }
        let length = known.len();
        let mut deviations = std::mem::take(&mut self.deviations);
        deviations.clear();
        let mut means = Vec::with_capacity(columns.len());
        for column in columns {
            let from = deviations.len();
            deviations.extend(known.iter().map(|row| column[*row]));
            let values = &mut deviations[from..];
            let mean = sum(values) / length as f64;
            values.iter_mut().for_each(|value| *value -= mean);
            means.push(mean);
        }
        let mut products = Vec::with_capacity(self.products.len());
        let columns: Vec<&[f64]> = deviations.chunks_exact(length).collect();
        for (i, column) in columns.iter().enumerate() {
            products.extend(columns[..=i].iter().map(|other| dot(column, other)));
        }
        let block = PositionSums {
            rows: length as u64,
            has_holes: false,
            means,
            products,
            deviations: Vec::new(),
        };
        self.join(&block);
        self.deviations = deviations;
    }

    /// Takes the rows of other sums.
    pub(super) fn join(&mut self, other: &PositionSums) {
        self.has_holes |= other.has_holes;
        if other.rows == 0 {
            return;
        }
        let count = (self.rows + other.rows) as f64;
        let weight = self.rows as f64 * other.rows as f64 / count;
        let apart: Vec<f64> =
            other.means.iter().zip(&self.means).map(|(other, mean)| other - mean).collect();
        let mut products = self.products.iter_mut().zip(&other.products);
        for (i, a) in apart.iter().enumerate() {
            for ((product, more), b) in products.by_ref().take(i + 1).zip(&apart) {
                *product += more + weight * a * b;
            }
        }
        let share = other.rows as f64 / count;
        self.means.iter_mut().zip(&apart).for_each(|(mean, apart)| *mean += share * apart);
        self.rows += other.rows;
    }

    /// Of two modes, over n.
    pub(super) fn covariance(&self, i: usize, j: usize) -> f64 {
        let (i, j) = (i.max(j), i.min(j));
        self.products[i * (i + 1) / 2 + j] / self.rows as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covariances_are_those_of_the_definition_and_holes_are_seen() {
        let columns: Vec<Vec<f64>> = (0..3)
            .map(|mode| {
                (0..700)
                    .map(|k| 1e3 * f64::from(mode) + (0.1 * f64::from(k * (mode + 1))).sin())
                    .collect()
            })
            .collect();
        let slices: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        let mut sums = PositionSums::new(3);
        sums.add(&slices);
        assert_eq!((sums.rows, sums.has_holes), (700, false));
        let mean = |values: &[f64]| values.iter().sum::<f64>() / 700.0;
        for i in 0..3 {
            for j in 0..3 {
                let (mi, mj) = (mean(slices[i]), mean(slices[j]));
                let products: Vec<f64> =
                    slices[i].iter().zip(slices[j]).map(|(a, b)| (a - mi) * (b - mj)).collect();
                assert!((sums.covariance(i, j) - mean(&products)).abs() < 1e-12);
            }
        }
        let mut with_holes = PositionSums::new(2);
        with_holes.add(&[&[1.0, f64::NAN], &[2.0, f64::NAN]]);
        assert_eq!((with_holes.rows, with_holes.has_holes), (1, false), "no mode has a position");
        with_holes.add(&[&[1.0, 3.0], &[f64::NAN, 2.0]]);
        assert_eq!((with_holes.rows, with_holes.has_holes), (2, true));
    }
}
