//! Merging a run's segments into large ones.
//!
//! The large segments are made in a folder beside `steps`, which then takes the place of `steps` in
//! one step. Whoever lists `steps/*.parquet` sees the segments from before or those from after,
//! never both; and no merged segment has the name of an older one, so that who listed before and
//! opens after finds a file missing, and never rows twice.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use arrow_schema::SchemaRef;

use crate::error::{Error, Result};
use crate::record::RunInfo;
use crate::run::folder::{RunFolder, partial};
use crate::run::info::open_run;
use crate::run::integrity::damaged;
use crate::run::lock::RunLock;
use crate::run::maintain::recovery::recover_locked;
use crate::run::maintain::replace::{check_replaceable, settle, swap};
use crate::run::reader::Run;
use crate::run::schema::steps_schema;
use crate::run::steps::segment::{Encoding, SegmentWriter};
use crate::run::steps::segment_reader::SegmentReader;
use crate::run::storage::{Disk, Storage};

/// Merged segments are at most this large, in bytes of values before encoding: a few hundred
/// megabytes as a file. The size of a file would not do: it shrinks by merging, and merging again
/// would find something to do.
const LARGEST_VALUES: u64 = 1 << 30;

/// How long the old segments stay after others took their place: a program that had just opened
/// their folder to list it must not find it half empty.
const GRACE: Duration = Duration::from_secs(1);

/// What [`compact`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compaction {
    /// Rows of the run.
    pub rows: u64,
    /// Segments before.
    pub segments_before: u64,
    /// Segments after; as many as before when there was nothing to do.
    pub segments_after: u64,
    /// Bytes of the segments before.
    pub bytes_before: u64,
    /// Bytes of the segments after.
    pub bytes_after: u64,
}

/// Merges the segments of a run that is not being written into large ones, of at most 1 GiB of
/// values each; recovers the run first. The rows, their order and every checksum promise stay. Done
/// again it changes nothing. Portable segments become small ones.
///
/// Stopped at any point it leaves the run as it was, or merged. It needs room for the merged
/// segments beside the old ones.
///
/// # Errors
/// [`Error::NoSuchRun`], [`Error::RunLocked`] and [`Error::RunGrows`] while the run is being
/// written, [`Error::NewerSchema`], [`Error::Damaged`] when a segment is not as it was written or
/// `steps` holds a file that is not the log's, [`Error::Io`].
pub fn compact(directory: impl AsRef<Path>) -> Result<Compaction> {
    compact_as(Encoding::Small, directory)
}

/// [`compact`] into segments of this encoding. Segments of the other one are written anew, those
/// that were merged before too.
///
/// # Errors
/// As [`compact`].
pub fn compact_as(encoding: Encoding, directory: impl AsRef<Path>) -> Result<Compaction> {
    merge(&Disk, directory.as_ref(), encoding, GRACE)
}

/// [`compact_as`] on a storage of the caller's; the old segments go at once.
///
/// # Errors
/// As [`compact`].
pub fn compact_on(
    storage: &dyn Storage,
    encoding: Encoding,
    directory: impl AsRef<Path>,
) -> Result<Compaction> {
    merge(storage, directory.as_ref(), encoding, Duration::ZERO)
}

fn merge(
    storage: &dyn Storage,
    directory: &Path,
    encoding: Encoding,
    grace: Duration,
) -> Result<Compaction> {
    if let Some(change) = Run::open(directory)?.info_change().filter(|change| !change.meant) {
        // The old segments go, and what they say of the run.
        return Err(damaged(&RunFolder::new(directory).run_json(), change));
    }
    let (folder, info) = open_run(directory)?;
    let schema = steps_schema(info.layout)?;
    let _lock = RunLock::take(storage, &folder)?;
    recover_locked(storage, &folder, &schema, &info)?;

    let (segments, has_superseded) = old_segments(storage, &folder, &schema)?;
    let largest = LARGEST_VALUES.min(storage.largest_file().unwrap_or(u64::MAX));
    let groups = groups(&segments, 8 * schema.fields().len() as u64, largest);
    let mut compaction = Compaction {
        rows: segments.iter().fold(0, |rows: u64, segment| rows.saturating_add(segment.rows)),
        segments_before: segments.len() as u64,
        segments_after: groups.len() as u64,
        bytes_before: bytes_in(&folder.steps())?,
        bytes_after: 0,
    };
    if groups.len() < segments.len()
        || has_superseded
        || segments.iter().any(|segment| segment.encoding != encoding)
    {
        check_replaceable(&folder.steps_itself())?;
        let merged = || {
            let beside = folder.compacting();
            storage.make_dir(&beside).map_err(Error::io("create", &beside))?;
            for group in groups {
                make(storage, &folder, group, encoding, &schema, &info)?;
            }
            storage.sync_dir(&beside).map_err(Error::io("sync", &beside))?;
            swap(storage, &folder)
        };
        merged().inspect_err(|_| {
            // As far as the disk lets it, nothing is left over; else the next recovery does it.
            let _ = settle(storage, &folder);
        })?;
        thread::sleep(grace);
        settle(storage, &folder)?;
    }
    compaction.bytes_after = bytes_in(&folder.steps())?;
    Ok(compaction)
}

struct Old {
    numbers: (u64, u64),
    rows: u64,
    encoding: Encoding,
}

/// The segments, and whether there are others beside them that do not count (in a copy of a run).
fn old_segments(
    storage: &dyn Storage,
    folder: &RunFolder,
    schema: &SchemaRef,
) -> Result<(Vec<Old>, bool)> {
    let steps = folder.steps();
    for path in storage.list(&steps).map_err(Error::io("list", &steps))? {
        if folder.numbers_of_segment(&path).is_none() {
            return Err(damaged(&path, "move it out of steps before its segments are merged"));
        }
    }
    let read = |numbers| {
        let reader = SegmentReader::open(&folder.segment_of(numbers), schema, &[0])?;
        reader.check_numbers(numbers)?;
        Ok(Old { numbers, rows: reader.rows(), encoding: reader.encoding() })
    };
    let listing = folder.list_steps()?;
    if let Some(pair) = listing.segments.windows(2).find(|pair| pair[1].0 <= pair[0].1) {
        return Err(damaged(
            &folder.segment_of(pair[1]),
            "some of its rows are in another segment too, and not all",
        ));
    }
    let has_superseded = !listing.superseded.is_empty();
    Ok((listing.segments.into_iter().map(read).collect::<Result<_>>()?, has_superseded))
}

/// Neighbours that fit into one segment, as many as do.
fn groups(segments: &[Old], row_bytes: u64, largest: u64) -> Vec<&[Old]> {
    let mut groups = Vec::new();
    let (mut start, mut values) = (0, 0);
    for (index, segment) in segments.iter().enumerate() {
        let more = segment.rows.saturating_mul(row_bytes);
        if index > start && more.saturating_add(values) > largest {
            groups.push(&segments[start..index]);
            (start, values) = (index, 0);
        }
        values = more.saturating_add(values);
    }
    if start < segments.len() {
        groups.push(&segments[start..]);
    }
    groups
}

/// Makes the segment of a group in the folder beside `steps`, and reads it back.
fn make(
    storage: &dyn Storage,
    folder: &RunFolder,
    group: &[Old],
    encoding: Encoding,
    schema: &SchemaRef,
    info: &RunInfo,
) -> Result<()> {
    let numbers = (group[0].numbers.0, group[group.len() - 1].numbers.1);
    let path = beside(folder, numbers);
    if let [alone] = group
        && alone.encoding == encoding
    {
        let old = folder.segment_of(alone.numbers);
        return storage.link(&old, &path).map_err(Error::io("link", &old));
    }
    let all: Vec<usize> = (0..schema.fields().len()).collect();
    let mut segment = SegmentWriter::new(&partial(&path), schema, info, encoding)?;
    let mut merged = Vec::new();
    for old in group {
        let mut reader = SegmentReader::open(&folder.segment_of(old.numbers), schema, &all)?;
        for batch in &mut reader {
            segment.write(storage, &batch?)?;
        }
        match reader.merged() {
            [] if group.len() == 1 => {}
            [] => merged.push((old.numbers.0, old.rows)),
            before => merged.extend(before),
        }
    }
    segment.set_merged(merged);
    segment.finish(storage)?;
    storage.rename(&partial(&path), &path).map_err(Error::io("rename", &path))?;

    // The old segments are about to go.
    let mut rows = 0;
    for batch in SegmentReader::open(&path, schema, &all)? {
        rows += batch?.num_rows() as u64;
    }
    if rows != group.iter().map(|old| old.rows).sum::<u64>() {
        return Err(damaged(&path, "it does not have the rows of the segments merged into it"));
    }
    Ok(())
}

fn beside(folder: &RunFolder, numbers: (u64, u64)) -> PathBuf {
    let name = folder.segment_of(numbers);
    folder.compacting().join(name.file_name().unwrap_or_default())
}

fn bytes_in(steps: &Path) -> Result<u64> {
    let entries = fs::read_dir(steps).map_err(Error::io("list", steps))?;
    let length =
        |entry: io::Result<fs::DirEntry>| entry.and_then(|entry| Ok(entry.metadata()?.len()));
    entries.map(length).sum::<io::Result<u64>>().map_err(Error::io("list", steps))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_as_large_as_they_may_be_and_not_larger() {
        let row_bytes = 568;
        let most = LARGEST_VALUES / row_bytes;
        let old = |(index, &rows): (usize, &u64)| Old {
            numbers: (index as u64, index as u64),
            rows,
            encoding: Encoding::Small,
        };
        let rows = [0, most / 2, most / 2, 1, most, most + 1, 3, 0, most - 3, 1];
        let segments: Vec<Old> = rows.iter().enumerate().map(old).collect();
        let sizes = |groups: &[&[Old]]| groups.iter().map(|group| group.len()).collect::<Vec<_>>();
        let first = groups(&segments, row_bytes, LARGEST_VALUES);
        assert_eq!(sizes(&first), [3, 1, 1, 1, 3, 1]);
        // What was merged finds nothing more to merge.
        let totals: Vec<u64> =
            first.iter().map(|group| group.iter().map(|old| old.rows).sum()).collect();
        let merged: Vec<Old> = totals.iter().enumerate().map(old).collect();
        assert_eq!(groups(&merged, row_bytes, LARGEST_VALUES).len(), merged.len());
        assert!(groups(&[], row_bytes, LARGEST_VALUES).is_empty());
    }
}
