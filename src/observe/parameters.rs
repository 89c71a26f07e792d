//! Which tensors are watched, and whether somebody else has written to them.

use std::sync::{Arc, Mutex};

use tch::nn::{VarStore, Variables};
use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};
use crate::record::ParameterInfo;
use crate::variables::{Variable, parameter_info, unfit};

/// Chooses parameters by name.
pub(super) type Filter = Box<dyn Fn(&str) -> bool + Send>;

/// A watched tensor and the state in which it was last seen.
#[derive(Debug)]
pub(super) struct Parameter {
    pub name: String,
    /// Shares the network's tensor: sees its values, its storage and its version counter.
    pub tensor: Tensor,
    pub group: Option<usize>,
    seen: Seen,
    /// Keeps the storage alive in which the tensor was last seen, so that no other storage can take its address.
    storage: Tensor,
}

/// What tells one state of a tensor from another without reading its elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    /// libtorch's count of in-place changes. Changes through `Tensor::data` do not count, and libtorch's own SGD makes
    /// its steps that way; its Adam, AdamW and RMSprop do count.
    version: i64,
    memory: Memory,
}

/// Where a tensor's elements are and how they are to be read. Differs when the tensor was given other data
/// (`set_data`: a move to another device or kind).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Memory {
    address: usize,
    kind: Kind,
    contiguous: bool,
}

impl Parameter {
    pub fn new(variable: Variable) -> Result<Self> {
        let Variable { name, tensor, group } = variable;
        if let Some(why_not) = unfit(&tensor) {
            return Err(Error::Parameters { reason: format!("parameter {name} cannot be observed: {why_not}") });
        }
        let (seen, storage) = (Seen::of(&tensor), tensor.detach());
        Ok(Parameter { name, tensor, group, seen, storage })
    }

    /// Whether the fused pass can read it in place. Everything else goes by tensor operations.
    pub fn is_plain(&self) -> bool {
        self.tensor.device() == Device::Cpu && self.tensor.kind() == Kind::Float && self.tensor.is_contiguous()
    }

    pub fn address(&self) -> usize {
        self.seen.memory.address
    }

    /// Whether it was changed since it was last [`seen`](Self::mark_seen).
    pub fn is_changed(&self) -> bool {
        Seen::of(&self.tensor) != self.seen
    }

    /// Takes note of its state; whether its elements are elsewhere, or to be read otherwise, than before.
    pub fn mark_seen(&mut self) -> bool {
        let before = std::mem::replace(&mut self.seen, Seen::of(&self.tensor));
        let replaced = before.memory != self.seen.memory;
        if replaced {
            self.storage = self.tensor.detach();
        }
        replaced
    }

    pub fn info(&self) -> ParameterInfo {
        parameter_info(&self.name, &self.tensor, self.group)
    }
}

impl Seen {
    fn of(tensor: &Tensor) -> Seen {
        let memory =
            Memory { address: tensor.data_ptr() as usize, kind: tensor.kind(), contiguous: tensor.is_contiguous() };
        Seen { version: tensor.f_internal_version().unwrap_or(-1), memory }
    }
}

/// Where the tensors come from.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// A variable store: names and groups are known, and additions are noticed by its length.
    Store(Arc<Mutex<Variables>>),
    /// A list that only grows, as `Optimizer::trainable_variables` gives it; names by position.
    List,
}

impl Source {
    pub fn store(variables: &VarStore) -> Source {
        Source::Store(Arc::clone(&variables.variables_))
    }
}
