//! The Hessian of a loss over batches of data, as an operator, by double backward.
//!
//! For a batch with loss L_b the gradient is computed with its graph, once; each product is the
//! gradient of <g_b, v> through that graph (Pearlmutter 1994), so the vectors of a block share it.
//! The graph is freed before the next batch: memory is that of one batch, however many there are.

use tch::nn::VarStore;
use tch::{TchError, Tensor, no_grad, with_grad};

use super::buffers::Buffers;
use super::parameters::{Block, GradientSum, Parameters, TorchResult, differentiate};
use super::refusal;
use crate::error::{Error, Result};
use crate::linalg::operator::SymmetricOperator;
use crate::record::ParameterInfo;
use crate::variables::sum_kind;

/// What the loss of a batch is, and so what that of all the data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reduction {
    /// L_b is the mean over the n_b terms of its batch: L = sum_b n_b L_b / sum_b n_b, the mean
    /// over all terms. A term is what the loss averages over: an example, a token that is not
    /// padding, a pixel.
    #[default]
    Mean,
    /// L_b is a sum over its batch: L = sum_b L_b.
    Sum,
}

/// Hessian of L(theta) + lambda/2 ||theta||^2 with respect to chosen parameters theta of a variable
/// store, where L comes from the losses of batches. It is that of the parameters' values at each
/// product.
///
/// ```no_run
/// # use tch::{nn, nn::ModuleT, Device, Tensor};
/// use perrin::curvature::{LossHessian, top_eigenpairs};
/// use perrin::linalg::lanczos::LanczosOptions;
/// # fn f(vs: nn::VarStore, net: impl ModuleT, images: Tensor, labels: Tensor) -> perrin::Result<()> {
/// // 10 batches of 100; evaluation mode: no dropout, fixed batch normalisation.
/// let mut hessian = LossHessian::new(&vs, &[100; 10], |batch| {
///     let start = 100 * batch as i64;
///     let output = net.forward_t(&images.narrow(0, start, 100), false);
///     output.cross_entropy_for_logits(&labels.narrow(0, start, 100))
/// })?;
/// let top = top_eigenpairs(&mut hessian, &LanczosOptions::largest(30))?;
/// # Ok(()) }
/// ```
///
/// # What it leaves alone
/// Parameters, their `.grad` and whether they require gradients. Variables of the store that are
/// not trainable (the running statistics of batch normalisation) may be written to by the closure's
/// forward pass; they are put back. Train or evaluation mode is the closure's own argument to
/// `forward_t`.
///
/// # Which elements
/// theta is the chosen trainable variables in the store's order, each row-major: as the observer
/// has them. A variable that is frozen at the time of a product stays in theta as a constant: its
/// rows and columns are zero, with weight decay too. Likewise zero, but for weight decay, is one
/// that the loss does not use. A tensor that the store has under several names is in theta once,
/// under the alphabetically first of them.
pub struct LossHessian<'a> {
    pub(super) parameters: Parameters,
    buffers: Buffers,
    loss: Box<Loss<'a>>,
    batch_sizes: Vec<usize>,
    pub(super) reduction: Reduction,
    pub(super) weight_decay: f64,
}

impl<'a> LossHessian<'a> {
    /// With respect to all trainable variables of `store`. `loss(b)` is the loss of batch b of
    /// `batch_sizes.len()`, a scalar, always the same for the same parameters. It is the mean over
    /// `batch_sizes[b]` terms, unless [`reduction`](Self::reduction) says otherwise; without weight
    /// decay, unless the closure adds it.
    ///
    /// Sizes are numbers of the terms that the mean is over, since batches are weighted by them.
    /// For a mean over tokens that are not padding that is their number in the batch, not the
    /// number of sequences.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for no batch or an empty one, [`Error::Parameters`] for a store
    /// without trainable variables.
    pub fn new(
        store: &VarStore,
        batch_sizes: &[usize],
        loss: impl FnMut(usize) -> Tensor + 'a,
    ) -> Result<Self> {
        Self::of(store, |_| true, batch_sizes, loss)
    }

    /// The same with respect to the trainable variables whose names `wanted` accepts.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of(
        store: &VarStore,
        wanted: impl Fn(&str) -> bool,
        batch_sizes: &[usize],
        loss: impl FnMut(usize) -> Tensor + 'a,
    ) -> Result<Self> {
        let invalid =
            |name, requirement| Err(Error::InvalidValue { name, value: 0.0, requirement });
        if batch_sizes.is_empty() {
            return invalid("number of batches", "at least 1");
        }
        if batch_sizes.contains(&0) {
            return invalid("batch size", "at least 1");
        }
        Ok(LossHessian {
            parameters: Parameters::choose(store, wanted)?,
            buffers: Buffers::of(store),
            loss: Box::new(loss),
            batch_sizes: batch_sizes.to_vec(),
            reduction: Reduction::Mean,
            weight_decay: 0.0,
        })
    }

    /// Says what the closure's losses are.
    #[must_use]
    pub fn reduction(mut self, reduction: Reduction) -> Self {
        self.reduction = reduction;
        self
    }

    /// Adds lambda I, as an optimizer's weight decay does; default 0. Eigenvalues move by lambda,
    /// eigenvectors stay.
    #[must_use]
    pub fn weight_decay(mut self, weight_decay: f64) -> Self {
        self.weight_decay = weight_decay;
        self
    }

    /// The parameters that make up theta, in order.
    pub fn parameters(&self) -> Vec<ParameterInfo> {
        self.parameters.infos()
    }

    /// The most memory that a product with a block of vectors takes, in bytes, where the parameters
    /// are: their copies and the sums of their products, 4 m and 8 m bytes each for parameters of
    /// f32. Not counted is the graph of one batch, several times what a training step of its size
    /// takes.
    pub fn memory_bytes(&self, block_size: usize) -> u64 {
        let of = |block: &Block| {
            let kinds = [block.tensor.kind(), sum_kind(block.tensor.device())];
            let element: usize = kinds.iter().map(|kind| kind.elt_size_in_bytes()).sum();
            (block.tensor.numel() * element) as u64
        };
        block_size as u64 * self.parameters.blocks.iter().map(of).sum::<u64>()
    }

    /// Terms in each batch's mean: examples, or tokens, pixels where the loss averages over these.
    pub fn batch_sizes(&self) -> &[usize] {
        &self.batch_sizes
    }

    /// Gradient of L_b / n_b for a sum, of L_b for a mean: in both cases the mean over the examples
    /// of batch `batch`, without weight decay. m elements.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for a batch there is not, [`Error::NonFiniteLoss`],
    /// [`Error::Parameters`] for a loss that does not depend on the parameters, [`Error::Torch`].
    pub fn batch_gradient(&mut self, batch: usize) -> Result<Vec<f32>> {
        let Some(&size) = self.batch_sizes.get(batch) else {
            let requirement = "below the number of batches";
            return Err(Error::InvalidValue { name: "batch", value: batch as f64, requirement });
        };
        let scale = if self.reduction == Reduction::Sum { 1.0 / size as f64 } else { 1.0 };
        let mut flat = vec![0.0; self.parameters.dimension()];
        self.preserving_buffers(|parameters, loss| {
            let active = parameters.active();
            let gradients = gradients(loss, &active, batch, scale, false)?;
            let mut sum = GradientSum::default();
            sum.add(&gradients)
                .and_then(|()| sum.write(&active, &mut flat))
                .map_err(torch("read a gradient"))
        })?;
        Ok(flat)
    }

    /// Looks whether the loss of the first batch can be differentiated twice. Made before a pass
    /// over all batches that asks for gradients only, so that an operation without second
    /// derivative is told of at once.
    pub(super) fn check_second_derivative(&mut self) -> Result<()> {
        self.preserving_buffers(|parameters, loss| {
            let active = parameters.active();
            let gradients = gradients(loss, &active, 0, 1.0, true)?;
            let ones = active.iter().map(|block| block.tensor.f_ones_like()?.f_reshape([-1]));
            let ones = no_grad(|| ones.collect::<TorchResult<Vec<_>>>())
                .map_err(torch("make a vector"))?;
            add_products(&gradients, &active, &[ones], &mut [GradientSum::default()])
                .map_err(refusal::twice)
        })
    }

    /// Does `work`, which runs forward passes, and puts back what these wrote to.
    pub(super) fn preserving_buffers<T>(
        &mut self,
        work: impl FnOnce(&Parameters, &mut Loss) -> Result<T>,
    ) -> Result<T> {
        let before = self.buffers.snapshot().map_err(torch("copy untrained variables"))?;
        let done = with_grad(|| work(&self.parameters, &mut self.loss));
        let restored = before.restore().map_err(torch("put back untrained variables"));
        done.and_then(|done| restored.map(|()| done))
    }

    /// Share of a batch's loss in the whole.
    pub(super) fn weight(&self, batch: usize) -> f64 {
        match self.reduction {
            Reduction::Mean => {
                self.batch_sizes[batch] as f64 / self.batch_sizes.iter().sum::<usize>() as f64
            }
            Reduction::Sum => 1.0,
        }
    }
}

impl SymmetricOperator for LossHessian<'_> {
    fn dimension(&self) -> usize {
        self.parameters.dimension()
    }

    /// # Errors
    /// As [`batch_gradient`](LossHessian::batch_gradient), [`Error::NoSecondDerivative`] for a loss
    /// that has only the first, and [`Error::ShapeMismatch`] for lengths that do not fit.
    fn multiply(&mut self, vectors: &[f32], products: &mut [f32]) -> Result<()> {
        let dimension = self.dimension();
        if vectors.len() != products.len() || !vectors.len().is_multiple_of(dimension) {
            let found = format!("[{}] for products of [{}]", vectors.len(), products.len());
            let expected = format!("the same multiple of {dimension}");
            return Err(Error::ShapeMismatch { name: "block of vectors", found, expected });
        }
        let weights: Vec<f64> =
            (0..self.batch_sizes.len()).map(|batch| self.weight(batch)).collect();
        let weight_decay = self.weight_decay;
        products.fill(0.0);
        self.preserving_buffers(|parameters, loss| {
            let active = parameters.active();
            let directions = vectors.chunks_exact(dimension).map(|vector| pieces(&active, vector));
            let directions: Vec<_> =
                directions.collect::<TorchResult<_>>().map_err(torch("copy vectors"))?;
            let mut sums: Vec<GradientSum> =
                directions.iter().map(|_| GradientSum::default()).collect();
            for (batch, &weight) in weights.iter().enumerate() {
                let gradients = gradients(loss, &active, batch, weight, true)?;
                add_products(&gradients, &active, &directions, &mut sums)
                    .map_err(refusal::twice)?;
            }
            for ((sum, vector), product) in sums
                .iter()
                .zip(vectors.chunks_exact(dimension))
                .zip(products.chunks_exact_mut(dimension))
            {
                sum.write(&active, product).map_err(torch("read a product"))?;
                for block in &active {
                    for (product, element) in block.of_mut(product).iter_mut().zip(block.of(vector))
                    {
                        *product += (weight_decay * f64::from(*element)) as f32;
                    }
                }
            }
            Ok(())
        })
    }
}

pub(super) type Loss<'a> = dyn FnMut(usize) -> Tensor + 'a;

/// Turns libtorch's refusal to do `action` into perrin's error.
pub(super) fn torch(action: &'static str) -> impl FnOnce(TchError) -> Error {
    move |source| Error::Torch { action, source }
}

/// The number that the loss of a batch is.
pub(super) fn scalar(loss: &Tensor) -> Result<f64> {
    if loss.numel() != 1 {
        let (found, expected) =
            (format!("{:?}", loss.size()), "[]: reduce it to a scalar".to_owned());
        return Err(Error::ShapeMismatch { name: "loss of a batch", found, expected });
    }
    no_grad(|| loss.f_reshape([])?.f_double_value(&[])).map_err(torch("read the loss"))
}

/// Gradients of `scale` times the loss of a batch, one for each block; undefined where the loss
/// does not use it.
fn gradients(
    loss: &mut Loss,
    blocks: &[&Block],
    batch: usize,
    scale: f64,
    with_graph: bool,
) -> Result<Vec<Tensor>> {
    if blocks.is_empty() {
        // Asked for no gradients, libtorch would write all of them to the parameters' `.grad`.
        return Ok(Vec::new());
    }
    let loss = loss(batch);
    let value = scalar(&loss)?;
    if !value.is_finite() {
        return Err(Error::NonFiniteLoss { batch, loss: value });
    }
    if !loss.requires_grad() {
        let reason = format!(
            "the loss of batch {batch} depends on no parameter that requires gradients: was it detached, or made under no_grad?"
        );
        return Err(Error::Parameters { reason });
    }
    let scaled = if scale == 1.0 { Ok(loss) } else { loss.f_mul_scalar(scale) };
    scaled
        .and_then(|loss| differentiate(&loss, blocks, with_graph, with_graph))
        .map_err(torch("differentiate the loss"))
}

/// The elements of a flat vector, one tensor for each block, of the block's kind and device.
fn pieces(blocks: &[&Block], vector: &[f32]) -> TorchResult<Vec<Tensor>> {
    let piece = |block: &&Block| {
        Tensor::f_from_slice(block.of(vector))?
            .f_to_device(block.tensor.device())?
            .f_to_kind(block.tensor.kind())
    };
    blocks.iter().map(piece).collect()
}

/// Adds to each sum the product of a batch's Hessian with the corresponding direction. `gradients`
/// come with their graph.
fn add_products(
    gradients: &[Tensor],
    blocks: &[&Block],
    directions: &[Vec<Tensor>],
    sums: &mut [GradientSum],
) -> TorchResult<()> {
    for (number, (direction, sum)) in directions.iter().zip(sums).enumerate() {
        // A gradient without a graph is constant: the loss is linear in that parameter.
        let dependent = gradients
            .iter()
            .zip(direction)
            .filter(|(gradient, _)| gradient.defined() && gradient.requires_grad());
        let mut slope: Option<Tensor> = None;
        for (gradient, piece) in dependent {
            let term = gradient.f_reshape([-1])?.f_dot(piece)?;
            slope = Some(match slope {
                Some(slope) => slope.f_add(&term.f_to_device(slope.device())?)?,
                None => term,
            });
        }
        if let Some(slope) = slope {
            let keep_graph = number + 1 < directions.len();
            sum.add(&differentiate(&slope, blocks, keep_graph, false)?)?;
        }
    }
    Ok(())
}
