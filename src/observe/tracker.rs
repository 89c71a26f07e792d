//! How far the watched parameters have moved: the two ways of measuring, behind one door.

use tch::{Kind, TchError, Tensor, no_grad};

use super::device::{DeferredRow, DeviceTracker, Start};
use super::gradients;
use super::host::HostTracker;
use super::kernel::Displacement;
use super::parameters::{Filter, Parameter};
use super::projection::Projection;
use crate::error::{Error, Result};
use crate::record::ParameterInfo;
use crate::variables::{Variable, unfit};

/// A reference point by parameter name.
pub(super) type Reference = Vec<(String, Tensor)>;

/// The watched parameters, what they were after the last step, and the point they are measured
/// from.
pub(super) struct Tracker {
    pub(super) parameters: Vec<Parameter>,
    /// Parameters measured by the fused pass, in its order.
    pub(super) host_members: Vec<usize>,
    pub(super) host: HostTracker,
    pub(super) device: DeviceTracker,
    addresses: Vec<usize>,
    pub(super) filter: Option<Filter>,
    pub(super) projection: Option<Projection>,
    /// Of finished lines of the projection's block that have not been asked for yet.
    pub(super) projected: Vec<f64>,
}

/// What a measured change was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Change {
    /// A step, the next one after the last measured.
    Step,
    /// A step after some that were not measured.
    StepAfterGap,
    /// No step.
    Outside,
}

/// Values after the last step, and the reference point; any shape, the parameter's number of
/// elements.
pub(super) struct State {
    previous: Tensor,
    pub(super) reference: Tensor,
}

impl Tracker {
    /// Watches those of `found` that `filter` wants, from `reference` where it names them, else
    /// from where they are.
    ///
    /// # Errors
    /// [`Error::Parameters`] when nothing is left to watch, when a parameter cannot be observed,
    /// and when `reference` names an unknown parameter or has another shape.
    pub fn new(
        found: Vec<Variable>,
        filter: Option<Filter>,
        reference: Reference,
    ) -> Result<Tracker> {
        let available =
            found.iter().map(|variable| variable.name.as_str()).collect::<Vec<_>>().join(", ");
        let mut tracker = Tracker {
            parameters: Vec::new(),
            host_members: Vec::new(),
            host: HostTracker::default(),
            device: DeviceTracker::default(),
            addresses: Vec::new(),
            filter,
            projection: None,
            projected: Vec::new(),
        };
        for variable in
            found.into_iter().filter(|variable| wanted(tracker.filter.as_ref(), variable))
        {
            tracker.parameters.push(Parameter::new(variable)?);
        }
        if tracker.parameters.is_empty() {
            let reason = match available.as_str() {
                "" => {
                    "there are no trainable variables to observe; attach after the network is built"
                        .to_owned()
                }
                names => format!("no parameter was chosen; there are: {names}"),
            };
            return Err(Error::Parameters { reason });
        }
        tracker.check_overlaps()?;
        let states = tracker.parameters.iter().map(State::here).collect();
        tracker.place(states).map_err(torch("copy the parameters"))?;
        tracker.measure_from(reference)?;
        Ok(tracker)
    }

    /// Takes `reference` for the reference point of the parameters it names.
    ///
    /// # Errors
    /// [`Error::Parameters`] when it names an unknown parameter or has another shape.
    pub fn measure_from(&mut self, reference: Reference) -> Result<()> {
        if reference.is_empty() {
            return Ok(());
        }
        let mut states = self.states();
        let mut given: Vec<Option<String>> = vec![None; states.len()];
        for (name, tensor) in reference {
            let Some(index) =
                self.parameters.iter().position(|parameter| parameter.is_called(&name))
            else {
                let observed: Vec<&str> =
                    self.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
                let observed = observed.join(", ");
                let reason = format!(
                    "the reference point names `{name}`, which is not observed; observed: {observed}"
                );
                return Err(Error::Parameters { reason });
            };
            let shape = self.parameters[index].tensor.size();
            if tensor.size() != shape {
                let found = tensor.size();
                let reason = format!(
                    "the reference point of `{name}` has shape {found:?}, the parameter {shape:?}"
                );
                return Err(Error::Parameters { reason });
            }
            // In the parameter's own kind, so that reference.safetensors holds the point that is
            // measured from.
            let kind = self.parameters[index].tensor.kind();
            let tensor = tensor.f_to_kind(kind).map_err(torch("convert the reference point"))?;
            if let Some(before) = given[index].replace(name.clone())
                && !states[index]
                    .reference
                    .f_equal(&tensor)
                    .map_err(torch("compare reference points"))?
            {
                let reason = format!(
                    "the reference point has other values for `{before}` than for `{name}`, which are one parameter"
                );
                return Err(Error::Parameters { reason });
            }
            states[index].reference = tensor;
        }
        self.place(states).map_err(torch("copy the parameters"))
    }

    pub fn info(&self) -> Vec<ParameterInfo> {
        self.parameters.iter().map(Parameter::info).collect()
    }

    /// Name, shape and reference point of each parameter.
    pub fn reference(&self) -> Reference {
        let states = self.states();
        let parameters = self.parameters.iter().zip(states);
        parameters
            .map(|(parameter, state)| {
                (parameter.name.clone(), state.reference.reshape(parameter.tensor.size()))
            })
            .collect()
    }

    /// Whether any parameter was written to since the last [`refresh`](Self::refresh).
    pub fn is_changed(&self) -> bool {
        self.parameters.iter().any(Parameter::is_changed)
    }

    /// Names of the parameters written to, at most `limit`.
    pub fn changed_names(&self, limit: usize) -> Vec<String> {
        let changed = self.parameters.iter().filter(|parameter| parameter.is_changed());
        changed.take(limit).map(|parameter| parameter.name.clone()).collect()
    }

    /// Takes note of the parameters' present versions and addresses, and follows those that were
    /// moved to another device, kind or shape. Other memory alone, as an optimizer gives that makes
    /// new tensors, is another address.
    pub fn refresh(&mut self) -> Result<()> {
        let mut other = false;
        for parameter in &mut self.parameters {
            other |= parameter.mark_seen();
        }
        if other {
            let unfit = self
                .parameters
                .iter()
                .find_map(|parameter| Some((&parameter.name, unfit(&parameter.tensor)?)));
            if let Some((name, why_not)) = unfit {
                let reason = format!("parameter {name} cannot be observed any longer: {why_not}");
                return Err(Error::Parameters { reason });
            }
            let states = self.states();
            self.place(states).map_err(torch("follow replaced parameters"))?;
        }
        for (address, member) in self.addresses.iter_mut().zip(&self.host_members) {
            *address = self.parameters[*member].address();
        }
        Ok(())
    }

    /// Measures every parameter, as it was at the last [`refresh`](Self::refresh), and remembers
    /// its values. What is not known at once is put into `row`.
    pub fn measure(&mut self, change: Change, row: &mut DeferredRow) -> Result<Displacement> {
        if let Some(projection) = self.projection.as_mut().filter(|projection| projection.is_full())
        {
            projection.finish(threads(), &mut self.projected);
        }
        self.device.measure(&self.parameters, row).map_err(torch("measure displacements"))?;
        // SAFETY: `refresh` has just read each address from a tensor held by `parameters`, so that
        // its memory lives. It holds as many f32 as when it was added: a tensor of another device,
        // kind, layout or number of elements has been placed anew. Of one at the same address, kind
        // and layout the rest is not compared; it is of the storage in which it was last seen,
        // which the parameter keeps alive, and libtorch never shrinks a storage. That nobody writes
        // the parameters on another thread during the call is asked of the caller of `after_step`,
        // as libtorch itself does.
        #[allow(unsafe_code)]
        let displacement = unsafe {
            let moved = self.projection.as_mut().map(Projection::line);
            self.host.measure(&self.addresses, threads(), moved)
        };
        if let Some(projection) = &mut self.projection {
            match change {
                Change::Step => projection.step(),
                Change::StepAfterGap => projection.step_at(self.host.distance()),
                Change::Outside => projection.outside(),
            }
        }
        Ok(displacement)
    }

    /// Remembers every parameter's values, as they were at the last [`refresh`](Self::refresh).
    pub fn snapshot(&mut self) -> Result<()> {
        self.device.snapshot(&self.parameters).map_err(torch("copy the parameters"))?;
        // SAFETY: as in `measure`.
        #[allow(unsafe_code)]
        unsafe {
            self.host.snapshot(&self.addresses, threads())
        };
        Ok(())
    }

    /// Norms of the gradients as they are now.
    pub fn gradient_norms(&self) -> Result<Vec<Tensor>> {
        gradients::norms(&self.parameters).map_err(torch("measure gradients"))
    }

    /// A parameter's tensor, its values at the last pass and its reference point.
    pub fn state_of(&self, index: usize) -> (&Tensor, Tensor, Tensor) {
        let State { previous, reference } = self.state(index);
        (&self.parameters[index].tensor, previous, reference)
    }

    pub(super) fn state(&self, index: usize) -> State {
        if let Some(number) = self.host_members.iter().position(|member| *member == index) {
            let (previous, reference) = self.host.state_of(number);
            return State {
                previous: Tensor::from_slice(&previous),
                reference: Tensor::from_slice(&reference),
            };
        }
        match self.device.state_of(index) {
            Some((previous, reference)) => State { previous, reference },
            None => State::here(&self.parameters[index]),
        }
    }

    pub(super) fn states(&self) -> Vec<State> {
        (0..self.parameters.len()).map(|index| self.state(index)).collect()
    }

    /// Decides how each parameter is measured, as it is now, and goes on from `states`.
    pub(super) fn place(&mut self, states: Vec<State>) -> std::result::Result<(), TchError> {
        if let Some(projection) = &mut self.projection {
            projection.finish(threads(), &mut self.projected);
        }
        self.host = HostTracker::default();
        self.host_members.clear();
        let mut starts = Vec::new();
        for (index, (parameter, state)) in self.parameters.iter_mut().zip(states).enumerate() {
            parameter.mark_seen();
            let fits = state.previous.numel() == parameter.tensor.numel();
            let State { previous, reference } = if fits { state } else { State::here(parameter) };
            if parameter.is_plain() {
                self.host.add(&to_f32(&previous)?, &to_f32(&reference)?);
                self.host_members.push(index);
            } else {
                starts.push(Start { parameter: index, previous, reference });
            }
        }
        self.addresses =
            self.host_members.iter().map(|member| self.parameters[*member].address()).collect();
        self.device = DeviceTracker::new(&self.parameters, starts)?;
        if let Some(mut projection) = self.projection.take() {
            self.arrange(&mut projection)?;
            projection.begin_at(self.host.distance());
            self.projection = Some(projection);
        }
        Ok(())
    }
}

impl State {
    /// At rest where the parameter is now.
    pub(super) fn here(parameter: &Parameter) -> State {
        let values = no_grad(|| parameter.tensor.detach());
        State { previous: values.shallow_clone(), reference: values }
    }
}

/// The threads libtorch uses on this thread.
pub(super) fn threads() -> usize {
    usize::try_from(tch::get_num_threads()).unwrap_or(1)
}

pub(super) fn wanted(filter: Option<&Filter>, variable: &Variable) -> bool {
    filter.is_none_or(|filter| variable.names().any(filter))
}

fn to_f32(tensor: &Tensor) -> std::result::Result<Vec<f32>, TchError> {
    Vec::try_from(&no_grad(|| {
        tensor
            .f_detach()?
            .f_to_device(tch::Device::Cpu)?
            .f_to_kind(Kind::Float)?
            .f_contiguous()?
            .f_reshape([-1])
    })?)
}

pub(super) fn torch(action: &'static str) -> impl FnOnce(TchError) -> Error {
    move |source| Error::Torch { action, source }
}
