//! Does the parameter vector diffuse, and how fast: ||Delta_k||^2 = a k^c.
//!
//! c = 1 is ordinary diffusion, c > 1 faster, c < 1 slower than it. The fit is the paper's (section 8): least squares
//! of ln ||Delta_k||^2 on ln k, over the last two thirds of the logged points (figure 1) and over all (figure 6).
//!
//! No error bar is given. The plain least-squares one takes the points for independent; those of a trajectory are
//! strongly correlated, and an interval from it would be far too narrow.

use serde::Serialize;

use super::Answer;
use crate::numeric::regression::PowerLawFit;

/// Two points fit any power law; a fit takes at least one more.
const FEWEST_POINTS: u64 = 3;

/// The power law ||Delta_k||^2 = a k^c of the squared global displacement after k steps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct DisplacementPowerLaw {
    /// c, the anomalous diffusion exponent.
    pub exponent: f64,
    /// a, in parameter units squared; none where it is too large or too small for a number.
    pub prefactor: Option<f64>,
    /// R^2 of the line on log-log axes; none where the displacement does not vary.
    pub r_squared: Option<f64>,
    /// Points fitted.
    pub points: u64,
    /// Rows in the window that have no logarithm to fit: unknown, zero or not finite.
    pub points_left_out: u64,
    /// Step of the first row of the window.
    pub first_step: u64,
    /// Step of the last row of the window.
    pub last_step: u64,
}

/// Collects the rows of one window.
#[derive(Debug, Clone, Default)]
pub struct DiffusionFit {
    fit: PowerLawFit,
    taken: u64,
    left_out: u64,
    steps: Option<(u64, u64)>,
}

impl DiffusionFit {
    /// Takes a row: its step and its squared global displacement.
    pub fn push(&mut self, step: u64, global_displacement_squared: Option<f64>) {
        let taken = global_displacement_squared.is_some_and(|squared| self.fit.push(step as f64, squared));
        *(if taken { &mut self.taken } else { &mut self.left_out }) += 1;
        let (first, _) = self.steps.unwrap_or((step, step));
        self.steps = Some((first, step));
    }

    /// The power law of the rows so far.
    pub fn answer(&self) -> Answer<DisplacementPowerLaw> {
        let Some((first_step, last_step)) = self.steps else {
            return Answer::cannot_say("there are no rows");
        };
        if self.taken < FEWEST_POINTS {
            let rows = self.taken + self.left_out;
            return Answer::cannot_say(format!(
                "{} of {rows} rows have a global displacement above 0 and finite; a fit takes {FEWEST_POINTS}",
                self.taken
            ));
        }
        Answer::from(self.fit.power_law().map(|law| DisplacementPowerLaw {
            exponent: law.exponent,
            prefactor: Some(law.ln_prefactor.exp()).filter(|prefactor| prefactor.is_normal()),
            r_squared: law.r_squared,
            points: law.points,
            points_left_out: self.left_out,
            first_step,
            last_step,
        }))
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
        let rows = (100..200).map(|k: u64| (k, (k != 150 && k != 160).then(|| 2e-4 * (k as f64).powf(0.8))));
        let law = *fit(rows.chain([(200, Some(f64::NAN)), (201, Some(0.0))])).known().unwrap();
        assert!((law.exponent - 0.8).abs() < 1e-12, "{}", law.exponent);
        assert!((law.prefactor.unwrap() / 2e-4 - 1.0).abs() < 1e-11);
        assert_eq!((law.points, law.points_left_out, law.first_step, law.last_step), (98, 4, 100, 201));
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
        let steep = fit((1000..1010).map(|k: u64| (k, Some((290.0 * (k as f64 / 1000.0).ln()).exp()))));
        assert_eq!(steep.known().unwrap().prefactor, None);
    }
}
