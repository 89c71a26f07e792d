//! Displacements of everything else (other kinds, other devices, strided memory) by tensor
//! operations.
//!
//! The parameters of one device and kind are gathered into one flat tensor a step, so that the
//! number of operations does not grow with the number of parameters, and the sums stay on the
//! device as scalars: nothing here waits for it. The worker thread reads the scalars of a whole
//! block of rows at once ([`read_all`]).

use tch::{Device, Kind, TchError, Tensor, no_grad};

use super::parameters::Parameter;
use crate::variables::sum_kind;

/// Scalars that are still being computed.
#[derive(Debug, Default)]
pub(super) struct DeferredRow {
    /// Norms, one a group of parameters; their squares are added to the row's squared local
    /// displacement.
    pub local: Vec<Tensor>,
    /// The same of the global displacement.
    pub global: Vec<Tensor>,
    /// Norms of gradients.
    pub gradient: Vec<Tensor>,
    /// Projections of theta - theta_*, K numbers a group of parameters; they add up to the row's
    /// positions.
    pub positions: Vec<Tensor>,
    /// The same of the step's displacement.
    pub moved: Vec<Tensor>,
    /// The loss, where it lives on a device.
    pub loss: Option<Tensor>,
}

impl DeferredRow {
    pub fn is_empty(&self) -> bool {
        self.local.is_empty() && self.gradient.is_empty() && self.loss.is_none()
    }
}

/// The parameters of one device and kind.
#[derive(Debug)]
struct Group {
    device: Device,
    /// Kind in which differences are taken: f64 for f64, else f32.
    kind: Kind,
    /// Which parameters, by index.
    members: Vec<usize>,
    sizes: Vec<i64>,
    previous: Tensor,
    reference: Tensor,
    scratch: Tensor,
    /// [K, elements], where there are directions to project on.
    directions: Option<Tensor>,
}

/// The parameters that are not plain f32 memory.
#[derive(Debug, Default)]
pub(super) struct DeviceTracker {
    groups: Vec<Group>,
}

/// A parameter to track: its index, its values before the first step, and its reference point.
pub(super) struct Start {
    pub parameter: usize,
    pub previous: Tensor,
    pub reference: Tensor,
}

impl DeviceTracker {
    pub fn new(parameters: &[Parameter], starts: Vec<Start>) -> Result<Self, TchError> {
        let place = |start: &Start| {
            let tensor = &parameters[start.parameter].tensor;
            (
                tensor.device(),
                if tensor.kind() == Kind::Double { Kind::Double } else { Kind::Float },
            )
        };
        let mut by_place: Vec<((Device, Kind), Vec<Start>)> = Vec::new();
        for start in starts {
            let place = place(&start);
            match by_place.iter_mut().find(|(present, _)| *present == place) {
                Some((_, members)) => members.push(start),
                None => by_place.push((place, vec![start])),
            }
        }
        let groups =
            by_place.into_iter().map(|((device, kind), starts)| Group::new(device, kind, &starts));
        Ok(DeviceTracker { groups: groups.collect::<Result<_, _>>()? })
    }

    /// Projects on directions from now on: `part` gives those of a parameter, [K, its elements].
    pub fn project_onto(
        &mut self,
        part: impl Fn(usize) -> Result<Tensor, TchError>,
    ) -> Result<(), TchError> {
        let of_group = |group: &Group| {
            let parts =
                group.members.iter().map(|member| part(*member)).collect::<Result<Vec<_>, _>>()?;
            Tensor::f_cat(&parts, 1)?.f_to_device(group.device)?.f_to_kind(group.kind)
        };
        // All of them before any is replaced: an error leaves those in force.
        let directions = self.groups.iter().map(of_group).collect::<Result<Vec<_>, TchError>>()?;
        for (group, directions) in self.groups.iter_mut().zip(directions) {
            group.directions = Some(directions);
        }
        Ok(())
    }

    /// Measures every parameter and remembers its values.
    pub fn measure(
        &mut self,
        parameters: &[Parameter],
        row: &mut DeferredRow,
    ) -> Result<(), TchError> {
        no_grad(|| {
            for group in &mut self.groups {
                group.gather(parameters)?;
                // scratch holds theta; previous becomes the difference, then scratch and previous
                // change places.
                let moved = group.scratch.f_sub_out(&group.previous, &group.previous)?;
                row.local.push(norm(&moved, sum_kind(group.device))?);
                if let Some(directions) = &group.directions {
                    row.moved.push(directions.f_mv(&moved)?);
                }
                let distance = group.scratch.f_sub_out(&group.previous, &group.reference)?;
                row.global.push(norm(&distance, sum_kind(group.device))?);
                if let Some(directions) = &group.directions {
                    row.positions.push(directions.f_mv(&distance)?);
                }
                std::mem::swap(&mut group.previous, &mut group.scratch);
            }
            Ok(())
        })
    }

    /// Remembers every parameter's values without measuring.
    pub fn snapshot(&mut self, parameters: &[Parameter]) -> Result<(), TchError> {
        no_grad(|| {
            for group in &mut self.groups {
                group.gather(parameters)?;
                std::mem::swap(&mut group.previous, &mut group.scratch);
            }
            Ok(())
        })
    }

    /// Values of `parameter` at the last pass, and its reference point, both flat; `None` if it is
    /// not one of these.
    pub fn state_of(&self, parameter: usize) -> Option<(Tensor, Tensor)> {
        self.groups.iter().find_map(|group| {
            let number = group.members.iter().position(|member| *member == parameter)?;
            let start: i64 = group.sizes[..number].iter().sum();
            let piece = |flat: &Tensor| flat.narrow(0, start, group.sizes[number]).copy();
            Some((piece(&group.previous), piece(&group.reference)))
        })
    }
}

impl Group {
    fn new(device: Device, kind: Kind, starts: &[Start]) -> Result<Self, TchError> {
        no_grad(|| {
            let flat = |choose: fn(&Start) -> &Tensor| {
                let pieces: Result<Vec<Tensor>, TchError> = starts
                    .iter()
                    .map(|start| {
                        choose(start)
                            .f_detach()?
                            .f_to_device(device)?
                            .f_to_kind(kind)?
                            .f_reshape([-1])
                    })
                    .collect();
                Tensor::f_cat(&pieces?, 0)
            };
            let previous = flat(|start| &start.previous)?;
            Ok(Group {
                device,
                kind,
                members: starts.iter().map(|start| start.parameter).collect(),
                sizes: starts.iter().map(|start| start.previous.numel() as i64).collect(),
                reference: flat(|start| &start.reference)?,
                scratch: previous.f_empty_like()?,
                directions: None,
                previous,
            })
        })
    }

    /// Copies the parameters into `scratch`.
    fn gather(&mut self, parameters: &[Parameter]) -> Result<(), TchError> {
        debug_assert!(
            self.members.iter().all(|member| parameters[*member].tensor.device() == self.device)
        );
        let pieces: Result<Vec<Tensor>, TchError> = self
            .members
            .iter()
            .map(|member| {
                parameters[*member].tensor.f_detach()?.f_to_kind(self.kind)?.f_reshape([-1])
            })
            .collect();
        let _ = Tensor::f_cat_out(&self.scratch, &pieces?, 0)?;
        Ok(())
    }
}

/// A norm rather than its square: squared in f64 later, it neither under- nor overflows in f32.
pub(super) fn norm(values: &Tensor, sum_kind: Kind) -> Result<Tensor, TchError> {
    // Flat, because of a matrix this would be the spectral norm.
    values.f_reshape([-1])?.f_linalg_norm(2, None::<&[i64]>, false, sum_kind)
}

/// Reads tensors from wherever they are, their elements one after the other: one copy, and one
/// wait, a device and kind.
pub(super) fn read_all(tensors: &[&Tensor]) -> Result<Vec<f64>, TchError> {
    let mut end = 0;
    let mut starts = Vec::with_capacity(tensors.len());
    for tensor in tensors {
        starts.push(end);
        end += tensor.numel();
    }
    let mut values = vec![f64::NAN; end];
    let mut left: Vec<usize> = (0..tensors.len()).collect();
    while let Some(&first) = left.first() {
        let place = |index: &usize| (tensors[*index].device(), tensors[*index].kind());
        let (together, rest): (Vec<usize>, Vec<usize>) =
            left.iter().partition(|index| place(index) == place(&first));
        let joined = no_grad(|| {
            let flat: Result<Vec<Tensor>, TchError> =
                together.iter().map(|index| tensors[*index].f_reshape([-1])).collect();
            Tensor::f_cat(&flat?, 0)?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)
        })?;
        let mut joined = Vec::<f64>::try_from(&joined)?.into_iter();
        for index in together {
            let range = starts[index]..starts[index] + tensors[index].numel();
            values[range].iter_mut().zip(joined.by_ref()).for_each(|(value, read)| *value = read);
        }
        left = rest;
    }
    Ok(values)
}
