//! Correlations of positions between modes.

use nalgebra::DMatrix;
use serde::Serialize;
use statrs::distribution::{ContinuousCDF, Normal};

use super::covariance::PositionSums;
use super::estimate::Test;
use super::mode::ModeFit;
use super::window::Window;
use crate::analysis::Answer;
use crate::analysis::read_ahead::read_ahead;
use crate::error::Result;
use crate::run::Run;
use crate::run::arrow_array::Array;
use crate::run::arrow_array::cast::AsArray;
use crate::run::arrow_array::types::Float64Type;

/// The correlation matrix of the positions of the modes compared, and its largest entry off the
/// diagonal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Correlation {
    /// The modes, counted from 1, in the order of the matrix.
    pub modes: Vec<usize>,
    /// Row by row.
    pub matrix: Vec<Vec<f64>>,
    /// The pair that deviates most from 0 by its own standard error.
    pub most_deviating_pair: [usize; 2],
    /// Its correlation.
    pub most_deviating_correlation: f64,
    /// Are all pairs uncorrelated? Of the largest of so many deviations, errors by Bartlett's
    /// (1935) formula from the autocorrelations of the fitted recursions.
    pub against_none: Test,
    /// Rows in which all these positions are known.
    pub rows: u64,
}

impl Correlation {
    /// Of the modes that were fitted and hold 20 relaxation times. Where rows have positions of
    /// some modes alone, those of these modes are read once more.
    ///
    /// # Errors
    /// Those of reading.
    pub(super) fn new(
        run: &Run,
        window: &Window,
        modes: &[ModeFit],
        positions: &PositionSums,
    ) -> Result<Answer<Correlation>> {
        let chosen: Vec<&ModeFit> = modes
            .iter()
            .filter(|mode| mode.recursion.known().is_some_and(|fit| !fit.is_short()))
            .collect();
        if chosen.len() < 2 {
            return Ok(Answer::cannot_say(
                "fewer than two modes are fitted and hold 20 relaxation times",
            ));
        }
        let (covariance, rows) = if positions.has_holes {
            let centres: Vec<f64> = chosen
                .iter()
                .map(|mode| mode.moments.known().map_or(0.0, |moments| moments.position_mean))
                .collect();
            let numbers: Vec<usize> = chosen.iter().map(|mode| mode.mode).collect();
            covariance(run, window, &numbers, &centres)?
        } else {
            let of =
                |i: usize, j: usize| positions.covariance(chosen[i].mode - 1, chosen[j].mode - 1);
            (DMatrix::from_fn(chosen.len(), chosen.len(), of), positions.rows)
        };
        Ok(summarize(&chosen, &covariance, rows)
            .map_or_else(|reason| Answer::CannotSay { reason }, Answer::Known))
    }
}

/// Covariance of the positions of some modes over rows in which all are known; their number.
fn covariance(
    run: &Run,
    window: &Window,
    modes: &[usize],
    centres: &[f64],
) -> Result<(DMatrix<f64>, u64)> {
    let names: Vec<String> = modes.iter().map(|mode| format!("position_{mode}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let count = names.len();
    let (mut products, mut sums) = (DMatrix::zeros(count, count), vec![0.0; count]);
    let (mut first_row, mut rows) = (0, 0_u64);
    read_ahead(run, &names, |batch| {
        let range = first_row..first_row + batch.num_rows() as u64;
        first_row = range.end;
        if range.end <= window.range.start {
            return true;
        }
        let columns: Vec<_> =
            batch.columns().iter().map(|column| column.as_primitive::<Float64Type>()).collect();
        let mut values = Vec::with_capacity(batch.num_rows() * count);
        for row in 0..batch.num_rows() {
            let known =
                columns.iter().all(|column| column.is_valid(row) && column.value(row).is_finite());
            if known && window.range.contains(&(range.start + row as u64)) {
                values.extend(
                    columns.iter().zip(centres).map(|(column, centre)| column.value(row) - centre),
                );
            }
        }
        let block = DMatrix::from_vec(count, values.len() / count, values);
        products.gemm(1.0, &block, &block.transpose(), 1.0);
        for (sum, row) in sums.iter_mut().zip(block.row_iter()) {
            *sum += row.sum();
        }
        rows += block.ncols() as u64;
        range.end < window.range.end
    })?;
    let size = rows as f64;
    Ok((
        DMatrix::from_fn(count, count, |i, j| (products[(i, j)] - sums[i] * sums[j] / size) / size),
        rows,
    ))
}

pub(super) fn summarize(
    modes: &[&ModeFit],
    covariance: &DMatrix<f64>,
    rows: u64,
) -> std::result::Result<Correlation, String> {
    let count = modes.len();
    let correlation =
        |i: usize, j: usize| covariance[(i, j)] / (covariance[(i, i)] * covariance[(j, j)]).sqrt();
    let matrix: Vec<Vec<f64>> =
        (0..count).map(|i| (0..count).map(|j| correlation(i, j)).collect()).collect();
    if rows < 2 || !matrix.iter().flatten().all(|entry| entry.is_finite()) {
        return Err("too few rows have the positions of all modes".to_owned());
    }
    let memories: Vec<_> = modes
        .iter()
        .filter_map(|mode| mode.recursion.known())
        .map(|fit| fit.dynamics.position_autocorrelation().sampled_every(fit.every_steps))
        .collect();
    let (mut largest, mut pair) = (0.0, [0, 1]);
    for i in 0..count {
        for j in 0..i {
            let variance = memories[i].sum_of_products(&memories[j], rows as f64) / rows as f64;
            let deviation = matrix[i][j].abs() / variance.max(1.0 / rows as f64).sqrt();
            if deviation > largest {
                (largest, pair) = (deviation, [j, i]);
            }
        }
    }
    let pairs = 0.5 * count as f64 * (count as f64 - 1.0);
    let single = 2.0 * Normal::standard().sf(largest);
    let chance = -(pairs * (-single).ln_1p()).exp_m1();
    Ok(Correlation {
        modes: modes.iter().map(|mode| mode.mode).collect(),
        most_deviating_pair: pair.map(|index| modes[index].mode),
        most_deviating_correlation: matrix[pair[0]][pair[1]],
        against_none: Test::new(chance).ok_or("a correlation is out of range")?,
        matrix,
        rows,
    })
}
