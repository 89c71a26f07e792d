//! Subspace iteration as the paper uses it (appendix H.1), for comparison with [`super::lanczos`].
//!
//! K random orthonormal vectors are multiplied and made orthonormal again (QR), a fixed number of
//! times; the eigenvalues are the diagonal of R. Nothing in the method says how good they are, so
//! it is followed here by K more products for Rayleigh quotients and residuals, counted apart.
//!
//! It converges to the eigenvalues largest in magnitude: negative ones come up among the others,
//! and R has lost their sign.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::eigenpairs::Eigenpair;
use super::operator::{CountedOperator, SymmetricOperator};
use super::tall::{inner_product, normalize_against, orthonormalize};
use crate::error::{Error, Result};

/// What to compute.
#[derive(Debug, Clone, PartialEq)]
pub struct SubspaceIterationOptions {
    /// K, at most the dimension is used.
    pub count: usize,
    /// Multiplications of all K vectors, at least 1. The paper's is 10.
    pub iterations: usize,
    /// Residual, relative to the largest eigenvalue in magnitude, at which a pair is marked
    /// converged. Nothing else depends on it.
    pub residual_tolerance: f64,
    /// Seed of the random start.
    pub seed: u64,
}

/// What subspace iteration arrived at.
#[derive(Debug, Clone, PartialEq)]
pub struct SubspaceIteration {
    /// In the order in which the columns ended. The eigenvalue is the Rayleigh quotient.
    pub pairs: Vec<Eigenpair>,
    /// Diagonal of the last R: the paper's eigenvalues, all of them positive.
    pub diagonal_of_r: Vec<f64>,
    /// K x iterations; fewer where the operator's rank is below K.
    pub products: usize,
    /// Products spent afterwards on Rayleigh quotients and residuals: K.
    pub products_for_residuals: usize,
}

/// Runs subspace iteration. If the operator's rank is smaller than K, only as many vectors are
/// left.
///
/// # Errors
/// [`Error::InvalidValue`] for a count or number of iterations of 0, [`Error::NonFiniteProduct`],
/// and what the operator returns.
pub fn subspace_iteration(
    operator: &mut dyn SymmetricOperator,
    options: &SubspaceIterationOptions,
) -> Result<SubspaceIteration> {
    for (name, value) in [("count", options.count), ("iterations", options.iterations)] {
        if value == 0 {
            return Err(Error::InvalidValue { name, value: 0.0, requirement: "at least 1" });
        }
    }
    let mut operator = CountedOperator::new(operator)?;
    let dimension = operator.dimension();
    let mut random = ChaCha8Rng::seed_from_u64(options.seed);
    let mut draw =
        || (0..dimension).map(|_| StandardNormal.sample(&mut random)).collect::<Vec<f32>>();
    let mut basis: Vec<Vec<f32>> = (0..options.count.min(dimension)).map(|_| draw()).collect();
    orthonormalize(&mut basis);
    let mut diagonal_of_r = Vec::new();
    for _ in 0..options.iterations {
        let products = multiply(&mut operator, &basis)?;
        basis.clear();
        diagonal_of_r.clear();
        for product in products {
            let mut column = product.clone();
            if normalize_against(&basis, &mut column) {
                diagonal_of_r.push(inner_product(&column, &product));
                basis.push(column);
            }
        }
    }
    let products = operator.products();
    let images = multiply(&mut operator, &basis)?;
    let mut pairs: Vec<Eigenpair> =
        basis.into_iter().zip(&images).map(|(column, image)| pair(column, image)).collect();
    let scale = pairs.iter().map(|pair| pair.eigenvalue.abs()).fold(0.0, f64::max);
    for pair in &mut pairs {
        pair.converged = pair.residual <= options.residual_tolerance * scale;
    }
    let products_for_residuals = operator.products() - products;
    Ok(SubspaceIteration { pairs, diagonal_of_r, products, products_for_residuals })
}

fn multiply(operator: &mut CountedOperator, basis: &[Vec<f32>]) -> Result<Vec<Vec<f32>>> {
    let mut results = Vec::with_capacity(basis.len());
    for vector in basis {
        let mut product = vec![0.0; vector.len()];
        operator.multiply(vector, &mut product)?;
        results.push(product);
    }
    Ok(results)
}

fn pair(eigenvector: Vec<f32>, image: &[f32]) -> Eigenpair {
    let eigenvalue = inner_product(&eigenvector, image);
    let square = |(q, h): (&f32, &f32)| (f64::from(*h) - eigenvalue * f64::from(*q)).powi(2);
    let residual = eigenvector.iter().zip(image).map(square).sum::<f64>().sqrt();
    Eigenpair { eigenvalue, eigenvector, residual, converged: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::operator::DiagonalOperator;

    fn run(diagonal: Vec<f64>, count: usize, iterations: usize) -> Result<SubspaceIteration> {
        let options =
            SubspaceIterationOptions { count, iterations, residual_tolerance: 1e-3, seed: 3 };
        subspace_iteration(&mut DiagonalOperator { diagonal }, &options)
    }

    #[test]
    fn finds_the_largest_in_magnitude_and_r_loses_the_sign() {
        let mut diagonal = vec![0.01; 200];
        diagonal[..3].copy_from_slice(&[4.0, -2.0, 1.0]);
        let found = run(diagonal, 3, 20).unwrap();
        for (pair, expected) in found.pairs.iter().zip([4.0, -2.0, 1.0]) {
            assert!((pair.eigenvalue - expected).abs() < 1e-5 && pair.converged, "{pair:?}");
        }
        assert!((found.diagonal_of_r[1] - 2.0).abs() < 1e-5);
        assert_eq!((found.products, found.products_for_residuals), (60, 3));
    }

    #[test]
    fn keeps_only_as_many_vectors_as_the_rank() {
        let mut diagonal = vec![0.0; 50];
        diagonal[..2].copy_from_slice(&[3.0, 1.0]);
        let found = run(diagonal, 5, 10).unwrap();
        assert_eq!((found.pairs.len(), found.diagonal_of_r.len()), (2, 2));
        assert!(matches!(run(vec![1.0], 1, 0), Err(Error::InvalidValue { .. })));
    }
}
