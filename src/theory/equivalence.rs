//! Which hyperparameters leave a limiting quantity the same: triples of learning rate, momentum and batch size.
//!
//! By the Langevin theory each quantity is a factor of (eta, beta, S) times one of (sigma^2, H, lambda) that they do
//! not enter; equal factors are equal quantities. In exact discrete time the three are larger by the factor
//! `1 / (1 - eta (rho+lambda) / (2(1+beta)))`: compare with [`discrete`](super::discrete) where that matters.

use super::parameters::{SgdParameters, require};
use crate::error::{Error, Result};

/// A quantity of the stationary state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// E||delta||^2 per step (eq. 12): eta^2 / (S (1 - beta^2)).
    Speed,
    /// Var(position): eta / (S (1 - beta)), in every mode.
    PositionVariance,
    /// Var(velocity): 1 / (S (1 - beta^2)).
    VelocityVariance,
}

/// The factor by which the quantity depends on learning rate, momentum and batch size.
///
/// # Errors
/// [`Error::InvalidValue`] for parameters out of range, here and below.
pub fn factor(quantity: Quantity, parameters: &SgdParameters) -> Result<f64> {
    parameters.validate()?;
    Ok(factor_without_batch(quantity, parameters) / parameters.batch_size)
}

/// The batch size at which `candidate` (its own batch size is not used) has the quantity as `reference` has it. Not
/// rounded.
pub fn matching_batch_size(quantity: Quantity, reference: &SgdParameters, candidate: &SgdParameters) -> Result<f64> {
    let wanted = factor(quantity, reference)?;
    candidate.validate()?;
    Ok(factor_without_batch(quantity, candidate) / wanted)
}

/// The learning rate at which `candidate` has the quantity as `reference` has it.
///
/// # Errors
/// Also [`Error::NotEnoughData`] for [`Quantity::VelocityVariance`], which no learning rate changes.
pub fn matching_learning_rate(quantity: Quantity, reference: &SgdParameters, candidate: &SgdParameters) -> Result<f64> {
    let ratio = factor(quantity, reference)? / factor(quantity, candidate)?;
    match quantity {
        Quantity::Speed => Ok(candidate.learning_rate * ratio.sqrt()),
        Quantity::PositionVariance => Ok(candidate.learning_rate * ratio),
        Quantity::VelocityVariance => Err(Error::NotEnoughData {
            question: "find a learning rate of equal velocity variance",
            reason: "the variance of the velocity does not depend on the learning rate".to_owned(),
        }),
    }
}

/// The momentum at which `candidate` has the quantity as `reference` has it.
///
/// # Errors
/// Also [`Error::InvalidValue`] if no momentum in [0, 1) does: then the quantity is too large already without momentum.
pub fn matching_momentum(quantity: Quantity, reference: &SgdParameters, candidate: &SgdParameters) -> Result<f64> {
    let wanted = factor(quantity, reference)?;
    let still = factor(quantity, &SgdParameters { momentum: 0.0, ..*candidate })?;
    // beta for the position's variance, beta^2 for the others; -1e-15 is rounding.
    let rest = 1.0 - still / wanted;
    let rest = if rest > -1e-12 { rest.max(0.0) } else { rest };
    require(
        "momentum",
        rest,
        (0.0..1.0).contains(&rest),
        "in [0, 1): lower the learning rate or raise the batch size",
    )?;
    Ok(match quantity {
        Quantity::PositionVariance => rest,
        Quantity::Speed | Quantity::VelocityVariance => rest.sqrt(),
    })
}

/// Learning rate and batch size at which `momentum` gives both the speed and the position variance of `reference`: the
/// learning rate in proportion to 1 + beta, `eta / (1 + beta)` being speed over variance. The damping ratio is not
/// kept.
pub fn same_speed_and_variance(reference: &SgdParameters, momentum: f64) -> Result<SgdParameters> {
    reference.validate()?;
    let learning_rate = reference.learning_rate * (1.0 + momentum) / (1.0 + reference.momentum);
    let candidate = SgdParameters { momentum, learning_rate, ..*reference };
    let batch_size = matching_batch_size(Quantity::Speed, reference, &candidate)?;
    Ok(SgdParameters { batch_size, ..candidate })
}

fn factor_without_batch(quantity: Quantity, parameters: &SgdParameters) -> f64 {
    let SgdParameters { learning_rate, momentum, .. } = *parameters;
    let friction = 1.0 - momentum;
    match quantity {
        Quantity::Speed => learning_rate * learning_rate / (friction * (1.0 + momentum)),
        Quantity::PositionVariance => learning_rate / friction,
        Quantity::VelocityVariance => 1.0 / (friction * (1.0 + momentum)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::langevin::LangevinMode;
    use super::*;

    const REFERENCE: SgdParameters =
        SgdParameters { learning_rate: 1e-4, momentum: 0.9, weight_decay: 1e-4, batch_size: 256.0, noise_scale: 2.0 };

    /// The quantity itself, in a mode of eigenvalue 3.
    fn measured(quantity: Quantity, parameters: &SgdParameters) -> f64 {
        let mode = LangevinMode::new(parameters, 3.0).unwrap();
        match quantity {
            Quantity::Speed => mode.local_displacement(),
            Quantity::PositionVariance => mode.position_variance(),
            Quantity::VelocityVariance => mode.velocity_variance(),
        }
    }

    fn assert_same(quantity: Quantity, candidate: &SgdParameters) {
        let ratio = measured(quantity, candidate) / measured(quantity, &REFERENCE);
        assert!((ratio - 1.0).abs() < 1e-12, "{quantity:?} {candidate:?}: {ratio}");
    }

    #[test]
    fn matched_triples_have_the_same_quantity() {
        let candidate = SgdParameters { learning_rate: 2.5e-4, momentum: 0.8, batch_size: 512.0, ..REFERENCE };
        for quantity in [Quantity::Speed, Quantity::PositionVariance, Quantity::VelocityVariance] {
            let batch_size = matching_batch_size(quantity, &REFERENCE, &candidate).unwrap();
            assert_same(quantity, &SgdParameters { batch_size, ..candidate });
            if let Ok(learning_rate) = matching_learning_rate(quantity, &REFERENCE, &candidate) {
                assert_same(quantity, &SgdParameters { learning_rate, ..candidate });
            } else {
                assert_eq!(quantity, Quantity::VelocityVariance);
            }
            let momentum = matching_momentum(quantity, &REFERENCE, &candidate).unwrap();
            assert_same(quantity, &SgdParameters { momentum, ..candidate });
        }
    }

    #[test]
    fn impossible_matches_are_errors() {
        let fast = SgdParameters { learning_rate: 0.1, ..REFERENCE };
        assert!(matching_momentum(Quantity::Speed, &REFERENCE, &fast).is_err());
        assert_eq!(matching_momentum(Quantity::Speed, &SgdParameters { momentum: 0.0, ..fast }, &fast).unwrap(), 0.0);
        assert!(same_speed_and_variance(&REFERENCE, 1.0).is_err());
    }

    #[test]
    fn speed_and_variance_are_kept_together() {
        let candidate = same_speed_and_variance(&REFERENCE, 0.5).unwrap();
        assert_same(Quantity::Speed, &candidate);
        assert_same(Quantity::PositionVariance, &candidate);
    }
}
