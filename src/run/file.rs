//! Opening a run's files to read them.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::error::{Error, Result};
use crate::run::integrity::damaged;

/// Opens a file. A pipe of its name would keep its reader waiting, and a device give bytes without
/// end.
///
/// # Errors
/// [`Error::Damaged`] for what is no file; [`Error::Io`], [`NotFound`](ErrorKind::NotFound) where
/// nothing is there.
pub(crate) fn open(path: &Path) -> Result<File> {
    if !fs::metadata(path).map_err(Error::io("open", path))?.is_file() {
        return Err(damaged(path, "it is no regular file"));
    }
    File::open(path).map_err(Error::io("open", path))
}

/// The bytes of a file.
///
/// # Errors
/// As [`open`].
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    Ok(bytes)
}

/// None where nothing was there to be opened.
pub(crate) fn if_there<T>(opened: Result<T>) -> Result<Option<T>> {
    match opened {
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}
