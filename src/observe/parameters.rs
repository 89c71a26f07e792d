//! Which tensors are watched, what they are called, and whether somebody else has written to them.

use std::sync::{Arc, Mutex, PoisonError};

use tch::nn::{VarStore, Variables};
use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};
use crate::record::ParameterInfo;

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
    pub fn new(name: String, tensor: Tensor, group: Option<usize>) -> Result<Self> {
        let refuse = |what: &str| Error::Parameters { reason: format!("parameter {name} cannot be observed: {what}") };
        if !is_dense(&tensor) {
            return Err(refuse("it is not a dense tensor"));
        }
        if !matches!(tensor.kind(), Kind::Float | Kind::Double | Kind::BFloat16 | Kind::Half) {
            return Err(refuse(&format!("its elements are {:?}, not f32, f64, bf16 or f16", tensor.kind())));
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
        ParameterInfo {
            name: self.name.clone(),
            shape: self.tensor.size(),
            kind: match self.tensor.kind() {
                Kind::Double => "f64",
                Kind::BFloat16 => "bf16",
                Kind::Half => "f16",
                _ => "f32",
            }
            .to_owned(),
            device: match self.tensor.device() {
                Device::Cpu => "cpu".to_owned(),
                Device::Cuda(index) => format!("cuda:{index}"),
                other => format!("{other:?}").to_lowercase(),
            },
            group: self.group,
        }
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

/// A variable as it was found, before it is known whether it is wanted.
#[derive(Debug)]
pub(super) struct Found {
    pub name: String,
    pub tensor: Tensor,
    pub group: Option<usize>,
}

/// Trainable variables number `known` and on. No allocation when there are none.
pub(super) fn variables_after(known: usize, store: &Mutex<Variables>) -> Vec<Found> {
    let variables = store.lock().unwrap_or_else(PoisonError::into_inner);
    if variables.trainable_variables.len() <= known {
        return Vec::new();
    }
    // The store names tensors in one table and lists the trainable ones in another; storage and shape tell which is
    // which. Where several names fit (tied weights, empty tensors) each is given out once.
    let mut names: Vec<(&String, usize, Vec<i64>)> = variables
        .named_variables
        .iter()
        .filter(|(_, tensor)| is_dense(tensor))
        .map(|(name, tensor)| (name, tensor.data_ptr() as usize, tensor.size()))
        .collect();
    names.sort_unstable();
    let mut name_of = |position: usize, tensor: &Tensor| {
        if !is_dense(tensor) {
            return unnamed(position);
        }
        let (address, shape) = (tensor.data_ptr() as usize, tensor.size());
        let fits = |(_, at, size): &(&String, usize, Vec<i64>)| *at == address && *size == shape;
        names.iter().position(fits).map_or_else(|| unnamed(position), |index| names.remove(index).0.clone())
    };
    let all = variables.trainable_variables.iter().enumerate().map(|(position, variable)| Found {
        name: name_of(position, &variable.tensor),
        tensor: variable.tensor.shallow_clone(),
        group: Some(variable.group),
    });
    all.skip(known).collect()
}

/// Whether the tensor has an address: tch panics when a sparse one is asked for it.
fn is_dense(tensor: &Tensor) -> bool {
    !tensor.is_sparse() && !tensor.is_mkldnn()
}

/// The same of a bare list.
pub(super) fn list_after(known: usize, list: Vec<Tensor>) -> Vec<Found> {
    let found = |(position, tensor)| Found { name: unnamed(position), tensor, group: None };
    list.into_iter().enumerate().skip(known).map(found).collect()
}

fn unnamed(position: usize) -> String {
    format!("parameter_{position}")
}
