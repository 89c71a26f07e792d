//! SGD's variants as libtorch has them: dampening and Nesterov's momentum.
//!
//! libtorch's step, with gradient g (weight decay included):
//!
//! ```text
//! buf' = beta buf + (1 - dampening) g      (at the very first step, buf' = g)
//! u = buf'      (with Nesterov, u = g + beta buf')
//! theta' = theta - eta u
//! ```
//!
//! With beta = 0 the buffer and the dampening are not used. Here as everywhere the velocity is the
//! last step over eta, -u: with Nesterov that is not the buffer.
//!
//! - Dampening d moves the parameters as plain SGD at learning rate eta (1 - d) does, after the
//!   first step.
//! - Nesterov's recursion has the contraction beta (1 - eta(rho+lambda)) where plain SGD has beta,
//!   and a lower limit of stability: eta(rho+lambda) < 2(1+beta)/(1+2 beta).

use super::parameters::{SgdParameters, require};
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
            require(
                "dampening",
                self.dampening,
                self.dampening == 0.0,
                "0 with Nesterov's momentum",
            )?;
            require(
                "momentum",
                parameters.momentum,
                parameters.momentum > 0.0,
                "positive for Nesterov's momentum",
            )?;
        }
        Ok(())
    }

    /// The limit of stability: the largest rho + lambda at which steps of this rule do not grow; as
    /// [`learning_rate_limit`](super::discrete::learning_rate_limit), seen from the other side. 2
    /// (1 + beta) / eta for heavy-ball momentum.
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

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMETERS: SgdParameters = SgdParameters {
        learning_rate: 0.1,
        momentum: 0.9,
        weight_decay: 0.01,
        batch_size: 32.0,
        noise_scale: 2.0,
    };
    const NESTEROV: UpdateRule = UpdateRule { dampening: 0.0, nesterov: true };

    /// |theta| after many of libtorch's steps, as its documentation has them, from 1 and without noise.
    fn distance_after(
        parameters: &SgdParameters,
        rule: UpdateRule,
        curvature: f64,
        steps: u64,
    ) -> f64 {
        let SgdParameters { learning_rate, momentum, .. } = *parameters;
        let (mut position, mut buffer) = (1.0_f64, None);
        for _ in 0..steps {
            let gradient = curvature * position;
            let next = buffer
                .map_or(gradient, |buffer| momentum * buffer + (1.0 - rule.dampening) * gradient);
            buffer = Some(next);
            let update = match (momentum == 0.0, rule.nesterov) {
                (true, _) => gradient,
                (_, true) => gradient + momentum * next,
                _ => next,
            };
            position -= learning_rate * update;
        }
        position.abs()
    }

    #[test]
    fn rules_libtorch_refuses_are_errors() {
        assert!(UpdateRule { dampening: 0.1, nesterov: true }.validate(&PARAMETERS).is_err());
        assert!(UpdateRule { dampening: 1.0, nesterov: false }.validate(&PARAMETERS).is_err());
        assert!(NESTEROV.validate(&SgdParameters { momentum: 0.0, ..PARAMETERS }).is_err());
    }

    #[test]
    fn steps_shrink_below_the_limit_and_grow_above_it() {
        let still = SgdParameters { momentum: 0.0, ..PARAMETERS };
        let dampened = UpdateRule { dampening: 0.4, nesterov: false };
        let cases = [
            (PARAMETERS, UpdateRule::default()),
            (PARAMETERS, dampened),
            (PARAMETERS, NESTEROV),
            (still, UpdateRule::default()),
            (still, dampened),
        ];
        for (parameters, rule) in cases {
            let limit = rule.curvature_limit(&parameters).unwrap();
            let below = distance_after(&parameters, rule, limit * 0.99, 4_000);
            let above = distance_after(&parameters, rule, limit * 1.01, 4_000);
            assert!(below < 1e-3 && above > 1e3, "{rule:?} at {limit}: {below} {above}");
        }
    }
}
