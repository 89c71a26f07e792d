//! A whole network's Hessian: the few eigenvalues that were measured, and the bulk as a density.

use super::parameters::{require_not_negative, require_positive};
use crate::error::{Error, Result};

/// Eigenvalues with multiplicities. A multiplicity need not be whole: a density's node stands for
/// its share of the bulk.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Spectrum {
    modes: Vec<SpectrumMode>,
}

/// An eigenvalue and how many directions have it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpectrumMode {
    /// rho >= 0.
    pub eigenvalue: f64,
    /// Directions with this eigenvalue, > 0.
    pub multiplicity: f64,
}

impl Spectrum {
    /// Single modes, in the order given.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for an eigenvalue that is negative or not finite: the noise sigma^2
    /// H would be indefinite.
    pub fn from_eigenvalues(eigenvalues: &[f64]) -> Result<Spectrum> {
        let mode = |&eigenvalue| {
            require_not_negative("eigenvalue", eigenvalue)?;
            Ok(SpectrumMode { eigenvalue, multiplicity: 1.0 })
        };
        Ok(Spectrum { modes: eigenvalues.iter().map(mode).collect::<Result<_>>()? })
    }

    /// Adds a bulk of `dimension` directions with eigenvalue density
    /// `sum_i weights[i] delta(rho - nodes[i])`, as stochastic Lanczos quadrature gives it. Weights
    /// are normalised to sum 1. When measured eigenvalues are in the spectrum already, `dimension`
    /// is what is left, and the density should not contain them again.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for unequal lengths, [`Error::InvalidValue`] for a negative node or
    /// weight, weights that sum to nothing, or a dimension that is not positive.
    pub fn with_density(
        mut self,
        nodes: &[f64],
        weights: &[f64],
        dimension: f64,
    ) -> Result<Spectrum> {
        if nodes.len() != weights.len() {
            return Err(Error::ShapeMismatch {
                name: "weights",
                found: weights.len().to_string(),
                expected: nodes.len().to_string(),
            });
        }
        require_positive("dimension", dimension)?;
        for (&node, &weight) in nodes.iter().zip(weights) {
            require_not_negative("nodes", node)?;
            require_not_negative("weights", weight)?;
        }
        let total: f64 = weights.iter().sum();
        require_positive("the sum of weights", total)?;
        let bulk = nodes.iter().zip(weights).filter(|(_, weight)| **weight > 0.0);
        self.modes.extend(bulk.map(|(&eigenvalue, weight)| SpectrumMode {
            eigenvalue,
            multiplicity: dimension * (weight / total),
        }));
        Ok(self)
    }

    /// The modes: those measured first, then the density's nodes.
    pub fn modes(&self) -> &[SpectrumMode] {
        &self.modes
    }

    /// tr(H).
    pub fn trace(&self) -> f64 {
        self.modes.iter().map(|mode| mode.multiplicity * mode.eigenvalue).sum()
    }

    /// Number of directions.
    pub fn dimension(&self) -> f64 {
        self.modes.iter().map(|mode| mode.multiplicity).sum()
    }

    /// The largest eigenvalue; 0 for an empty spectrum.
    pub fn largest_eigenvalue(&self) -> f64 {
        self.modes.iter().map(|mode| mode.eigenvalue).fold(0.0, f64::max)
    }

    /// The modes that move: along an eigenvector of eigenvalue 0 the noise sigma^2 rho is zero too.
    pub(crate) fn moving_modes(&self) -> impl Iterator<Item = &SpectrumMode> {
        self.modes.iter().filter(|mode| mode.eigenvalue > 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_density_adds_its_share_of_directions() {
        let spectrum = Spectrum::from_eigenvalues(&[10.0, 4.0]).unwrap();
        let spectrum = spectrum.with_density(&[0.0, 0.1, 0.5], &[2.0, 1.0, 1.0], 1000.0).unwrap();
        assert_eq!(spectrum.dimension(), 1002.0);
        assert_eq!(spectrum.trace(), 14.0 + 25.0 + 125.0);
        assert_eq!(spectrum.largest_eigenvalue(), 10.0);
        assert_eq!(spectrum.moving_modes().count(), 4);
    }

    #[test]
    fn bad_spectra_are_errors() {
        assert!(Spectrum::from_eigenvalues(&[1.0, -0.1]).is_err());
        let empty = Spectrum::default();
        assert!(matches!(
            empty.clone().with_density(&[1.0], &[], 5.0),
            Err(Error::ShapeMismatch { .. })
        ));
        assert!(empty.clone().with_density(&[-1.0], &[1.0], 5.0).is_err());
        assert!(empty.clone().with_density(&[1.0], &[0.0], 5.0).is_err());
        assert!(empty.with_density(&[1.0], &[1.0], 0.0).is_err());
    }
}
