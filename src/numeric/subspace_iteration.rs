//! Subspace iteration as the paper uses it (appendix H.1), for comparison with [`super::lanczos`].
//!
//! K random orthonormal vectors are multiplied and made orthonormal again (QR), a fixed number of times; the eigenvalues are the diagonal of R.
//! Nothing in the method says how good they are, so it is followed here by K more products for Rayleigh quotients and residuals, counted apart.
//!
//! It converges to the eigenvalues largest in magnitude: negative ones come up among the others, and R has lost their sign.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::eigenpairs::Eigenpair;
use super::operator::{CountedOperator, SymmetricOperator};
use super::tall::{inner_product, orthonormalize};
use crate::error::{Error, Result};

/// What to compute.
#[derive(Debug, Clone, PartialEq)]
pub struct SubspaceIterationOptions {
    /// K, at most the dimension is used.
    pub count: usize,
    /// Multiplications of all K vectors, at least 1. The paper's is 10.
    pub iterations: usize,
    /// Residual, relative to the largest eigenvalue in magnitude, at which a pair is marked converged. Nothing else depends on it.
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
    /// K x iterations.
    pub products: usize,
    /// Products spent afterwards on Rayleigh quotients and residuals: K.
    pub products_for_residuals: usize,
}

/// Runs subspace iteration. If the operator's rank is smaller than K, only as many vectors are left.
///
/// # Errors
/// [`Error::InvalidValue`] for a count or number of iterations of 0, [`Error::NonFiniteProduct`], and what the operator returns.
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
    let mut draw = || (0..dimension).map(|_| StandardNormal.sample(&mut random)).collect::<Vec<f32>>();
    let mut basis: Vec<Vec<f32>> = (0..options.count.min(dimension)).map(|_| draw()).collect();
    orthonormalize(&mut basis);
    let mut diagonal_of_r = Vec::new();
    for _ in 0..options.iterations {
        let products = multiply(&mut operator, &basis)?;
        basis.clone_from(&products);
        orthonormalize(&mut basis);
        // <q_j, H q_j before>: R_jj, where no column was dependent.
        diagonal_of_r = basis.iter().zip(&products).map(|(column, product)| inner_product(column, product)).collect();
    }
    let products = operator.products();
    let images = multiply(&mut operator, &basis)?;
    let mut pairs: Vec<Eigenpair> = basis.into_iter().zip(&images).map(|(column, image)| pair(column, image)).collect();
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
