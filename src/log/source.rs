//! One numbered part of the steps: its finished segment, or its journal where there is none yet.

use std::io;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::RunFolder;
use super::guard::damaged;
use super::journal::JournalReader;
use super::segment_reader::SegmentReader;
use crate::error::{Error, Result};

/// The rows of a segment or a journal, a batch at a time.
pub(crate) enum Source {
    Segment(Box<SegmentReader>),
    Journal(Box<JournalReader>),
}

impl Source {
    /// Opens the part of a number to read `columns`, ascending indices in `schema`. A writer may be at work on it.
    ///
    /// # Errors
    /// [`Error::Damaged`] when there is neither segment nor journal, and as opening them.
    pub(crate) fn open(folder: &RunFolder, number: u64, schema: &SchemaRef, columns: &[usize]) -> Result<Source> {
        let (segment, journal) = (folder.segment(number), folder.journal(number));
        let open_segment = || Ok(Source::Segment(Box::new(SegmentReader::open(&segment, schema, columns)?)));
        let open_journal = || Ok(Source::Journal(Box::new(JournalReader::open(&journal, schema, columns.to_vec())?)));
        // A journal vanishes only once its segment is there, hence the second look.
        let openers: [&dyn Fn() -> Result<Source>; 3] = [&open_segment, &open_journal, &open_segment];
        for open in openers {
            match open() {
                Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                opened => return opened,
            }
        }
        Err(damaged(&segment, "it is missing, and later rows are there"))
    }
}

impl Iterator for Source {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Source::Segment(segment) => segment.next(),
            Source::Journal(journal) => journal.next(),
        }
    }
}
