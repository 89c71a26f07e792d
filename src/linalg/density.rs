//! The density of an operator's eigenvalues, by stochastic Lanczos quadrature.
//!
//! A random vector v of norm 1 sees the spectrum with weights <v, q_i>^2, 1/m each in the mean. p
//! steps of Lanczos from v give the Gauss quadrature of that measure: nodes theta_k (Ritz values)
//! and weights, exact for polynomials up to degree 2p - 1 (Golub & Meurant, Matrices, Moments and
//! Quadrature; for Hessians Ghorbani, Krishnan & Xiao, ICML 2019). Averages over independent v
//! converge to those over the spectrum.
//!
//! Eigenvalues that stand apart get a node of their own, with a weight that scatters about 1/m;
//! within the bulk nodes and weights only stand for the mass around them.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::krylov::{Krylov, SYMMETRY_TOLERANCE};
use super::operator::{CountedOperator, SymmetricOperator};
use super::trace::{mean_and_standard_error, random_signs};
use crate::error::{Error, Result};

/// How many products to spend on a density: at most `starts` x `steps`.
#[derive(Debug, Clone, PartialEq)]
pub struct DensityOptions {
    /// Independent random start vectors.
    pub starts: usize,
    /// Lanczos steps from each; as many basis vectors are held at a time.
    pub steps: usize,
    /// Seed of the start vectors.
    pub seed: u64,
}

/// A quadrature node: weight of the spectrum at about an eigenvalue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Node {
    /// Where.
    pub eigenvalue: f64,
    /// Fraction of all eigenvalues, by the start vector the node belongs to.
    pub weight: f64,
}

/// The spectral density as quadratures, one for each start vector.
#[derive(Debug, Clone, PartialEq)]
pub struct SpectralDensity {
    /// m.
    pub dimension: usize,
    /// Nodes by falling eigenvalue; the weights of one quadrature sum to 1.
    pub quadratures: Vec<Vec<Node>>,
    /// Products spent.
    pub products: usize,
}

/// Estimates the density of the eigenvalues.
///
/// # Errors
/// [`Error::InvalidValue`] for no starts or steps, [`Error::NonFiniteProduct`],
/// [`Error::NotSymmetric`], and what the operator returns.
pub fn spectral_density(
    operator: &mut dyn SymmetricOperator,
    options: &DensityOptions,
) -> Result<SpectralDensity> {
    for (name, value) in [("starts", options.starts), ("steps", options.steps)] {
        if value == 0 {
            return Err(Error::InvalidValue { name, value: 0.0, requirement: "at least 1" });
        }
    }
    let mut random = ChaCha8Rng::seed_from_u64(options.seed);
    let mut products = 0;
    let mut quadratures = Vec::with_capacity(options.starts);
    for _ in 0..options.starts {
        let counted = CountedOperator::new(operator)?;
        let dimension = counted.dimension();
        // The last step's remainder is a column too.
        let mut krylov = Krylov::new(counted, dimension.min(options.steps + 1), 0);
        krylov.add(random_signs(&mut random, dimension));
        while krylov.expanded() < options.steps && krylov.frontier() > 0 {
            krylov.expand(1, SYMMETRY_TOLERANCE)?;
        }
        products += krylov.operator.products();
        let ritz = krylov.ritz();
        let node = |(&eigenvalue, weight)| Node { eigenvalue, weight };
        quadratures
            .push(ritz.values.iter().zip(ritz.weights_of_first_column()).map(node).collect());
    }
    Ok(SpectralDensity { dimension: operator.dimension(), quadratures, products })
}

impl SpectralDensity {
    /// The mean of `function` over all eigenvalues, and its standard error over the start vectors
    /// (0 if there is but one).
    pub fn mean_of(&self, function: impl Fn(f64) -> f64) -> (f64, f64) {
        let integral = |nodes: &Vec<Node>| {
            nodes.iter().map(|node| node.weight * function(node.eigenvalue)).sum()
        };
        mean_and_standard_error(&self.quadratures.iter().map(integral).collect::<Vec<f64>>())
    }

    /// tr(H) and its standard error. For the trace alone [`super::trace`] is cheaper: only the
    /// first product of each start counts here.
    pub fn trace(&self) -> (f64, f64) {
        let (mean, standard_error) = self.mean_of(|eigenvalue| eigenvalue);
        (mean * self.dimension as f64, standard_error * self.dimension as f64)
    }

    /// The density at each of `positions`, every node widened to a Gaussian of the given standard
    /// deviation. Its integral is 1.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for a width that is not positive and finite.
    pub fn smoothed(&self, positions: &[f64], width: f64) -> Result<Vec<f64>> {
        if !(width > 0.0 && width.is_finite()) {
            return Err(Error::InvalidValue {
                name: "width",
                value: width,
                requirement: "positive and finite",
            });
        }
        let height = 1.0 / (width * std::f64::consts::TAU.sqrt());
        let gaussian = |distance: f64| height * (-0.5 * (distance / width).powi(2)).exp();
        Ok(positions
            .iter()
            .map(|&x| self.mean_of(|eigenvalue| gaussian(x - eigenvalue)).0)
            .collect())
    }
}
