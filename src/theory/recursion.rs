//! What plain and Nesterov SGD have in common: a position that obeys `x_{k+1} = x_k + s_{k+1}`,
//! `s_{k+1} = contraction s_k - pull x_k + noise`, and a stationary variance.

use super::autocorrelation::Autocorrelation;
use super::double_double::DoubleDouble;
use super::propagator::{Matrix, Propagator};

/// How a mode returns to rest, step by step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiscreteRegime {
    /// Real eigenvalues, the larger in size positive: it creeps back.
    Monotone,
    /// Two complex eigenvalues: it swings.
    Oscillating,
    /// Real eigenvalues, the larger in size not positive: it jumps from side to side at every step.
    Alternating,
}

/// One mode in the coordinates (x, s), s = x_k - x_{k-1}.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Recursion {
    /// Determinant of the map.
    pub(crate) contraction: DoubleDouble,
    /// 1 - trace + determinant of the map.
    pub(crate) pull: DoubleDouble,
    pub(crate) position_variance: f64,
    /// r = E s^2 / (2 Var x), one minus the autocorrelation of x at lag 1.
    pub(crate) first_decorrelation: DoubleDouble,
}

impl Recursion {
    pub(crate) fn step(&self) -> Propagator {
        Propagator::step(self.contraction, self.pull)
    }

    pub(crate) fn after(&self, steps: u64) -> Propagator {
        self.step().power(steps)
    }

    pub(crate) fn regime(&self) -> DiscreteRegime {
        if self.discriminant() < 0.0 {
            DiscreteRegime::Oscillating
        } else if self.trace().to_f64() > 0.0 {
            DiscreteRegime::Monotone
        } else {
            DiscreteRegime::Alternating
        }
    }

    pub(crate) fn angle_per_step(&self) -> Option<f64> {
        let discriminant = self.discriminant();
        (discriminant < 0.0).then(|| (-discriminant).sqrt().atan2(self.trace().to_f64()))
    }

    pub(crate) fn decay_per_step(&self) -> f64 {
        let discriminant = self.discriminant();
        if discriminant < 0.0 {
            self.contraction.to_f64().sqrt()
        } else {
            (self.trace().to_f64().abs() + discriminant.sqrt()) / 2.0
        }
    }

    /// Of (x, s), relative to Var x: Cov(x, s) = E s^2 / 2 in any stationary process.
    pub(crate) fn relative_covariance(&self) -> Matrix {
        let r = self.first_decorrelation;
        [[DoubleDouble::ONE, r], [r, r.scale(2.0)]]
    }

    /// Of (x, s / learning_rate).
    pub(crate) fn stationary_covariance(&self, learning_rate: f64) -> [[f64; 2]; 2] {
        let mixed = self.position_variance * (self.first_decorrelation.to_f64() / learning_rate);
        [[self.position_variance, mixed], [mixed, 2.0 * mixed / learning_rate]]
    }

    /// From lag 1 on the autocorrelation of x follows the recursion, whatever the noise's memory of
    /// one step; there 1 - autocorrelation is r, and its own last step -r.
    pub(crate) fn mean_squared_displacement(&self, steps: u64) -> f64 {
        if steps == 0 {
            return 0.0;
        }
        let Propagator { map, deviation } = self.after(steps - 1);
        let relative = deviation[0][0] + self.first_decorrelation * (map[0][0] + map[0][1]);
        2.0 * self.position_variance * relative.to_f64()
    }

    pub(crate) fn autocorrelation(&self) -> Autocorrelation {
        let first = self.first_decorrelation.to_f64();
        Autocorrelation {
            variance: self.position_variance,
            step: self.step(),
            first: [first, -first],
            limit: 1.0,
        }
    }

    fn trace(&self) -> DoubleDouble {
        DoubleDouble::ONE + self.contraction - self.pull
    }

    /// trace^2 - 4 determinant, positive if the eigenvalues are real.
    fn discriminant(&self) -> f64 {
        let trace = self.trace();
        (trace * trace - self.contraction.scale(4.0)).to_f64()
    }
}
