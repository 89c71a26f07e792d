//! Trace, spectral density and gradient noise of a Hessian, measured in one call, as a run's folder
//! keeps them.
//!
//! The directions of eigenvectors that are known already are put aside: with Q their matrix, the
//! products are those of (I - Q Q^T) H (I - Q Q^T). The trace is the sum of the known eigenvalues
//! and the rest's estimate, whose variance no longer has the large eigenvalues in it; the density
//! is that of the rest.

use super::gradient_noise::{GradientNoise, gradient_noise_along};
use super::hessian::LossHessian;
use crate::error::{Error, Result};
use crate::linalg::density::{DensityOptions, Node, SpectralDensity, spectral_density};
use crate::linalg::operator::{SymmetricOperator, check_vectors};
use crate::linalg::tall::{inner_products, subtract_combination};
use crate::linalg::trace::{TraceEstimate, TraceOptions, trace};
use crate::run::Eigenvectors;
use crate::run::{CurvatureSummary, GradientNoiseSummary, Measured, SpectralBulk};

/// What to measure, and how many products to spend on it.
#[derive(Debug, Clone, PartialEq)]
pub struct SummaryOptions {
    /// tr(H); 60 products by default.
    pub trace: Option<TraceOptions>,
    /// The density of the eigenvalues beside those known; 4 starts of 50 products by default.
    pub density: Option<DensityOptions>,
    /// Gradient noise along the eigenvectors, from one gradient of each of the Hessian's batches;
    /// by default it is measured. There is none without eigenvectors, or where the sum of their
    /// eigenvalues is not above 0. Batches of one example say most: for it a second [`LossHessian`]
    /// may be summarised.
    pub gradient_noise: bool,
}

impl Default for SummaryOptions {
    fn default() -> Self {
        let density = DensityOptions { starts: 4, steps: 50, seed: 0 };
        SummaryOptions {
            trace: Some(TraceOptions::default()),
            density: Some(density),
            gradient_noise: true,
        }
    }
}

impl LossHessian<'_> {
    /// Measures what there is besides the eigenpairs given (of
    /// [`EigenpairFollower`](super::EigenpairFollower), or of
    /// [`eigenvectors`](super::eigenvectors); they must be orthonormal, and there may be none),
    /// without weight decay. [`Eigenvectors::with_summary`] then hands it over with the directions
    /// of a run, [`CurvatureSummary::save`] puts it into the folder of one.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for eigenvectors of another length, [`Error::NotEnoughData`] for
    /// directions without eigenvalues; with gradient noise as
    /// [`gradient_noise`](super::gradient_noise); and as [`trace`] and [`spectral_density`].
    pub fn summary(
        &mut self,
        known: &Eigenvectors,
        options: &SummaryOptions,
    ) -> Result<CurvatureSummary> {
        let weight_decay = std::mem::replace(&mut self.weight_decay, 0.0);
        let without = WithoutDecay { hessian: self, weight_decay };
        measure(without.hessian, known, options)
    }
}

/// Puts the weight decay back when it goes out of scope, also where a loss panics.
struct WithoutDecay<'of, 'loss> {
    hessian: &'of mut LossHessian<'loss>,
    weight_decay: f64,
}

impl Drop for WithoutDecay<'_, '_> {
    fn drop(&mut self) {
        self.hessian.weight_decay = self.weight_decay;
    }
}

fn measure(
    hessian: &mut LossHessian,
    known: &Eigenvectors,
    options: &SummaryOptions,
) -> Result<CurvatureSummary> {
    if known.eigenvalues.len() != known.eigenvectors.len() {
        let [found, expected] =
            [&known.eigenvalues.len(), &known.eigenvectors.len()].map(|count| format!("[{count}]"));
        return Err(Error::ShapeMismatch { name: "eigenvalues", found, expected });
    }
    let dimension = hessian.dimension();
    for vector in known.eigenvectors.iter() {
        check_vectors("eigenvector", std::slice::from_ref(vector), dimension)?;
    }
    let columns: Vec<&[f32]> = known.eigenvectors.iter().map(Vec::as_slice).collect();
    let eigenvalues: Vec<f64> =
        known.eigenvalues.iter().map(|rho| rho - known.weight_decay).collect();
    if !eigenvalues.iter().all(|rho| rho.is_finite()) {
        let reason = "an eigenvalue is not known".to_owned();
        return Err(Error::NotEnoughData {
            question: "measure what is beside these directions",
            reason,
        });
    }
    if options.trace.is_some() || options.density.is_some() {
        hessian.check_second_derivative()?;
    }
    // Without a direction, or where the eigenvalues say of no scale, the noise has no sigma^2.
    let gradient_noise = match options.gradient_noise && eigenvalues.iter().sum::<f64>() > 0.0 {
        true => Some(GradientNoiseSummary::from(&gradient_noise_along(
            hessian,
            &eigenvalues,
            &columns,
        )?)),
        false => None,
    };
    let mut summary = CurvatureSummary { gradient_noise, ..CurvatureSummary::default() };
    let mut rest = Rest { operator: hessian, columns: &columns };
    if let Some(options) = &options.trace {
        let mut found = trace(&mut rest, options)?;
        found.trace += eigenvalues.iter().sum::<f64>();
        summary.trace = Some(found.into());
    }
    if let Some(options) = options.density.as_ref().filter(|_| columns.len() < dimension) {
        let found = spectral_density(&mut rest, options)?;
        // The directions put aside have the eigenvalue 0 of the projected operator.
        summary.density = Some(without(&found, columns.len(), |a, b| a.abs().total_cmp(&b.abs())));
    }
    Ok(summary)
}

/// H beside known directions: (I - Q Q^T) H (I - Q Q^T).
struct Rest<'a> {
    operator: &'a mut dyn SymmetricOperator,
    /// Orthonormal.
    columns: &'a [&'a [f32]],
}

impl Rest<'_> {
    fn put_aside(&self, vector: &mut [f32]) {
        let mut wide: Vec<f64> = vector.iter().map(|&element| f64::from(element)).collect();
        let mut products = vec![0.0; self.columns.len()];
        inner_products(self.columns, &wide, &mut products);
        subtract_combination(self.columns, &products, &mut wide);
        vector.iter_mut().zip(wide).for_each(|(element, wide)| *element = wide as f32);
    }
}

impl SymmetricOperator for Rest<'_> {
    fn dimension(&self) -> usize {
        self.operator.dimension()
    }

    fn multiply(&mut self, vectors: &[f32], products: &mut [f32]) -> Result<()> {
        let dimension = self.dimension();
        let mut vectors = vectors.to_vec();
        vectors.chunks_exact_mut(dimension).for_each(|vector| self.put_aside(vector));
        self.operator.multiply(&vectors, products)?;
        products.chunks_exact_mut(dimension).for_each(|product| self.put_aside(product));
        Ok(())
    }
}

/// The density of a whole operator beside its `largest` largest eigenvalues: the highest `largest`
/// of m parts of its weight are taken away. Where those eigenvectors are known,
/// [`LossHessian::summary`] does it more exactly.
pub fn density_beside_largest(density: &SpectralDensity, largest: usize) -> SpectralBulk {
    without(density, largest, |a, b| b.total_cmp(a))
}

/// A density less so many directions, those that come first by the order given.
fn without(
    density: &SpectralDensity,
    directions: usize,
    order: impl Fn(&f64, &f64) -> std::cmp::Ordering,
) -> SpectralBulk {
    let starts = density.quadratures.len().max(1) as f64;
    let mut nodes: Vec<Node> = density.quadratures.iter().flatten().copied().collect();
    nodes.sort_by(|a, b| order(&a.eigenvalue, &b.eigenvalue));
    let mut less = directions as f64 / density.dimension as f64;
    for node in &mut nodes {
        // Rounding may make a weight of nothing negative.
        node.weight = (node.weight / starts).max(0.0);
        let taken = less.min(node.weight);
        (node.weight, less) = (node.weight - taken, less - taken);
    }
    nodes.retain(|node| node.weight > 0.0);
    nodes.sort_by(|a, b| b.eigenvalue.total_cmp(&a.eigenvalue));
    SpectralBulk {
        nodes: nodes.iter().map(|node| node.eigenvalue).collect(),
        weights: nodes.iter().map(|node| node.weight).collect(),
        dimension: (density.dimension - directions.min(density.dimension)) as f64,
    }
}

impl From<TraceEstimate> for Measured {
    fn from(estimate: TraceEstimate) -> Measured {
        Measured { value: estimate.trace, standard_error: estimate.standard_error }
    }
}

impl From<&GradientNoise> for GradientNoiseSummary {
    fn from(noise: &GradientNoise) -> GradientNoiseSummary {
        GradientNoiseSummary {
            variances: noise.modes.iter().map(|mode| mode.variance).collect(),
            trace: noise.trace,
            noise_scale: noise.noise_scale,
            correlation: noise.correlation,
            off_diagonal: Some(noise.off_diagonal),
            batches: noise.batches as u64,
            examples: noise.examples as u64,
        }
    }
}
