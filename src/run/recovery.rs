//! Making whole what a killed process left.

use std::io;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_schema::SchemaRef;

use super::curvature::count_bases;
use super::events::EventWriter;
use super::info::open_run;
use super::journal_reader::JournalReader;
use super::lock::RunLock;
use super::replace::settle;
use super::schema::steps_schema;
use super::segment::{Encoding, SegmentSize, SegmentWriter};
use super::storage::{Disk, Storage};
use super::{RunFolder, partial};
use crate::error::{Error, Result};
use crate::record::{Event, EventKind, RunInfo};

/// What [`recover`] found to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recovery {
    /// Journals made into finished segments.
    pub segments: u64,
    /// Rows in them.
    pub rows: u64,
    /// Bytes in them that were no whole block.
    pub bytes_discarded: u64,
}

/// Makes finished segments of the journals that a killed process left, and removes its unfinished files.
///
/// Each journal made a segment is told by a `recovered` event. Stopped at any point and called again it ends in the
/// same rows, each exactly once; called on a run that needs nothing it changes nothing.
///
/// # Errors
/// [`Error::NoSuchRun`], [`Error::RunLocked`] and [`Error::RunGrows`] while the run is being written, [`Error::NewerSchema`],
/// [`Error::Damaged`] when a journal is not one of this run, [`Error::Io`].
pub fn recover(directory: impl AsRef<Path>) -> Result<Recovery> {
    recover_on(&Disk, directory)
}

/// [`recover`] on a storage of the caller's.
pub fn recover_on(storage: &dyn Storage, directory: impl AsRef<Path>) -> Result<Recovery> {
    let (folder, info) = open_run(directory)?;
    let schema = steps_schema(info.layout)?;
    let _lock = RunLock::take(storage, &folder)?;
    recover_locked(storage, &folder, &schema, &info)
}

/// [`recover`] for who has the folder already.
pub(crate) fn recover_locked(
    storage: &dyn Storage,
    folder: &RunFolder,
    schema: &SchemaRef,
    info: &RunInfo,
) -> Result<Recovery> {
    settle(storage, folder)?;
    // What has this number has no table: the table's writer died before it, and the next one is given the number. (A
    // run without directions never has tables.)
    let next_basis = if info.layout.directions > 0 { count_bases(folder)? } else { u64::MAX };
    let mut journals = Vec::new();
    for place in folder.places().iter().filter(|place| place.exists()) {
        for path in storage.list(place).map_err(Error::io("list", place))? {
            let without_table = folder.number_beside_table(&path).is_some_and(|basis| basis >= next_basis);
            if folder.is_partial(&path) || without_table {
                storage.remove(&path).map_err(Error::io("remove", &path))?;
            }
            journals.extend(folder.number_of_journal(&path));
        }
    }
    journals.sort_unstable();

    let mut recovery = Recovery::default();
    let listing = folder.list_steps()?;
    for number in journals {
        if listing.segment_at(number).is_some() {
            remove_journal(storage, folder, number)?;
            continue;
        }
        let (size, end) = segment_from_journal(storage, folder, number, schema, info)?;
        recovery.segments += 1;
        recovery.rows += size.rows;
        recovery.bytes_discarded += end.bytes_discarded;
        let kind = EventKind::Recovered { rows: size.rows, bytes_discarded: end.bytes_discarded };
        let event = Event { step: end.last_step.saturating_add(1), elapsed_seconds: end.elapsed_seconds, kind };
        EventWriter::open(storage, &folder.events())?.append(&event)?;
    }
    Ok(recovery)
}

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
    let mut segment = SegmentWriter::new(&folder.unfinished_segment(number), schema, info, Encoding::Small)?;
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

/// Gives a complete segment its name and removes the journal, in an order that leaves each row in one of them for good.
pub(crate) fn rename_into_place(storage: &dyn Storage, folder: &RunFolder, number: u64) -> Result<()> {
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

/// Removes the journal of a segment that has its name, once that name is sure to outlive the journal's.
fn remove_journal(storage: &dyn Storage, folder: &RunFolder, number: u64) -> Result<()> {
    storage.sync_dir(&folder.steps()).map_err(Error::io("sync", folder.steps()))?;
    let journal = folder.journal(number);
    match storage.remove(&journal) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", &journal)(error)),
        _ => Ok(()),
    }
}
