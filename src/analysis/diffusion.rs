//! Does the parameter vector diffuse, and how fast: ||Delta_k||^2 = a k^c.
//!
//! c = 1 is ordinary diffusion, c > 1 faster, c < 1 slower than it. The fit is the paper's (section
//! 8): least squares of ln ||Delta_k||^2 on ln k, over a window (figure 1: the last two thirds of
//! the points), over all points (figure 6), and over growing prefixes (figure 7).
//!
//! The plain least-squares interval takes the points for independent. Those of a trajectory are
//! strongly correlated, and it is far too narrow: it is given only to be seen beside the honest one
//! of [`displacement_noise`](super::displacement_noise).

use serde::Serialize;

use super::Answer;
use super::displacement_noise::ExponentInterval;
use super::not_finite::NotFinite;
use crate::stats::regression::PowerLawFit;

/// Two points fit any power law; a fit takes at least one more.
const FEWEST_POINTS: u64 = 3;
/// Half width of a 95% interval in standard errors, many points.
const NORMAL: f64 = 1.959_963_984_540_054;
/// Lengths of figure 7: tenths of the run.
const PREFIXES: u64 = 10;

/// The power law ||Delta_k||^2 = a k^c of the squared global displacement after k steps.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DisplacementPowerLaw {
    /// c, the anomalous diffusion exponent.
    pub exponent: f64,
    /// The 95% interval of the exponent that the expected curve E||Delta_k||^2 has over the same
    /// points.
    pub interval: Answer<ExponentInterval>,
    /// The plain least-squares interval, for independent points: far too narrow.
    pub plain_interval: Option<[f64; 2]>,
    /// a, in parameter units squared; none where it is too large or too small for a number.
    pub prefactor: Option<f64>,
    /// The 95% interval of the prefactor that the expected curve has over the same points; none
    /// without an interval of the exponent, whose trajectories it is from.
    pub prefactor_interval: Option<[f64; 2]>,
    /// R^2 of the line on log-log axes; none where the displacement does not vary.
    pub r_squared: Option<f64>,
    /// Points fitted.
    pub points: u64,
    /// Rows in the window that have no logarithm to fit: unknown or zero.
    pub points_left_out: u64,
    /// Step of the first row of the window.
    pub first_step: u64,
    /// Step of the last row of the window.
    pub last_step: u64,
}

/// c over the first part of the run (figure 7).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PrefixExponent {
    /// Where the part ends.
    pub last_step: u64,
    /// c over it.
    pub exponent: f64,
}

/// Collects the rows of one window.
#[derive(Debug, Clone, Default)]
pub struct DiffusionFit {
    fit: PowerLawFit,
    taken: u64,
    left_out: u64,
    steps: Option<(u64, u64)>,
    not_finite: NotFinite,
}

impl DiffusionFit {
    /// Takes a row: its step and its squared global displacement.
    pub fn push(&mut self, step: u64, global_displacement_squared: Option<f64>) {
        let taken =
            global_displacement_squared.is_some_and(|squared| self.fit.push(step as f64, squared));
        *(if taken { &mut self.taken } else { &mut self.left_out }) += 1;
        self.not_finite.see(step, &[global_displacement_squared]);
        let (first, _) = self.steps.unwrap_or((step, step));
        self.steps = Some((first, step));
    }

    /// The power law of the rows so far, without its interval.
    pub fn answer(&self) -> Answer<DisplacementPowerLaw> {
        let Some((first_step, last_step)) = self.steps else {
            return Answer::cannot_say("there are no rows");
        };
        if let Some(reason) = self.not_finite.reason() {
            return Answer::CannotSay { reason };
        }
        if self.taken < FEWEST_POINTS {
            let rows = self.taken + self.left_out;
            return Answer::cannot_say(format!(
                "{} of {rows} rows have a global displacement above 0; a fit takes {FEWEST_POINTS}",
                self.taken
            ));
        }
        Answer::from(self.fit.power_law().map(|law| {
            let half = law.exponent_standard_error.map(|error| NORMAL * error);
            DisplacementPowerLaw {
                exponent: law.exponent,
                interval: Answer::cannot_say("it was not asked for"),
                plain_interval: half.map(|half| [law.exponent - half, law.exponent + half]),
                prefactor: Some(law.ln_prefactor.exp()).filter(|prefactor| prefactor.is_normal()),
                prefactor_interval: None,
                r_squared: law.r_squared,
                points: law.points,
                points_left_out: self.left_out,
                first_step,
                last_step,
            }
        }))
    }
}

/// Collects c over growing prefixes of a run whose number of rows is known.
#[derive(Debug, Clone)]
pub struct PrefixFit {
    fit: DiffusionFit,
    rows: u64,
    read: u64,
    found: Vec<PrefixExponent>,
}

impl PrefixFit {
    /// For a run of so many rows.
    pub fn new(rows: u64) -> PrefixFit {
        PrefixFit { fit: DiffusionFit::default(), rows, read: 0, found: Vec::new() }
    }

    /// Takes the next row.
    pub fn push(&mut self, step: u64, global_displacement_squared: Option<f64>) {
        self.fit.push(step, global_displacement_squared);
        let tenths = |read: u64| read * PREFIXES / self.rows.max(1);
        self.read += 1;
        if tenths(self.read) > tenths(self.read - 1)
            && let Some(law) = self.fit.answer().known()
        {
            self.found.push(PrefixExponent { last_step: step, exponent: law.exponent });
        }
    }

    /// The fit over all rows, and c after each tenth that has a fit.
    pub fn answer(self) -> (Answer<DisplacementPowerLaw>, Vec<PrefixExponent>) {
        (self.fit.answer(), self.found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(rows: impl IntoIterator<Item = (u64, Option<f64>)>) -> Answer<DisplacementPowerLaw> {
        let mut fit = DiffusionFit::default();
        rows.into_iter().for_each(|(step, squared)| fit.push(step, squared));
        fit.answer()
    }

    #[test]
    fn a_power_law_is_found_again_and_gaps_are_counted() {
        let rows = (100..200)
            .map(|k: u64| (k, (k != 150 && k != 160).then(|| 2e-4 * (k as f64).powf(0.8))));
        let answer = fit(rows.clone().chain([(200, None), (201, Some(0.0))]));
        let law = answer.known().unwrap();
        assert!((law.exponent - 0.8).abs() < 1e-12, "{}", law.exponent);
        assert!((law.prefactor.unwrap() / 2e-4 - 1.0).abs() < 1e-11);
        assert_eq!(
            (law.points, law.points_left_out, law.first_step, law.last_step),
            (98, 4, 100, 201)
        );
        // What came before a NaN is no answer about the window.
        let reason =
            "displacements are NaN or infinite from step 200 on; `--to 199` fits the rows before";
        assert_eq!(
            fit(rows.chain([(200, Some(f64::NAN)), (201, Some(1.0))])).reason(),
            Some(reason)
        );
    }

    #[test]
    fn prefixes_end_at_each_tenth() {
        let mut fit = PrefixFit::new(200);
        (1..=200)
            .for_each(|k: u64| fit.push(k, Some((k as f64).powf(if k < 100 { 1.0 } else { 1.5 }))));
        let (all, prefixes) = fit.answer();
        assert_eq!(
            prefixes.iter().map(|prefix| prefix.last_step).collect::<Vec<_>>()[..3],
            [20, 40, 60]
        );
        assert_eq!(prefixes.len(), 10);
        assert!((prefixes[0].exponent - 1.0).abs() < 1e-12 && prefixes[9].exponent > 1.1);
        assert_eq!(all.known().unwrap().exponent, prefixes[9].exponent);
    }

    #[test]
    fn rows_that_show_no_power_law_give_a_reason_and_never_nan() {
        for rows in [
            vec![],
            vec![(1, Some(2.0))],
            vec![(1, Some(1.0)), (2, Some(2.0))],
            vec![(7, Some(1.0)); 5],
            vec![(1, Some(0.0)), (2, Some(0.0)), (3, Some(0.0))],
            vec![(1, Some(f64::NAN)), (2, Some(f64::INFINITY)), (3, None)],
        ] {
            assert!(fit(rows.clone()).reason().is_some(), "{rows:?}");
        }
        let level = fit((1..10).map(|k| (k, Some(4.0))));
        let law = level.known().unwrap();
        assert!(law.exponent.abs() < 1e-15 && law.r_squared.is_none());
        // A prefactor of e^-2000 is too small for a number.
        let steep =
            fit((1000..1010).map(|k: u64| (k, Some((290.0 * (k as f64 / 1000.0).ln()).exp()))));
        assert_eq!(steep.known().unwrap().prefactor, None);
    }
}
