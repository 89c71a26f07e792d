//! The end of a segment: its file gets its name, and its journal goes.

use std::io;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_schema::SchemaRef;

use crate::error::{Error, Result};
use crate::record::RunInfo;
use crate::run::folder::{RunFolder, partial};
use crate::run::steps::journal_reader::JournalReader;
use crate::run::steps::segment::{Encoding, SegmentSize, SegmentWriter};
use crate::run::storage::Storage;

/// Where a journal's rows end.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct JournalEnd {
    pub(crate) last_step: u64,
    pub(crate) elapsed_seconds: f64,
    pub(crate) bytes_discarded: u64,
}

/// Writes the segment that a journal holds the rows of, a block at a time, and removes the journal.
pub(crate) fn segment_from_journal(
    storage: &dyn Storage,
    folder: &RunFolder,
    number: u64,
    schema: &SchemaRef,
    info: &RunInfo,
) -> Result<(SegmentSize, JournalEnd)> {
    let all_columns = (0..schema.fields().len()).collect();
    let mut journal = JournalReader::open(&folder.journal(number), schema, all_columns)?;
    let mut segment =
        SegmentWriter::new(&folder.unfinished_segment(number), schema, info, Encoding::Small)?;
    let mut end = JournalEnd::default();
    for batch in &mut journal {
        let batch = batch?;
        segment.write(storage, &batch)?;
        if let Some(last) = batch.num_rows().checked_sub(1) {
            end.last_step = batch.column(0).as_primitive::<Int64Type>().value(last).cast_unsigned();
            end.elapsed_seconds = batch.column(2).as_primitive::<Float64Type>().value(last);
        }
    }
    end.bytes_discarded = journal.bytes_discarded();
    let size = segment.finish(storage)?;
    rename_into_place(storage, folder, number)?;
    Ok((size, end))
}

/// Gives a complete segment its name and removes the journal, in an order that leaves each row in
/// one of them for good.
pub(crate) fn rename_into_place(
    storage: &dyn Storage,
    folder: &RunFolder,
    number: u64,
) -> Result<()> {
    let (unfinished, segment) = (folder.unfinished_segment(number), folder.segment(number));
    match storage.rename(&unfinished, &segment) {
        // `steps` is a link to another disk: there it is renamed once it is whole.
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            let beside = partial(&segment);
            storage.link(&unfinished, &beside).map_err(Error::io("copy", &unfinished))?;
            storage.rename(&beside, &segment).map_err(Error::io("rename", &beside))?;
            storage.remove(&unfinished).map_err(Error::io("remove", &unfinished))?;
        }
        renamed => renamed.map_err(Error::io("rename", &segment))?,
    }
    remove_journal(storage, folder, number)
}

/// Removes the journal of a segment that has its name, once that name is sure to outlive the
/// journal's.
pub(crate) fn remove_journal(storage: &dyn Storage, folder: &RunFolder, number: u64) -> Result<()> {
    storage.sync_dir(&folder.steps()).map_err(Error::io("sync", folder.steps()))?;
    let journal = folder.journal(number);
    match storage.remove(&journal) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("remove", &journal)(error))
        }
        _ => Ok(()),
    }
}
