//! Exponents of the time-averaged mean squared displacement. Truth: those of the expected curve at
//! the same lags.

use perrin::analysis::lags::{FRACTION, STRETCHES, lag_exponents};
use perrin::stats::mean_squared_displacement::{Coordinate, DisplacementSums};
use perrin::theory::displacement::exact_curve;
use perrin::theory::spectrum::Spectrum;

use crate::support::{Shares, Trajectory, count, regimes, runs};

/// Stretches of 200 rows; velocities remember about 10.
const ROWS: usize = 4000;
/// And 100 with a momentum of 0.99.
const ROWS_OF_STRONG_MOMENTUM: usize = 24_000;

fn slope(curve: &[f64], lags: &[u64]) -> f64 {
    let points: Vec<(f64, f64)> =
        lags.iter().map(|&lag| ((lag as f64).ln(), curve[lag as usize].ln())).collect();
    let mean = points.iter().map(|point| point.0).sum::<f64>() / points.len() as f64;
    let squares: f64 = points.iter().map(|point| (point.0 - mean).powi(2)).sum();
    points.iter().map(|point| (point.0 - mean) * point.1).sum::<f64>() / squares
}

#[test]
fn intervals_of_exponents_over_lags_cover_them() {
    let mut shares = Shares::default();
    for (name, parameters, eigenvalues) in regimes() {
        let rows = if parameters.momentum > 0.95 { ROWS_OF_STRONG_MOMENTUM } else { ROWS };
        let lags = DisplacementSums::new(rows as u64, STRETCHES, FRACTION).lags().to_vec();
        let between = |from: u64, to: u64| -> Vec<u64> {
            lags.iter().copied().filter(|lag| (from..=to).contains(lag)).collect()
        };
        let curve =
            exact_curve(&parameters, &Spectrum::from_eigenvalues(&eigenvalues).unwrap(), rows)
                .unwrap();
        let [fitted, short, long] = count(runs(), |seed| {
            let run = Trajectory::draw(&parameters, &eigenvalues, rows, seed);
            let mut sums = DisplacementSums::new(rows as u64, STRETCHES, FRACTION);
            for positions in &run.positions {
                let mut coordinate = Coordinate::default();
                positions.iter().for_each(|&position| coordinate.push(position, &mut sums));
            }
            let answer = lag_exponents(&sums, eigenvalues.len(), 1, 1.0);
            let found = answer.known().unwrap();
            let local = |lag: u64| {
                let exponent =
                    found.local.iter().find(|local| local.lag_steps == lag).unwrap().exponent;
                exponent.covers(slope(&curve, &between(lag / 2, lag * 2)))
            };
            let [first, last] = found.fit_lags;
            [found.exponent.covers(slope(&curve, &between(first, last))), local(4), local(16)]
        });
        // The jackknife is wider than it need be where all modes diffuse: 97.7% of 1,000.
        shares.check(&format!("{name}: lags, fit"), fitted, runs(), 0.95, [0.93, 0.985]);
        shares.check(&format!("{name}: lags, local at 4"), short, runs(), 0.95, [0.93, 0.97]);
        shares.check(&format!("{name}: lags, local at 16"), long, runs(), 0.95, [0.93, 0.97]);
    }
    shares.finish();
}
