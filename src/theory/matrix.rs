//! Checks and small products of dense matrices.

use nalgebra::{DMatrix, DVector};

use super::parameters::require;
use crate::error::{Error, Result};

/// Asymmetry, and negative eigenvalues, of a matrix that must have none, are rounding below this
/// times its size.
pub(crate) const ROUNDING: f64 = 1e-12;

/// m x m^T.
pub(crate) fn conjugate(m: &DMatrix<f64>, x: &DMatrix<f64>) -> DMatrix<f64> {
    m * x * m.transpose()
}

/// Removes what rounding left of asymmetry.
pub(crate) fn symmetrize(m: &mut DMatrix<f64>) {
    let transposed = m.transpose();
    *m += transposed;
    *m *= 0.5;
}

/// [`Error::ShapeMismatch`] unless n x n with n > 0, [`Error::InvalidValue`] unless finite.
pub(crate) fn require_square(name: &'static str, m: &DMatrix<f64>, n: usize) -> Result<()> {
    if m.shape() != (n, n) || n == 0 {
        let expected = n.max(1);
        return Err(Error::ShapeMismatch {
            name,
            found: format!("{} x {}", m.nrows(), m.ncols()),
            expected: format!("{expected} x {expected}"),
        });
    }
    require_finite_entries(name, m.iter())
}

/// [`Error::ShapeMismatch`] unless of length n, [`Error::InvalidValue`] unless finite.
pub(crate) fn require_vector(name: &'static str, vector: &DVector<f64>, n: usize) -> Result<()> {
    if vector.len() != n {
        return Err(Error::ShapeMismatch {
            name,
            found: format!("[{}]", vector.len()),
            expected: format!("[{n}]"),
        });
    }
    require_finite_entries(name, vector.iter())
}

/// [`Error::InvalidValue`] unless every entry is finite.
pub(crate) fn require_finite_entries<'a>(
    name: &'static str,
    mut entries: impl Iterator<Item = &'a f64>,
) -> Result<()> {
    match entries.find(|entry| !entry.is_finite()) {
        Some(&value) => {
            Err(Error::InvalidValue { name, value, requirement: "finite in every entry" })
        }
        None => Ok(()),
    }
}

/// [`Error::InvalidValue`] unless symmetric to rounding.
pub(crate) fn require_symmetric(name: &'static str, m: &DMatrix<f64>) -> Result<()> {
    let asymmetry = (m - m.transpose()).amax();
    require(
        name,
        asymmetry,
        asymmetry <= ROUNDING * m.amax(),
        "symmetric (the value is its largest asymmetry)",
    )
}
