//! The time-averaged mean squared displacement of the projected motion, and the exponent it has at
//! each lag.
//!
//! MSD(k) = mean over t of sum_i (x_i(t + k) - x_i(t))^2, over all origins t in the run. For lags that are short beside
//! the run that is a mean over many nearly independent displacements, and nothing has to be known of the process: the
//! run is cut into 20 stretches, and the interval is the jackknife's over them, with Student's distribution of 19 degrees
//! of freedom. The longest lag is an eightieth of the run, a quarter of a stretch, and velocities have to be forgotten
//! within a tenth of a stretch: stretches have to be nearly independent. It needs projections, since ||theta(t + k) - theta(t)|| is not logged for other origins than the
//! reference point.

use serde::Serialize;

use super::Answer;
use crate::stats::long_run::{Estimate, two_sided};
use crate::stats::mean_squared_displacement::DisplacementSums;

/// Stretches of the run.
pub const STRETCHES: usize = 20;
/// The longest lag is a stretch divided by this.
pub const FRACTION: u64 = 4;
/// A stretch has to be so many times as long as the velocities remember.
const MEMORIES_A_STRETCH: f64 = 10.0;
/// A process whose displacements differ by less than this share is not refused, however sure the
/// difference.
const TOLERATED_DIFFERENCE: f64 = 0.15;
/// Half widths of a 95% interval by which it has to differ: some four standard errors.
const SURE_DIFFERENCE: f64 = 2.0;
/// The local exponent at a lag is the slope between a half and twice the lag.
const HALF_WIDTH: u64 = 2;

/// Exponents of the time-averaged mean squared displacement.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LagExponents {
    /// Directions projected on, all taken together.
    pub modes: usize,
    /// c over the last octave and a half of lags, `fit_lags`, by least squares on log-log axes.
    pub exponent: Estimate,
    /// First and last lag of that fit, steps.
    pub fit_lags: [u64; 2],
    /// The slope between half and twice each lag.
    pub local: Vec<LocalExponent>,
    /// Where the local exponent passes 1: from faster than diffusion to slower, or the other way.
    pub crossovers: Vec<Crossover>,
}

/// d ln MSD / d ln k about a lag.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LocalExponent {
    /// Steps.
    pub lag_steps: u64,
    /// MSD at the lag, parameter units squared.
    pub mean_squared_displacement: f64,
    /// The slope.
    pub exponent: Estimate,
}

/// A lag at which the motion changes its kind.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Crossover {
    /// Steps, interpolated.
    pub lag_steps: f64,
    /// Whether it is slower than diffusion beyond.
    pub slower_beyond: bool,
}

/// Reads the exponents off sums over `modes` coordinates, pushed every `every` steps; `memory_rows`
/// is how long the slowest velocity remembers: stretches have to be ten times as long to be nearly
/// independent.
pub fn lag_exponents(
    sums: &DisplacementSums,
    modes: usize,
    every: u64,
    memory_rows: f64,
) -> Answer<LagExponents> {
    let lags = sums.lags();
    if lags.len() < 5 {
        let rows = 5 * STRETCHES as u64 * FRACTION;
        return Answer::cannot_say(format!(
            "the run is too short for lags that are short beside it: it takes {rows} rows"
        ));
    }
    if MEMORIES_A_STRETCH * memory_rows > sums.rows_a_stretch() as f64 {
        let rows = MEMORIES_A_STRETCH * memory_rows * STRETCHES as f64;
        return Answer::cannot_say(format!(
            "the run is too short beside the {memory_rows:.0} rows that a velocity remembers: it takes {rows:.0}"
        ));
    }
    let stretches = sums.by_stretch(modes);
    if stretches.iter().flatten().any(|msd| !(msd.is_finite() && *msd > 0.0)) {
        return Answer::cannot_say(
            "displacements are unknown, zero or not finite through a part of the run",
        );
    }
    let index_of = |lag: u64| lags.iter().position(|&other| other == lag);
    let local: Vec<LocalExponent> = lags
        .iter()
        .enumerate()
        .filter(|(_, lag)| lag.is_power_of_two() && **lag > 1)
        .filter_map(|(index, &lag)| {
            let (below, above) = (index_of(lag / HALF_WIDTH)?, index_of(lag * HALF_WIDTH)?);
            let exponent =
                jackknife(&stretches, |msd| slope(&lags[below..=above], &msd[below..=above]))?;
            let mean_squared_displacement = pooled(&stretches, None)[index];
            Some(LocalExponent {
                lag_steps: lag.saturating_mul(every),
                mean_squared_displacement,
                exponent,
            })
        })
        .collect();
    let first = lags.partition_point(|&lag| 3 * lag < lags[lags.len() - 1]);
    let fitted = first.min(lags.len() - 3)..lags.len();
    let Some(exponent) =
        jackknife(&stretches, |msd| slope(&lags[fitted.clone()], &msd[fitted.clone()]))
    else {
        return Answer::cannot_say("displacements are out of range");
    };
    let fit_lags = [lags[fitted.start], lags[lags.len() - 1]].map(|lag| lag.saturating_mul(every));
    Answer::Known(LagExponents { modes, exponent, fit_lags, crossovers: crossovers(&local), local })
}

/// Whether a process has the measured mean squared displacement at the longest lag and at a half of
/// it; the reason if not. `expected` is of a lag in rows. Without lags there is nothing against it.
pub fn is_reproduced(
    sums: &DisplacementSums,
    modes: usize,
    expected: impl Fn(u64) -> f64,
) -> Result<(), String> {
    let stretches = sums.by_stretch(modes);
    let lags = sums.lags();
    let Some(&longest) = lags.last() else { return Ok(()) };
    for index in [lags.partition_point(|&lag| 2 * lag < longest), lags.len() - 1] {
        let Some(measured) = jackknife(&stretches, |msd| msd[index]) else { continue };
        let expected = expected(lags[index]);
        let difference = (expected - measured.value).abs();
        let sure = difference > SURE_DIFFERENCE * (measured.high - measured.value);
        if sure && difference > TOLERATED_DIFFERENCE * measured.value {
            return Err(format!(
                "the fitted recursion moves {:.2} times as far as measured over {} rows; noise that is correlated from \
                 step to step does that, as when batches are drawn without replacement",
                (expected / measured.value).sqrt(),
                lags[index]
            ));
        }
    }
    Ok(())
}

/// The slope of the least-squares line through the logarithms.
fn slope(lags: &[u64], displacements: &[f64]) -> f64 {
    let count = lags.len() as f64;
    let x: Vec<f64> = lags.iter().map(|&lag| (lag as f64).ln()).collect();
    let mean = x.iter().sum::<f64>() / count;
    let squares: f64 = x.iter().map(|x| (x - mean).powi(2)).sum();
    x.iter().zip(displacements).map(|(x, y)| (x - mean) * y.ln()).sum::<f64>() / squares
}

/// The mean over stretches, but for one.
fn pooled(stretches: &[Vec<f64>], without: Option<usize>) -> Vec<f64> {
    let mut sums = vec![0.0; stretches[0].len()];
    for (_, stretch) in stretches.iter().enumerate().filter(|(index, _)| Some(*index) != without) {
        sums.iter_mut().zip(stretch).for_each(|(sum, msd)| *sum += msd);
    }
    let count = stretches.len() - usize::from(without.is_some());
    sums.iter_mut().for_each(|sum| *sum /= count as f64);
    sums
}

/// A function of the mean over stretches, its bias removed to first order, with its interval (Efron
/// & Tibshirani, An Introduction to the Bootstrap, chapter 11).
fn jackknife(stretches: &[Vec<f64>], of: impl Fn(&[f64]) -> f64) -> Option<Estimate> {
    let count = stretches.len() as f64;
    let whole = of(&pooled(stretches, None));
    let pseudo: Vec<f64> = (0..stretches.len())
        .map(|index| count * whole - (count - 1.0) * of(&pooled(stretches, Some(index))))
        .collect();
    let mean = pseudo.iter().sum::<f64>() / count;
    let variance = pseudo.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let half = two_sided(count - 1.0, 0.05) * (variance / count).sqrt();
    let estimate = Estimate { value: mean, low: mean - half, high: mean + half };
    [mean, half].iter().all(|value| value.is_finite()).then_some(estimate)
}

/// Where neighbouring local exponents are on different sides of 1, by a straight line in ln k. Only
/// where the intervals say so: both are clear of 1, or all between two clear ones on different
/// sides.
fn crossovers(local: &[LocalExponent]) -> Vec<Crossover> {
    let mut found = Vec::new();
    let mut clear: Option<&LocalExponent> = None;
    for exponent in local.iter().filter(|local| !local.exponent.covers(1.0)) {
        if let Some(before) = clear {
            let (from, to) = (before.exponent.value - 1.0, exponent.exponent.value - 1.0);
            if (from > 0.0) != (to > 0.0) {
                let share = from / (from - to);
                let ratio = exponent.lag_steps as f64 / before.lag_steps as f64;
                let lag_steps = before.lag_steps as f64 * ratio.powf(share);
                found.push(Crossover { lag_steps, slower_beyond: from > 0.0 });
            }
        }
        clear = Some(exponent);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::mean_squared_displacement::Coordinate;

    fn exponents(values: impl Iterator<Item = f64>, rows: u64) -> Answer<LagExponents> {
        let mut sums = DisplacementSums::new(rows, STRETCHES, FRACTION);
        let mut coordinate = Coordinate::default();
        values.for_each(|value| coordinate.push(value, &mut sums));
        lag_exponents(&sums, 1, 1, 1.0)
    }

    #[test]
    fn ballistic_motion_has_exponent_two() {
        let answer = exponents((0..4000).map(f64::from), 4000);
        let found = answer.known().unwrap();
        assert!((found.exponent.value - 2.0).abs() < 1e-9, "{:?}", found.exponent);
        assert_eq!(
            found.local.iter().map(|local| local.lag_steps).collect::<Vec<_>>(),
            [2, 4, 8, 16]
        );
        assert!(found.crossovers.is_empty());
    }

    #[test]
    fn a_crossover_is_where_the_exponent_passes_one() {
        let local = |lag_steps, value: f64| {
            let exponent = Estimate { value, low: value - 0.1, high: value + 0.1 };
            LocalExponent { lag_steps, mean_squared_displacement: 1.0, exponent }
        };
        let found = crossovers(&[local(2, 1.5), local(4, 1.05), local(8, 0.5)]);
        assert_eq!(found.len(), 1);
        assert!((found[0].lag_steps - 4.0).abs() < 1e-12 && found[0].slower_beyond);
        assert!(crossovers(&[local(2, 1.5), local(4, 0.95)]).is_empty());
    }

    #[test]
    fn short_constant_and_broken_motion_is_refused() {
        assert!(exponents((0..100).map(f64::from), 100).reason().is_some());
        assert!(exponents((0..4000).map(|_| 1.0), 4000).reason().is_some());
        assert!(exponents((0..4000).map(|_| f64::NAN), 4000).reason().is_some());
        assert!(
            lag_exponents(&DisplacementSums::new(4000, STRETCHES, FRACTION), 1, 1, 1.0)
                .reason()
                .is_some()
        );
    }
}
