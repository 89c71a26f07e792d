//! Means and trends of correlated sequences, with intervals and tests that keep their level.
//!
//! The variance of the mean of a correlated sequence is its spectrum at frequency zero. It is
//! estimated from the projections of the sequence on the q slowest cosines, orthogonal to a
//! constant (and, for trends, to a line): each is a squared normal number times that spectrum as
//! long as the spectrum is flat up to q half waves a sequence. The mean over its estimated standard
//! error then has Student's distribution of q degrees of freedom, and the width of an interval
//! knows how poorly the spectrum is known (Mueller, J. Econometrics 2007; Lazarus, Lewis, Stock &
//! Watson, J. Business & Economic Statistics 2018). q is chosen from how long the values remember;
//! a sequence too short for four cosines gets no answer.

use std::f64::consts::PI;

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::autocorrelation::correlation_times;
use super::moments::Moments;
use crate::error::{Error, Result};

const FEWEST_COSINES: usize = 4;
const MOST_COSINES: usize = 32;
/// A sequence has to be so many memories long for each cosine.
const MEMORIES_A_COSINE: f64 = 24.0;

/// A number with its 95% interval.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// Lower end of the 95% interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Estimate {
    /// The number and its interval times a factor above 0.
    pub fn scaled(self, factor: f64) -> Estimate {
        Estimate { value: self.value * factor, low: self.low * factor, high: self.high * factor }
    }

    /// The same of a number above 0, its interval multiplicative: `value exp(+-half / value)`.
    /// Means of squares scatter to the right, and their standard error with them: a symmetric
    /// interval misses the truth where both are small.
    pub fn of_positive(self) -> Estimate {
        let Estimate { value, low, high } = self;
        Estimate {
            value,
            low: value * (low / value - 1.0).exp(),
            high: value * (high / value - 1.0).exp(),
        }
    }

    /// Whether the interval has this value in it.
    pub fn covers(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// The value and so many standard errors of Student's distribution at either side.
    pub(crate) fn student(value: f64, standard_error: f64, degrees_of_freedom: f64) -> Estimate {
        let half = standard_error * two_sided(degrees_of_freedom, 0.05);
        Estimate { value, low: value - half, high: value + half }
    }
}

/// A test of something that is zero if all is as assumed.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Test {
    /// What was tested, in standard errors.
    pub t: f64,
    /// How often as large a value, of either sign, comes by chance.
    pub p_value: f64,
}

/// The mean of a correlated sequence.
///
/// # Errors
/// [`Error::NotEnoughData`] for a sequence that is constant, or too short beside its memory.
pub fn mean(values: &[f64]) -> Result<Estimate> {
    let LongRun { variance, cosines } = long_run_variance(values, false)?;
    let mean = Moments::of(values).mean();
    Ok(Estimate::student(mean, (variance / values.len() as f64).sqrt(), cosines as f64))
}

/// Whether the sequence rises or falls through its length: the slope of its least-squares line
/// against zero.
///
/// # Errors
/// As [`mean`].
pub fn trend(values: &[f64]) -> Result<Test> {
    let LongRun { variance, cosines } = long_run_variance(values, true)?;
    // On a line of unit length, so that noise of spectrum 1 gives a standard error of 1.
    let projection: f64 =
        values.iter().zip(line(values.len())).map(|(value, line)| value * line).sum();
    Ok(Test::student(projection / variance.sqrt(), cosines as f64))
}

/// Whether two stretches of one sequence have the same mean: the first `early` values against the
/// last `late`; the spectrum is taken from the late ones.
///
/// # Errors
/// As [`mean`]; also when a stretch is empty or they overlap.
pub fn contrast(values: &[f64], early: usize, late: usize) -> Result<Test> {
    if early == 0 || late == 0 || early + late > values.len() {
        let reason = format!("{early} early and {late} late values of {}", values.len());
        return Err(Error::NotEnoughData { question: "compare two stretches", reason });
    }
    let late = &values[values.len() - late..];
    // A trend in the late ones is no noise.
    let LongRun { variance, cosines } = long_run_variance(late, true)?;
    let difference = Moments::of(&values[..early]).mean() - Moments::of(late).mean();
    let error = (variance * (1.0 / early as f64 + 1.0 / late.len() as f64)).sqrt();
    Ok(Test::student(difference / error, cosines as f64))
}

impl Test {
    fn student(t: f64, degrees_of_freedom: f64) -> Test {
        let distribution = StudentsT::new(0.0, 1.0, degrees_of_freedom);
        let p_value = distribution.map_or(1.0, |student| 2.0 * student.cdf(-t.abs()));
        Test { t, p_value }
    }
}

/// The value Student's distribution exceeds, in either direction, with this probability.
pub(crate) fn two_sided(degrees_of_freedom: f64, probability: f64) -> f64 {
    // Degrees of freedom are positive wherever this is called from.
    StudentsT::new(0.0, 1.0, degrees_of_freedom)
        .map_or(f64::INFINITY, |student| student.inverse_cdf(1.0 - probability / 2.0))
}

struct LongRun {
    variance: f64,
    cosines: usize,
}

fn long_run_variance(values: &[f64], without_trend: bool) -> Result<LongRun> {
    let question = "judge the mean of a correlated sequence";
    let detrended;
    let residuals = if without_trend {
        detrended = without_line(values);
        &detrended
    } else {
        values
    };
    let scale = values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    // Rounding is correlated too; it must not be taken for noise.
    if residuals.iter().all(|residual| residual.abs() <= 1e-13 * scale) {
        return Err(Error::NotEnoughData {
            question,
            reason: "the values are all the same, or on a line".to_owned(),
        });
    }
    let memory = correlation_times(residuals)?.memory;
    let affordable = (values.len() as f64 / (MEMORIES_A_COSINE * memory)) as usize;
    if affordable < FEWEST_COSINES {
        let reason = format!(
            "{} values that remember about {memory:.0} are too few: it takes {:.0}",
            values.len(),
            MEMORIES_A_COSINE * FEWEST_COSINES as f64 * memory
        );
        return Err(Error::NotEnoughData { question, reason });
    }
    let cosines = affordable.min(MOST_COSINES);
    // The slowest cosine is all but a line: beside a trend it has nothing to say. The others lean
    // on the line by so little (those of an odd number of half waves only) that their share in it
    // is made up for by a factor.
    let first = if without_trend { 2 } else { 1 };
    let squared =
        (first..first + cosines).map(|wave| squared_projection(residuals, wave, without_trend));
    let variance = squared.sum::<f64>() / cosines as f64;
    if variance > 0.0 && variance.is_finite() {
        return Ok(LongRun { variance, cosines });
    }
    Err(Error::NotEnoughData { question, reason: "the values are out of range".to_owned() })
}

/// The squared projection on a cosine of `wave` half waves, of norm 1 once its share in a line is
/// taken out.
fn squared_projection(values: &[f64], wave: usize, without_line: bool) -> f64 {
    let length = values.len() as f64;
    let (sin, cos) = (PI * wave as f64 / length).sin_cos();
    let (mut y, mut x) = (PI * wave as f64 / (2.0 * length)).sin_cos();
    let middle = (length - 1.0) / 2.0;
    let (mut product, mut norm, mut on_line, mut line_norm) = (0.0, 0.0, 0.0, 0.0);
    for (index, value) in values.iter().enumerate() {
        let line = index as f64 - middle;
        product += value * x;
        norm += x * x;
        on_line += x * line;
        line_norm += line * line;
        (x, y) = (x * cos - y * sin, y * cos + x * sin);
    }
    let share = if without_line { on_line * on_line / line_norm } else { 0.0 };
    product * product / (norm - share)
}

/// A straight line of mean 0 and norm 1.
fn line(length: usize) -> Vec<f64> {
    let middle = (length as f64 - 1.0) / 2.0;
    let norm = (0..length).map(|index| (index as f64 - middle).powi(2)).sum::<f64>().sqrt();
    (0..length).map(|index| (index as f64 - middle) / norm).collect()
}

fn without_line(values: &[f64]) -> Vec<f64> {
    let mean = Moments::of(values).mean();
    let line = line(values.len());
    let slope: f64 = values.iter().zip(&line).map(|(value, line)| value * line).sum();
    values.iter().zip(&line).map(|(value, line)| value - mean - slope * line).collect()
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    use super::*;

    fn ar_1(random: &mut ChaCha8Rng, phi: f64, length: usize) -> Vec<f64> {
        let mut value: f64 = StandardNormal.sample(random);
        value /= (1.0 - phi * phi).sqrt();
        let step = |_| {
            let noise: f64 = StandardNormal.sample(random);
            value = phi * value + noise;
            value
        };
        (0..length).map(step).collect()
    }

    /// The standard error of a coverage of 95%, or of a false alarm rate of 5%, is 1.3% of so many
    /// runs.
    const RUNS: u32 = 300;

    #[test]
    fn levels_are_kept_on_correlated_noise() {
        for phi in [0.0, 0.8, 0.9] {
            let mut random = ChaCha8Rng::seed_from_u64(11);
            let (mut covered, mut trends, mut contrasts) = (0, 0, 0);
            for _ in 0..RUNS {
                let values = ar_1(&mut random, phi, 4000);
                covered += u32::from(mean(&values).unwrap().covers(0.0));
                trends += u32::from(trend(&values).unwrap().p_value < 0.05);
                contrasts += u32::from(contrast(&values, 400, 3000).unwrap().p_value < 0.05);
            }
            assert!((274..=296).contains(&covered), "phi {phi}: {covered} of {RUNS}");
            assert!((4..=26).contains(&trends), "phi {phi}: {trends} of {RUNS}");
            assert!((4..=26).contains(&contrasts), "phi {phi}: {contrasts} of {RUNS}");
        }
    }

    #[test]
    fn a_slope_and_a_shift_are_seen() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let mut values: Vec<f64> = (0..4000).map(|_| random.random_range(-1.0..1.0)).collect();
        assert!(trend(&values).unwrap().p_value > 0.01);
        values.iter_mut().enumerate().for_each(|(index, value)| *value += index as f64 * 1e-4);
        let rising = trend(&values).unwrap();
        assert!(rising.t > 5.0 && rising.p_value < 1e-3, "{rising:?}");
        assert!(contrast(&values, 400, 2000).unwrap().p_value < 1e-3);
    }

    #[test]
    fn what_is_too_short_or_constant_is_refused() {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        assert!(mean(&ar_1(&mut random, 0.99, 200)).is_err());
        for values in [vec![], vec![1.0], vec![2.0; 500], vec![f64::NAN; 500]] {
            assert!(
                mean(&values).is_err()
                    && trend(&values).is_err()
                    && contrast(&values, 1, 1).is_err()
            );
        }
        let line: Vec<f64> = (0..500).map(f64::from).collect();
        assert!(trend(&line).is_err(), "nothing is left beside the line");
    }
}
