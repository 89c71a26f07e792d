//! tch's trainable variables: which there are, what they are called, which can be worked with. What
//! is watched and what has a Hessian are found here alike, in the same order and under the same
//! names.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tch::nn::Variables;
use tch::{Device, Kind, TchError, Tensor};

use crate::record::ParameterInfo;

/// A trainable variable: one piece of memory, however often the store has it (tied weights under
/// several names).
#[derive(Debug)]
pub(crate) struct Variable {
    /// The alphabetically first of its names in the store; its position where no name is known.
    pub name: String,
    /// Its other names, in alphabetical order.
    pub other_names: Vec<String>,
    /// Shares the network's tensor.
    pub tensor: Tensor,
    /// Other variables of autograd over the same memory, each with a gradient of its own (`detach`
    /// makes such).
    pub twins: Vec<Tensor>,
    /// Its parameter group, where known; the first where it is in several.
    pub group: Option<usize>,
    /// The last of its groups.
    pub last_group: Option<usize>,
    /// Entries of the store that are this variable, those looked at before not counted.
    pub entries: usize,
    /// Whether some were looked at before: only these entries and names are new.
    pub is_known: bool,
}

impl Variable {
    /// All its names, the first one first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.name).chain(&self.other_names).map(String::as_str)
    }

    /// Whether this is one of its names.
    pub fn is_called(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }

    /// What it is called by whoever is told that the store has it several times.
    pub fn tied_names(&self) -> String {
        self.names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" = ")
    }
}

/// The trainable variables with an entry of number `known` or later, in the order of their first
/// entries. No allocation when there are none.
pub(crate) fn variables_after(known: usize, store: &Mutex<Variables>) -> Vec<Variable> {
    let variables = store.lock().unwrap_or_else(PoisonError::into_inner);
    if variables.trainable_variables.len() <= known {
        return Vec::new();
    }
    // The store names tensors in one table and lists the trainable ones in another; memory tells
    // which is which.
    let mut names: HashMap<Place, Vec<&String>> = HashMap::new();
    for (name, tensor) in &variables.named_variables {
        if let Some(place) = Place::of(tensor) {
            names.entry(place).or_default().push(name);
        }
    }
    names.values_mut().for_each(|names| names.sort_unstable());
    let names_of = |place: &Place, tensor: &Tensor| match names.get_mut(place) {
        // Empty tensors share an address and nothing else: each takes one of the names.
        Some(names) if tensor.numel() == 0 && !names.is_empty() => vec![names.remove(0).clone()],
        Some(names) => names.iter().copied().cloned().collect(),
        None => Vec::new(),
    };
    let entries = variables.trainable_variables.iter();
    let entries = entries.map(|variable| (variable.tensor.shallow_clone(), Some(variable.group)));
    distinct(known, entries, names_of)
}

/// Entries of the store that were looked at to find these.
pub(crate) fn entries(found: &[Variable]) -> usize {
    found.iter().map(|variable| variable.entries).sum()
}

/// The same of a bare list.
pub(crate) fn list_after(known: usize, list: Vec<Tensor>) -> Vec<Variable> {
    if list.len() <= known {
        return Vec::new();
    }
    distinct(known, list.into_iter().map(|tensor| (tensor, None)), |_, _| Vec::new())
}

/// Takes entries of the same memory together, and leaves out what has no entry from number `known`
/// on.
fn distinct(
    known: usize,
    entries: impl Iterator<Item = (Tensor, Option<usize>)>,
    mut names_of: impl FnMut(&Place, &Tensor) -> Vec<String>,
) -> Vec<Variable> {
    let mut found: Vec<Variable> = Vec::new();
    let mut at: HashMap<Place, usize> = HashMap::new();
    for (position, (tensor, group)) in entries.enumerate() {
        let place = Place::of(&tensor);
        if let Some(&index) = place.as_ref().and_then(|place| at.get(place)) {
            found[index].take_in(position, known, tensor, group);
            continue;
        }
        let mut names =
            place.as_ref().map_or_else(Vec::new, |place| names_of(place, &tensor)).into_iter();
        let name = names.next().unwrap_or_else(|| format!("parameter_{position}"));
        if let Some(place) = place.filter(|_| tensor.numel() > 0) {
            at.insert(place, found.len());
        }
        let (entries, is_known) = (usize::from(position >= known), position < known);
        let (other_names, twins) = (names.collect(), Vec::new());
        let variable = Variable {
            name,
            other_names,
            tensor,
            twins,
            group,
            last_group: group,
            entries,
            is_known,
        };
        found.push(variable);
    }
    found.retain(|variable| variable.entries > 0);
    found
}

impl Variable {
    /// Takes in another entry of the same memory.
    fn take_in(&mut self, position: usize, known: usize, tensor: Tensor, group: Option<usize>) {
        self.last_group = self.last_group.max(group);
        self.entries += usize::from(position >= known);
        if !std::iter::once(&self.tensor)
            .chain(&self.twins)
            .any(|known| is_same_variable(known, &tensor))
        {
            self.twins.push(tensor);
        }
    }
}

/// Whether two tensors over the same memory are one variable of autograd. Only leaves have
/// gradients of their own: what is made from a variable by an operation hands its gradient on to
/// it.
///
/// libtorch hands out no identity; that both change their flag at once tells it.
fn is_same_variable(one: &Tensor, other: &Tensor) -> bool {
    if !other.is_leaf() {
        return true;
    }
    let before = one.requires_grad();
    if other.requires_grad() != before || one.f_set_requires_grad(!before).is_err() {
        return false;
    }
    let same = other.requires_grad() != before;
    let _ = one.set_requires_grad(before);
    same
}

/// Where a dense tensor's elements are, and how they are to be read.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Place {
    device: Device,
    address: usize,
    kind: Kind,
    size: Vec<i64>,
    stride: Vec<i64>,
}

impl Place {
    fn of(tensor: &Tensor) -> Option<Place> {
        is_dense(tensor).then(|| Place {
            device: tensor.device(),
            address: tensor.data_ptr() as usize,
            kind: tensor.kind(),
            size: tensor.size(),
            stride: tensor.stride(),
        })
    }

    /// Addresses from its first element to the end of its last.
    fn range(&self) -> std::ops::Range<usize> {
        let last: i64 =
            self.size.iter().zip(&self.stride).map(|(size, stride)| (size - 1) * stride).sum();
        self.address..self.address + (last as usize + 1) * self.kind.elt_size_in_bytes()
    }

    /// Whether both have an element in common; their ranges overlap. Views of every second element
    /// do not.
    fn shares_elements(&self, other: &Place) -> bool {
        let bytes = self.kind.elt_size_in_bytes();
        let start = self.address.min(other.address);
        let end = self.range().end.max(other.range().end);
        let aligned = |place: &Place| (place.address - start).is_multiple_of(bytes);
        if self.kind != other.kind || !aligned(self) || !aligned(other) {
            return true;
        }
        let marks = Tensor::zeros([((end - start) / bytes) as i64], (Kind::Uint8, Device::Cpu));
        let view = |place: &Place| {
            let offset = ((place.address - start) / bytes) as i64;
            marks.as_strided(&place.size, &place.stride, offset)
        };
        let _ = view(self).fill_(1);
        view(other).max().int64_value(&[]) > 0
    }
}

/// Two of the tensors that share some of their elements: views of one tensor that overlap. Those of
/// the same memory altogether have been found to be one [`Variable`] before.
pub(crate) fn overlapping<'a, N: Copy>(
    tensors: impl Iterator<Item = (N, &'a Tensor)>,
) -> Option<[N; 2]> {
    let places = tensors.filter(|(_, tensor)| tensor.numel() > 0);
    let mut places: Vec<(N, Place)> =
        places.filter_map(|(name, tensor)| Some((name, Place::of(tensor)?))).collect();
    places.sort_by_key(|(_, place)| place.address);
    for (index, (name, place)) in places.iter().enumerate() {
        let end = place.range().end;
        let near = places[index + 1..].iter().take_while(|(_, other)| other.address < end);
        for (other_name, other) in near {
            if place.device == other.device && place.shares_elements(other) {
                return Some([*name, *other_name]);
            }
        }
    }
    None
}

/// Whether the tensor has an address: tch panics when a sparse one is asked for it.
pub(crate) fn is_dense(tensor: &Tensor) -> bool {
    !tensor.is_sparse() && !tensor.is_mkldnn()
}

/// A gradient as a dense tensor: that of an embedding may be sparse.
pub(crate) fn dense(gradient: Tensor) -> Result<Tensor, TchError> {
    if gradient.is_sparse() { gradient.f_to_dense(None, true) } else { Ok(gradient) }
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
    ParameterInfo {
        name: name.to_owned(),
        shape: tensor.size(),
        kind: kind.to_owned(),
        device,
        group,
    }
}

/// The widest kind to sum in: f64, where the device has it.
pub(crate) fn sum_kind(device: Device) -> Kind {
    if device == Device::Mps { Kind::Float } else { Kind::Double }
}
