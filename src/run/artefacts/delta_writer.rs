//! Writing whole displacements: see `deltas`.

use std::io;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, FixedSizeListArray, Float32Array, Float64Array, Int64Array, RecordBatch,
};
use arrow_schema::SchemaRef;

use crate::error::{Error, Result};
use crate::record::ParameterInfo;
use crate::run::artefacts::deltas::{FullDelta, count_journals, element, schema, write_in_place};
use crate::run::artefacts::eigenvectors::dimension_of;
use crate::run::differences::parameter_differences;
use crate::run::folder::RunFolder;
use crate::run::holder::token;
use crate::run::info::open_run;
use crate::run::list_file::read_list;
use crate::run::places::make_place;
use crate::run::schema::integer;
use crate::run::steps::journal::{Journal, cut};
use crate::run::storage::{Disk, Storage};

/// Bytes at which a journal is followed by the next.
const LARGEST_JOURNAL_BYTES: u64 = 1 << 30;

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
    /// Whether deltas of these parameters can go on in the run folder `directory`: it has none yet,
    /// or of the same.
    ///
    /// # Errors
    /// [`Error::ResumeMismatch`] naming every difference in names, shapes, kinds or order;
    /// [`Error::Damaged`], [`Error::Io`].
    pub fn check(directory: impl AsRef<Path>, parameters: &[ParameterInfo]) -> Result<()> {
        let folder = RunFolder::new(directory);
        let Some(kept) = read_list::<ParameterInfo>(&folder.delta_parameters())? else {
            return Ok(());
        };
        let differences = parameter_differences(&kept, parameters);
        if differences.is_empty() {
            return Ok(());
        }
        let differences = format!("of the deltas kept so far, {}", differences.join("; "));
        Err(Error::ResumeMismatch { path: folder.root, differences })
    }

    /// For the run folder `directory`, whose [`RunWriter`](crate::run::RunWriter) is there. Goes on
    /// behind what is there already.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for parameters of 2^31 elements together, or none; as
    /// [`check`](Self::check).
    pub fn create(
        directory: impl AsRef<Path>,
        parameters: &[ParameterInfo],
    ) -> Result<DeltaWriter> {
        DeltaWriter::create_on(Arc::new(Disk), directory, parameters)
    }

    /// [`create`](DeltaWriter::create) on a storage of the caller's.
    pub fn create_on(
        storage: Arc<dyn Storage>,
        directory: impl AsRef<Path>,
        parameters: &[ParameterInfo],
    ) -> Result<DeltaWriter> {
        DeltaWriter::check(&directory, parameters)?;
        let (folder, _) = open_run(directory)?;
        let elements = dimension_of(parameters).unwrap_or(usize::MAX);
        let schema = schema(elements)?;
        let token = token(&folder)?;
        make_place(&*storage, &folder, &folder.deltas_folder())?;
        if !folder.delta_parameters().exists() {
            write_in_place(&*storage, &folder, &folder.delta_parameters(), parameters)?;
        }
        let number = count_journals(&folder);
        Ok(DeltaWriter {
            storage,
            folder,
            schema,
            elements,
            number,
            journal: None,
            steps_in_journal: 0,
            token,
        })
    }

    /// Appends a step. When it returns without error the step outlives this process.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for another number of elements; [`Error::Io`], among it that a file
    /// is to be begun and the folder is no longer the run's, or the file there.
    pub fn append(&mut self, delta: FullDelta) -> Result<()> {
        for values in [&delta.delta, &delta.displacement] {
            if values.len() != self.elements {
                let (found, expected) =
                    (format!("[{}]", values.len()), format!("[{}]", self.elements));
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
        let batch = RecordBatch::try_new(self.schema.clone(), columns).map_err(|error| {
            Error::io("encode", self.folder.deltas_folder())(std::io::Error::other(error))
        })?;
        let was_begun = self.steps_in_journal > 0;
        match self.write(&batch) {
            // A handle may have gone stale, or a file be as large as one may be: the next one may
            // take it.
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
        let is_full = journal.length() >= LARGEST_JOURNAL_BYTES
            || journal.length().saturating_add(block.len() as u64) > limit;
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
        Journal::create(&*self.storage, &path, &self.schema, self.folder.version())
    }
}
