//! SGD's variants as libtorch has them, exactly: dampening and Nesterov's momentum on a quadratic loss.
//!
//! libtorch's step, with gradient g (weight decay included):
//!
//! ```text
//! buf' = beta buf + (1 - dampening) g      (at the very first step, buf' = g)
//! u = buf'      (with Nesterov, u = g + beta buf')
//! theta' = theta - eta u
//! ```
//!
//! With beta = 0 the buffer and the dampening are not used. Here as everywhere the velocity is the last step over eta,
//! -u: with Nesterov that is not the buffer.
//!
//! - Dampening d moves the parameters as plain SGD at learning rate eta (1 - d) does, after the first step.
//! - Nesterov's recursion has the contraction beta (1 - eta(rho+lambda)) where plain SGD has beta, noise that acts
//!   over two steps, and a lower limit of stability: eta(rho+lambda) < 2(1+beta)/(1+2 beta).

use super::discrete::{DiscreteMode, DiscreteRegime};
use super::double_double::DoubleDouble;
use super::parameters::{SgdParameters, require, require_finite, require_finite_mean};
use super::recursion::Recursion;
use crate::error::Result;

/// libtorch's options of SGD beyond learning rate, momentum and weight decay.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct UpdateRule {
    /// In [0, 1).
    pub dampening: f64,
    /// Needs momentum, and no dampening.
    pub nesterov: bool,
}

impl UpdateRule {
    /// Refuses what libtorch refuses, and a dampening outside [0, 1).
    ///
    /// # Errors
    /// [`Error::InvalidValue`](crate::Error::InvalidValue).
    pub fn validate(&self, parameters: &SgdParameters) -> Result<()> {
        parameters.validate()?;
        require("dampening", self.dampening, (0.0..1.0).contains(&self.dampening), "in [0, 1)")?;
        if self.nesterov {
            require("dampening", self.dampening, self.dampening == 0.0, "0 with Nesterov's momentum")?;
            require("momentum", parameters.momentum, parameters.momentum > 0.0, "positive for Nesterov's momentum")?;
        }
        Ok(())
    }

    /// The limit of stability: the largest rho + lambda at which steps of this rule do not grow; as
    /// [`learning_rate_limit`](super::discrete::learning_rate_limit), seen from the other side. 2 (1 + beta) / eta for
    /// heavy-ball momentum.
    ///
    /// # Errors
    /// As [`validate`](Self::validate).
    pub fn curvature_limit(&self, parameters: &SgdParameters) -> Result<f64> {
        self.validate(parameters)?;
        let SgdParameters { learning_rate, momentum, .. } = *parameters;
        let reach = if self.nesterov { 1.0 + 2.0 * momentum } else { 1.0 };
        let dampening = if momentum == 0.0 { 0.0 } else { self.dampening };
        Ok(2.0 * (1.0 + momentum) / (learning_rate * (1.0 - dampening) * reach))
    }
}

/// Along one eigenvector of the Hessian, under any of libtorch's rules.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LibtorchMode {
    learning_rate: f64,
    recursion: Recursion,
    /// Of the first step, which differs: x_1 = (1 - first_pull) x_0.
    first_pull: DoubleDouble,
}

impl LibtorchMode {
    /// The mode with Hessian eigenvalue rho = `eigenvalue`.
    ///
    /// # Errors
    /// [`Error::InvalidValue`](crate::Error::InvalidValue) for parameters out of range, a rule libtorch refuses, rho < 0,
    /// rho + lambda <= 0 and an unstable step.
    pub fn new(parameters: &SgdParameters, rule: UpdateRule, eigenvalue: f64) -> Result<LibtorchMode> {
        rule.validate(parameters)?;
        let learning_rate = parameters.learning_rate;
        let pull = parameters.curvature(eigenvalue)? * learning_rate.into();
        if rule.nesterov {
            let recursion = nesterov(parameters, pull, eigenvalue)?;
            let first_pull = DoubleDouble::sum(1.0, parameters.momentum) * pull;
            return Ok(LibtorchMode { learning_rate, recursion, first_pull });
        }
        let dampening = if parameters.momentum == 0.0 { 0.0 } else { rule.dampening };
        let slowed = SgdParameters { learning_rate: learning_rate * (1.0 - dampening), ..*parameters };
        let recursion = *DiscreteMode::new(&slowed, eigenvalue)?.recursion();
        Ok(LibtorchMode { learning_rate, recursion, first_pull: pull })
    }

    /// How the mode returns to rest.
    pub fn regime(&self) -> DiscreteRegime {
        self.recursion.regime()
    }

    /// Radians per step of a free oscillation; none unless it oscillates.
    pub fn angle_per_step(&self) -> Option<f64> {
        self.recursion.angle_per_step()
    }

    /// Factor by which the slowest part of a deviation shrinks per step.
    pub fn decay_per_step(&self) -> f64 {
        self.recursion.decay_per_step()
    }

    /// Stationary covariance of (position, velocity), velocity = last step / eta.
    pub fn stationary_covariance(&self) -> [[f64; 2]; 2] {
        self.recursion.stationary_covariance(self.learning_rate)
    }

    /// E (x_k - x_0)^2 of the stationary process.
    pub fn mean_squared_displacement(&self, steps: u64) -> f64 {
        self.recursion.mean_squared_displacement(steps)
    }

    /// E delta^2 of the stationary process.
    pub fn local_displacement(&self) -> f64 {
        self.recursion.mean_squared_displacement(1)
    }

    /// Mean (position, velocity) after `steps` steps of a fresh optimizer that starts at `position`.
    ///
    /// # Errors
    /// [`Error::InvalidValue`](crate::Error::InvalidValue) unless the position, and the mean, are finite.
    pub fn mean_from_rest(&self, position: f64, steps: u64) -> Result<[f64; 2]> {
        require_finite("position", position)?;
        let Some(more) = steps.checked_sub(1) else {
            return Ok([position, 0.0]);
        };
        let first_step = -self.first_pull * position.into();
        let first_position = DoubleDouble::from(position) + first_step;
        let map = self.recursion.after(more).map;
        let [x, s] = map.map(|row| (row[0] * first_position + row[1] * first_step).to_f64());
        require_finite_mean([x, s / self.learning_rate])
    }
}

/// x_{k+1} = (1 + c - p) x_k - c x_{k-1} + b_0 n_k + b_1 n_{k-1}, with p = eta (rho+lambda), c = beta (1 - p),
/// b_0 = -eta (1 + beta), b_1 = eta beta: an ARMA(2, 1) process, whose variance and first autocovariance have closed
/// forms.
fn nesterov(parameters: &SgdParameters, pull: DoubleDouble, eigenvalue: f64) -> Result<Recursion> {
    let SgdParameters { learning_rate, momentum, batch_size, noise_scale, .. } = *parameters;
    let (one, beta) = (DoubleDouble::ONE, DoubleDouble::from(momentum));
    let inertia = one + beta;
    let reach = one + beta.scale(2.0);
    let margin = inertia.scale(2.0) - reach * pull;
    require(
        "learning_rate * (eigenvalue + weight_decay)",
        pull.to_f64(),
        margin.to_f64() > 0.0,
        "below 2 (1 + momentum) / (1 + 2 momentum) with Nesterov's momentum: the step is unstable",
    )?;
    let contraction = beta * (one - pull);
    // Var x over the variance of eta n: every term positive.
    let gain = (inertia + beta * reach * pull) / ((one - beta + beta * pull) * pull * margin);
    let kick = learning_rate * learning_rate * noise_scale * eigenvalue / batch_size;
    Ok(Recursion {
        contraction,
        pull,
        position_variance: kick * gain.to_f64(),
        first_decorrelation: (pull + beta * inertia / gain) / (one + contraction),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PARAMETERS: SgdParameters =
        SgdParameters { learning_rate: 0.1, momentum: 0.9, weight_decay: 0.01, batch_size: 32.0, noise_scale: 2.0 };
    const NESTEROV: UpdateRule = UpdateRule { dampening: 0.0, nesterov: true };

    /// libtorch's step as its documentation has it, without noise, from a fresh buffer.
    fn stepped(parameters: &SgdParameters, rule: UpdateRule, rho: f64, start: f64, steps: u64) -> [f64; 2] {
        let SgdParameters { learning_rate, momentum, weight_decay, .. } = *parameters;
        let (mut x, mut buffer, mut update) = (start, None, 0.0);
        for _ in 0..steps {
            let gradient = (rho + weight_decay) * x;
            let next = buffer.map_or(gradient, |buffer| momentum * buffer + (1.0 - rule.dampening) * gradient);
            buffer = Some(next);
            update = if momentum == 0.0 {
                gradient
            } else if rule.nesterov {
                gradient + momentum * next
            } else {
                next
            };
            x -= learning_rate * update;
        }
        [x, -update]
    }

    /// Stationary (E x^2, E x s, E s^2) by running the covariance of (x, buffer) to its fixed point.
    fn by_iteration(parameters: &SgdParameters, rule: UpdateRule, rho: f64) -> [[f64; 2]; 2] {
        let SgdParameters { learning_rate: eta, momentum: beta, weight_decay, .. } = *parameters;
        let h = rho + weight_decay;
        let (buffer_gain, now, then) = if rule.nesterov {
            (1.0, 1.0 + beta, beta * beta)
        } else {
            (1.0 - rule.dampening, 1.0 - rule.dampening, beta)
        };
        // s = -eta (now (h x + n) + then buf), x' = x + s, buf' = beta buf + buffer_gain (h x + n).
        let noise = parameters.noise_scale * rho / parameters.batch_size;
        let step = [-eta * now * h, -eta * then];
        let map = [[1.0 + step[0], step[1]], [buffer_gain * h, beta]];
        let kick = [-eta * now, buffer_gain];
        let mut p = [[0.0; 2]; 2];
        for _ in 0..20_000 {
            p = [0, 1].map(|i| {
                [0, 1].map(|j| {
                    let mut sum = kick[i] * kick[j] * noise;
                    for k in 0..2 {
                        for l in 0..2 {
                            sum += map[i][k] * p[k][l] * map[j][l];
                        }
                    }
                    sum
                })
            });
        }
        let mut ss = kick[0] * kick[0] * noise;
        for k in 0..2 {
            for l in 0..2 {
                ss += step[k] * p[k][l] * step[l];
            }
        }
        [[p[0][0], 0.5 * ss / eta], [0.5 * ss / eta, ss / eta / eta]]
    }

    #[test]
    fn stationary_covariances_are_the_fixed_points_of_the_steps() {
        for rule in [UpdateRule::default(), UpdateRule { dampening: 0.4, nesterov: false }, NESTEROV] {
            for rho in [0.05, 1.0, 9.0, 12.0] {
                let ours = LibtorchMode::new(&PARAMETERS, rule, rho).unwrap().stationary_covariance();
                let iterated = by_iteration(&PARAMETERS, rule, rho);
                for (a, b) in ours.as_flattened().iter().zip(iterated.as_flattened()) {
                    assert!((a / b - 1.0).abs() < 1e-11, "{rule:?} {rho}: {ours:?} {iterated:?}");
                }
            }
        }
    }

    #[test]
    fn rules_libtorch_refuses_are_errors() {
        let new = |parameters: &SgdParameters, rule| LibtorchMode::new(parameters, rule, 1.0);
        assert!(new(&PARAMETERS, UpdateRule { dampening: 0.1, nesterov: true }).is_err());
        assert!(new(&PARAMETERS, UpdateRule { dampening: 1.0, nesterov: false }).is_err());
        assert!(new(&SgdParameters { momentum: 0.0, ..PARAMETERS }, NESTEROV).is_err());
        // 2 * 1.9 / 2.8 = 1.357.
        assert!(LibtorchMode::new(&PARAMETERS, NESTEROV, 13.55).is_ok());
        assert!(LibtorchMode::new(&PARAMETERS, NESTEROV, 13.57).is_err());
    }

    #[test]
    fn modes_are_stable_up_to_the_limit() {
        for rule in [UpdateRule::default(), UpdateRule { dampening: 0.4, nesterov: false }, NESTEROV] {
            let limit = rule.curvature_limit(&PARAMETERS).unwrap() - PARAMETERS.weight_decay;
            assert!(LibtorchMode::new(&PARAMETERS, rule, limit * (1.0 - 1e-12)).is_ok(), "{rule:?}");
            assert!(LibtorchMode::new(&PARAMETERS, rule, limit * (1.0 + 1e-12)).is_err(), "{rule:?}");
        }
        let still = SgdParameters { momentum: 0.0, ..PARAMETERS };
        let limit = UpdateRule { dampening: 0.4, nesterov: false }.curvature_limit(&still).unwrap();
        assert_eq!(limit, 2.0 / still.learning_rate);
    }

    #[test]
    fn without_momentum_dampening_does_nothing() {
        let still = SgdParameters { momentum: 0.0, ..PARAMETERS };
        let damped = LibtorchMode::new(&still, UpdateRule { dampening: 0.5, nesterov: false }, 1.0).unwrap();
        assert_eq!(damped, LibtorchMode::new(&still, UpdateRule::default(), 1.0).unwrap());
    }

    proptest! {
        #[test]
        fn means_are_those_of_libtorchs_steps(
            momentum in 0.01..0.99f64, rho in 0.0..13.0f64, dampening in 0.0..0.9f64, nesterov: bool,
            steps in 0u64..200,
        ) {
            let parameters = SgdParameters { momentum, ..PARAMETERS };
            let rule = UpdateRule { dampening: if nesterov { 0.0 } else { dampening }, nesterov };
            let mode = LibtorchMode::new(&parameters, rule, rho).unwrap();
            let ours = mode.mean_from_rest(1.7, steps).unwrap();
            let theirs = stepped(&parameters, rule, rho, 1.7, steps);
            prop_assert!((ours[0] - theirs[0]).abs() < 1e-12, "{:?} {:?}", ours, theirs);
            prop_assert!((ours[1] - theirs[1]).abs() < 1e-10, "{:?} {:?}", ours, theirs);
        }

        #[test]
        fn displacements_start_at_zero_and_end_at_twice_the_variance(momentum in 0.01..0.99f64, rho in 0.1..13.0f64) {
            let parameters = SgdParameters { momentum, ..PARAMETERS };
            for rule in [UpdateRule::default(), NESTEROV] {
                let mode = LibtorchMode::new(&parameters, rule, rho).unwrap();
                let [[xx, _], [_, vv]] = mode.stationary_covariance();
                let eta = parameters.learning_rate;
                prop_assert_eq!(mode.mean_squared_displacement(0), 0.0);
                prop_assert!((mode.local_displacement() / (eta * eta * vv) - 1.0).abs() < 1e-13);
                prop_assert!((mode.mean_squared_displacement(1_000_000) / (2.0 * xx) - 1.0).abs() < 1e-12);
            }
        }
    }
}
