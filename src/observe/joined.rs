//! Parameters that join a run while it is observed, or when it is taken up again.

use std::ops::Range;

use tch::Tensor;

use super::observation::Observation;
use super::parameters::{Parameter, warn_of_tied};
use super::resume::bytes_of;
use super::tracker::{State, Tracker, torch, wanted};
use crate::error::{Error, Result};
use crate::record::{EventKind, ParameterInfo};
use crate::recorder::Joined;
use crate::variables::{self, Variable, overlapping, unfit};

impl Observation {
    /// Takes up variables found beyond those known.
    pub(super) fn add(&mut self, found: Vec<Variable>) -> Result<()> {
        if found.is_empty() {
            return Ok(());
        }
        self.known_variables += variables::entries(&found);
        warn_of_tied(&found);
        let Added { joined, passed_over } = self.tracker.add(found)?;
        self.tell_passed_over(passed_over);
        self.tell_joined(joined)
    }

    /// Tells which variables cannot be observed, and why not.
    pub(super) fn tell_passed_over(&mut self, passed_over: Vec<(String, String)>) {
        let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
        for (name, reason) in passed_over {
            match reasons.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, names)) => names.push(name),
                None => reasons.push((reason, vec![name])),
            }
        }
        for (reason, parameters) in reasons {
            tracing::warn!(
                ?parameters,
                reason,
                "added variables cannot be observed and are passed over"
            );
            self.tell(self.step + 1, EventKind::ParametersNotObserved { parameters, reason });
        }
    }

    /// Tells which parameters have joined, and where they are measured from.
    pub(super) fn tell_joined(&mut self, members: Range<usize>) -> Result<()> {
        if members.is_empty() {
            return Ok(());
        }
        let (mut parameters, mut reference) = (Vec::new(), Vec::new());
        for (parameter, tensor) in self.tracker.reference_of(members) {
            reference.push(
                bytes_of(&tensor, &parameter.kind).map_err(torch("copy the added parameters"))?,
            );
            parameters.push(parameter);
        }
        let (step, elapsed_seconds) = (self.step + 1, self.clock.elapsed().as_secs_f64());
        self.recorder.joined(Joined { parameters, reference, step, elapsed_seconds });
        Ok(())
    }
}

/// What became of variables that were added.
pub(super) struct Added {
    /// The parameters they are.
    pub joined: Range<usize>,
    /// Names of those that cannot be observed, and why not.
    pub passed_over: Vec<(String, String)>,
}

impl Tracker {
    /// Watches those of more variables that are wanted, from where they are now. Those that the
    /// store has had before are watched already, or are not wanted; those that cannot be observed
    /// are passed over.
    pub fn add(&mut self, found: Vec<Variable>) -> Result<Added> {
        let mut states = self.states();
        let first = states.len();
        let mut passed_over = Vec::new();
        for variable in found {
            let known = self
                .parameters
                .iter_mut()
                .find(|parameter| variable.is_known && parameter.is_at(&variable));
            if let Some(parameter) = known {
                parameter.take_in(variable);
                continue;
            }
            if variable.is_known || !wanted(self.filter.as_ref(), &variable) {
                continue;
            }
            match unfit(&variable.tensor) {
                Some(why_not) => passed_over.push((variable.name, why_not)),
                None => self.parameters.push(Parameter::new(variable)?),
            }
        }
        while let Some([one, other]) = self.overlap() {
            let (number, with) = if one > other { (one, other) } else { (other, one) };
            if number < first {
                break;
            }
            let with = self.parameters[with].name.clone();
            passed_over.push((
                self.parameters.remove(number).name,
                format!("it shares some of its elements with {with}"),
            ));
        }
        let joined = first..self.parameters.len();
        if !joined.is_empty() {
            states.extend(self.parameters[joined.clone()].iter().map(State::here));
            self.place(states).map_err(torch("copy the added parameters"))?;
        }
        Ok(Added { joined, passed_over })
    }

    /// # Errors
    /// [`Error::Parameters`] where an element would be measured twice.
    pub(super) fn check_overlaps(&self) -> Result<()> {
        let Some([one, other]) =
            self.overlap().map(|pair| pair.map(|number| &self.parameters[number].name))
        else {
            return Ok(());
        };
        let reason = format!(
            "parameters `{one}` and `{other}` share some of their elements, which would be measured twice: \
             choose one of them (Options::parameters)"
        );
        Err(Error::Parameters { reason })
    }

    /// Two parameters that share some of their elements.
    fn overlap(&self) -> Option<[usize; 2]> {
        overlapping(
            self.parameters
                .iter()
                .enumerate()
                .map(|(number, parameter)| (number, &parameter.tensor)),
        )
    }

    /// Name, kind and shape of some parameters, and their reference points.
    pub fn reference_of(&self, members: Range<usize>) -> Vec<(ParameterInfo, Tensor)> {
        members
            .map(|member| (self.parameters[member].info(), self.state(member).reference))
            .collect()
    }
}
