//! Moving parameters through a plane, and putting them back as they were, bit for bit.
//!
//! Values are copied before and after, never added to and subtracted from. They are written to past
//! autograd's version counters, so that neither a graph of the caller's nor an observer takes what
//! is undone for a change.

use tch::{Kind, Tensor, no_grad};

use super::hessian::torch;
use super::parameters::{Block, Parameters, TorchResult};
use crate::error::{Error, Result};

/// Parameters on their way through the plane; back where they were at the latest when this is
/// dropped.
pub(super) struct Moved {
    parts: Vec<Part>,
}

struct Part {
    /// Shares the parameter's memory, but not its version counter.
    memory: Tensor,
    /// What it held.
    before: Tensor,
    /// At the origin, in f32 or f64.
    origin: Tensor,
    directions: [Tensor; 2],
}

impl Moved {
    /// # Errors
    /// [`Error::ShapeMismatch`] for an origin of other shapes, [`Error::Torch`].
    pub fn of(
        parameters: &Parameters,
        origin: &[(String, Tensor)],
        directions: &[Vec<f32>; 2],
    ) -> Result<Moved> {
        let part = |block: &Block| {
            let named =
                origin.iter().find(|(name, _)| block.is_called(name)).map(|(_, origin)| origin);
            if let Some(origin) = named.filter(|origin| origin.size() != block.tensor.size()) {
                let (found, expected) =
                    (format!("{:?}", origin.size()), format!("{:?}", block.tensor.size()));
                return Err(Error::ShapeMismatch { name: "tensor of the origin", found, expected });
            }
            no_grad(|| Part::of(block, named, directions)).map_err(torch("copy the parameters"))
        };
        Ok(Moved { parts: parameters.blocks.iter().map(part).collect::<Result<_>>()? })
    }

    /// To the origin plus x and y times the directions.
    pub fn to(&mut self, [x, y]: [f64; 2]) -> TorchResult<()> {
        no_grad(|| {
            for Part { memory, origin, directions: [first, second], .. } in &mut self.parts {
                let place =
                    origin.f_add(&first.f_mul_scalar(x)?)?.f_add(&second.f_mul_scalar(y)?)?;
                memory.f_copy_(&place)?;
            }
            Ok(())
        })
    }

    /// Puts back all, whatever comes of one; the first error is told.
    pub fn put_back(&mut self) -> TorchResult<()> {
        let mut outcome = Ok(());
        for mut part in self.parts.drain(..) {
            outcome = outcome.and(no_grad(|| part.memory.f_copy_(&part.before).map(drop)));
        }
        outcome
    }
}

impl Drop for Moved {
    fn drop(&mut self) {
        let _ = self.put_back();
    }
}

impl Part {
    fn of(block: &Block, origin: Option<&Tensor>, directions: &[Vec<f32>; 2]) -> TorchResult<Part> {
        let memory = block.tensor.f_data()?;
        let kind = if memory.kind() == Kind::Double { Kind::Double } else { Kind::Float };
        let direction = |vector: &[f32]| {
            Tensor::f_from_slice(block.of(vector))?
                .f_reshape(memory.size())?
                .f_to_device(memory.device())?
                .f_to_kind(kind)
        };
        let before = memory.f_to_dtype(memory.kind(), false, true)?;
        let origin =
            origin.unwrap_or(&before).f_detach()?.f_to_device(memory.device())?.f_to_kind(kind)?;
        let directions = [direction(&directions[0])?, direction(&directions[1])?];
        Ok(Part { before, origin, directions, memory })
    }
}
