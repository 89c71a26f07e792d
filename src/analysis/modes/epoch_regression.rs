//! The recursion where batches are drawn without replacement: the noises of an epoch cancel.
//!
//! Within an epoch of E steps the noise has covariance a (I - J/E) + b J/E, J all ones: a is the variance of a step's
//! noise but for 1/E, b that of E times an epoch's mean, and b = a if steps are independent. Taken for independent, noise
//! that cancels looks like a force towards the mean: a mode that relaxes more slowly than an epoch seems many times as
//! sharp as it is. The noise of each step follows from the rows one by one, so the likelihood is that of weighted least
//! squares, greatest over b/a by a search in one dimension.

use serde::Serialize;

use super::regression::Regression;
use super::series::ModeSeries;

/// Twice the logarithm of the likelihood's gain that b/a is worth: 1% of independent noises reach it.
const GAIN: f64 = 6.63;
/// Fewer epochs of which half is seen say nothing about their means.
const FEWEST_EPOCHS: u64 = 5;

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

/// Sums within epochs, and those of epochs' means by the number of transitions seen of an epoch.
struct Epochs {
    length: f64,
    transitions: f64,
    within: Sums,
    between: Vec<(f64, f64, Sums)>,
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
    let ratio = epochs.most_likely_ratio();
    let (free, independent) = (epochs.solve(ratio), epochs.solve(1.0));
    let gain = 2.0 * (free.logarithm - independent.logarithm);
    if gain.is_nan() || gain < GAIN || ratio >= 1.0 {
        return None;
    }
    let scale = free.scale * epochs.transitions / (epochs.transitions - 2.0);
    let regression = Regression {
        curvature: -free.slope,
        curvature_error: (scale / free.xx).sqrt(),
        centre: plain.centre + free.centre,
        intercept: plain.intercept + free.intercept,
        intercept_error: (scale / free.weight).sqrt(),
        noise_variance: scale * (1.0 + (ratio - 1.0) / epochs.length),
        ..*plain
    };
    let finite = regression.curvature.is_finite() && regression.curvature_error.is_finite();
    finite.then_some((regression, EpochNoise { steps_per_epoch, variance_ratio: ratio }))
}

impl Epochs {
    fn new(series: &ModeSeries, plain: &Regression, steps_per_epoch: u64) -> Option<Epochs> {
        let mut epochs = Epochs {
            length: steps_per_epoch as f64,
            transitions: plain.transitions as f64,
            within: Sums::default(),
            between: Vec::new(),
        };
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
        let half_seen = epochs.between.iter().filter(|(seen, ..)| 2.0 * seen >= epochs.length);
        let enough = half_seen.map(|(_, epochs, _)| epochs).sum::<f64>() >= FEWEST_EPOCHS as f64;
        enough.then_some(epochs)
    }

    fn close(&mut self, group: Sums) {
        let Sums { count, x, y, xx, xy, yy } = group;
        if count == 0.0 {
            return;
        }
        self.within.xx += xx - x * x / count;
        self.within.xy += xy - x * y / count;
        self.within.yy += yy - y * y / count;
        let at = match self.between.iter().position(|(seen, ..)| *seen == count) {
            Some(at) => at,
            None => {
                self.between.push((count, 0.0, Sums::default()));
                self.between.len() - 1
            }
        };
        let (_, epochs, sums) = &mut self.between[at];
        *epochs += 1.0;
        sums.count += count;
        sums.x += x;
        sums.y += y;
        sums.xx += x * x / count;
        sums.xy += x * y / count;
        sums.yy += y * y / count;
    }

    /// Weighted least squares for a ratio b/a, and the logarithm of the likelihood at its maximum over the rest.
    fn solve(&self, ratio: f64) -> Solution {
        let mut sums = self.within;
        let mut determinant = 0.0;
        for (seen, epochs, of) in &self.between {
            // Variance, over a, of the mean of what was seen of an epoch, times its number.
            let variance = 1.0 + (ratio - 1.0) * seen / self.length;
            determinant += epochs * variance.ln();
            sums.count += of.count / variance;
            sums.x += of.x / variance;
            sums.y += of.y / variance;
            sums.xx += of.xx / variance;
            sums.xy += of.xy / variance;
            sums.yy += of.yy / variance;
        }
        let (centre, intercept) = (sums.x / sums.count, sums.y / sums.count);
        let xx = sums.xx - sums.x * centre;
        let xy = sums.xy - sums.x * intercept;
        let yy = sums.yy - sums.y * intercept;
        let slope = xy / xx;
        let scale = (yy - slope * xy) / self.transitions;
        let logarithm = -0.5 * (self.transitions * scale.ln() + determinant);
        Solution { logarithm, slope, centre, intercept, scale, xx, weight: sums.count }
    }

    /// Golden section search over the logarithm of b/a.
    fn most_likely_ratio(&self) -> f64 {
        let golden = 0.5 * (5.0_f64.sqrt() - 1.0);
        let at = |logarithm: f64| self.solve(logarithm.exp()).logarithm;
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
