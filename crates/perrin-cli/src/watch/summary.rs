//! What is kept of all rows: curves of bounded size and the latest values.

use perrin::analysis::{Answer, diffusion::DiffusionFit, diffusion::DisplacementPowerLaw};

use super::curve::{LinearCurve, LogCurve};

/// The current exponent is that of the last factor of this many in steps.
pub const LOCAL_FACTOR: f64 = 4.0;

/// The columns that [`Summary::push`] takes, in its order.
pub const COLUMNS: [&str; 4] =
    ["step", "loss", "local_displacement_squared", "global_displacement_squared"];

/// A run's rows, summed up as they come.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    pub rows: u64,
    pub first_step: Option<u64>,
    pub last_step: Option<u64>,
    /// The latest values that were known.
    pub loss: Option<f64>,
    pub local_displacement_squared: Option<f64>,
    pub global_displacement_squared: Option<f64>,
    /// Rows whose local or global displacement is NaN or infinite.
    pub non_finite: u64,
    pub local: LogCurve,
    pub global: LogCurve,
    pub speed: LinearCurve,
    pub loss_curve: LinearCurve,
    whole: DiffusionFit,
}

impl Summary {
    /// Takes the values of [`COLUMNS`] of a row.
    pub fn push(&mut self, row: &[Option<f64>]) {
        let &[Some(step), loss, local, global] = row else { return };
        let number = step as u64;
        self.rows += 1;
        self.first_step.get_or_insert(number);
        self.last_step = Some(number);
        if let Some(loss) = loss {
            self.loss = Some(loss);
            self.loss_curve.push(number, loss);
        }
        if let Some(local) = local {
            self.local_displacement_squared = Some(local);
            self.local.push(step, local);
            self.speed.push(number, local);
        }
        if let Some(global) = global {
            self.global_displacement_squared = Some(global);
            self.global.push(step, global);
        }
        self.non_finite +=
            u64::from([local, global].into_iter().flatten().any(|value| !value.is_finite()));
        self.whole.push(number, global);
    }

    /// c over the last factor of [`LOCAL_FACTOR`] in steps; `None` where the run has become NaN or
    /// infinite.
    pub fn local_exponent(&self) -> Option<f64> {
        let finite = self.global_displacement_squared.is_none_or(f64::is_finite);
        self.global.local_exponent(LOCAL_FACTOR).filter(|_| finite)
    }

    /// The power law over all rows: that of `perrin fit`.
    pub fn whole(&self) -> Answer<DisplacementPowerLaw> {
        self.whole.answer()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latest_values_exponents_and_counts() {
        let mut summary = Summary::default();
        for step in 5..=5_000_u64 {
            let k = step as f64;
            summary.push(&[
                Some(k),
                (step % 2 == 0).then_some(1.0 / k),
                Some(1e-3),
                Some(2.0 * k.powf(0.7)),
            ]);
        }
        summary.push(&[Some(5_001.0), None, Some(f64::NAN), None]);
        assert_eq!(
            (summary.rows, summary.first_step, summary.last_step),
            (4_997, Some(5), Some(5_001))
        );
        assert_eq!((summary.loss, summary.non_finite), (Some(1.0 / 5_000.0), 1));
        assert!(summary.local_displacement_squared.unwrap().is_nan());
        assert!((summary.local_exponent().unwrap() - 0.7).abs() < 1e-9);
        assert!((summary.whole().known().unwrap().exponent - 0.7).abs() < 1e-9);
    }
}
