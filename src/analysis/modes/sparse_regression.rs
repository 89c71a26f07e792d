//! The recursion from rows of every n-th step, by maximum likelihood.
//!
//! With s = eta v, a step is (x, s)' = M (x, s) + e (1, 1), M = [[1 - p, beta], [-p, beta]], p =
//! eta (rho + lambda), x from the mean. Over n steps z' = M^n z + noise of covariance w C_n, C_n =
//! sum over j < n of M^j J M^jT, J all ones, w = Var e: exact, with one parameter that is not
//! linear. For n > 1 the noise has rank 2, and its shape, too, tells of p: also where n steps
//! forget all, rows say the stationary variances. The likelihood of a p follows from sums over the
//! rows, so that a search over all p, on a grid as fine as n steps turn the phase, costs nothing
//! beside reading. The momentum must be known.

use nalgebra::{Matrix2, Matrix2x4, Matrix4, Vector2, Vector4};

use super::regression::{FEWEST_TRANSITIONS, Regression};
use super::series::{Part, Transition};
use super::several_steps::Steps;
use super::sums::ModeSums;
use super::sums::quantity::{NEXT_VELOCITY, POSITION, VELOCITY};
use crate::analysis::settings::not_known;
use crate::stats::joint_sums::JointSums;

/// Another maximum of the likelihood whose logarithm is within this of the highest cannot be told
/// from it. Each of a few others comes out higher by so much in at most exp(-5) = 0.7% of runs. At
/// 1.92 and 3.5 the runs left over, of those in docs/modes.md that are hard to tell, were covered
/// 82% and 90%.
const RIVAL: f64 = 5.0;
/// Radians between points of the grid, over n steps.
const PHASE: f64 = 0.25;
/// Ratio of neighbouring points where nothing swings.
const RATIO: f64 = 1.1;
/// What n steps leave of a swing below this has no phase.
const FORGOTTEN: f64 = 1e-3;
/// Relaxations a run from which on, and by what a run may be driven away, as p is looked for.
const FEWEST_RELAXATIONS: f64 = 0.01;
const MOST_EXPULSIONS: f64 = 50.0;

const OUT_OF_RANGE: &str = "there is no noise, or it is out of range";

/// Sums over the transitions, of (x from its mean, s, x' - x, s').
struct Likelihood {
    momentum: f64,
    every: u64,
    count: f64,
    means: Vector4<f64>,
    squares: Matrix4<f64>,
}

/// What belongs to one p.
struct Solution {
    /// Logarithm of the likelihood, but for a constant.
    logarithm: f64,
    /// w, over n and not n - 1.
    noise: f64,
    /// p (mu - mean of x), and what its variance is of w.
    force: f64,
    force_spread: f64,
    map: Matrix2x4<f64>,
    offset: Vector2<f64>,
    inverse: Matrix2<f64>,
}

/// A fit, but for the kurtosis of its noise.
#[derive(Debug, Clone)]
pub(super) struct SparseFit {
    pub(super) regression: Regression,
    /// By how much the logarithm of the noise variance rises with that of the curvature: what n
    /// steps leave of noise and curvature each is less certain than both together.
    pub(super) noise_with_curvature: f64,
    whitening: Option<Whitening>,
}

/// From a transition to two numbers that are independent noise of variance 1.
#[derive(Debug, Clone, Copy)]
struct Whitening {
    map: Matrix2x4<f64>,
    offset: Vector2<f64>,
    centre: f64,
    learning_rate: f64,
}

/// Fits the rows of a mode.
pub(super) fn fit(
    sums: &ModeSums,
    momentum: Option<f64>,
    learning_rate: f64,
) -> Result<SparseFit, String> {
    let (transitions, every) = (sums.count_transitions(), sums.every);
    if transitions < FEWEST_TRANSITIONS {
        return Err(format!(
            "{transitions} pairs of rows {every} steps apart have known positions and velocities; a fit takes \
             {FEWEST_TRANSITIONS}"
        ));
    }
    let momentum = momentum
        .ok_or_else(|| format!("rows are {every} steps apart, and {}", not_known("momentum")))?;
    if !(0.0..1.0).contains(&momentum) {
        return Err(format!(
            "the momentum is {momentum:.4}, and the recursion needs it at least 0 and below 1"
        ));
    }
    let centre = sums.transitions.means[POSITION];
    let first_position = sums.first_position.unwrap_or(centre);
    let sums = Likelihood::new(&sums.transitions, momentum, every, learning_rate);
    if !sums.squares.iter().all(|sum| sum.is_finite()) {
        return Err("positions or velocities are too large to be squared".to_owned());
    }
    let position_variance = sums.squares[(0, 0)];
    // Below this a mean's rounding error is all there is.
    if position_variance <= (1e-15 * centre).powi(2) || sums.squares[(1, 1)] <= 0.0 {
        return Err("the mode does not move".to_owned());
    }
    let maxima = sums.maxima();
    let highest = maxima.iter().max_by(|a, b| a[1].total_cmp(&b[1]));
    let [pull, _] = *highest.ok_or("positions are too small to be fitted")?;
    let best = sums.solve(pull).ok_or("positions are too small to be fitted")?;
    let error = sums
        .error(pull, best.logarithm)
        .ok_or("the rows do not tell one curvature from another")?;
    if let Some(other) = maxima.iter().find(|other| is_rival(other, pull, error, best.logarithm)) {
        return Err(format!(
            "the phases over {every} steps cannot be told apart: eta times the curvature is {pull:.3}, or {:.3}",
            other[0]
        ));
    }
    let values = 2.0 * sums.count;
    let noise = best.noise * values / (values - 2.0);
    let rate = learning_rate;
    let regression = Regression {
        momentum,
        momentum_error: None,
        curvature: pull / rate,
        curvature_error: error / rate,
        intercept: best.force / rate,
        intercept_error: (noise * best.force_spread).sqrt() / rate,
        centre,
        position_variance,
        first_position,
        velocity_centre: 0.0,
        noise_variance: noise / (rate * rate),
        transitions,
    };
    let nearby = [pull - 0.1 * error, pull + 0.1 * error]
        .map(|pull| sums.solve(pull).map_or(f64::NAN, |of| of.noise.ln()));
    let noise_with_curvature = pull * (nearby[1] - nearby[0]) / (0.2 * error);
    let whitening = best.inverse.cholesky().map(|factor| {
        let root = factor.l().transpose() / noise.sqrt();
        Whitening {
            map: root * best.map,
            offset: root * best.offset * best.force,
            centre,
            learning_rate,
        }
    });
    let numbers = [regression.noise_variance, noise_with_curvature];
    if regression.noise_variance > 0.0 && numbers.iter().all(|number| number.is_finite()) {
        return Ok(SparseFit { regression, noise_with_curvature, whitening });
    }
    Err(OUT_OF_RANGE.to_owned())
}

impl SparseFit {
    /// Sum of the fourth powers of a part's noise.
    pub(super) fn fourth_powers(&self, part: &Part) -> f64 {
        let Some(Whitening { map, offset, centre, learning_rate }) = self.whitening else {
            return f64::NAN;
        };
        let of = |step: Transition| {
            let change = step.next_position - step.position;
            let [now, next] =
                [step.velocity, step.next_velocity].map(|velocity| learning_rate * velocity);
            let pair = map * Vector4::new(step.position - centre, now, change, next) + offset;
            pair.map(|value| value.powi(4)).sum()
        };
        part.transitions().map(of).sum()
    }

    /// Kurtosis of the noise, 3 if it is Gaussian, from the sum over all parts.
    pub(super) fn kurtosis(&self, fourth_powers: f64) -> Result<f64, String> {
        let kurtosis = fourth_powers / (2.0 * self.regression.transitions as f64);
        if kurtosis.is_finite() { Ok(kurtosis) } else { Err(OUT_OF_RANGE.to_owned()) }
    }
}

impl Likelihood {
    fn new(
        transitions: &JointSums<4>,
        momentum: f64,
        every: u64,
        learning_rate: f64,
    ) -> Likelihood {
        let scale = |quantity| {
            if [VELOCITY, NEXT_VELOCITY].contains(&quantity) { learning_rate } else { 1.0 }
        };
        // Positions are from their mean.
        let mean = |quantity| {
            if quantity == POSITION { 0.0 } else { scale(quantity) * transitions.means[quantity] }
        };
        let means = Vector4::from_fn(|quantity, _| mean(quantity));
        let squares = Matrix4::from_fn(|i, j| {
            scale(i) * scale(j) * transitions.products[i][j] / transitions.count
                + means[i] * means[j]
        });
        Likelihood { momentum, every, count: transitions.count, means, squares }
    }

    /// None where the numbers run out of range.
    fn solve(&self, pull: f64) -> Option<Solution> {
        let Steps { map: g, noise } = Steps::new(self.momentum, pull, self.every);
        let inverse = noise.try_inverse()?;
        // Residuals: z' less what it follows from, x' as the change of x; s' has M^n and not M^n -
        // I.
        let map = Matrix2x4::new(
            -g[(0, 0)],
            -g[(0, 1)],
            1.0,
            0.0,
            -g[(1, 0)],
            -(g[(1, 1)] + 1.0),
            0.0,
            1.0,
        );
        // What the mean does, by its force p (mu - centre): finite as p goes to zero.
        let offset = Vector2::new(g[(0, 0)], g[(1, 0)]) / pull;
        let mean = map * self.means;
        let along = (offset.transpose() * inverse * mean)[0];
        let weight = (offset.transpose() * inverse * offset)[0];
        let quadratic =
            (inverse * map * self.squares * map.transpose()).trace() - along * along / weight;
        let logarithm = -self.count * (quadratic.ln() + 0.5 * noise.determinant().ln());
        logarithm.is_finite().then_some(Solution {
            logarithm,
            noise: 0.5 * quadratic,
            force: -along / weight,
            force_spread: 1.0 / (self.count * weight),
            map,
            offset,
            inverse,
        })
    }

    fn logarithm(&self, pull: f64) -> f64 {
        self.solve(pull).map_or(f64::NEG_INFINITY, |solution| solution.logarithm)
    }

    /// One relaxation in all rows.
    fn a_relaxation(&self) -> f64 {
        (1.0 - self.momentum) / (self.count * self.every as f64)
    }

    /// (p, logarithm) of the maxima: those of the grid, refined between their neighbours.
    fn maxima(&self) -> Vec<[f64; 2]> {
        let grid = self.grid();
        let heights: Vec<f64> = grid.iter().map(|&pull| self.logarithm(pull)).collect();
        let at = |index: usize| heights.get(index).copied().unwrap_or(f64::NEG_INFINITY);
        let is_maximum =
            |&index: &usize| at(index) >= at(index.wrapping_sub(1)) && at(index) >= at(index + 1);
        let refined = (0..grid.len()).filter(is_maximum).map(|index| {
            let pull =
                self.refined(grid[index.saturating_sub(1)], grid[(index + 1).min(grid.len() - 1)]);
            [pull, self.logarithm(pull)]
        });
        refined.filter(|[_, logarithm]| logarithm.is_finite()).collect()
    }

    /// By the golden section.
    fn refined(&self, mut low: f64, mut high: f64) -> f64 {
        let golden = 0.5 * (5.0_f64.sqrt() - 1.0);
        for _ in 0..60 {
            let width = golden * (high - low);
            let [left, right] = [high - width, low + width];
            if self.logarithm(left) < self.logarithm(right) { low = left } else { high = right }
        }
        0.5 * (low + high)
    }

    /// Rising, from modes that run away to the edge of stability; 0 is passed over.
    fn grid(&self) -> Vec<f64> {
        let smallest = FEWEST_RELAXATIONS * self.a_relaxation();
        let mut grid = Vec::new();
        let mut away = -MOST_EXPULSIONS * self.a_relaxation();
        while away < -smallest {
            grid.push(away);
            away /= RATIO;
        }
        let limit = 2.0 * (1.0 + self.momentum);
        let remembers = self.momentum.powf(0.5 * self.every as f64) > FORGOTTEN;
        let mut pull = smallest;
        while pull < limit {
            grid.push(pull);
            let cosine = (1.0 + self.momentum - pull) / (2.0 * self.momentum.sqrt());
            let swings = remembers && cosine.abs() < 1.0;
            // dp = 2 sqrt(beta) sin(angle) d angle.
            let sine = (1.0 - cosine * cosine).max(0.01).sqrt();
            let step = 2.0 * self.momentum.sqrt() * sine * PHASE / self.every as f64;
            let next = pull * RATIO;
            // Near the edge all is within a small part of p.
            pull = if swings { next.min(pull + step) } else { next.min(pull + 0.02 * limit) };
        }
        grid.push(limit * (1.0 - 1e-9));
        grid
    }

    /// The standard error, by how the likelihood falls to either side.
    fn error(&self, pull: f64, highest: f64) -> Option<f64> {
        let mut nearby = 1e-3 * self.a_relaxation();
        for _ in 0..80 {
            let fall =
                2.0 * highest - self.logarithm(pull - nearby) - self.logarithm(pull + nearby);
            if fall.is_finite() && fall >= 1.0 {
                return Some(nearby / fall.sqrt());
            }
            nearby *= 1.5;
        }
        None
    }
}

/// Whether it is as likely as the highest, and outside its interval: n steps of a swing look the
/// same for phases that differ by whole turns. A mode that runs away is no swing, and is told by
/// the interval's reaching 0.
fn is_rival([other, logarithm]: &[f64; 2], pull: f64, error: f64, highest: f64) -> bool {
    *other > 0.0 && pull > 0.0 && (other - pull).abs() > 2.0 * error && highest - logarithm < RIVAL
}
