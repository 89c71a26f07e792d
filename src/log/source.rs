//! One numbered part of the steps: its finished segment, its journal where there is none yet, or the segment that it
//! was merged into.

use std::io;
use std::path::PathBuf;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::RunFolder;
use super::guard::damaged;
use super::journal::JournalReader;
use super::segment_reader::SegmentReader;
use crate::error::{Error, Result};

/// How often a part is looked for before it is taken for missing: each time, somebody may have just renamed it.
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
    /// Opens the part of a number to read `columns`, ascending indices in `schema`. A writer may be at work on it, or
    /// a compaction.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the part is not there, and as opening it.
    pub(crate) fn open(folder: &RunFolder, number: u64, schema: &SchemaRef, columns: &[usize]) -> Result<Source> {
        let (segment, journal) = (folder.segment(number), folder.journal(number));
        for _ in 0..LOOKS {
            // A journal vanishes only once its segment is there, so the segment is looked for again after it.
            if let Some(reader) = unless_missing(SegmentReader::open(&segment, schema, columns))? {
                let rows = Rows::Segment(Box::new(reader));
                return Ok(Source { path: segment, rows, next_number: number.saturating_add(1), skip: 0 });
            }
            if let Some(reader) = unless_missing(JournalReader::open(&journal, schema, columns.to_vec()))? {
                let rows = Rows::Journal(Box::new(reader));
                return Ok(Source { path: journal, rows, next_number: number.saturating_add(1), skip: 0 });
            }
            let listing = folder.list_steps()?;
            let merged = listing.segments.into_iter().find(|&(first, last)| first <= number && number <= last);
            let Some((first, last)) = merged else { continue };
            let path = folder.segment_of((first, last));
            if let Some(reader) = unless_missing(SegmentReader::open(&path, schema, columns))? {
                let earlier = reader.merged().iter().filter(|(merged, _)| *merged < number);
                let skip = earlier.fold(0, |skip: u64, (_, rows)| skip.saturating_add(*rows));
                return Ok(Source {
                    path,
                    rows: Rows::Segment(Box::new(reader)),
                    next_number: last.saturating_add(1),
                    skip,
                });
            }
        }
        Err(damaged(&segment, "it is missing, and later rows are there"))
    }
}

fn unless_missing<T>(opened: Result<T>) -> Result<Option<T>> {
    match opened {
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
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
