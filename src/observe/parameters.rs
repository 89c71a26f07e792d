//! Which tensors are watched, what they are called, and whether somebody else has written to them.

use std::collections::HashMap;
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
}

/// What tells one state of a tensor from another without reading its elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    /// libtorch's count of in-place changes. Changes through `Tensor::data` keep counts of their own and stay unseen.
    version: i64,
    /// Changes when the storage is replaced (`set_data`: a move to another device or kind).
    address: usize,
}

impl Parameter {
    pub fn new(name: String, tensor: Tensor, group: Option<usize>) -> Result<Self> {
        let refuse = |what: &str| Error::Parameters { reason: format!("parameter {name} cannot be observed: {what}") };
        if tensor.is_sparse() || tensor.is_mkldnn() {
            return Err(refuse("it is not a dense tensor"));
        }
        if !matches!(tensor.kind(), Kind::Float | Kind::Double | Kind::BFloat16 | Kind::Half) {
            return Err(refuse(&format!("its elements are {:?}, not f32, f64, bf16 or f16", tensor.kind())));
        }
        let seen = Seen::of(&tensor);
        Ok(Parameter { name, tensor, group, seen })
    }

    /// Whether the fused pass can read it in place. Everything else goes by tensor operations.
    pub fn is_plain(&self) -> bool {
        self.tensor.device() == Device::Cpu && self.tensor.kind() == Kind::Float && self.tensor.is_contiguous()
    }

    pub fn address(&self) -> usize {
        self.seen.address
    }

    /// Whether it was changed since it was last [`seen`](Self::mark_seen).
    pub fn is_changed(&self) -> bool {
        Seen::of(&self.tensor) != self.seen
    }

    /// Takes note of its state; whether its storage is another one than before.
    pub fn mark_seen(&mut self) -> bool {
        let before = std::mem::replace(&mut self.seen, Seen::of(&self.tensor));
        before.address != self.seen.address
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
        Seen { version: tensor.f_internal_version().unwrap_or(-1), address: tensor.data_ptr() as usize }
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
    // The store names tensors in one table and lists the trainable ones in another; the storage tells which is which.
    let names: HashMap<usize, &String> =
        variables.named_variables.iter().map(|(name, tensor)| (tensor.data_ptr() as usize, name)).collect();
    let later = variables.trainable_variables.iter().enumerate().skip(known);
    let found = later.map(|(position, variable)| Found {
        name: names
            .get(&(variable.tensor.data_ptr() as usize))
            .map_or_else(|| unnamed(position), |name| (*name).clone()),
        tensor: variable.tensor.shallow_clone(),
        group: Some(variable.group),
    });
    found.collect()
}

/// The same of a bare list.
pub(super) fn list_after(known: usize, list: Vec<Tensor>) -> Vec<Found> {
    let found = |(position, tensor)| Found { name: unnamed(position), tensor, group: None };
    list.into_iter().enumerate().skip(known).map(found).collect()
}

fn unnamed(position: usize) -> String {
    format!("parameter_{position}")
}
