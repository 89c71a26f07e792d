//! The folders in a run folder, and the numbers of the files in them.

use std::fs;
use std::io;
use std::path::Path;

use crate::error::{Error, Result};
use crate::run::folder::RunFolder;
use crate::run::storage::Storage;

/// One more than the highest number of a table.
pub(crate) fn count_bases(folder: &RunFolder) -> Result<u64> {
    let numbers = numbers_in(&folder.curvature_folder(), |path| folder.number_of_basis(path))?;
    Ok(numbers.last().map_or(0, |number| number.saturating_add(1)))
}

/// The numbers of the files of a folder that have one, rising. None where there is no folder.
pub(crate) fn numbers_in(place: &Path, number: impl Fn(&Path) -> Option<u64>) -> Result<Vec<u64>> {
    let mut numbers = Vec::new();
    if place.exists() {
        for entry in fs::read_dir(place).map_err(Error::io("list", place))? {
            let path = entry.map_err(Error::io("list", place))?.path();
            numbers.extend(number(&path));
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Makes a folder of the run folder, where it is not there.
pub(crate) fn make_place(storage: &dyn Storage, folder: &RunFolder, place: &Path) -> Result<()> {
    if place.exists() {
        return Ok(());
    }
    match storage.make_dir(place) {
        // Whoever keeps a summary may come first.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made.map_err(Error::io("create", place))?,
    }
    storage.sync_dir(&folder.root).map_err(Error::io("sync", &folder.root))
}
