//! tch's trainable variables: which there are, what they are called, which can be worked with. What is watched and what
//! has a Hessian are found here alike, in the same order and under the same names.

use std::sync::{Mutex, PoisonError};

use tch::nn::Variables;
use tch::{Device, Kind, Tensor};

use crate::record::ParameterInfo;

/// A trainable variable.
#[derive(Debug)]
pub(crate) struct Variable {
    /// Its name in the store, or its position where no name is known.
    pub name: String,
    /// Shares the network's tensor.
    pub tensor: Tensor,
    /// Its parameter group, where known.
    pub group: Option<usize>,
}

/// Trainable variables number `known` and on. No allocation when there are none.
pub(crate) fn variables_after(known: usize, store: &Mutex<Variables>) -> Vec<Variable> {
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
    let all = variables.trainable_variables.iter().enumerate().map(|(position, variable)| Variable {
        name: name_of(position, &variable.tensor),
        tensor: variable.tensor.shallow_clone(),
        group: Some(variable.group),
    });
    all.skip(known).collect()
}

/// Whether the tensor has an address: tch panics when a sparse one is asked for it.
pub(crate) fn is_dense(tensor: &Tensor) -> bool {
    !tensor.is_sparse() && !tensor.is_mkldnn()
}

/// The same of a bare list.
pub(crate) fn list_after(known: usize, list: Vec<Tensor>) -> Vec<Variable> {
    let found = |(position, tensor)| Variable { name: unnamed(position), tensor, group: None };
    list.into_iter().enumerate().skip(known).map(found).collect()
}

fn unnamed(position: usize) -> String {
    format!("parameter_{position}")
}

/// Why nothing can be done with a tensor's elements, if so; it continues "cannot be ...: ".
pub(crate) fn unfit(tensor: &Tensor) -> Option<String> {
    if !is_dense(tensor) {
        return Some("it is not a dense tensor".to_owned());
    }
    let kind = tensor.kind();
    let known = matches!(kind, Kind::Float | Kind::Double | Kind::BFloat16 | Kind::Half);
    (!known).then(|| format!("its elements are {kind:?}, not f32, f64, bf16 or f16"))
}

/// A parameter as `run.json` and eigenvector files describe it.
pub(crate) fn parameter_info(name: &str, tensor: &Tensor, group: Option<usize>) -> ParameterInfo {
    let kind = match tensor.kind() {
        Kind::Double => "f64",
        Kind::BFloat16 => "bf16",
        Kind::Half => "f16",
        _ => "f32",
    };
    let device = match tensor.device() {
        Device::Cpu => "cpu".to_owned(),
        Device::Cuda(index) => format!("cuda:{index}"),
        other => format!("{other:?}").to_lowercase(),
    };
    ParameterInfo { name: name.to_owned(), shape: tensor.size(), kind: kind.to_owned(), device, group }
}

/// The widest kind to sum in: f64, where the device has it.
pub(crate) fn sum_kind(device: Device) -> Kind {
    if device == Device::Mps { Kind::Float } else { Kind::Double }
}
