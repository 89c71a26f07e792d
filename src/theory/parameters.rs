//! The hyperparameters that the equations contain.

use serde::{Deserialize, Serialize};

use super::double_double::DoubleDouble;
use crate::error::{Error, Result};

/// SGD's hyperparameters and the strength of its gradient noise. All dimensionless but as the loss
/// has units.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SgdParameters {
    /// eta > 0.
    pub learning_rate: f64,
    /// beta, in [0, 1).
    pub momentum: f64,
    /// lambda >= 0, as libtorch adds it to the gradient: `g + lambda theta`.
    pub weight_decay: f64,
    /// S > 0, examples in a mini-batch.
    pub batch_size: f64,
    /// sigma^2 >= 0: one example's gradient has covariance `Sigma = sigma^2 H` (assumption 5), a
    /// batch's `Sigma / S`.
    pub noise_scale: f64,
}

impl SgdParameters {
    /// Refuses values outside the ranges of the fields, by name.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] naming the first such field; NaN and infinities are such values.
    pub fn validate(&self) -> Result<()> {
        require_positive("learning_rate", self.learning_rate)?;
        require("momentum", self.momentum, (0.0..1.0).contains(&self.momentum), "in [0, 1)")?;
        require_not_negative("weight_decay", self.weight_decay)?;
        require_positive("batch_size", self.batch_size)?;
        require_not_negative("noise_scale", self.noise_scale)
    }

    /// rho + lambda, the curvature of loss and decay together.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if rho < 0 (the noise covariance sigma^2 rho would be indefinite),
    /// or if rho + lambda is not positive (nothing pulls the mode back, and it has no stationary
    /// state).
    pub(crate) fn curvature(&self, eigenvalue: f64) -> Result<DoubleDouble> {
        require_not_negative("eigenvalue", eigenvalue)?;
        require_positive("eigenvalue + weight_decay", eigenvalue + self.weight_decay)?;
        Ok(DoubleDouble::sum(eigenvalue, self.weight_decay))
    }
}

/// [`Error::InvalidValue`] unless `holds`.
pub(crate) fn require(
    name: &'static str,
    value: f64,
    holds: bool,
    requirement: &'static str,
) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::InvalidValue { name, value, requirement }) }
}

/// [`Error::InvalidValue`] unless `value` is positive and finite.
pub(crate) fn require_positive(name: &'static str, value: f64) -> Result<()> {
    require(name, value, value > 0.0 && value.is_finite(), "positive and finite")
}

/// [`Error::InvalidValue`] unless `value` is zero or positive, and finite.
pub(crate) fn require_not_negative(name: &'static str, value: f64) -> Result<()> {
    require(name, value, value >= 0.0 && value.is_finite(), "zero or positive, and finite")
}

/// [`Error::InvalidValue`] unless `value` is finite.
pub(crate) fn require_finite(name: &'static str, value: f64) -> Result<()> {
    require(name, value, value.is_finite(), "finite")
}

/// The (position, velocity), unless a start near the end of the range of `f64` made it overflow.
pub(crate) fn require_finite_mean(mean: [f64; 2]) -> Result<[f64; 2]> {
    for value in mean {
        require("mean", value, value.is_finite(), "finite: the start is too far away or too fast")?;
    }
    Ok(mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: SgdParameters = SgdParameters {
        learning_rate: 0.1,
        momentum: 0.9,
        weight_decay: 1e-4,
        batch_size: 32.0,
        noise_scale: 1.0,
    };

    #[test]
    fn bad_values_are_named() {
        let cases = [
            ("learning_rate", SgdParameters { learning_rate: 0.0, ..GOOD }),
            ("learning_rate", SgdParameters { learning_rate: f64::NAN, ..GOOD }),
            ("momentum", SgdParameters { momentum: 1.0, ..GOOD }),
            ("momentum", SgdParameters { momentum: -0.1, ..GOOD }),
            ("weight_decay", SgdParameters { weight_decay: -1e-9, ..GOOD }),
            ("batch_size", SgdParameters { batch_size: f64::INFINITY, ..GOOD }),
            ("noise_scale", SgdParameters { noise_scale: -1.0, ..GOOD }),
        ];
        for (expected, parameters) in cases {
            match parameters.validate() {
                Err(Error::InvalidValue { name, .. }) => assert_eq!(name, expected),
                other => panic!("{expected}: {other:?}"),
            }
        }
        GOOD.validate().unwrap();
    }

    #[test]
    fn modes_without_a_stationary_state_are_refused() {
        let without_decay = SgdParameters { weight_decay: 0.0, ..GOOD };
        assert!(without_decay.curvature(0.0).is_err());
        assert!(GOOD.curvature(-1e-12).is_err());
        assert!(GOOD.curvature(f64::NAN).is_err());
        assert_eq!(GOOD.curvature(0.0).unwrap().to_f64(), 1e-4);
    }
}
