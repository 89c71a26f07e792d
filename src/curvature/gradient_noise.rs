//! The covariance of gradient noise along eigenvectors: does Sigma = sigma^2 H (Assumption 5 of the
//! paper) hold?
//!
//! Sigma is the covariance of the gradient of a single example, so that of a batch of n examples
//! has covariance Sigma/n. From batch gradients g_1 .. g_B, taken as independent, Sigma follows
//! without bias through Helmert's contrasts
//!
//!   c_b = sqrt(n_b N_{b-1} / N_b) (g_b - mean of the examples before), N_b = n_1 + .. + n_b, b = 2
//!   .. B,
//!
//! which are uncorrelated, of mean zero and covariance Sigma each, whatever the batches' sizes.
//! They come in one pass, with the running mean (Welford 1962); of each only its K components and
//! its length are kept. Standard errors are the jackknife's over the contrasts.

use nalgebra::{DMatrix, DVector};

use super::hessian::LossHessian;
use crate::error::{Error, Result};
use crate::linalg::eigenpairs::Eigenpair;
use crate::linalg::operator::{SymmetricOperator, check_vectors};
use crate::linalg::tall::inner_products;
use crate::run::Measured;

/// Gradient noise along one eigenvector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ModeNoise {
    /// rho_i, as given.
    pub eigenvalue: f64,
    /// q_i^T Sigma q_i, in squared gradient units.
    pub variance: Measured,
}

/// The covariance Sigma of the gradients of single examples, seen along K eigenvectors q_i of the
/// Hessian.
#[derive(Debug, Clone, PartialEq)]
pub struct GradientNoise {
    /// One for each eigenvector, in the order given.
    pub modes: Vec<ModeNoise>,
    /// q_i^T Sigma q_j, K x K.
    pub covariance: DMatrix<f64>,
    /// tr(Sigma), over all m directions.
    pub trace: Measured,
    /// sigma^2: sum of q_i^T Sigma q_i over sum of rho_i. Under Assumption 5, tr(Sigma) = sigma^2
    /// tr(H) as well.
    pub noise_scale: Measured,
    /// Pearson's correlation of q_i^T Sigma q_i and rho_i over the modes; none where one of them
    /// does not vary.
    pub correlation: Option<Measured>,
    /// Frobenius norm of the covariance's part off the diagonal, over that of all of it: 0 if
    /// eigenvectors of H are those of Sigma.
    pub off_diagonal: Measured,
    /// What `off_diagonal` would be in the mean, nearly, from as many batches if there were no part
    /// off the diagonal.
    pub off_diagonal_by_chance: f64,
    /// Batches used.
    pub batches: usize,
    /// Examples in them.
    pub examples: usize,
}

/// Measures the gradient noise of `loss` along the eigenvectors of `pairs`: one gradient for each
/// batch. Batches of size 1 use the examples best; batches should be drawn at random, not sorted by
/// class. Weight decay adds no noise and does not count.
///
/// # Errors
/// [`Error::NotEnoughData`] for fewer than 3 batches, no eigenvector, or eigenvalues whose sum is
/// not positive; [`Error::ShapeMismatch`] for eigenvectors of other parameters, and those of
/// [`LossHessian::batch_gradient`].
pub fn gradient_noise(loss: &mut LossHessian, pairs: &[Eigenpair]) -> Result<GradientNoise> {
    let dimension = loss.dimension();
    for pair in pairs {
        check_vectors("eigenvector", std::slice::from_ref(&pair.eigenvector), dimension)?;
    }
    let eigenvalues: Vec<f64> = pairs.iter().map(|pair| pair.eigenvalue).collect();
    let columns: Vec<&[f32]> = pairs.iter().map(|pair| pair.eigenvector.as_slice()).collect();
    gradient_noise_along(loss, &eigenvalues, &columns)
}

/// [`gradient_noise`] along columns of the right length.
pub(super) fn gradient_noise_along(
    loss: &mut LossHessian,
    eigenvalues: &[f64],
    columns: &[&[f32]],
) -> Result<GradientNoise> {
    let dimension = loss.dimension();
    let sizes = loss.batch_sizes().to_vec();
    let eigenvalues = DVector::from_column_slice(eigenvalues);
    let cannot = |reason: &str| Error::NotEnoughData {
        question: "measure gradient noise",
        reason: reason.to_owned(),
    };
    if sizes.len() < 3 {
        return Err(cannot("it takes at least 3 batches"));
    }
    if eigenvalues.sum().is_nan() || eigenvalues.sum() <= 0.0 {
        return Err(cannot("it takes eigenpairs whose eigenvalues have a positive sum"));
    }
    let mut mean = vec![0.0; dimension];
    let mut difference = vec![0.0; dimension];
    let mut examples = 0.0;
    let mut contrasts = Vec::with_capacity(sizes.len() - 1);
    for (batch, &size) in sizes.iter().enumerate() {
        let gradient = loss.batch_gradient(batch)?;
        for ((difference, &element), mean) in difference.iter_mut().zip(&gradient).zip(&mean) {
            *difference = f64::from(element) - mean;
        }
        let size = size as f64;
        let share = size / (examples + size);
        if batch > 0 {
            let mut components = vec![0.0; columns.len()];
            inner_products(columns, &difference, &mut components);
            let factor = (share * examples).sqrt();
            let length_squared = share * examples * difference.iter().map(|x| x * x).sum::<f64>();
            contrasts.push(Contrast {
                components: DVector::from_vec(components) * factor,
                length_squared,
            });
        }
        mean.iter_mut().zip(&difference).for_each(|(mean, difference)| *mean += share * difference);
        examples += size;
    }
    Ok(summarize(&contrasts, &eigenvalues, sizes.iter().sum()))
}

/// One of the uncorrelated pieces that Sigma is the mean square of.
struct Contrast {
    /// Along the eigenvectors.
    components: DVector<f64>,
    /// Of all m elements.
    length_squared: f64,
}

fn noise_scale(covariance: &DMatrix<f64>, eigenvalues: &DVector<f64>) -> f64 {
    covariance.trace() / eigenvalues.sum()
}

/// 0 without noise.
fn off_diagonal(covariance: &DMatrix<f64>) -> f64 {
    let (whole, diagonal) = (covariance.norm_squared(), covariance.diagonal().norm_squared());
    if whole > 0.0 { ((whole - diagonal).max(0.0) / whole).sqrt() } else { 0.0 }
}

/// NaN where one of the two does not vary.
fn correlation(covariance: &DMatrix<f64>, eigenvalues: &DVector<f64>) -> f64 {
    let centred = |values: &DVector<f64>| values.add_scalar(-values.mean());
    let (variances, eigenvalues) = (centred(&covariance.diagonal()), centred(eigenvalues));
    variances.dot(&eigenvalues) / (variances.norm() * eigenvalues.norm())
}

fn summarize(contrasts: &[Contrast], eigenvalues: &DVector<f64>, examples: usize) -> GradientNoise {
    let count = contrasts.len() as f64;
    let mut squares = DMatrix::zeros(eigenvalues.len(), eigenvalues.len());
    for contrast in contrasts {
        squares.ger(1.0, &contrast.components, &contrast.components, 1.0);
    }
    let covariance = &squares / count;
    let jackknife = |statistic: &dyn Fn(&DMatrix<f64>) -> f64| {
        let without = contrasts.iter().map(|contrast| {
            let mut rest = squares.clone();
            rest.ger(-1.0, &contrast.components, &contrast.components, 1.0);
            statistic(&(rest / (count - 1.0)))
        });
        let (_, spread) = mean_and_spread(without);
        Measured {
            value: statistic(&covariance),
            standard_error: (spread * (count - 1.0) / count).sqrt(),
        }
    };
    // Of a mean, the jackknife's standard error is the usual one.
    let mean = |squares: &mut dyn Iterator<Item = f64>| {
        let (value, spread) = mean_and_spread(squares);
        Measured { value, standard_error: (spread / (count * (count - 1.0))).sqrt() }
    };
    let variance =
        |i: usize| mean(&mut contrasts.iter().map(|contrast| contrast.components[i].powi(2)));
    let correlation = jackknife(&|covariance| correlation(covariance, eigenvalues));
    let modes = eigenvalues.iter().enumerate();
    GradientNoise {
        modes: modes
            .map(|(i, &eigenvalue)| ModeNoise { eigenvalue, variance: variance(i) })
            .collect(),
        trace: mean(&mut contrasts.iter().map(|contrast| contrast.length_squared)),
        noise_scale: jackknife(&|covariance| noise_scale(covariance, eigenvalues)),
        correlation: Some(correlation).filter(|correlation| correlation.value.is_finite()),
        off_diagonal: jackknife(&off_diagonal),
        off_diagonal_by_chance: off_diagonal_by_chance(&covariance, count),
        batches: contrasts.len() + 1,
        examples,
        covariance,
    }
}

/// Of independent Gaussian components, an estimated covariance has, in the mean, the square of the
/// product of their variances over the count.
fn off_diagonal_by_chance(covariance: &DMatrix<f64>, count: f64) -> f64 {
    let variances = covariance.diagonal();
    let off = (variances.sum().powi(2) - variances.norm_squared()) / count;
    if off > 0.0 { (off / (off + variances.norm_squared())).sqrt() } else { 0.0 }
}

/// Mean, and sum of squared deviations from it.
fn mean_and_spread(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let values: Vec<f64> = values.collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (mean, values.iter().map(|value| (value - mean).powi(2)).sum())
}
