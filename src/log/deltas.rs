//! Whole displacements, one number an element: for projections on vectors that are found later.
//!
//! `deltas/NNNNNN.arrows` are journals like that of the steps: Arrow IPC streams that grow by a sealed block a row.
//! `deltas/parameters.json` lists the parameters whose elements the vectors have. `deltas/bounds.json` says which of
//! them were of steps that a resumed run took anew: written at each resumption, whether it keeps deltas or not.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int64Type};
use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, Float64Array, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::RunFolder;
use super::curvature::make_place;
use super::eigenvectors::dimension_of;
use super::guard::damaged;
use super::journal::{Journal, JournalReader, cut};
use super::lock::token;
use super::reader::Run;
use super::resume::parameter_differences;
use super::schema::{integer, value};
use super::storage::{Disk, Storage};
use super::writer::write_whole;
use crate::error::{Error, Result};
use crate::record::{ParameterInfo, SCHEMA_VERSION};

/// Bytes at which a journal is followed by the next.
const LARGEST_JOURNAL_BYTES: u64 = 1 << 30;

/// A step's displacement and where it led, in full.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FullDelta {
    /// The step.
    pub step: u64,
    /// eta, where it is known and the same for all parameters.
    pub learning_rate: Option<f64>,
    /// theta_k - theta_{k-1}, an element for each of the chosen parameters', in order, each row-major.
    pub delta: Vec<f32>,
    /// theta_k - theta_*.
    pub displacement: Vec<f32>,
}

/// Writes the `deltas` of a run.
pub struct DeltaWriter {
    storage: Arc<dyn Storage>,
    folder: RunFolder,
    schema: SchemaRef,
    elements: usize,
    number: u64,
    journal: Option<Journal>,
    steps_in_journal: u64,
    /// That of the run's writer, by which the folder is known to be still the same.
    token: Option<String>,
}

impl DeltaWriter {
    /// Whether deltas of these parameters can go on in the run folder `directory`: it has none yet, or of the same.
    ///
    /// # Errors
    /// [`Error::ResumeMismatch`] naming every difference in names, shapes, kinds or order; [`Error::Damaged`],
    /// [`Error::Io`].
    pub fn check(directory: impl AsRef<Path>, parameters: &[ParameterInfo]) -> Result<()> {
        let folder = RunFolder::new(directory);
        let Some(kept) = read_json::<Vec<ParameterInfo>>(&folder.delta_parameters())? else { return Ok(()) };
        let differences = parameter_differences(&kept, parameters);
        if differences.is_empty() {
            return Ok(());
        }
        let differences = format!("of the deltas kept so far, {}", differences.join("; "));
        Err(Error::ResumeMismatch { path: folder.root, differences })
    }

    /// For the run folder `directory`, whose [`RunWriter`](super::RunWriter) is there. Goes on behind what is there already.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for parameters of 2^31 elements together, or none; as [`check`](Self::check).
    pub fn create(directory: impl AsRef<Path>, parameters: &[ParameterInfo]) -> Result<DeltaWriter> {
        DeltaWriter::create_on(Arc::new(Disk), directory, parameters)
    }

    /// [`create`](DeltaWriter::create) on a storage of the caller's.
    pub fn create_on(
        storage: Arc<dyn Storage>,
        directory: impl AsRef<Path>,
        parameters: &[ParameterInfo],
    ) -> Result<DeltaWriter> {
        DeltaWriter::check(&directory, parameters)?;
        let folder = RunFolder::new(directory);
        let elements = dimension_of(parameters).unwrap_or(usize::MAX);
        let schema = schema(elements)?;
        let token = token(&folder)?;
        make_place(&*storage, &folder, &folder.deltas_folder())?;
        if !folder.delta_parameters().exists() {
            write_json(&*storage, &folder, &folder.delta_parameters(), parameters)?;
        }
        let number = count_journals(&folder);
        Ok(DeltaWriter { storage, folder, schema, elements, number, journal: None, steps_in_journal: 0, token })
    }

    /// Appends a step. When it returns without error the step outlives this process.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for another number of elements; [`Error::Io`], among it that a file is to be begun and the
    /// folder is no longer the run's, or the file there.
    pub fn append(&mut self, delta: FullDelta) -> Result<()> {
        for values in [&delta.delta, &delta.displacement] {
            if values.len() != self.elements {
                let (found, expected) = (format!("[{}]", values.len()), format!("[{}]", self.elements));
                return Err(Error::ShapeMismatch { name: "displacement", found, expected });
            }
        }
        let list = |values| -> ArrayRef {
            Arc::new(FixedSizeListArray::new(
                element(),
                self.elements as i32,
                Arc::new(Float32Array::from(values)),
                None,
            ))
        };
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![integer(delta.step)])),
            Arc::new(Float64Array::from(vec![delta.learning_rate])),
            list(delta.delta),
            list(delta.displacement),
        ];
        let batch = RecordBatch::try_new(self.schema.clone(), columns)
            .map_err(|error| Error::io("encode", self.folder.deltas_folder())(std::io::Error::other(error)))?;
        let was_begun = self.steps_in_journal > 0;
        match self.write(&batch) {
            // A handle may have gone stale, or a file be as large as one may be: the next one may take it.
            Err(Error::Io { .. }) if was_begun => self.write(&batch),
            outcome => outcome,
        }
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut journal = match self.journal.take() {
            Some(journal) => journal,
            None => self.begin()?,
        };
        let block = journal.block(batch)?;
        let limit = self.storage.largest_file().unwrap_or(u64::MAX);
        let is_full =
            journal.length() >= LARGEST_JOURNAL_BYTES || journal.length().saturating_add(block.len() as u64) > limit;
        if is_full && self.steps_in_journal > 0 {
            self.number += 1;
            journal = self.begin()?;
        }
        if let Err(error) = journal.write(&block) {
            // What is left of the step is passed over by its seal; it may be whole all the same.
            let _ = cut(&*self.storage, journal.path(), journal.length());
            (self.number, self.steps_in_journal) = (self.number + 1, 0);
            return Err(error);
        }
        self.steps_in_journal += 1;
        self.journal = Some(journal);
        Ok(())
    }

    fn begin(&mut self) -> Result<Journal> {
        self.steps_in_journal = 0;
        if token(&self.folder)? != self.token {
            return Err(Error::io("find", self.folder.lock())(io::ErrorKind::NotFound.into()));
        }
        let path = self.folder.delta_journal(self.number);
        if path.exists() {
            return Err(Error::io("create", &path)(io::ErrorKind::AlreadyExists.into()));
        }
        Journal::create(&*self.storage, &path, &self.schema, SCHEMA_VERSION)
    }
}

fn element() -> FieldRef {
    Arc::new(Field::new("item", DataType::Float32, false))
}

fn schema(elements: usize) -> Result<SchemaRef> {
    let length = i32::try_from(elements).ok().filter(|&length| length > 0).ok_or(Error::InvalidValue {
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

fn count_journals(folder: &RunFolder) -> u64 {
    (0..).find(|&number| !folder.delta_journal(number).exists()).unwrap_or(0)
}

/// Steps after `step` that have been kept so far do not count any more: the run goes on after `step`.
pub(super) fn bound_deltas(storage: &dyn Storage, folder: &RunFolder, step: u64) -> Result<()> {
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
    write_json(storage, folder, &folder.delta_bounds(), &bounds)
}

/// For each resumption the number of the first journal after it, and the step it went on after.
fn read_bounds(folder: &RunFolder) -> Result<Vec<(u64, u64)>> {
    read_json(&folder.delta_bounds()).map(Option::unwrap_or_default)
}

/// None if there is no such file.
fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        bytes => {
            let bytes = bytes.map_err(Error::io("read", path))?;
            serde_json::from_slice(&bytes).map(Some).map_err(|error| damaged(path, error))
        }
    }
}

fn write_json(storage: &dyn Storage, folder: &RunFolder, path: &Path, value: &(impl Serialize + ?Sized)) -> Result<()> {
    let json = serde_json::to_vec_pretty(value).map_err(|error| Error::io("encode", path)(error.into()))?;
    write_whole(storage, path, &json)?;
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
    /// The whole displacements that the run was asked to keep. It may be being written; after it was resumed, ask anew.
    ///
    /// # Errors
    /// [`Error::NotEnoughData`] where none were asked for, [`Error::Damaged`], [`Error::Io`].
    pub fn deltas(&self) -> Result<Deltas> {
        let path = self.folder.delta_parameters();
        let Some(parameters) = read_json::<Vec<ParameterInfo>>(&path)? else {
            let reason = format!("{} was not asked to keep whole displacements", self.path().display());
            return Err(Error::NotEnoughData { question: "read deltas", reason });
        };
        let elements = dimension_of(&parameters).unwrap_or(usize::MAX);
        let schema = schema(elements).map_err(|error| damaged(&path, error))?;
        let (folder, bounds) = (self.folder.clone(), read_bounds(&self.folder)?);
        Ok(Deltas { folder, parameters, schema, number: 0, current: None, bounds, until: 0, ahead: None })
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

    /// Its files, those of steps taken anew among them.
    pub(super) fn journals(&self) -> impl Iterator<Item = (PathBuf, Result<JournalReader>)> {
        (0..count_journals(&self.folder)).map(|number| {
            let path = self.folder.delta_journal(number);
            let journal = JournalReader::open(&path, &self.schema, self.columns());
            (path, journal)
        })
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
            let later = self.bounds.iter().filter(|(first_after, _)| *first_after > self.number);
            self.until = later.map(|(_, step)| *step).min().unwrap_or(u64::MAX);
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
        batch.column(index).as_fixed_size_list().value(0).as_primitive::<Float32Type>().values().to_vec()
    };
    (batch.num_rows() == 1).then(|| FullDelta {
        step: batch.column(0).as_primitive::<Int64Type>().value(0).cast_unsigned(),
        learning_rate: value(batch.column(1).as_primitive::<Float64Type>(), 0),
        delta: list(2),
        displacement: list(3),
    })
}
