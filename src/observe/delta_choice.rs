//! Which whole displacements are kept, and where they go.

use std::path::Path;

use super::parameters::Filter;
use crate::error::{Error, Result};
use crate::record::ParameterInfo;
use crate::recorder::{DeltaRecorder, QueuePolicy};
use crate::run::DeltaWriter;

/// Memory for deltas that wait for the disk; two may wait however large they are.
const WAITING_BYTES: usize = 256 << 20;

/// What was asked for.
pub(super) struct DeltaOptions {
    pub every_steps: u64,
    pub wanted: Filter,
}

/// The parameters it is of.
pub(super) struct DeltaChoice {
    pub every_steps: u64,
    pub members: Vec<usize>,
}

/// Where they go.
pub(super) struct DeltaTap {
    pub choice: DeltaChoice,
    pub recorder: DeltaRecorder,
}

impl DeltaOptions {
    /// # Errors
    /// [`Error::InvalidValue`] for steps that make no row, [`Error::Parameters`] if nothing is
    /// chosen.
    pub fn choose(
        &self,
        parameters: &[ParameterInfo],
        steps_between_rows: u64,
    ) -> Result<DeltaChoice> {
        let every_steps = self.every_steps;
        if every_steps == 0 || !every_steps.is_multiple_of(steps_between_rows) {
            let requirement = "a multiple of the steps from row to row";
            return Err(Error::InvalidValue {
                name: "steps between deltas",
                value: every_steps as f64,
                requirement,
            });
        }
        let chosen = |member: &usize| (self.wanted)(&parameters[*member].name);
        let members: Vec<usize> = (0..parameters.len()).filter(chosen).collect();
        if members.is_empty() {
            let names = parameters
                .iter()
                .map(|parameter| parameter.name.as_str())
                .collect::<Vec<_>>()
                .join(", ");
            let reason =
                format!("no parameter was chosen whose displacements to keep; observed: {names}");
            return Err(Error::Parameters { reason });
        }
        let shapes = members.iter().map(|member| &parameters[*member].shape);
        let elements = shapes.map(|shape| shape.iter().product::<i64>()).sum::<i64>();
        if elements > i64::from(i32::MAX) {
            let requirement = "below 2^31: choose fewer parameters";
            return Err(Error::InvalidValue {
                name: "elements of a delta",
                value: elements as f64,
                requirement,
            });
        }
        Ok(DeltaChoice { every_steps, members })
    }
}

impl DeltaChoice {
    /// Whether a run that is to be resumed kept those of the same parameters, if any.
    ///
    /// # Errors
    /// [`Error::ResumeMismatch`].
    pub fn check(&self, directory: &Path, parameters: &[ParameterInfo]) -> Result<()> {
        DeltaWriter::check(directory, &self.of(parameters))
    }

    fn of(&self, parameters: &[ParameterInfo]) -> Vec<ParameterInfo> {
        self.members.iter().map(|member| parameters[*member].clone()).collect()
    }

    pub fn start(
        self,
        directory: &Path,
        parameters: &[ParameterInfo],
        policy: QueuePolicy,
    ) -> Result<DeltaTap> {
        let chosen = self.of(parameters);
        let elements: i64 =
            chosen.iter().map(|parameter| parameter.shape.iter().product::<i64>()).sum();
        let capacity = (WAITING_BYTES / (8 * elements.max(1) as usize)).clamp(2, 4_096);
        let recorder = DeltaRecorder::start(
            DeltaWriter::create(directory, &chosen)?,
            directory,
            policy,
            capacity,
        )?;
        Ok(DeltaTap { choice: self, recorder })
    }
}
