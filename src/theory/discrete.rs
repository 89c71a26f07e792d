//! SGD exactly, step by step, on a quadratic loss. Beyond the paper: nothing is approximated.
//!
//! Along one eigenvector, with x the position from the minimum `mu` and
//! `v_k = (x_k - x_{k-1}) / eta`,
//!
//! ```text
//! v' = beta v - (rho + lambda) x + noise,   x' = x + eta v',   Var noise = sigma^2 rho / S
//! ```
//!
//! That is a linear recursion, so mean, covariance and displacement are exact at any learning rate
//! below the limit of stability, where the Langevin values are off by factors. Lags are in steps.
//! libtorch's variants are in [`update_rule`](super::update_rule).

use super::autocorrelation::Autocorrelation;
use super::double_double::DoubleDouble;
use super::parameters::{SgdParameters, require, require_finite, require_finite_mean};
use super::propagator::Propagator;
pub use super::recursion::DiscreteRegime;
use super::recursion::Recursion;
use crate::error::Result;

/// Along one eigenvector of the Hessian: SGD with momentum as libtorch has it (no dampening, no
/// Nesterov).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DiscreteMode {
    learning_rate: f64,
    recursion: Recursion,
}

impl DiscreteMode {
    /// The mode with Hessian eigenvalue rho = `eigenvalue`.
    ///
    /// # Errors
    /// [`Error::InvalidValue`](crate::Error::InvalidValue) for parameters out of range, rho < 0,
    /// rho + lambda <= 0, and an unstable step: eta (rho + lambda) must be below 2 (1 + beta).
    pub fn new(parameters: &SgdParameters, eigenvalue: f64) -> Result<DiscreteMode> {
        parameters.validate()?;
        let curvature = parameters.curvature(eigenvalue)?;
        let SgdParameters { learning_rate, momentum, batch_size, noise_scale, .. } = *parameters;
        let pull = curvature * learning_rate.into();
        let inertia = DoubleDouble::sum(1.0, momentum);
        // Exact: near the edge of stability this difference is small, and the variance its inverse.
        let margin = (inertia.scale(2.0) - pull).to_f64();
        require(
            "learning_rate * (eigenvalue + weight_decay)",
            pull.to_f64(),
            margin > 0.0,
            "below 2 (1 + momentum): the step is unstable",
        )?;
        let drive = learning_rate * (noise_scale * eigenvalue / batch_size) / curvature.to_f64();
        let position_variance = drive * (1.0 + momentum) / ((1.0 - momentum) * margin);
        Ok(DiscreteMode {
            learning_rate,
            recursion: Recursion {
                contraction: momentum.into(),
                pull,
                position_variance,
                first_decorrelation: pull / inertia,
            },
        })
    }

    /// How the mode returns to rest.
    pub fn regime(&self) -> DiscreteRegime {
        self.recursion.regime()
    }

    /// Radians per step of a free oscillation, in (0, pi): cos = (1 + beta - eta(rho+lambda)) / (2
    /// sqrt beta); none unless it oscillates. pi per step is the zigzag of
    /// [`DiscreteRegime::Alternating`].
    pub fn angle_per_step(&self) -> Option<f64> {
        self.recursion.angle_per_step()
    }

    /// Cycles per step of a free oscillation; none unless it oscillates.
    pub fn cycles_per_step(&self) -> Option<f64> {
        self.angle_per_step().map(|angle| angle / std::f64::consts::TAU)
    }

    /// Factor by which the slowest part of a deviation shrinks per step: sqrt(beta) if it
    /// oscillates.
    pub fn decay_per_step(&self) -> f64 {
        self.recursion.decay_per_step()
    }

    /// Var(x) = eta sigma^2 rho (1+beta) / (S (1-beta) (rho+lambda) (2(1+beta) - eta(rho+lambda))).
    pub fn position_variance(&self) -> f64 {
        self.recursion.position_variance
    }

    /// Stationary covariance of (position, velocity). Equipartition is exact in it:
    /// (rho+lambda) Var(x) = eta(1+beta)/2 Var(v).
    pub fn stationary_covariance(&self) -> [[f64; 2]; 2] {
        self.recursion.stationary_covariance(self.learning_rate)
    }

    /// Mean (position, velocity) `steps` after a start at that position and velocity: M^k.
    ///
    /// # Errors
    /// [`Error::InvalidValue`](crate::Error::InvalidValue) unless both, and the mean, are finite.
    pub fn mean(&self, position: f64, velocity: f64, steps: u64) -> Result<[f64; 2]> {
        require_finite("position", position)?;
        require_finite("velocity", velocity)?;
        let last_step = DoubleDouble::product(self.learning_rate, velocity);
        let [position, step] = self.recursion.after(steps).apply(position, last_step);
        require_finite_mean([position.to_f64(), step.to_f64() / self.learning_rate])
    }

    /// Covariance of (position, velocity) `steps` after a start from a point: P - M^k P (M^k)^T.
    pub fn covariance_from_point(&self, steps: u64) -> [[f64; 2]; 2] {
        let Propagator { map, deviation } = self.recursion.after(steps);
        let stationary = self.recursion.relative_covariance();
        // P - M P M^T = N P + M P N^T, with N = I - M.
        let entry = |row: usize, column: usize| {
            let mut sum = DoubleDouble::ZERO;
            for i in 0..2 {
                sum = sum + deviation[row][i] * stationary[i][column];
                for j in 0..2 {
                    sum = sum + map[row][i] * stationary[i][j] * deviation[column][j];
                }
            }
            sum.to_f64() * self.recursion.position_variance
        };
        let mixed = entry(0, 1) / self.learning_rate;
        [[entry(0, 0), mixed], [mixed, entry(1, 1) / self.learning_rate / self.learning_rate]]
    }

    /// E (x_k - x_0)^2 of the stationary process, 2 (P - M^k P)_xx, to full relative precision down
    /// to the first step.
    pub fn mean_squared_displacement(&self, steps: u64) -> f64 {
        self.recursion.mean_squared_displacement(steps)
    }

    /// E (x_k - x_0)^2 from a stationary position at velocity 0, as where an optimizer has just
    /// been made: the position's mean moves by M^k - I, its noise is that from a point.
    ///
    /// # Errors
    /// [`Error::InvalidValue`](crate::Error::InvalidValue) where the mean is out of range.
    pub fn mean_squared_displacement_from_rest(&self, steps: u64) -> Result<f64> {
        let [kept, _] = self.mean(1.0, 0.0, steps)?;
        Ok((kept - 1.0).powi(2) * self.position_variance()
            + self.covariance_from_point(steps)[0][0])
    }

    /// E delta^2 = eta^2 Var(v) = 2 eta^2 sigma^2 rho / (S (1-beta) (2(1+beta) - eta(rho+lambda))).
    pub fn local_displacement(&self) -> f64 {
        self.recursion.mean_squared_displacement(1)
    }

    /// Stationary autocorrelation of the velocity at a lag of `steps`; 1 at lag 0.
    pub fn velocity_autocorrelation(&self, steps: u64) -> f64 {
        // Cov(s_k, s_0) = (M^k P)_ss, and (P_xs, P_ss) = Var(x) r (1, 2).
        let map = self.recursion.after(steps).map;
        (map[1][0].scale(0.5) + map[1][1]).to_f64()
    }

    pub(crate) fn autocorrelation(&self) -> Autocorrelation {
        self.recursion.autocorrelation()
    }
}

/// The limit of stability, 2 (1 + beta) / (rho + lambda) for the largest eigenvalue rho: a learning
/// rate must be below.
///
/// # Errors
/// [`Error::InvalidValue`](crate::Error::InvalidValue) for parameters out of range, rho < 0 or rho + lambda <= 0.
/// `learning_rate` is checked and not used.
pub fn learning_rate_limit(parameters: &SgdParameters, largest_eigenvalue: f64) -> Result<f64> {
    parameters.validate()?;
    Ok(2.0 * (1.0 + parameters.momentum) / parameters.curvature(largest_eigenvalue)?.to_f64())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::langevin::LangevinMode;
    use super::*;

    const PARAMETERS: SgdParameters = SgdParameters {
        learning_rate: 0.1,
        momentum: 0.9,
        weight_decay: 1e-3,
        batch_size: 32.0,
        noise_scale: 2.0,
    };

    #[test]
    fn displacement_from_rest_is_that_of_the_recursion_step_by_step() {
        for rho in [1e-3, 0.05, 0.7, 20.0] {
            let mode = DiscreteMode::new(&PARAMETERS, rho).unwrap();
            let SgdParameters {
                learning_rate: eta,
                momentum,
                weight_decay,
                batch_size,
                noise_scale,
            } = PARAMETERS;
            let (pull, noise) =
                (eta * (rho + weight_decay), eta * eta * noise_scale * rho / batch_size);
            // What is left of x_0 in position and step, and their covariance by noise: s' = beta s - p x + n, x' = x + s'.
            let (mut kept, [mut xx, mut xs, mut ss]) = ([1.0, 0.0], [0.0; 3]);
            for step in 1..=300 {
                let moved = momentum * kept[1] - pull * kept[0];
                kept = [kept[0] + moved, moved];
                let next = momentum * momentum * ss - 2.0 * momentum * pull * xs
                    + pull * pull * xx
                    + noise;
                let mixed = momentum * xs - pull * xx;
                (xx, xs, ss) = (xx + 2.0 * mixed + next, mixed + next, next);
                let expected = (kept[0] - 1.0_f64).powi(2) * mode.position_variance() + xx;
                let found = mode.mean_squared_displacement_from_rest(step).unwrap();
                assert!((found / expected - 1.0).abs() < 1e-9, "{rho} {step}: {found} {expected}");
            }
        }
    }

    /// Ratios computed with numpy from the two processes' matrices: the limit holds once the
    /// velocity has forgotten.
    #[test]
    fn langevins_displacement_from_rest_beside_the_exact_one() {
        for (rho, step, ratio) in
            [(0.05, 1, 0.3391), (0.05, 10, 0.8906), (0.05, 100, 0.9989), (0.001, 60, 0.9894)]
        {
            let exact = DiscreteMode::new(&PARAMETERS, rho)
                .unwrap()
                .mean_squared_displacement_from_rest(step)
                .unwrap();
            let limit = LangevinMode::new(&PARAMETERS, rho)
                .unwrap()
                .mean_squared_displacement_from_rest(step)
                .unwrap();
            assert!((limit / exact - ratio).abs() < 1e-4, "{rho} {step}: {}", limit / exact);
        }
    }

    #[test]
    fn an_unstable_step_is_an_error_and_the_edge_is_the_limit() {
        let rho = 3.0;
        let limit = learning_rate_limit(&PARAMETERS, rho).unwrap();
        let at =
            |learning_rate| DiscreteMode::new(&SgdParameters { learning_rate, ..PARAMETERS }, rho);
        assert!(at(limit * (1.0 + 1e-14)).is_err());
        let edge = at(limit * (1.0 - 1e-14)).unwrap();
        assert!(edge.position_variance() > 1e12 && edge.position_variance().is_finite());
        assert_eq!(edge.regime(), DiscreteRegime::Alternating);
    }

    #[test]
    fn without_momentum_a_pull_of_one_forgets_at_once() {
        let parameters =
            SgdParameters { learning_rate: 0.5, momentum: 0.0, weight_decay: 0.0, ..PARAMETERS };
        let mode = DiscreteMode::new(&parameters, 2.0).unwrap();
        assert_eq!(mode.mean(3.0, 7.0, 1).unwrap(), [0.0, -6.0]);
        assert_eq!(mode.mean(3.0, 7.0, 2).unwrap(), [0.0, 0.0]);
        for steps in [1, 2, 1000] {
            assert!(
                (mode.mean_squared_displacement(steps) / (2.0 * mode.position_variance()) - 1.0)
                    .abs()
                    < 1e-15
            );
        }
    }

    proptest! {
        #[test]
        fn the_stationary_state_is_a_fixed_point(
            learning_rate in 1e-4..1.0f64, momentum in 0.0..0.999f64, fraction in 1e-6..0.999f64,
        ) {
            let rho = fraction * 2.0 * (1.0 + momentum) / learning_rate;
            let parameters = SgdParameters { learning_rate, momentum, weight_decay: 0.0, ..PARAMETERS };
            let mode = DiscreteMode::new(&parameters, rho).unwrap();
            let [[xx, xv], [_, vv]] = mode.stationary_covariance();
            let noise = parameters.noise_scale * rho / parameters.batch_size;
            // v' = beta v - rho x + n, then x' = x + eta v'.
            let vv_next = momentum * momentum * vv - 2.0 * momentum * rho * xv + rho * rho * xx + noise;
            let x_vnext = momentum * xv - rho * xx;
            let xx_next = xx + 2.0 * learning_rate * x_vnext + learning_rate * learning_rate * vv_next;
            let xv_next = x_vnext + learning_rate * vv_next;
            let scale = rho * rho * xx + vv;
            prop_assert!((vv_next - vv).abs() < 1e-14 * scale);
            prop_assert!((xx_next - xx).abs() < 1e-14 * (xx + learning_rate * learning_rate * scale));
            prop_assert!((xv_next - xv).abs() < 1e-14 * (xx / learning_rate + learning_rate * scale));
            // Equipartition at every learning rate.
            prop_assert!((rho * xx / (0.5 * learning_rate * (1.0 + momentum) * vv) - 1.0).abs() < 1e-13);
        }

        #[test]
        fn covariance_after_one_step_is_the_noise(momentum in 0.0..0.99f64, rho in 1e-6..10.0f64) {
            let mode = DiscreteMode::new(&SgdParameters { momentum, ..PARAMETERS }, rho).unwrap();
            let noise = PARAMETERS.noise_scale * rho / PARAMETERS.batch_size;
            let eta = PARAMETERS.learning_rate;
            let expected = [[eta * eta * noise, eta * noise], [eta * noise, noise]];
            let got = mode.covariance_from_point(1);
            for (a, b) in got.as_flattened().iter().zip(expected.as_flattened()) {
                prop_assert!((a / b - 1.0).abs() < 1e-12, "{:?} {:?}", got, expected);
            }
        }

        #[test]
        fn tends_to_langevin_at_first_order(
            gamma in 0.1..3.0f64, squared_frequency in 0.1..10.0f64, ticks in 10u64..100,
        ) {
            // The oscillator and the time are held; momentum and eigenvalue follow from the
            // learning rate.
            let difference = |learning_rate: f64, steps: u64| {
                let momentum = (1.0 - gamma * learning_rate) / (1.0 + gamma * learning_rate);
                let rho = squared_frequency * learning_rate * (1.0 + momentum) / 2.0;
                let parameters = SgdParameters { learning_rate, momentum, weight_decay: 0.0, ..PARAMETERS };
                let exact = DiscreteMode::new(&parameters, rho).unwrap();
                let langevin = LangevinMode::new(&parameters, rho).unwrap();
                let relative = |displacement: f64, variance: f64| displacement / (2.0 * variance);
                [
                    relative(exact.mean_squared_displacement(steps), exact.position_variance())
                        - relative(langevin.mean_squared_displacement(steps), langevin.position_variance()),
                    exact.velocity_autocorrelation(steps) - langevin.velocity_autocorrelation(steps),
                    exact.position_variance() / langevin.position_variance() - 1.0,
                ]
            };
            let coarse = difference(1e-3, 50 * ticks);
            let fine = difference(5e-4, 100 * ticks);
            for (coarse, fine) in coarse.into_iter().zip(fine) {
                prop_assert!(coarse.abs() < 2e-2, "{coarse}");
                // What is left of the halved difference is of second order.
                prop_assert!((coarse - 2.0 * fine).abs() < 1e-4, "{coarse} {fine}");
            }
        }
    }
}
