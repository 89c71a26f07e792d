//! Files that appear whole: written beside their place, synced and renamed.

use std::io;
use std::path::Path;

use crate::error::{Error, Result};
use crate::run::folder::partial;
use crate::run::storage::{Storage, StorageFile};

/// Writes a file beside its final place, syncs and renames it. The folder is the caller's to sync.
pub(crate) fn write_whole(storage: &dyn Storage, path: &Path, bytes: &[u8]) -> Result<()> {
    write_beside(storage, path, |file| file.append(bytes))
}

/// The same of a file that `write` fills.
pub(crate) fn write_beside(
    storage: &dyn Storage,
    path: &Path,
    write: impl FnOnce(&mut dyn StorageFile) -> io::Result<()>,
) -> Result<()> {
    let beside = partial(path);
    let mut file = storage.create(&beside).map_err(Error::io("create", &beside))?;
    write(&mut *file).map_err(Error::io("write", &beside))?;
    file.sync().map_err(Error::io("sync", &beside))?;
    storage.rename(&beside, path).map_err(Error::io("rename", &beside))
}
