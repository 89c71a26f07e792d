//! The parameters that make up theta, and the way from tensors to one flat vector and back.

use tch::nn::VarStore;
use tch::{Device, Kind, TchError, Tensor, no_grad};

use crate::error::{Error, Result};
use crate::record::ParameterInfo;
use crate::variables::{
    Variable, dense, overlapping, parameter_info, sum_kind, unfit, variables_after,
};

/// What libtorch answers.
pub(super) type TorchResult<T> = std::result::Result<T, TchError>;

/// A parameter and its place in the flat vector.
#[derive(Debug)]
pub(super) struct Block {
    pub name: String,
    other_names: Vec<String>,
    /// Shares the network's tensor. Its values, kind, device and whether it is frozen are those of
    /// the moment.
    pub tensor: Tensor,
    /// Other variables of autograd over the same memory: its gradient is the sum of all of theirs.
    twins: Vec<Tensor>,
    group: Option<usize>,
    start: usize,
    length: usize,
}

impl Block {
    /// Whether this is one of its names.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.other_names.iter().any(|other| other == name)
    }

    /// The variables of autograd that it is, but for frozen ones.
    fn variables(&self) -> impl Iterator<Item = &Tensor> {
        std::iter::once(&self.tensor).chain(&self.twins).filter(|tensor| tensor.requires_grad())
    }

    /// Its elements of a flat vector.
    pub fn of<'v>(&self, vector: &'v [f32]) -> &'v [f32] {
        &vector[self.start..self.start + self.length]
    }

    /// Its elements of a flat vector.
    pub fn of_mut<'v>(&self, vector: &'v mut [f32]) -> &'v mut [f32] {
        &mut vector[self.start..self.start + self.length]
    }

    fn info(&self) -> ParameterInfo {
        parameter_info(&self.name, &self.tensor, self.group)
    }
}

/// The chosen trainable variables of a store, in the store's order: that of the observer.
#[derive(Debug)]
pub(super) struct Parameters {
    pub blocks: Vec<Block>,
    dimension: usize,
}

impl Parameters {
    /// # Errors
    /// [`Error::Parameters`] if none is chosen, or one is not made of dense floating-point numbers.
    pub fn choose(store: &VarStore, wanted: impl Fn(&str) -> bool) -> Result<Parameters> {
        let mut parameters = Parameters { blocks: Vec::new(), dimension: 0 };
        for variable in variables_after(0, &store.variables_) {
            if !variable.names().any(&wanted) {
                continue;
            }
            let Variable { name, other_names, tensor, twins, group, .. } = variable;
            if let Some(why_not) = unfit(&tensor) {
                return Err(Error::Parameters {
                    reason: format!("parameter {name} has no Hessian here: {why_not}"),
                });
            }
            let (start, length) = (parameters.dimension, tensor.numel());
            parameters.dimension += length;
            parameters.blocks.push(Block {
                name,
                other_names,
                tensor,
                twins,
                group,
                start,
                length,
            });
        }
        let tensors = parameters.blocks.iter().map(|block| (block.name.as_str(), &block.tensor));
        if let Some([one, other]) = overlapping(tensors) {
            let reason = format!(
                "parameters `{one}` and `{other}` share some of their elements, and so have no Hessian of their own: \
                 keep one of them in the store and make the other from it in the forward pass"
            );
            return Err(Error::Parameters { reason });
        }
        match parameters.dimension {
            0 => Err(Error::Parameters { reason: "no trainable parameter was chosen".to_owned() }),
            _ => Ok(parameters),
        }
    }

    /// m.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    pub fn infos(&self) -> Vec<ParameterInfo> {
        self.blocks.iter().map(Block::info).collect()
    }

    /// Those that are not frozen at the moment.
    pub fn active(&self) -> Vec<&Block> {
        self.blocks.iter().filter(|block| block.variables().next().is_some()).collect()
    }
}

/// Gradients of a scalar, one dense tensor for each block; undefined where it does not depend on
/// the block.
pub(super) fn differentiate(
    scalar: &Tensor,
    blocks: &[&Block],
    keep_graph: bool,
    create_graph: bool,
) -> TorchResult<Vec<Tensor>> {
    let inputs: Vec<&Tensor> = blocks.iter().flat_map(|block| block.variables()).collect();
    let mut gradients =
        Tensor::f_run_backward(&[scalar], &inputs, keep_graph, create_graph)?.into_iter();
    let of_block = |block: &&Block| {
        let mut sum = Tensor::new();
        for gradient in gradients.by_ref().take(block.variables().count()).filter(Tensor::defined) {
            let gradient = dense(gradient)?;
            sum = if sum.defined() { sum.f_add(&gradient)? } else { gradient };
        }
        Ok(sum)
    };
    blocks.iter().map(of_block).collect()
}

/// A sum of gradients, one tensor for each parameter on its device, in f64 where the device has it.
#[derive(Debug, Default)]
pub(super) struct GradientSum {
    parts: Vec<Option<Tensor>>,
}

impl GradientSum {
    /// Adds gradients of the same parameters as every time before. An undefined one is zero.
    pub fn add(&mut self, gradients: &[Tensor]) -> TorchResult<()> {
        self.parts.resize_with(gradients.len(), || None);
        no_grad(|| {
            for (sum, gradient) in
                self.parts.iter_mut().zip(gradients).filter(|(_, gradient)| gradient.defined())
            {
                match sum {
                    Some(sum) => *sum = sum.f_add_(gradient)?,
                    None => {
                        let kind = sum_kind(gradient.device());
                        // A copy: the gradient may share its memory with something else.
                        *sum = Some(gradient.f_detach()?.f_to_dtype(kind, false, true)?);
                    }
                }
            }
            Ok(())
        })
    }

    /// Writes the sum into a flat vector, elements of `blocks` only.
    pub fn write(&self, blocks: &[&Block], vector: &mut [f32]) -> TorchResult<()> {
        for (part, block) in self.parts.iter().zip(blocks) {
            if let Some(part) = part {
                let elements = block.of_mut(vector);
                let part = no_grad(|| part.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float))?;
                part.f_copy_data(elements, elements.len())?;
            }
        }
        Ok(())
    }
}
