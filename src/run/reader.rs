//! Reading a run: its description, its events, and its rows in step order, streaming.

use std::ops::Range;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch};
use arrow_schema::{DataType, SchemaRef};

use crate::error::{Error, Result};
use crate::record::{Event, RunInfo};
use crate::run::events::EventReader;
use crate::run::events::read_whole_lines;
use crate::run::folder::RunFolder;
use crate::run::info::{Checksum, read_run};
use crate::run::integrity::damaged;
use crate::run::listing::Listing;
use crate::run::schema::{steps_schema, value};
use crate::run::steps::source::Source;

/// A run on disk, finished or still being written.
#[derive(Debug, Clone)]
pub struct Run {
    pub(crate) folder: RunFolder,
    info: RunInfo,
    pub(crate) checksum: Checksum,
    pub(crate) schema: SchemaRef,
    /// How often its rows were read from the first one on, by this run and its clones.
    #[cfg(test)]
    pub(crate) readings: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

impl Run {
    /// Opens a run folder.
    ///
    /// # Errors
    /// [`Error::NoSuchRun`] when there is no `run.json`, [`Error::NewerSchema`], [`Error::Damaged`]
    /// when `run.json` is not one of perrin's, [`Error::Io`].
    pub fn open(directory: impl AsRef<Path>) -> Result<Run> {
        let (folder, info, checksum) = read_run(directory)?;
        let schema =
            steps_schema(info.layout).map_err(|error| damaged(&folder.run_json(), error))?;
        Ok(Run {
            folder,
            info,
            checksum,
            schema,
            #[cfg(test)]
            readings: std::sync::Arc::default(),
        })
    }

    /// The run's folder.
    pub fn path(&self) -> &Path {
        &self.folder.root
    }

    /// What was run.
    pub fn info(&self) -> &RunInfo {
        &self.info
    }

    /// The names of the columns, in the order of the files.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.schema.fields().iter().map(|field| field.name().as_str())
    }

    /// What happened besides the steps, in order.
    ///
    /// # Errors
    /// [`Error::Damaged`] when a line is no event, [`Error::Io`].
    pub fn events(&self) -> Result<Vec<Event>> {
        self.event_reader().collect()
    }

    /// The same, one at a time: a run may have very many.
    pub fn event_reader(&self) -> EventReader {
        EventReader::new(self.folder.events()).of_version(self.info.schema_version)
    }

    /// The named columns of all rows, in step order, a batch of a few thousand rows at a time. Only
    /// these columns are read from finished segments. Each batch has the columns in the order asked
    /// for.
    ///
    /// A run may be read while it is written: every row that was appended before the call comes
    /// exactly once, later ones may come. A block that was not written whole is passed over.
    ///
    /// # Errors
    /// [`Error::NoSuchColumn`], [`Error::Io`]; from the iterator, which ends there, also
    /// [`Error::Damaged`] and [`Error::NewerSchema`].
    pub fn steps(&self, columns: &[&str]) -> Result<StepBatches> {
        let asked =
            columns.iter().map(|column| self.column_index(column)).collect::<Result<Vec<_>>>()?;
        let mut columns = asked.clone();
        columns.sort_unstable();
        columns.dedup();
        let (known, count) = self.list_segments()?;
        #[cfg(test)]
        self.readings.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(StepBatches {
            folder: self.folder.clone(),
            schema: self.schema.clone(),
            order: asked
                .iter()
                .map(|column| columns.partition_point(|smaller| smaller < column))
                .collect(),
            columns,
            known,
            numbers: 0..count,
            current: None,
        })
    }

    /// Calls `visit` with the named columns of every row, in step order; null is `None`, and NaN is
    /// a value like others.
    ///
    /// Integers are converted, exactly up to 2^53.
    ///
    /// # Errors
    /// As [`steps`](Run::steps); the first one ends the reading.
    pub fn for_each_row<const N: usize>(
        &self,
        columns: [&str; N],
        mut visit: impl FnMut([Option<f64>; N]),
    ) -> Result<()> {
        for batch in self.steps(&columns)? {
            let batch = batch?;
            let columns: [Numbers; N] =
                std::array::from_fn(|column| Numbers::of(batch.column(column)));
            for row in 0..batch.num_rows() {
                visit(columns.map(|column| column.at(row)));
            }
        }
        Ok(())
    }

    pub(crate) fn column_index(&self, column: &str) -> Result<usize> {
        self.schema.index_of(column).map_err(|_| Error::NoSuchColumn {
            path: self.folder.root.clone(),
            column: column.to_owned(),
            available: self.columns().collect::<Vec<_>>().join(", "),
        })
    }

    /// The segments and journals that there are, and how many, numbered from 0 without a gap.
    pub(crate) fn list_segments(&self) -> Result<(Listing, u64)> {
        let listing = self.folder.list_steps()?;
        let mut count = listing.next_number();
        // A listing made while a journal becomes a segment may have neither of the two names.
        while count < u64::MAX
            && (self.folder.segment(count).exists() || self.folder.journal(count).exists())
        {
            count += 1;
        }
        Ok((listing, count))
    }
}

/// The rows of a run, a batch at a time. See [`Run::steps`].
pub struct StepBatches {
    folder: RunFolder,
    schema: SchemaRef,
    /// Indices in the schema of the columns to read, ascending, as files give them.
    columns: Vec<usize>,
    /// Where among them each column asked for is.
    order: Vec<usize>,
    known: Listing,
    /// Numbers still to be read.
    numbers: Range<u64>,
    current: Option<Source>,
}

impl StepBatches {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.current.as_mut().and_then(Source::next) {
                let batch = batch?.project(&self.order);
                return batch.map(Some).map_err(|error| damaged(&self.folder.steps(), error));
            }
            match self.numbers.next() {
                Some(number) => {
                    let source = Source::open(
                        &self.folder,
                        &mut self.known,
                        number,
                        &self.schema,
                        &self.columns,
                    )?;
                    self.numbers.start = source.next_number;
                    self.current = Some(source);
                }
                None => return Ok(None),
            }
        }
    }
}

impl Iterator for StepBatches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_batch().transpose();
        if !matches!(next, Some(Ok(_))) {
            (self.numbers, self.current) = (0..0, None);
        }
        next
    }
}

/// A value of a column of integers or floats; none where it is null.
pub(crate) fn number(column: &ArrayRef, row: usize) -> Option<f64> {
    Numbers::of(column).at(row)
}

/// A column whose type is known: looking it up for every value takes longer than the value.
#[derive(Clone, Copy)]
enum Numbers<'a> {
    Integers(&'a Int64Array),
    Floats(&'a Float64Array),
}

impl<'a> Numbers<'a> {
    fn of(column: &'a ArrayRef) -> Numbers<'a> {
        match column.data_type() {
            DataType::Int64 => Numbers::Integers(column.as_primitive::<Int64Type>()),
            _ => Numbers::Floats(column.as_primitive::<Float64Type>()),
        }
    }

    fn at(&self, row: usize) -> Option<f64> {
        match self {
            Numbers::Integers(column) => value(column, row).map(|integer| integer as f64),
            Numbers::Floats(column) => value(column, row),
        }
    }
}

impl Run {
    /// The first line of `events.jsonl` that is not as it was written, or has not the lines before
    /// it that it had, from 1; `None` if nothing is known of a change.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Io`].
    pub fn changed_event(&self) -> Result<Option<u64>> {
        read_whole_lines(self.event_reader()).map(|reader| reader.changed_line())
    }
}
