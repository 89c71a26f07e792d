//! The recursion where batches are drawn without replacement: the noises of an epoch cancel.
//!
//! Within an epoch of E steps the noise has covariance a (I - J/E) + b J/E, J all ones: a is the variance of a step's
//! noise but for 1/E, b that of E times an epoch's mean, and b = a if steps are independent. Taken for independent, noise
//! that cancels looks like a force towards the mean: a mode that relaxes more slowly than an epoch seems many times as
//! sharp as it is. Only epochs seen from end to end are used: positions after a gap tell of the noise in it, which is not
//! independent of the rest. The noise of each step follows from the rows one by one, so the likelihood is that of weighted least
//! squares, greatest over b/a by a search in one dimension.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::estimate::standard_normal_quantile;
use super::regression::Regression;
use super::series::ModeSeries;

/// Twice the logarithm of the likelihood's gain that b/a is worth: 1% of independent noises reach it.
const GAIN: f64 = 6.63;
/// Fewer whole epochs say nothing about their means.
const FEWEST_EPOCHS: f64 = 5.0;

/// How the noise of an epoch cancels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct EpochNoise {
    /// Steps in an epoch.
    pub steps_per_epoch: u64,
    /// b/a: variance of an epoch's sum over that of independent noise, near 0 without replacement.
    pub variance_ratio: f64,
}

/// Sums of products of x - centre and y - intercept, y = v' - beta v.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    count: f64,
    x: f64,
    y: f64,
    xx: f64,
    xy: f64,
    yy: f64,
}

/// Sums within whole epochs, and of their means.
#[derive(Default)]
struct Epochs {
    steps_per_epoch: f64,
    epochs: f64,
    within: Sums,
    between: Sums,
}

struct Solution {
    logarithm: f64,
    slope: f64,
    centre: f64,
    intercept: f64,
    scale: f64,
    xx: f64,
    weight: f64,
}

/// The regression of a plain one with known momentum, if noise that cancels over epochs explains the rows better.
pub(super) fn with_epochs(
    series: &ModeSeries,
    plain: &Regression,
    steps_per_epoch: u64,
) -> Option<(Regression, EpochNoise)> {
    if plain.momentum_error.is_some() || steps_per_epoch < 2 {
        return None;
    }
    let epochs = Epochs::new(series, plain, steps_per_epoch)?;
    let ratio = epochs.most_likely_ratio(None);
    let (free, independent) = (epochs.solve(ratio, None), epochs.solve(1.0, None));
    let gain = 2.0 * (free.logarithm - independent.logarithm);
    if gain.is_nan() || gain < GAIN || ratio >= 1.0 {
        return None;
    }
    // The ratio is uncertain too, and errs together with the slope, as positions depend on the noise before them: the
    // information is that of the likelihood at its maximum over the ratio, at a standard error to either side.
    let nearby = (free.scale / free.xx).sqrt();
    let profile = |slope: f64| {
        let ratio = epochs.most_likely_ratio(Some(slope));
        epochs.solve(ratio, Some(slope)).logarithm
    };
    let fall = 2.0 * free.logarithm - profile(free.slope - nearby) - profile(free.slope + nearby);
    let widening = if fall > 0.0 { fall.sqrt().recip().max(1.0) } else { return None };
    // As many means as epochs.
    let student = StudentsT::new(0.0, 1.0, (epochs.epochs - 2.0).min(1e5)).ok()?;
    let widening = widening * student.inverse_cdf(0.975) / standard_normal_quantile(0.975);
    let transitions = epochs.epochs * epochs.steps_per_epoch;
    let scale = free.scale * transitions / (transitions - 2.0);
    let mut regression = Regression {
        curvature: -free.slope,
        curvature_error: widening * (scale / free.xx).sqrt(),
        centre: plain.centre + free.centre,
        intercept: plain.intercept + free.intercept,
        intercept_error: (scale / free.weight).sqrt(),
        ..*plain
    };
    let squares: f64 = regression.innovations(series).map(|noise| noise * noise).sum();
    regression.noise_variance = squares / (regression.transitions as f64 - 2.0);
    let finite = regression.curvature.is_finite() && regression.curvature_error.is_finite();
    finite.then_some((regression, EpochNoise { steps_per_epoch, variance_ratio: ratio }))
}

impl Epochs {
    fn new(series: &ModeSeries, plain: &Regression, steps_per_epoch: u64) -> Option<Epochs> {
        let mut epochs = Epochs { steps_per_epoch: steps_per_epoch as f64, ..Epochs::default() };
        let (mut current, mut group) = (0, Sums::default());
        for (stretch, &first_step) in series.stretches.iter().zip(&series.first_steps) {
            // The first transition makes the step after the first row's; steps count from 1.
            for (step, transition) in (first_step..).zip(series.transitions_of(stretch)) {
                let epoch = step / steps_per_epoch;
                if epoch != current {
                    epochs.close(std::mem::take(&mut group));
                    current = epoch;
                }
                let x = transition.position - plain.centre;
                let y = transition.next_velocity - plain.momentum * transition.velocity - plain.intercept;
                group.count += 1.0;
                group.x += x;
                group.y += y;
                group.xx += x * x;
                group.xy += x * y;
                group.yy += y * y;
            }
        }
        epochs.close(group);
        (epochs.epochs >= FEWEST_EPOCHS).then_some(epochs)
    }

    fn close(&mut self, group: Sums) {
        let Sums { count, x, y, xx, xy, yy } = group;
        if count != self.steps_per_epoch {
            return;
        }
        self.epochs += 1.0;
        self.within.xx += xx - x * x / count;
        self.within.xy += xy - x * y / count;
        self.within.yy += yy - y * y / count;
        self.between.count += count;
        self.between.x += x;
        self.between.y += y;
        self.between.xx += x * x / count;
        self.between.xy += x * y / count;
        self.between.yy += y * y / count;
    }

    /// Weighted least squares for a ratio b/a, and the logarithm of the likelihood at its maximum over the rest, or over
    /// all but the slope.
    fn solve(&self, ratio: f64, slope: Option<f64>) -> Solution {
        let Epochs { within, between, .. } = self;
        let (centre, intercept) = (between.x / between.count, between.y / between.count);
        let xx = within.xx + (between.xx - between.x * centre) / ratio;
        let xy = within.xy + (between.xy - between.x * intercept) / ratio;
        let yy = within.yy + (between.yy - between.y * intercept) / ratio;
        let best = xy / xx;
        let slope = slope.unwrap_or(best);
        let transitions = between.count;
        let scale = (yy - best * xy + (slope - best).powi(2) * xx) / transitions;
        let logarithm = -0.5 * (transitions * scale.ln() + self.epochs * ratio.ln());
        Solution { logarithm, slope, centre, intercept, scale, xx, weight: between.count / ratio }
    }

    /// Golden section search over the logarithm of b/a.
    fn most_likely_ratio(&self, slope: Option<f64>) -> f64 {
        let golden = 0.5 * (5.0_f64.sqrt() - 1.0);
        let at = |logarithm: f64| self.solve(logarithm.exp(), slope).logarithm;
        let (mut low, mut high) = (1e-8_f64.ln(), 4.0_f64.ln());
        let (mut left, mut right) = (high - golden * (high - low), low + golden * (high - low));
        let (mut at_left, mut at_right) = (at(left), at(right));
        while high - low > 1e-4 {
            if at_left > at_right {
                (high, right, at_right) = (right, left, at_left);
                left = high - golden * (high - low);
                at_left = at(left);
            } else {
                (low, left, at_left) = (left, right, at_right);
                right = low + golden * (high - low);
                at_right = at(right);
            }
        }
        (0.5 * (low + high)).exp()
    }
}
