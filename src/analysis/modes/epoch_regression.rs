//! The recursion where batches are drawn without replacement: the noises of an epoch cancel.
//!
//! Within an epoch of E steps the noise has covariance a (I - J/E) + b J/E, J all ones: a is the
//! variance of a step's noise but for 1/E, b that of E times an epoch's mean, and b = a if steps
//! are independent. Taken for independent, noise that cancels looks like a force towards the mean:
//! a mode that relaxes more slowly than an epoch seems many times as sharp as it is. Only epochs
//! seen from end to end are used: positions after a gap tell of the noise in it, which is not
//! independent of the rest. The noise of each step follows from the rows one by one, so the
//! likelihood is that of weighted least squares, greatest over b/a by a search in one dimension.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::estimate::standard_normal_quantile;
use super::regression::Regression;
use crate::stats::joint_sums::JointSums;

/// Twice the logarithm of the likelihood's gain that b/a is worth: 1% of independent noises reach
/// it.
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

/// Sums of x and y = v' - beta v within whole epochs, and of their means over epochs.
#[derive(Debug, Clone)]
pub(super) struct EpochSums {
    steps_per_epoch: u64,
    momentum: f64,
    /// The first epoch and the last, which may go on in the rows before and after: number, and
    /// sums.
    ends: Vec<(u64, JointSums<2>)>,
    whole: Epochs,
    y: Vec<f64>,
}

/// Of whole epochs.
#[derive(Debug, Clone, Default)]
pub(super) struct Epochs {
    steps_per_epoch: f64,
    pub(super) epochs: f64,
    /// Products of deviations from each epoch's means.
    pub(super) within: JointSums<2>,
    /// The means of epochs, each counted once.
    pub(super) between: JointSums<2>,
}

impl EpochSums {
    /// No rows yet; `None` where an epoch has not two steps.
    pub(super) fn new(steps_per_epoch: u64, momentum: f64) -> Option<EpochSums> {
        let whole = Epochs { steps_per_epoch: steps_per_epoch as f64, ..Epochs::default() };
        let sums = EpochSums { steps_per_epoch, momentum, ends: Vec::new(), whole, y: Vec::new() };
        (steps_per_epoch >= 2).then_some(sums)
    }

    /// Takes the transitions from rows one step apart, the first of them at `first_step`. A
    /// transition makes the step after its row's; steps count from 1.
    pub(super) fn add(
        &mut self,
        first_step: u64,
        positions: &[f64],
        velocities: &[f64],
        next_velocities: &[f64],
    ) {
        let mut y = std::mem::take(&mut self.y);
        y.clear();
        y.extend(
            next_velocities
                .iter()
                .zip(velocities)
                .map(|(next, velocity)| next - self.momentum * velocity),
        );
        let (mut step, mut from) = (first_step, 0);
        while from < positions.len() {
            let left = self.steps_per_epoch - step % self.steps_per_epoch;
            let to = positions
                .len()
                .min(from.saturating_add(usize::try_from(left).unwrap_or(usize::MAX)));
            let mut sums = JointSums::default();
            sums.add([&positions[from..to], &y[from..to]]);
            self.push(step / self.steps_per_epoch, &sums);
            step += (to - from) as u64;
            from = to;
        }
        self.y = y;
    }

    /// Takes the sums over the rows that follow.
    pub(super) fn join(&mut self, next: &EpochSums) {
        for (index, (epoch, sums)) in next.ends.iter().enumerate() {
            if index == 1 {
                self.whole.join(&next.whole);
            }
            self.push(*epoch, sums);
        }
    }

    fn push(&mut self, epoch: u64, sums: &JointSums<2>) {
        match self.ends.last_mut() {
            Some((last, before)) if *last == epoch => before.join(sums),
            _ => {
                if self.ends.len() == 2
                    && let Some((_, done)) = self.ends.pop()
                {
                    self.whole.close(&done);
                }
                self.ends.push((epoch, *sums));
            }
        }
    }

    /// All whole epochs.
    pub(super) fn whole(&self) -> Epochs {
        let mut whole = self.whole.clone();
        self.ends.iter().for_each(|(_, sums)| whole.close(sums));
        whole
    }
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

/// The regression of a plain one with known momentum, if noise that cancels over epochs explains
/// the rows better. The variance of its noise is still that of the plain one.
pub(super) fn with_epochs(
    sums: &EpochSums,
    plain: &Regression,
) -> Option<(Regression, EpochNoise)> {
    let epochs = sums.whole();
    if epochs.epochs < FEWEST_EPOCHS {
        return None;
    }
    let ratio = epochs.most_likely_ratio(None);
    let (free, independent) = (epochs.solve(ratio, None), epochs.solve(1.0, None));
    let gain = 2.0 * (free.logarithm - independent.logarithm);
    if gain.is_nan() || gain < GAIN || ratio >= 1.0 {
        return None;
    }
    // The ratio is uncertain too, and errs together with the slope, as positions depend on the
    // noise before them: the information is that of the likelihood at its maximum over the ratio,
    // at a standard error to either side.
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
    let regression = Regression {
        curvature: -free.slope,
        curvature_error: widening * (scale / free.xx).sqrt(),
        centre: free.centre,
        position_variance: plain.position_variance + (plain.centre - free.centre).powi(2),
        intercept: free.intercept,
        intercept_error: (scale / free.weight).sqrt(),
        ..*plain
    };
    let finite = regression.curvature.is_finite() && regression.curvature_error.is_finite();
    finite.then_some((
        regression,
        EpochNoise { steps_per_epoch: sums.steps_per_epoch, variance_ratio: ratio },
    ))
}

impl Epochs {
    fn close(&mut self, epoch: &JointSums<2>) {
        if epoch.count != self.steps_per_epoch {
            return;
        }
        self.epochs += 1.0;
        self.within.join(&JointSums { means: [0.0; 2], ..*epoch });
        self.between.push(epoch.means);
    }

    fn join(&mut self, other: &Epochs) {
        self.epochs += other.epochs;
        self.within.join(&other.within);
        self.between.join(&other.between);
    }

    /// Weighted least squares for a ratio b/a, and the logarithm of the likelihood at its maximum
    /// over the rest, or over all but the slope.
    fn solve(&self, ratio: f64, slope: Option<f64>) -> Solution {
        let [centre, intercept] = self.between.means;
        // An epoch's mean stands for as many transitions as it has.
        let [xx, xy, yy] = [[0, 0], [0, 1], [1, 1]].map(|[i, j]| {
            self.within.products[i][j] + self.steps_per_epoch * self.between.products[i][j] / ratio
        });
        let best = xy / xx;
        let slope = slope.unwrap_or(best);
        let transitions = self.epochs * self.steps_per_epoch;
        let scale = (yy - best * xy + (slope - best).powi(2) * xx) / transitions;
        let logarithm = -0.5 * (transitions * scale.ln() + self.epochs * ratio.ln());
        Solution { logarithm, slope, centre, intercept, scale, xx, weight: transitions / ratio }
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
