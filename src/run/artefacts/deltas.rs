//! Whole displacements, one number an element: for projections on vectors that are found later.
//!
//! `deltas/NNNNNN.arrows` are journals like that of the steps: Arrow IPC streams that grow by a
//! sealed block a row. `deltas/parameters.json` lists the parameters whose elements the vectors
//! have. `deltas/bounds.json` says which of them were of steps that a resumed run took anew:
//! written at each resumption, whether it keeps deltas or not.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int64Type};
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::record::ParameterInfo;
use crate::run::artefacts::eigenvectors::dimension_of;
use crate::run::folder::RunFolder;
use crate::run::integrity::damaged;
use crate::run::list_file::{read_list, write_list};
use crate::run::reader::Run;
use crate::run::schema::value;
use crate::run::steps::journal_reader::JournalReader;
use crate::run::storage::Storage;

/// A step's displacement and where it led, in full.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FullDelta {
    /// The step.
    pub step: u64,
    /// eta, where it is known and the same for all parameters.
    pub learning_rate: Option<f64>,
    /// theta_k - theta_{k-1}, an element for each of the chosen parameters', in order, each
    /// row-major.
    pub delta: Vec<f32>,
    /// theta_k - theta_*.
    pub displacement: Vec<f32>,
}

pub(crate) fn element() -> FieldRef {
    Arc::new(Field::new("item", DataType::Float32, false))
}

pub(crate) fn schema(elements: usize) -> Result<SchemaRef> {
    let length =
        i32::try_from(elements).ok().filter(|&length| length > 0).ok_or(Error::InvalidValue {
            name: "elements of the parameters whose deltas are wanted",
            value: elements as f64,
            requirement: "at least 1 and below 2^31: choose other parameters",
        })?;
    let list = |name: &str| Field::new(name, DataType::FixedSizeList(element(), length), false);
    Ok(Arc::new(Schema::new(vec![
        Field::new("step", DataType::Int64, false),
        Field::new("learning_rate", DataType::Float64, true),
        list("delta"),
        list("displacement"),
    ])))
}

pub(crate) fn count_journals(folder: &RunFolder) -> u64 {
    (0..).find(|&number| !folder.delta_journal(number).exists()).unwrap_or(0)
}

/// Steps after `step` that have been kept so far do not count any more: the run goes on after
/// `step`.
pub(crate) fn bound_deltas(storage: &dyn Storage, folder: &RunFolder, step: u64) -> Result<()> {
    let first_after = count_journals(folder);
    if first_after == 0 {
        return Ok(());
    }
    let mut bounds = read_bounds(folder)?;
    match bounds.last_mut() {
        // Nothing was kept since the last resumption.
        Some((last, bound)) if *last == first_after => *bound = step.min(*bound),
        _ => bounds.push((first_after, step)),
    }
    write_in_place(storage, folder, &folder.delta_bounds(), &bounds)
}

/// For each resumption the number of the first journal after it, and the step it went on after.
fn read_bounds(folder: &RunFolder) -> Result<Vec<(u64, u64)>> {
    read_list(&folder.delta_bounds()).map(Option::unwrap_or_default)
}

pub(crate) fn write_in_place(
    storage: &dyn Storage,
    folder: &RunFolder,
    path: &Path,
    list: &[impl Serialize],
) -> Result<()> {
    write_list(storage, path, folder.version(), list)?;
    storage.sync_dir(&folder.deltas_folder()).map_err(Error::io("sync", folder.deltas_folder()))
}

/// The whole displacements of a run, in the order written. See [`Run::deltas`].
pub struct Deltas {
    folder: RunFolder,
    parameters: Vec<ParameterInfo>,
    schema: SchemaRef,
    number: u64,
    current: Option<JournalReader>,
    /// See [`read_bounds`].
    bounds: Vec<(u64, u64)>,
    /// The last step of `current` that was not taken anew.
    until: u64,
    /// Read, and of a later step than was asked for.
    ahead: Option<FullDelta>,
}

impl Run {
    /// The whole displacements that the run was asked to keep. It may be being written; after it
    /// was resumed, ask anew.
    ///
    /// # Errors
    /// [`Error::NotEnoughData`] where none were asked for, [`Error::Damaged`], [`Error::Io`].
    pub fn deltas(&self) -> Result<Deltas> {
        let path = self.folder.delta_parameters();
        let Some(parameters) = read_list::<ParameterInfo>(&path)? else {
            let reason =
                format!("{} was not asked to keep whole displacements", self.path().display());
            return Err(Error::NotEnoughData { question: "read deltas", reason });
        };
        let elements = dimension_of(&parameters).unwrap_or(usize::MAX);
        let schema = schema(elements).map_err(|error| damaged(&path, error))?;
        let (folder, bounds) = (self.folder.clone(), read_bounds(&self.folder)?);
        Ok(Deltas {
            folder,
            parameters,
            schema,
            number: 0,
            current: None,
            bounds,
            until: 0,
            ahead: None,
        })
    }
}

impl Deltas {
    /// The parameters whose elements the vectors have, in order.
    pub fn parameters(&self) -> &[ParameterInfo] {
        &self.parameters
    }

    /// The displacement of `step`, if it was kept. Steps must be asked for in rising order.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Io`].
    pub fn at(&mut self, step: u64) -> Result<Option<FullDelta>> {
        loop {
            match self.ahead.take().map_or_else(|| self.next_delta(), |ahead| Ok(Some(ahead)))? {
                Some(delta) if delta.step < step => {}
                Some(delta) if delta.step == step => return Ok(Some(delta)),
                later => {
                    self.ahead = later;
                    return Ok(None);
                }
            }
        }
    }

    /// Its files, those of steps taken anew among them, and the last step of each that was not.
    pub(crate) fn journals(&self) -> impl Iterator<Item = (PathBuf, u64, Result<JournalReader>)> {
        (0..count_journals(&self.folder)).map(|number| {
            let path = self.folder.delta_journal(number);
            let journal = JournalReader::open(&path, &self.schema, self.columns());
            (path, self.last_step_of(number), journal)
        })
    }

    fn last_step_of(&self, number: u64) -> u64 {
        let later = self.bounds.iter().filter(|(first_after, _)| *first_after > number);
        later.map(|(_, step)| *step).min().unwrap_or(u64::MAX)
    }

    fn columns(&self) -> Vec<usize> {
        (0..self.schema.fields().len()).collect()
    }

    fn next_delta(&mut self) -> Result<Option<FullDelta>> {
        loop {
            if let Some(batch) = self.current.as_mut().and_then(JournalReader::next) {
                match delta_of(&batch?) {
                    Some(delta) if delta.step <= self.until => return Ok(Some(delta)),
                    _ => continue,
                }
            }
            let path = self.folder.delta_journal(self.number);
            if !path.exists() {
                return Ok(None);
            }
            self.until = self.last_step_of(self.number);
            self.number += 1;
            self.current = Some(JournalReader::open(&path, &self.schema, self.columns())?);
        }
    }
}

impl Iterator for Deltas {
    type Item = Result<FullDelta>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_delta().transpose()
    }
}

/// A block holds one step; none only if it was made to mislead.
fn delta_of(batch: &RecordBatch) -> Option<FullDelta> {
    let list = |index: usize| {
        batch
            .column(index)
            .as_fixed_size_list()
            .value(0)
            .as_primitive::<Float32Type>()
            .values()
            .to_vec()
    };
    (batch.num_rows() == 1).then(|| FullDelta {
        step: batch.column(0).as_primitive::<Int64Type>().value(0).cast_unsigned(),
        learning_rate: value(batch.column(1).as_primitive::<Float64Type>(), 0),
        delta: list(2),
        displacement: list(3),
    })
}
