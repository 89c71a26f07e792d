//! The mark that sampling without replacement leaves on a mode's noise.

use serde::Serialize;
use statrs::function::beta::beta_reg;

use super::estimate::Test;
use super::regression::Regression;
use super::series::Part;

/// Fewer whole epochs say nothing.
const FEWEST_EPOCHS: u64 = 5;

/// Whether the noises of an epoch cancel, as they do if every example is used once.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct EpochMark {
    /// Steps in an epoch.
    pub steps_per_epoch: u64,
    /// Whole epochs summed.
    pub epochs: u64,
    /// Variance of an epoch's sum over that of as many independent noises: 1 with replacement, near
    /// 0 without.
    pub variance_ratio: f64,
    /// Mean correlation of two steps of one epoch: 0, or -1/(n-1).
    pub correlation_within: f64,
    /// Against independent noise.
    pub against_independent: Test,
    /// Correlation at a lag of one epoch: near 1 if batches come in the same order again; none
    /// without such pairs.
    pub correlation_after_epoch: Option<f64>,
    /// Against independent noise.
    pub repeats: Option<Test>,
}

/// Sums over the epochs of a mode's noise, in units of a scale.
#[derive(Debug, Clone)]
pub(super) struct EpochMarkSums {
    steps_per_epoch: u64,
    epochs: u64,
    squares: f64,
    with_positions: f64,
    /// Products of noises an epoch apart.
    product: f64,
    pairs: u64,
    /// Noise and position of the epoch so far; `None` where its beginning is missing.
    epoch: Option<[f64; 2]>,
    /// The noises of the last epoch of steps, in a ring, and how many of them are of this stretch.
    recent: Vec<f64>,
    next: usize,
    of_stretch: u64,
}

impl EpochMarkSums {
    /// Epochs begin behind multiples of `steps_per_epoch`; `None` where an epoch has not two steps.
    pub(super) fn new(steps_per_epoch: u64) -> Option<EpochMarkSums> {
        (steps_per_epoch >= 2).then_some(EpochMarkSums {
            steps_per_epoch,
            epochs: 0,
            squares: 0.0,
            with_positions: 0.0,
            product: 0.0,
            pairs: 0,
            epoch: None,
            recent: Vec::new(),
            next: 0,
            of_stretch: 0,
        })
    }

    /// Takes the noises of a part's transitions. A transition belongs to the step it makes.
    pub(super) fn add(&mut self, part: &Part, noises: &[f64], centre: f64) {
        if !part.continues {
            (self.epoch, self.of_stretch) = (None, 0);
        }
        for ((step, noise), position) in (part.first_step..).zip(noises).zip(part.positions) {
            let passed = step % self.steps_per_epoch;
            if passed == 0 {
                self.epoch = Some([0.0; 2]);
            }
            if let Some([noises, positions]) = &mut self.epoch {
                *noises += noise;
                *positions += position - centre;
                if passed + 1 == self.steps_per_epoch {
                    self.squares += *noises * *noises;
                    self.with_positions += *noises * *positions;
                    self.epochs += 1;
                    self.epoch = None;
                }
            }
            self.pair(*noise);
        }
    }

    /// Takes a noise together with the one an epoch before.
    fn pair(&mut self, noise: f64) {
        if (self.recent.len() as u64) < self.steps_per_epoch {
            self.recent.push(noise);
        } else {
            if self.of_stretch >= self.steps_per_epoch {
                self.product += noise * self.recent[self.next];
                self.pairs += 1;
            }
            self.recent[self.next] = noise;
            self.next = (self.next + 1) % self.recent.len();
        }
        self.of_stretch += 1;
    }
}

impl EpochMark {
    /// `None` for too few whole epochs. `scale` is the standard deviation of the noise in the units
    /// of the sums, `unit` that unit.
    pub(super) fn new(
        sums: &EpochMarkSums,
        regression: &Regression,
        scale: f64,
        unit: f64,
    ) -> Option<EpochMark> {
        let EpochMarkSums { steps_per_epoch, epochs, pairs, .. } = *sums;
        if epochs < FEWEST_EPOCHS {
            return None;
        }
        let length = steps_per_epoch as f64;
        let squares = sums.squares / (scale * scale);
        // The fitted mean takes its share of every sum.
        let transitions = regression.transitions as f64;
        let counted = epochs as f64 * (1.0 - length / transitions);
        let ratio = squares / (counted * length);
        // So does the fitted curvature: positions depend on the noise before them, and the ratio of
        // the fitted noise varies less than that of the noise itself, by the square of its slope
        // times the curvature's error (as Durbin 1970 has it for residuals of autoregressions).
        let slope = 2.0 * sums.with_positions / (scale * scale * unit * counted * length);
        let variance = 2.0 / counted - (slope * regression.curvature_error).powi(2);
        let lower = f_distribution(ratio, 2.0 / variance.max(1.0 / transitions), transitions);
        let correlation = sums.product / (scale * scale) / pairs as f64;
        Some(EpochMark {
            steps_per_epoch,
            epochs,
            variance_ratio: ratio,
            correlation_within: (ratio - 1.0) / (length - 1.0),
            against_independent: Test::new(2.0 * lower.min(1.0 - lower))?,
            correlation_after_epoch: (pairs > 0).then_some(correlation),
            repeats: Test::of_normal(correlation * (pairs as f64).sqrt()).filter(|_| pairs > 0),
        })
    }
}

/// Cumulative distribution of a ratio of mean squares.
fn f_distribution(ratio: f64, numerator: f64, denominator: f64) -> f64 {
    let share = numerator * ratio / (numerator * ratio + denominator);
    beta_reg(0.5 * numerator, 0.5 * denominator, share.clamp(0.0, 1.0))
}
