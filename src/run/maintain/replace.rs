//! Putting a folder of merged segments in the place of `steps`, and making whole what a compaction
//! that was stopped left.

use std::io;
use std::path::Path;

use crate::error::{Error, Result};
use crate::run::folder::RunFolder;
use crate::run::integrity::damaged;
use crate::run::storage::Storage;

/// Whether another folder can take the place of this one.
pub(crate) fn check_replaceable(steps: &Path) -> Result<()> {
    if !is_mount_point(steps) {
        return Ok(());
    }
    let reason = "it is a mount point, and no other folder can take its place: merge the segments of a copy of the run";
    Err(Error::io("exchange", steps)(io::Error::new(io::ErrorKind::ResourceBusy, reason)))
}

#[cfg(target_os = "linux")]
fn is_mount_point(folder: &Path) -> bool {
    use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
    let found = statx(CWD, folder, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS);
    found.is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
        || is_of_another_disk(folder)
}

#[cfg(not(target_os = "linux"))]
fn is_mount_point(folder: &Path) -> bool {
    is_of_another_disk(folder)
}

/// Whether a folder is on another file system than the one it is in.
fn is_of_another_disk(folder: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let device = |path: &Path| path.metadata().map(|found| found.dev()).ok();
        let parent = folder.parent().and_then(device);
        parent.is_some() && device(folder).is_some_and(|device| Some(device) != parent)
    }
    #[cfg(not(unix))]
    {
        let _ = folder;
        false
    }
}

/// Puts the merged segments in the place of the old ones.
pub(crate) fn swap(storage: &dyn Storage, folder: &RunFolder) -> Result<()> {
    let (steps, compacting, replaced) =
        (folder.steps_itself(), folder.compacting(), folder.replaced());
    match storage.exchange(&compacting, &steps) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            storage.rename(&steps, &replaced).map_err(Error::io("rename", &steps))?;
            storage.rename(&compacting, &steps).map_err(Error::io("rename", &compacting))?;
        }
        outcome => outcome.map_err(Error::io("exchange", &steps))?,
    }
    sync_parent(storage, &steps)
}

/// Makes the names beside `steps` survive a power loss.
fn sync_parent(storage: &dyn Storage, steps: &Path) -> Result<()> {
    let parent =
        steps.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    storage.sync_dir(parent).map_err(Error::io("sync", parent))
}

/// Ends a compaction that was stopped: the old segments or the merged ones become `steps`, the
/// others go.
pub(crate) fn settle(storage: &dyn Storage, folder: &RunFolder) -> Result<()> {
    let (steps, compacting, replaced) =
        (folder.steps_itself(), folder.compacting(), folder.replaced());
    for leftover in [&compacting, &replaced] {
        if leftover.is_symlink() {
            // Of an exchange with a link, as versions made it that did not look; or planted. What
            // it leads to is not ours.
            storage.remove(leftover).map_err(Error::io("remove", leftover))?;
        }
    }
    if replaced.exists() && is_empty(storage, &steps)? {
        // Made by somebody who found none between the two renames.
        storage.remove_dir(&steps).map_err(Error::io("remove", &steps))?;
    }
    // Stopped between two renames, before the first of which the merged segments were complete.
    let complete = if compacting.exists() { &compacting } else { &replaced };
    if !steps.exists() && complete.exists() {
        storage.rename(complete, &steps).map_err(Error::io("rename", complete))?;
    } else if compacting.exists() && replaced.exists() {
        let reason =
            "steps.compacting and steps.replaced are there too, and no compaction leaves all three";
        return Err(damaged(&steps, reason));
    }
    if compacting.exists() || replaced.exists() {
        // What has the name `steps` now must have it for good before the others go.
        sync_parent(storage, &steps)?;
    }
    for leftover in [compacting, replaced] {
        if !leftover.exists() {
            continue;
        }
        for path in storage.list(&leftover).map_err(Error::io("list", &leftover))? {
            storage.remove(&path).map_err(Error::io("remove", &path))?;
        }
        storage.remove_dir(&leftover).map_err(Error::io("remove", &leftover))?;
    }
    Ok(())
}

/// Whether a folder is there and holds nothing.
fn is_empty(storage: &dyn Storage, folder: &Path) -> Result<bool> {
    match storage.list(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        paths => Ok(paths.map_err(Error::io("list", folder))?.is_empty()),
    }
}
