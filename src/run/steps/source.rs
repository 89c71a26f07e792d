//! One numbered part of the steps: its finished segment, its journal where there is none yet, or
//! the segment that it was merged into.

use std::path::PathBuf;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use crate::error::Result;
use crate::run::file::if_there;
use crate::run::folder::RunFolder;
use crate::run::integrity::damaged;
use crate::run::listing::Listing;
use crate::run::steps::journal_reader::JournalReader;
use crate::run::steps::segment_reader::SegmentReader;

/// How often a part is looked for before it is taken for missing: each time, somebody may have just
/// renamed it.
const LOOKS: usize = 3;

/// The rows of a segment or a journal, a batch at a time.
pub(crate) enum Rows {
    Segment(Box<SegmentReader>),
    Journal(Box<JournalReader>),
}

/// An open part.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) rows: Rows,
    /// Number of the part that follows.
    pub(crate) next_number: u64,
    /// Rows of a merged segment that belong to earlier numbers and are still to be passed over.
    pub(crate) skip: u64,
}

impl Source {
    /// Opens the part of a number to read `columns`, ascending indices in `schema`. A writer may be
    /// at work on it, or a compaction. `known` is what the folder held when it was last listed;
    /// where that does not do it is listed anew.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the part is not there, and as opening it.
    pub(crate) fn open(
        folder: &RunFolder,
        known: &mut Listing,
        number: u64,
        schema: &SchemaRef,
        columns: &[usize],
    ) -> Result<Source> {
        let is_unknown = number >= known.next_number();
        for look in 0..LOOKS {
            if look > 0 || is_unknown {
                *known = folder.list_steps()?;
            }
            let found = match known.segment_at(number) {
                Some(numbers) => Source::in_segment(folder, numbers, number, schema, columns)?,
                // Since the folder was listed its journal may have become a segment; it vanishes
                // only once that is there, so that the segment is looked for first.
                None => {
                    match Source::in_segment(folder, (number, number), number, schema, columns)? {
                        Some(found) => Some(found),
                        None => Source::in_journal(folder, number, schema, columns)?,
                    }
                }
            };
            if let Some(found) = found {
                return Ok(found);
            }
        }
        Err(damaged(&folder.segment(number), "it is missing, and later rows are there"))
    }

    /// The rows from `number` on of a segment; `None` if the segment is not there.
    fn in_segment(
        folder: &RunFolder,
        numbers: (u64, u64),
        number: u64,
        schema: &SchemaRef,
        columns: &[usize],
    ) -> Result<Option<Source>> {
        let path = folder.segment_of(numbers);
        let Some(reader) = if_there(SegmentReader::open(&path, schema, columns))? else {
            return Ok(None);
        };
        reader.check_numbers(numbers)?;
        let earlier = reader.merged().iter().filter(|(merged, _)| *merged < number);
        let skip = earlier.fold(0, |skip: u64, (_, rows)| skip.saturating_add(*rows));
        let (rows, next_number) = (Rows::Segment(Box::new(reader)), numbers.1.saturating_add(1));
        Ok(Some(Source { path, rows, next_number, skip }))
    }

    fn in_journal(
        folder: &RunFolder,
        number: u64,
        schema: &SchemaRef,
        columns: &[usize],
    ) -> Result<Option<Source>> {
        let path = folder.journal(number);
        let Some(reader) = if_there(JournalReader::open(&path, schema, columns.to_vec()))? else {
            return Ok(None);
        };
        Ok(Some(Source {
            path,
            rows: Rows::Journal(Box::new(reader)),
            next_number: number.saturating_add(1),
            skip: 0,
        }))
    }
}

impl Iterator for Source {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let batch = match &mut self.rows {
                Rows::Segment(segment) => segment.next(),
                Rows::Journal(journal) => journal.next(),
            };
            let Some(Ok(batch)) = batch else { return batch };
            let rows = batch.num_rows() as u64;
            if self.skip < rows || rows == 0 {
                let skipped = std::mem::take(&mut self.skip);
                return Some(Ok(batch.slice(skipped as usize, (rows - skipped) as usize)));
            }
            self.skip -= rows;
        }
    }
}
