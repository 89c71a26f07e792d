//! The trace of an operator from its products with random vectors, with a standard error.
//!
//! Hutchinson (1989): for g with independent signs as elements, E <g, H g> = tr(H), with variance 2
//! sum over i != j of H_ij^2. A few large eigenvalues make it large. Hutch++ (Meyer, Musco, Musco &
//! Woodruff, SOSA 2021) takes the trace over the subspace that a few products point at exactly, and
//! samples only the rest:
//!
//!   tr(H) = tr(Q^T H Q) + E <g, (I - Q Q^T) H (I - Q Q^T) g>.
//!
//! Given Q the estimate is unbiased, and the samples are independent, so their spread gives a
//! standard error that covers the whole error.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::operator::{CountedOperator, SymmetricOperator};
use super::tall::{inner_product, inner_products, orthonormalize, subtract_combination};
use crate::error::{Error, Result};

/// How many products to spend on a trace, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceOptions {
    /// Dimension of the subspace treated exactly; two products each. 0: plain Hutchinson.
    pub sketch: usize,
    /// Random vectors for the rest, at least 2; one product each.
    pub samples: usize,
    /// Most vectors to multiply at once.
    pub block_size: usize,
    /// Seed of the random vectors.
    pub seed: u64,
}

impl Default for TraceOptions {
    /// Hutch++ with 60 products: 15 sketched directions and 30 samples.
    fn default() -> Self {
        TraceOptions { sketch: 15, samples: 30, block_size: 8, seed: 0 }
    }
}

/// An estimated trace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TraceEstimate {
    /// tr(H).
    pub trace: f64,
    /// Its standard error. 0 if the sketch spans the whole space.
    pub standard_error: f64,
    /// Products spent.
    pub products: usize,
}

/// Estimates tr(H).
///
/// # Errors
/// [`Error::InvalidValue`] for fewer than 2 samples or an empty block, [`Error::NonFiniteProduct`],
/// and what the operator returns.
pub fn trace(
    operator: &mut dyn SymmetricOperator,
    options: &TraceOptions,
) -> Result<TraceEstimate> {
    let TraceOptions { sketch, samples, block_size, seed } = *options;
    if samples < 2 {
        let requirement = "at least 2, for a standard error";
        return Err(Error::InvalidValue { name: "samples", value: samples as f64, requirement });
    }
    if block_size == 0 {
        return Err(Error::InvalidValue {
            name: "block_size",
            value: 0.0,
            requirement: "at least 1",
        });
    }
    let mut operator = CountedOperator::new(operator)?;
    let dimension = operator.dimension();
    let mut random = ChaCha8Rng::seed_from_u64(seed);

    // Gaussian: in a few dimensions vectors of signs may depend on each other.
    let mut gaussian =
        || (0..dimension).map(|_| StandardNormal.sample(&mut random)).collect::<Vec<f32>>();
    let directions: Vec<Vec<f32>> = (0..sketch.min(dimension)).map(|_| gaussian()).collect();
    let mut basis = multiply(&mut operator, &directions, block_size)?;
    orthonormalize(&mut basis);
    let exact: f64 = quadratic_forms(&mut operator, &basis, block_size)?.iter().sum();
    if basis.len() == dimension {
        return Ok(TraceEstimate {
            trace: exact,
            standard_error: 0.0,
            products: operator.products(),
        });
    }
    let columns: Vec<&[f32]> = basis.iter().map(Vec::as_slice).collect();
    let mut forms = Vec::with_capacity(samples);
    while forms.len() < samples {
        let count = block_size.min(samples - forms.len());
        let block: Vec<Vec<f32>> =
            (0..count).map(|_| outside(&columns, &random_signs(&mut random, dimension))).collect();
        forms.extend(quadratic_forms(&mut operator, &block, block_size)?);
    }
    let (mean, standard_error) = mean_and_standard_error(&forms);
    Ok(TraceEstimate { trace: exact + mean, standard_error, products: operator.products() })
}

/// A vector of elements +-1.
pub(super) fn random_signs(random: &mut ChaCha8Rng, dimension: usize) -> Vec<f32> {
    (0..dimension).map(|_| if random.random() { 1.0 } else { -1.0 }).collect()
}

/// Mean of independent samples and its standard error; 0 for a single one.
pub(super) fn mean_and_standard_error(samples: &[f64]) -> (f64, f64) {
    let count = samples.len() as f64;
    let mean = samples.iter().sum::<f64>() / count;
    let squares: f64 = samples.iter().map(|sample| (sample - mean).powi(2)).sum();
    (mean, if samples.len() < 2 { 0.0 } else { (squares / (count * (count - 1.0))).sqrt() })
}

/// (I - Q Q^T) v.
fn outside(columns: &[&[f32]], vector: &[f32]) -> Vec<f32> {
    let mut rest: Vec<f64> = vector.iter().map(|&element| f64::from(element)).collect();
    let mut products = vec![0.0; columns.len()];
    inner_products(columns, &rest, &mut products);
    subtract_combination(columns, &products, &mut rest);
    rest.into_iter().map(|element| element as f32).collect()
}

/// H v of each.
fn multiply(
    operator: &mut CountedOperator,
    vectors: &[Vec<f32>],
    block_size: usize,
) -> Result<Vec<Vec<f32>>> {
    let mut results = Vec::with_capacity(vectors.len());
    for block in vectors.chunks(block_size) {
        let mut products = vec![0.0; block.len() * operator.dimension()];
        operator.multiply(&block.concat(), &mut products)?;
        results.extend(products.chunks_exact(operator.dimension()).map(<[f32]>::to_vec));
    }
    Ok(results)
}

/// <v, H v> of each.
fn quadratic_forms(
    operator: &mut CountedOperator,
    vectors: &[Vec<f32>],
    block_size: usize,
) -> Result<Vec<f64>> {
    let mut forms = Vec::with_capacity(vectors.len());
    for block in vectors.chunks(block_size) {
        let products = multiply(operator, block, block_size)?;
        forms.extend(
            block.iter().zip(&products).map(|(vector, product)| inner_product(vector, product)),
        );
    }
    Ok(forms)
}
