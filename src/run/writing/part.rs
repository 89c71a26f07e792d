//! A numbered part of the steps that is in no finished segment yet: its journal, and its rows in
//! the Parquet encoder.

use std::io;
use std::ops::RangeInclusive;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_schema::SchemaRef;

use crate::error::{Error, Result};
use crate::run::folder::RunFolder;
use crate::run::listing::Listing;
use crate::run::steps::finish::{rename_into_place, segment_from_journal};
use crate::run::steps::journal::cut;
use crate::run::steps::journal_reader::JournalReader;
use crate::run::steps::segment::{Encoding, SegmentSize, SegmentWriter};
use crate::run::steps::source::Source;
use crate::run::storage::Storage;
use crate::run::writing::place::Place;

/// Rows between a journal and a finished segment.
pub(crate) struct Part {
    pub(crate) number: u64,
    /// Length of the whole blocks in its journal.
    journal_length: u64,
    /// Its rows; `None` once encoding failed, or there are too many of them.
    pub(crate) encoder: Option<SegmentWriter>,
    pub(crate) rows: u64,
    first_and_last_step: (u64, u64),
    elapsed_seconds: f64,
    /// Whether its journal has to be looked at: a write to it failed, or it is not where it was.
    pub(crate) is_doubtful: bool,
    /// Whether finishing it failed.
    pub(crate) was_tried: bool,
}

impl Part {
    /// The part of a journal that has no rows.
    pub(crate) fn new(number: u64, encoder: Option<SegmentWriter>) -> Part {
        Part {
            number,
            journal_length: 0,
            encoder,
            rows: 0,
            first_and_last_step: (0, 0),
            elapsed_seconds: 0.0,
            is_doubtful: false,
            was_tried: false,
        }
    }

    /// Takes rows that are in its journal.
    pub(crate) fn add(&mut self, storage: &dyn Storage, batch: &RecordBatch, journal_length: u64) {
        let steps = batch.column(0).as_primitive::<Int64Type>().values();
        if let (Some(first), Some(last)) = (steps.first(), steps.last()) {
            let first =
                if self.rows == 0 { first.cast_unsigned() } else { self.first_and_last_step.0 };
            self.first_and_last_step = (first, last.cast_unsigned());
        }
        self.elapsed_seconds = batch
            .column(2)
            .as_primitive::<Float64Type>()
            .values()
            .last()
            .copied()
            .unwrap_or(self.elapsed_seconds);
        self.rows += batch.num_rows() as u64;
        self.journal_length = journal_length;
        if self.encoder.as_mut().is_some_and(|encoder| encoder.write(storage, batch).is_err()) {
            self.encoder = None;
        }
    }

    pub(crate) fn steps(&self) -> RangeInclusive<u64> {
        self.first_and_last_step.0..=self.first_and_last_step.1
    }

    /// Whether all of its rows are at hand without its journal.
    pub(crate) fn is_in_memory(&self) -> bool {
        self.encoder.as_ref().is_some_and(SegmentWriter::can_finish)
    }

    /// Whether its journal is there with all blocks; bytes of a block that failed are cut off it.
    pub(crate) fn has_journal(
        &mut self,
        storage: &dyn Storage,
        folder: &RunFolder,
    ) -> Result<bool> {
        let is_whole = cut(storage, &folder.journal(self.number), self.journal_length)?;
        self.is_doubtful = !is_whole;
        Ok(is_whole)
    }

    /// The rows that its journal still has.
    pub(crate) fn rows_in_journal(&self, place: &Place) -> Result<Vec<RecordBatch>> {
        let path = place.folder.journal(self.number);
        let all_columns = (0..place.schema.fields().len()).collect();
        let left = JournalReader::open(&path, &place.schema, all_columns)
            .and_then(|journal| journal.collect());
        match left {
            // Somebody else's file in its place, or none.
            Err(Error::Damaged { .. }) => Ok(Vec::new()),
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(Vec::new())
            }
            left => left,
        }
    }

    /// Takes the rows that are in memory and later than `last`, after those that are on disk,
    /// `there` of them; and what is neither here nor there.
    pub(crate) fn take_rows_after(
        &mut self,
        place: &Place,
        last: Option<u64>,
        there: u64,
    ) -> (Vec<RecordBatch>, LostRows) {
        let in_memory = self
            .encoder
            .take()
            .and_then(|mut encoder| encoder.rows_in_memory().ok())
            .unwrap_or_default();
        let later = rows_after(in_memory, last);
        let count = self.rows.saturating_sub(there.saturating_add(rows_of(&later)));
        let first = last.map_or(*self.steps().start(), |last| last.saturating_add(1));
        let end =
            later.first().map_or(*self.steps().end(), |saved| first_step(saved).saturating_sub(1));
        (later, self.lost(place, count, first..=end))
    }

    /// So many of its rows, of these steps, as lost.
    pub(crate) fn lost(&self, place: &Place, count: u64, steps: RangeInclusive<u64>) -> LostRows {
        let (path, elapsed_seconds) = (place.folder.journal(self.number), self.elapsed_seconds);
        LostRows {
            count,
            first_step: *steps.start(),
            last_step: *steps.end(),
            elapsed_seconds,
            path,
        }
    }

    /// Has these rows from now on, which may be fewer, in memory.
    pub(crate) fn replace_rows<'a>(
        &mut self,
        place: &Place,
        rows: impl Iterator<Item = &'a RecordBatch>,
    ) -> Result<()> {
        let path = place.folder.segment(self.number);
        let mut encoder = SegmentWriter::new(&path, &place.schema, &place.info, Encoding::Small)?;
        self.rows = 0;
        for batch in rows {
            self.rows += batch.num_rows() as u64;
            encoder.write(&*place.storage, batch)?;
        }
        self.encoder = Some(encoder);
        Ok(())
    }

    /// Makes its segment, from memory or else from its journal, and removes the journal.
    pub(crate) fn finish(&mut self, place: &Place) -> Result<SegmentSize> {
        let Place { storage, folder, info, schema } = place;
        self.was_tried = true;
        match self.encoder.as_mut().filter(|encoder| encoder.can_finish()) {
            Some(encoder) => {
                let size = encoder.finish(&**storage)?;
                rename_into_place(&**storage, folder, self.number)?;
                Ok(size)
            }
            None => segment_from_journal(&**storage, folder, self.number, schema, info)
                .map(|(size, _)| size),
        }
    }
}

/// The rows of a range of steps that are in the log, and the last of their steps.
pub(crate) fn rows_in_log(
    folder: &RunFolder,
    listing: &mut Listing,
    schema: &SchemaRef,
    steps: &RangeInclusive<u64>,
) -> Result<(u64, Option<u64>)> {
    let (mut rows, mut last) = (0, None);
    let mut end = listing.next_number();
    // From the end, as what is looked for is new.
    while let Some(number) = listing.number_before(end) {
        end = number;
        let (mut first_here, mut any_here) = (None, false);
        for batch in Source::open(folder, listing, number, schema, &[0])? {
            let batch = batch?;
            for &step in batch.column(0).as_primitive::<Int64Type>().values() {
                let step = step.cast_unsigned();
                first_here = first_here.or(Some(step));
                if steps.contains(&step) {
                    any_here = true;
                    rows += 1;
                    last = last.max(Some(step));
                }
            }
        }
        if !any_here && first_here.is_some_and(|first| first < *steps.start()) {
            break;
        }
    }
    Ok((rows, last))
}

/// Rows in batches.
pub(crate) fn rows_of(batches: &[RecordBatch]) -> u64 {
    batches.iter().map(|batch| batch.num_rows() as u64).sum()
}

/// The step of the last row.
pub(crate) fn last_step(batch: &RecordBatch) -> u64 {
    batch
        .column(0)
        .as_primitive::<Int64Type>()
        .values()
        .last()
        .map_or(0, |step| step.cast_unsigned())
}

/// The step of the first row.
fn first_step(batch: &RecordBatch) -> u64 {
    batch
        .column(0)
        .as_primitive::<Int64Type>()
        .values()
        .first()
        .map_or(0, |step| step.cast_unsigned())
}

/// The rows of batches after a step.
fn rows_after(batches: Vec<RecordBatch>, step: Option<u64>) -> Vec<RecordBatch> {
    let later = |batch: RecordBatch| {
        let steps = batch.column(0).as_primitive::<Int64Type>().values();
        let seen =
            step.map_or(0, |step| steps.partition_point(|&found| found.cast_unsigned() <= step));
        (seen < batch.num_rows()).then(|| batch.slice(seen, batch.num_rows() - seen))
    };
    batches.into_iter().filter_map(later).collect()
}

/// Rows that were in the log and are no longer: somebody removed the file that they were in.
#[derive(Debug, Clone, PartialEq)]
pub struct LostRows {
    /// How many.
    pub count: u64,
    /// First step of those among which they were.
    pub first_step: u64,
    /// Last step of those among which they were.
    pub last_step: u64,
    /// Seconds since observation began, at the last of them.
    pub elapsed_seconds: f64,
    /// The file.
    pub path: std::path::PathBuf,
}

impl LostRows {
    /// These and others, later ones.
    pub(crate) fn and(self, later: LostRows) -> LostRows {
        LostRows {
            count: self.count + later.count,
            first_step: self.first_step.min(later.first_step),
            last_step: self.last_step.max(later.last_step),
            ..later
        }
    }

    /// The error that tells of them.
    pub fn error(&self) -> Error {
        Error::io("find", &self.path)(std::io::ErrorKind::NotFound.into())
    }
}
