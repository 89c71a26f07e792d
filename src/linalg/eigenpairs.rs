//! Eigenvalues and eigenvectors with what is known of their accuracy, and comparisons of two sets
//! of them.

use super::tall::inner_product;
use crate::error::{Error, Result};

/// An approximate eigenvalue and eigenvector of a symmetric operator H.
#[derive(Debug, Clone, PartialEq)]
pub struct Eigenpair {
    /// rho = <q, H q>.
    pub eigenvalue: f64,
    /// q, of norm 1. Its sign is arbitrary; see [`align_signs`].
    pub eigenvector: Vec<f32>,
    /// ||H q - rho q||. H has an eigenvalue this near to `eigenvalue`.
    pub residual: f64,
    /// Whether `residual` is within the tolerance asked for. If not, `eigenvector` may be far from
    /// any eigenvector.
    pub converged: bool,
}

/// Eigenpairs at both ends of a spectrum, as [`super::lanczos`] finds them.
#[derive(Debug, Clone, PartialEq)]
pub struct Eigenpairs {
    /// The algebraically largest, falling. They may be zero or negative if fewer are positive.
    pub largest: Vec<Eigenpair>,
    /// The algebraically smallest, rising.
    pub smallest: Vec<Eigenpair>,
    /// Products spent in all.
    pub products: usize,
    /// Products after which every pair asked for had converged for the first time: without the
    /// probe.
    pub products_to_convergence: Option<usize>,
    /// Times the basis was compressed to stay within `max_basis`.
    pub restarts: usize,
    /// Largest |<u, H v> - <v, H u>| of two basis vectors, relative to the longest product.
    pub asymmetry: f64,
}

impl Eigenpairs {
    /// Whether every pair has converged.
    pub fn all_converged(&self) -> bool {
        self.largest.iter().chain(&self.smallest).all(|pair| pair.converged)
    }
}

/// Turns eigenvectors so that each has a positive inner product with its counterpart among those of
/// an earlier time. Vectors without a counterpart are left as they are.
///
/// # Errors
/// [`Error::ShapeMismatch`] for vectors of another length.
pub fn align_signs(pairs: &mut [Eigenpair], previous: &[Vec<f32>]) -> Result<()> {
    for (pair, previous) in pairs.iter_mut().zip(previous) {
        check_length(previous.len(), pair.eigenvector.len())?;
        if inner_product(&pair.eigenvector, previous) < 0.0 {
            pair.eigenvector.iter_mut().for_each(|element| *element = -*element);
        }
    }
    Ok(())
}

/// How much of each vector lies in the span of orthonormal vectors: sum over j of <a_i, b_j>^2, for
/// unit a_i between 0 (orthogonal to all) and 1.
///
/// # Errors
/// [`Error::ShapeMismatch`] for vectors of different lengths.
pub fn overlaps(a: &[Vec<f32>], b: &[Vec<f32>]) -> Result<Vec<f64>> {
    if let Some(first) = a.first() {
        a.iter().chain(b).try_for_each(|vector| check_length(vector.len(), first.len()))?;
    }
    let squared = |x: &Vec<f32>, y: &Vec<f32>| inner_product(x, y).powi(2);
    Ok(a.iter().map(|x| b.iter().map(|y| squared(x, y)).sum()).collect())
}

/// How much of one subspace lies in another, both given by orthonormal vectors: the mean squared
/// cosine of their principal angles, sum over i, j of <a_i, b_j>^2, divided by the smaller
/// dimension. 1: one contains the other; 0: orthogonal. Two random subspaces of dimension k in m
/// dimensions have k / m. Exchanged or mixed vectors within a subspace do not lower it.
///
/// # Errors
/// [`Error::ShapeMismatch`] for vectors of different lengths, and [`Error::NotEnoughData`] if one
/// set is empty.
pub fn subspace_overlap(a: &[Vec<f32>], b: &[Vec<f32>]) -> Result<f64> {
    let smaller = a.len().min(b.len());
    if smaller == 0 {
        let reason = "one of them has no vectors".to_owned();
        return Err(Error::NotEnoughData { question: "compare two subspaces", reason });
    }
    Ok(overlaps(a, b)?.iter().sum::<f64>() / smaller as f64)
}

fn check_length(found: usize, expected: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    let (found, expected) = (format!("[{found}]"), format!("[{expected}]"));
    Err(Error::ShapeMismatch { name: "eigenvector", found, expected })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(eigenvector: Vec<f32>) -> Eigenpair {
        Eigenpair { eigenvalue: 1.0, eigenvector, residual: 0.0, converged: true }
    }

    #[test]
    fn signs_follow_the_previous_vectors() {
        let mut pairs = [pair(vec![0.8, -0.6]), pair(vec![0.6, 0.8]), pair(vec![-1.0, 0.0])];
        align_signs(&mut pairs, &[vec![-1.0, 0.1], vec![0.0, 1.0]]).unwrap();
        assert_eq!(pairs[0].eigenvector, [-0.8, 0.6]);
        assert_eq!(pairs[1].eigenvector, [0.6, 0.8]);
        assert_eq!(pairs[2].eigenvector, [-1.0, 0.0], "no counterpart");
        assert!(matches!(align_signs(&mut pairs, &[vec![1.0]]), Err(Error::ShapeMismatch { .. })));
    }

    #[test]
    fn overlap_is_of_subspaces_not_of_vectors() {
        let unit = |i: usize| (0..4).map(|j| f32::from(u8::from(i == j))).collect::<Vec<f32>>();
        let (sine, cosine) = 0.3_f32.sin_cos();
        let mixed = vec![vec![cosine, sine, 0.0, 0.0], vec![-sine, cosine, 0.0, 0.0]];
        assert!((subspace_overlap(&[unit(1), unit(0)], &mixed).unwrap() - 1.0).abs() < 1e-6);
        assert_eq!(subspace_overlap(&[unit(0), unit(1)], &[unit(2)]).unwrap(), 0.0);
        assert_eq!(subspace_overlap(&[unit(0), unit(1)], &[unit(1), unit(2)]).unwrap(), 0.5);
        assert!(matches!(subspace_overlap(&[], &mixed), Err(Error::NotEnoughData { .. })));
        assert!(matches!(subspace_overlap(&[vec![1.0]], &mixed), Err(Error::ShapeMismatch { .. })));
    }
}
