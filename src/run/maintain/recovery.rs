//! Making whole what a killed process left.

use std::path::Path;

use arrow_schema::SchemaRef;

use crate::error::{Error, Result};
use crate::record::{Event, EventKind, RunInfo};
use crate::run::events::EventWriter;
use crate::run::folder::RunFolder;
use crate::run::info::open_run;
use crate::run::lock::RunLock;
use crate::run::maintain::replace::settle;
use crate::run::places::count_bases;
use crate::run::schema::steps_schema;
use crate::run::steps::finish::remove_journal;
use crate::run::steps::finish::segment_from_journal;
use crate::run::storage::{Disk, Storage};

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

/// Makes finished segments of the journals that a killed process left, and removes its unfinished
/// files.
///
/// Each journal made a segment is told by a `recovered` event. Stopped at any point and called
/// again it ends in the same rows, each exactly once; called on a run that needs nothing it changes
/// nothing.
///
/// # Errors
/// [`Error::NoSuchRun`], [`Error::RunLocked`] and [`Error::RunGrows`] while the run is being
/// written, [`Error::NewerSchema`], [`Error::Damaged`] when a journal is not one of this run,
/// [`Error::Io`].
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
    // What has this number has no table: the table's writer died before it, and the next one is
    // given the number. (A run without directions never has tables.)
    let next_basis = if info.layout.directions > 0 { count_bases(folder)? } else { u64::MAX };
    let mut journals = Vec::new();
    for place in folder.places().iter().filter(|place| place.exists()) {
        for path in storage.list(place).map_err(Error::io("list", place))? {
            let without_table =
                folder.number_beside_table(&path).is_some_and(|basis| basis >= next_basis);
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
        let event = Event {
            step: end.last_step.saturating_add(1),
            elapsed_seconds: end.elapsed_seconds,
            kind,
        };
        EventWriter::open(storage, &folder.events())?.append(&event)?;
    }
    Ok(recovery)
}
