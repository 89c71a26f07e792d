//! Eigenvectors, or other directions, with what is known of them.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::record::ParameterInfo;
use crate::run::artefacts::curvature_summary::CurvatureSummary;

/// K eigenvectors of m elements, or other directions, with what is known of them. The lists are
/// equally long; a number that is not known is NaN.
///
/// Made by `curvature::eigenvectors` and `curvature::EigenpairFollower`, or from plain directions
/// by `from`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Eigenvectors {
    /// The parameters whose elements the vectors have, in order; sum of their sizes: m.
    pub parameters: Vec<ParameterInfo>,
    /// q_i. Shared, since they are K times as large as the parameters: a clone takes no memory.
    pub eigenvectors: Arc<Vec<Vec<f32>>>,
    /// rho_i.
    pub eigenvalues: Vec<f64>,
    /// Residual norms.
    pub residuals: Vec<f64>,
    /// Whether each is within the tolerance asked for.
    pub converged: Vec<bool>,
    /// sum_j <q_i, p_j>^2 over the vectors p_j of an earlier time, of which these are the
    /// continuation.
    pub overlaps: Vec<f64>,
    /// lambda, where `eigenvalues` are those of the Hessian with lambda I added; else 0.
    pub weight_decay: f64,
    /// Hessian-vector products spent on them.
    pub products: Option<u64>,
    /// What else was measured of the Hessian. A run that is observed along these directions keeps
    /// it beside their eigenvalues; a file of eigenvectors does not hold it.
    pub summary: Option<CurvatureSummary>,
}

impl From<Vec<Vec<f32>>> for Eigenvectors {
    /// Directions of which nothing else is known, over parameters that are not named.
    fn from(directions: Vec<Vec<f32>>) -> Eigenvectors {
        let count = directions.len();
        let unknown = vec![f64::NAN; count];
        Eigenvectors {
            eigenvectors: Arc::new(directions),
            eigenvalues: unknown.clone(),
            residuals: unknown.clone(),
            converged: vec![false; count],
            overlaps: unknown,
            ..Eigenvectors::default()
        }
    }
}

impl Eigenvectors {
    /// The same with what else was measured of the Hessian: `perrin fit` and `perrin report` find
    /// it in the folder of a run observed along these directions.
    pub fn with_summary(self, summary: CurvatureSummary) -> Eigenvectors {
        Eigenvectors { summary: Some(summary), ..self }
    }

    /// How many there are, and their length.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if lengths do not fit together.
    pub(crate) fn check(&self) -> Result<(usize, usize)> {
        self.check_lists()?;
        let count = self.eigenvalues.len();
        let dimension = dimension_of(&self.parameters).unwrap_or(usize::MAX);
        if self.eigenvectors.len() != count {
            return Err(mismatch("eigenvectors", self.eigenvectors.len(), count));
        }
        match self.eigenvectors.iter().find(|vector| vector.len() != dimension) {
            Some(vector) => Err(mismatch("eigenvector", vector.len(), dimension)),
            None => Ok((count, dimension)),
        }
    }

    /// Whether all that is known is known of the same number of vectors; these may have been left
    /// out.
    pub(crate) fn check_lists(&self) -> Result<()> {
        let count = self.eigenvalues.len();
        let lengths = [self.residuals.len(), self.converged.len(), self.overlaps.len()];
        match lengths.into_iter().find(|&length| length != count) {
            Some(length) => Err(mismatch("values of the eigenvectors", length, count)),
            None => Ok(()),
        }
    }

    /// Whether the summary is a measurement, and of as many directions.
    ///
    /// # Errors
    /// [`Error::InvalidInput`], [`Error::ShapeMismatch`].
    pub(crate) fn check_summary(&self) -> Result<()> {
        let count = self.eigenvalues.len();
        let Some(summary) = &self.summary else { return Ok(()) };
        summary.check()?;
        let variances =
            summary.gradient_noise.as_ref().map_or(count, |noise| noise.variances.len());
        if variances == count {
            Ok(())
        } else {
            Err(mismatch("variances of gradients", variances, count))
        }
    }
}

/// m; none if a shape is impossible.
pub(crate) fn dimension_of(parameters: &[ParameterInfo]) -> Option<usize> {
    let size = |shape: &[i64]| {
        shape
            .iter()
            .try_fold(1_usize, |size, &extent| size.checked_mul(usize::try_from(extent).ok()?))
    };
    parameters.iter().try_fold(0_usize, |sum, parameter| sum.checked_add(size(&parameter.shape)?))
}

fn mismatch(name: &'static str, found: usize, expected: usize) -> Error {
    Error::ShapeMismatch { name, found: format!("[{found}]"), expected: format!("[{expected}]") }
}
