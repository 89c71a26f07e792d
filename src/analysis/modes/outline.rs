//! A mode's recursion as far as the sums of the first reading tell it: all but its noise.

use super::dynamics::Dynamics;
use super::epoch_regression::{EpochNoise, with_epochs};
use super::regression::Regression;
use super::sparse_regression::{self, SparseFit};
use super::sums::ModeSums;
use super::window::Window;
use crate::analysis::settings::not_known;

/// A regression by whichever method the rows take.
#[derive(Debug, Clone)]
pub(super) struct Outline {
    pub(super) method: Method,
    pub(super) learning_rate: f64,
    pub(super) every: u64,
}

/// How it was fitted.
#[derive(Debug, Clone)]
pub(super) enum Method {
    /// Of rows of every step, noises independent.
    Plain(Regression),
    /// Of rows of every step, noises that cancel over epochs.
    Epochs(Regression, EpochNoise),
    /// Of rows further apart.
    Sparse(SparseFit),
}

impl Outline {
    /// Noises are taken for independent unless the sums are kept by epoch and they cancel there.
    pub(super) fn new(sums: &ModeSums, window: &Window) -> Result<Outline, String> {
        let learning_rate = window.learning_rate.ok_or_else(|| not_known("learning rate"))?;
        if learning_rate <= 0.0 {
            return Err(format!(
                "the learning rate is {learning_rate}, and the theory needs it above 0"
            ));
        }
        let method = if sums.every > 1 {
            Method::Sparse(sparse_regression::fit(sums, window.momentum, learning_rate)?)
        } else {
            let plain = Regression::new(sums, window.momentum)?;
            let epochs = sums.epochs.as_ref().filter(|_| plain.momentum_error.is_none());
            let method = match epochs.and_then(|epochs| with_epochs(epochs, &plain)) {
                Some((regression, noise)) => Method::Epochs(regression, noise),
                None => Method::Plain(plain),
            };
            if !(0.0..1.0).contains(&plain.momentum) {
                let momentum = plain.momentum;
                return Err(format!(
                    "the momentum is {momentum:.4}, and the recursion needs it at least 0 and below 1"
                ));
            }
            method
        };
        Ok(Outline { method, learning_rate, every: sums.every })
    }

    /// What is fitted, but for the noise.
    pub(super) fn regression(&self) -> &Regression {
        match &self.method {
            Method::Plain(regression) | Method::Epochs(regression, _) => regression,
            Method::Sparse(fit) => &fit.regression,
        }
    }

    /// How such a mode moves; `None` where it is not bound, or not stable.
    pub(super) fn dynamics(&self) -> Option<Dynamics> {
        let regression = self.regression();
        Dynamics::new(regression.momentum, self.learning_rate * regression.curvature)
    }

    /// Steps in which the slowest part of a deviation falls to 1/e, and the transitions in such
    /// times.
    pub(super) fn relaxation(&self, dynamics: &Dynamics) -> Relaxation {
        let steps = dynamics.decay_per_step().recip();
        let transitions = self.regression().transitions;
        Relaxation { steps, times: self.every as f64 * transitions as f64 / steps, transitions }
    }
}

/// How long a mode remembers, and how long it was watched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Relaxation {
    pub(super) steps: f64,
    /// The transitions used, in relaxation times.
    pub(super) times: f64,
    pub(super) transitions: usize,
}

/// Batches hold at least so many relaxation times.
const RELAXATION_TIMES_PER_BATCH: f64 = 10.0;
/// Fewest and most batches.
const BATCHES: [usize; 2] = [8, 30];

impl Relaxation {
    /// How many batches much longer than the memory there are; the reason where too few.
    pub(super) fn batches(&self) -> Result<usize, String> {
        let count = (self.times / RELAXATION_TIMES_PER_BATCH) as usize;
        let count = count.min(self.transitions / 10);
        if count < BATCHES[0] {
            return Err(format!(
                "the window holds {:.1} relaxation times; a mean with an interval takes {}",
                self.times,
                BATCHES[0] as f64 * RELAXATION_TIMES_PER_BATCH
            ));
        }
        Ok(count.min(BATCHES[1]))
    }
}
