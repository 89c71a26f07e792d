//! Which tensors are watched, and whether somebody else has written to them.

use std::sync::{Arc, Mutex};

use tch::nn::{VarStore, Variables};
use tch::{Device, Kind, TchError, Tensor};

use crate::error::{Error, Result};
use crate::record::ParameterInfo;
use crate::variables::{Variable, dense, list_after, parameter_info, unfit, variables_after};

/// Chooses parameters by name.
pub(super) type Filter = Box<dyn Fn(&str) -> bool + Send>;

/// A watched tensor and the state in which it was last seen.
#[derive(Debug)]
pub(super) struct Parameter {
    pub name: String,
    /// Further names of the same memory, as tied weights have them.
    pub other_names: Vec<String>,
    /// Shares the network's tensor: sees its values, its storage and its version counter.
    pub tensor: Tensor,
    /// Other variables of autograd over the same memory.
    twins: Vec<Tensor>,
    pub group: Option<usize>,
    seen: Seen,
    /// Keeps the storage alive in which the tensor was last seen, so that no other storage can take
    /// its address.
    storage: Tensor,
}

/// What tells one state of a tensor from another without reading its elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    /// libtorch's count of in-place changes. Changes through `Tensor::data` do not count, and
    /// libtorch's own SGD makes its steps that way; its Adam, AdamW and RMSprop do count.
    version: i64,
    memory: Memory,
}

/// Where a tensor's elements are and how they are to be read. Differs when the tensor was given
/// other data (`set_data`: a move to another device or kind).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Memory {
    address: usize,
    kind: Kind,
    contiguous: bool,
}

impl Parameter {
    pub fn new(variable: Variable) -> Result<Self> {
        let Variable { name, other_names, tensor, twins, group, .. } = variable;
        if let Some(why_not) = unfit(&tensor) {
            let reason = format!(
                "parameter {name} cannot be observed: {why_not}; leave it out (Options::parameters)"
            );
            return Err(Error::Parameters { reason });
        }
        let (seen, storage) = (Seen::of(&tensor), tensor.detach());
        Ok(Parameter { name, other_names, tensor, twins, group, seen, storage })
    }

    /// Whether this is one of its names.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.other_names.iter().any(|other| other == name)
    }

    /// Takes one of its names for the first of them.
    pub fn go_by(&mut self, name: &str) {
        if let Some(other) = self.other_names.iter_mut().find(|other| *other == name) {
            std::mem::swap(&mut self.name, other);
        }
    }

    /// Whether it is this variable.
    pub fn is_at(&self, variable: &Variable) -> bool {
        self.tensor.f_is_set_to(&variable.tensor).unwrap_or(false)
    }

    /// Takes in what the store has of it now: entries may have been added.
    pub fn take_in(&mut self, variable: Variable) {
        let names = std::iter::once(variable.name).chain(variable.other_names);
        self.other_names = names.filter(|name| *name != self.name).collect();
        self.twins = variable.twins;
    }

    /// The gradient of its elements; that of tied variables of autograd is their sum.
    pub fn gradient(&self) -> std::result::Result<Option<Tensor>, TchError> {
        let mut sum = None;
        for tensor in std::iter::once(&self.tensor).chain(&self.twins) {
            let gradient = tensor.f_grad()?;
            sum = match sum {
                _ if !gradient.defined() => sum,
                None => Some(gradient),
                Some(sum) => Some(dense(sum)?.f_add(&dense(gradient)?)?),
            };
        }
        Ok(sum)
    }

    /// Whether the fused pass can read it in place. Everything else goes by tensor operations.
    pub fn is_plain(&self) -> bool {
        self.tensor.device() == Device::Cpu
            && self.tensor.kind() == Kind::Float
            && self.tensor.is_contiguous()
    }

    pub fn address(&self) -> usize {
        self.seen.memory.address
    }

    /// Whether it was changed since it was last [`seen`](Self::mark_seen).
    pub fn is_changed(&self) -> bool {
        Seen::of(&self.tensor) != self.seen
    }

    /// Takes note of its state; whether it is to be measured otherwise than before: its elements
    /// are of another number or kind, on another device, or laid out otherwise. Elements that are
    /// merely elsewhere are measured as before.
    pub fn mark_seen(&mut self) -> bool {
        let before = std::mem::replace(&mut self.seen, Seen::of(&self.tensor)).memory;
        let now = self.seen.memory;
        if before == now {
            return false;
        }
        let storage = std::mem::replace(&mut self.storage, self.tensor.detach());
        let alike =
            storage.device() == self.tensor.device() && storage.numel() == self.tensor.numel();
        !alike || (before.kind, before.contiguous) != (now.kind, now.contiguous)
    }

    pub fn info(&self) -> ParameterInfo {
        parameter_info(&self.name, &self.tensor, self.group)
    }
}

impl Seen {
    fn of(tensor: &Tensor) -> Seen {
        let memory = Memory {
            address: tensor.data_ptr() as usize,
            kind: tensor.kind(),
            contiguous: tensor.is_contiguous(),
        };
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

    /// All there are now: those of the store, else of `list`.
    pub fn variables(&self, list: impl FnOnce() -> Vec<Tensor>) -> Vec<Variable> {
        match self {
            Source::Store(store) => variables_after(0, store),
            Source::List => list_after(0, list()),
        }
    }
}

/// Says which variables an optimizer of libtorch's moves several times a step.
pub(super) fn warn_of_tied(found: &[Variable]) {
    for variable in found.iter().filter(|variable| variable.is_known || variable.entries > 1) {
        let names = variable.tied_names();
        tracing::warn!(
            "{names}: one tensor that the store has several times. It is observed once; libtorch's optimizers move it \
             once for each time, at every step"
        );
    }
}
