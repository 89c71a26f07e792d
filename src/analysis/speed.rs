//! How fast the parameter vector moves: the mean of ||delta_k||^2, and the gradient noise sigma^2
//! tr(H) it speaks of.
//!
//! In the stationary state of SGD with momentum (eq. 12, Assumption 5: gradient noise with
//! covariance sigma^2 H) E||delta||^2 = eta^2 sigma^2 tr(H) / (S (1 - beta^2)), with learning rate
//! eta, momentum beta and batch size S. Solved for sigma^2 tr(H), a property of the network and the
//! data, it predicts the speed at every other eta, beta and S.

use std::num::NonZeroUsize;

use serde::Serialize;

use super::Answer;
use super::change::Change;
pub use super::gradient_noise::GradientNoise;
use super::not_finite::NotFinite;
use super::settings::Settings;
use crate::error::Result;
use crate::record::{Hyperparameters, OptimizerInfo};
use crate::stats::coarse_series::CoarseSeries;
use crate::stats::long_run::{self, Estimate, Test};
use crate::stats::moving_average::MovingAverage;

/// Points of the paper's moving average of ||delta_k||^2 (figure 1).
pub const MOVING_AVERAGE_POINTS: NonZeroUsize = NonZeroUsize::new(15).unwrap();

/// What the squared local displacements of a window say.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Speed {
    /// Mean of ||delta_k||^2, parameter units squared.
    pub mean_local_displacement_squared: f64,
    /// Its 95% interval, widened for the correlation of the rows.
    pub interval: Answer<Estimate>,
    /// Whether the speed is constant: a slope in it against zero, correlation of the rows allowed
    /// for.
    pub trend: Answer<Test>,
    /// How far it goes along the line of that slope; `None` for fewer than two rows.
    pub change: Option<Change>,
    /// Its moving average over 15 rows; none with fewer rows. Far apart ends say that the state is
    /// not stationary.
    pub moving_average: Option<MovingAverageRange>,
    /// Rows averaged.
    pub points: u64,
    /// Rows in the window whose displacement is unknown.
    pub points_left_out: u64,
    /// Step of the first row of the window.
    pub first_step: u64,
    /// Step of the last row of the window.
    pub last_step: u64,
}

/// How a moving average ran through its window, parameter units squared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MovingAverageRange {
    /// At its beginning.
    pub first: f64,
    /// At its end.
    pub last: f64,
    /// The lowest in between.
    pub lowest: f64,
    /// The highest in between.
    pub highest: f64,
}

/// An answer holds finite numbers only.
fn finite(estimate: Result<Estimate>) -> Answer<Estimate> {
    match estimate {
        Ok(estimate) if ![estimate.low, estimate.high].iter().all(|end| end.is_finite()) => {
            Answer::cannot_say("the values are out of range")
        }
        Ok(estimate) if estimate.value > 0.0 => Answer::Known(estimate.of_positive()),
        estimate => estimate.into(),
    }
}

/// Collects the rows of one window.
#[derive(Debug, Clone)]
pub struct SpeedFit {
    mean: f64,
    points: u64,
    left_out: u64,
    steps: Option<(u64, u64)>,
    average: MovingAverage,
    range: Option<MovingAverageRange>,
    series: CoarseSeries,
    settings: Settings,
    not_finite: NotFinite,
}

impl Default for SpeedFit {
    fn default() -> Self {
        SpeedFit {
            mean: 0.0,
            points: 0,
            left_out: 0,
            steps: None,
            average: MovingAverage::new(MOVING_AVERAGE_POINTS),
            range: None,
            series: CoarseSeries::default(),
            settings: Settings::default(),
            not_finite: NotFinite::default(),
        }
    }
}

impl SpeedFit {
    /// Takes a row: its step, squared local displacement, and the settings in force.
    pub fn push(
        &mut self,
        step: u64,
        local_displacement_squared: Option<f64>,
        hyperparameters: Hyperparameters,
        batch_size: Option<u64>,
    ) {
        let (first, _) = self.steps.unwrap_or((step, step));
        self.steps = Some((first, step));
        self.settings.see(step, hyperparameters, batch_size);
        self.series.push(local_displacement_squared);
        self.not_finite.see(step, &[local_displacement_squared]);
        let Some(squared) = local_displacement_squared.filter(|squared| squared.is_finite()) else {
            self.left_out += 1;
            return;
        };
        self.points += 1;
        // Not a sum, which could overflow.
        self.mean += (squared - self.mean) / self.points as f64;
        if let Some(average) = self.average.push(squared).filter(|average| average.is_finite()) {
            let range = self.range.get_or_insert(MovingAverageRange {
                first: average,
                last: average,
                lowest: average,
                highest: average,
            });
            range.last = average;
            range.lowest = range.lowest.min(average);
            range.highest = range.highest.max(average);
        }
    }

    /// The speed of the rows so far.
    pub fn speed(&self) -> Answer<Speed> {
        if let Some(reason) = self.not_finite.reason() {
            return Answer::CannotSay { reason };
        }
        match self.steps {
            Some((first_step, last_step)) if self.points > 0 => {
                let means = self.series.means();
                Answer::Known(Speed {
                    mean_local_displacement_squared: self.mean,
                    moving_average: self.range,
                    interval: finite(long_run::mean(&means)),
                    trend: long_run::trend(&means).into(),
                    change: Change::of_positive(&means, self.series.values().variance().sqrt()),
                    points: self.points,
                    points_left_out: self.left_out,
                    first_step,
                    last_step,
                })
            }
            Some(_) => Answer::cannot_say("no row has a local displacement that is known"),
            None => Answer::cannot_say("there are no rows"),
        }
    }

    /// The settings of the rows so far.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// sigma^2 tr(H) by eq. 12, where the rows so far were made by what eq. 12 describes: SGD
    /// without dampening or Nesterov's momentum, one parameter group, and learning rate, momentum
    /// and batch size known and constant.
    pub fn gradient_noise(
        &self,
        optimizer: &OptimizerInfo,
        parameter_groups: usize,
    ) -> Answer<GradientNoise> {
        GradientNoise::of(&self.speed(), &self.settings, optimizer, parameter_groups)
            .map_or_else(|reason| Answer::CannotSay { reason }, Answer::Known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::settings::not_known;

    const SGD: Hyperparameters =
        Hyperparameters { learning_rate: Some(1e-2), momentum: Some(0.9), weight_decay: Some(0.0) };

    fn sgd() -> OptimizerInfo {
        OptimizerInfo {
            name: Some("sgd".to_owned()),
            dampening: Some(0.0),
            nesterov: Some(false),
            ..OptimizerInfo::default()
        }
    }

    fn fit(speeds: impl IntoIterator<Item = Option<f64>>) -> SpeedFit {
        let mut fit = SpeedFit::default();
        (1..).zip(speeds).for_each(|(step, squared)| fit.push(step, squared, SGD, Some(32)));
        fit
    }

    #[test]
    fn the_mean_leaves_out_what_is_not_known_and_says_how_many() {
        let known = fit([Some(1.0), None, Some(3.0), None]);
        let answer = known.speed();
        let speed = answer.known().unwrap();
        assert_eq!(
            (speed.mean_local_displacement_squared, speed.points, speed.points_left_out),
            (2.0, 2, 2)
        );
        assert_eq!((speed.first_step, speed.last_step, speed.moving_average), (1, 4, None));
        // The mean of what came before a NaN is none of the window.
        let reason =
            "displacements are NaN or infinite from step 3 on; `--to 2` fits the rows before";
        assert_eq!(
            fit([Some(1.0), None, Some(f64::NAN), Some(1.0)]).speed().reason(),
            Some(reason)
        );
    }

    #[test]
    fn the_moving_average_is_over_fifteen_rows() {
        let fit = fit((1..=20).map(|value| Some(f64::from(value))));
        let range = fit.speed().known().unwrap().moving_average.unwrap();
        // The means of 1..=15 and of 6..=20.
        assert_eq!(
            range,
            MovingAverageRange { first: 8.0, last: 13.0, lowest: 8.0, highest: 13.0 }
        );
    }

    #[test]
    fn eq_12_is_inverted() {
        // eta = 0.01, beta = 0.9, S = 32, sigma^2 tr(H) = 2 * 6.22: eq. 12 gives this speed.
        let speed = 1e-4 * 12.44 / (32.0 * 0.19);
        let fit = fit(vec![Some(speed); 3]);
        let answer = fit.gradient_noise(&sgd(), 1);
        let noise = answer.known().unwrap();
        assert!((noise.noise_scale_times_trace / 12.44 - 1.0).abs() < 1e-12, "{noise:?}");
    }

    #[test]
    fn what_eq_12_does_not_describe_is_said() {
        let reason = |fit: &SpeedFit, optimizer: OptimizerInfo| {
            fit.gradient_noise(&optimizer, 1).reason().unwrap_or_default().to_owned()
        };
        let steady = fit([Some(1.0), Some(1.0)]);
        let other = |name: &str| OptimizerInfo { name: Some(name.to_owned()), ..sgd() };
        assert!(reason(&steady, other("adam")).contains("adam"));
        assert!(reason(&steady, OptimizerInfo::default()).contains("not known"));
        assert!(
            reason(&steady, OptimizerInfo { nesterov: Some(true), ..sgd() }).contains("Nesterov")
        );
        assert!(reason(&steady, OptimizerInfo { dampening: Some(0.1), ..sgd() }).contains("0.1"));
        assert!(reason(&steady, OptimizerInfo { dampening: None, ..sgd() }).contains("not known"));
        assert!(steady.gradient_noise(&sgd(), 2).reason().is_some());

        let after = |learning_rate, batch_size| {
            let mut fit = steady.clone();
            fit.push(3, Some(1.0), Hyperparameters { learning_rate, ..SGD }, batch_size);
            reason(&fit, sgd())
        };
        assert_eq!(
            after(Some(2e-2), Some(32)),
            "the learning rate changed at step 3, and the theory needs it constant"
        );
        assert_eq!(after(None, Some(32)), not_known("learning rate"));
        assert_eq!(
            after(Some(1e-2), Some(64)),
            "the batch size changed at step 3, and the theory needs it constant"
        );
        assert_eq!(reason(&SpeedFit::default(), sgd()), not_known("learning rate"));
        assert!(reason(&fit([None]), sgd()).contains("no row has"));

        let with = |learning_rate, momentum| {
            let mut fit = SpeedFit::default();
            fit.push(
                1,
                Some(1.0),
                Hyperparameters { learning_rate, momentum, weight_decay: None },
                Some(32),
            );
            reason(&fit, sgd())
        };
        assert!(with(Some(0.0), Some(0.9)).contains("above 0"));
        assert!(with(Some(f64::NAN), Some(0.9)).contains("above 0"));
        assert!(with(Some(1e-3), Some(1.0)).contains("below 1"));
        assert!(with(Some(1e-200), Some(0.9)).contains("too large"));
    }
}
