//! Small files of a list and its checksum, as JSON: `{"checksum": 123, "list": [...]}`. Version 1
//! had the list alone.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::run::file;
use crate::run::integrity::{damaged, json_checksum};
use crate::run::storage::Storage;
use crate::run::whole_file::write_whole;

const LIST_KEY: &str = "list";
const CHECKSUM_KEY: &str = "checksum";

/// The list; none if there is no such file.
///
/// # Errors
/// [`Error::Damaged`] if it is no such list or has not its checksum; [`Error::Io`].
pub(crate) fn read_list<T: DeserializeOwned>(path: &Path) -> Result<Option<Vec<T>>> {
    let Some(bytes) = file::if_there(file::read(path))? else { return Ok(None) };
    let mut value: Value = serde_json::from_slice(&bytes).map_err(|error| damaged(path, error))?;
    if value.is_object() {
        let list = value[LIST_KEY].take();
        if value[CHECKSUM_KEY] != json_checksum(&list) {
            return Err(damaged(path, "its checksum does not fit"));
        }
        value = list;
    }
    serde_json::from_value(value).map(Some).map_err(|error| damaged(path, error))
}

/// Writes a list for a run of this version, beside its place, synced and renamed. The folder is the
/// caller's to sync.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn write_list(
    storage: &dyn Storage,
    path: &Path,
    version: u32,
    list: &[impl Serialize],
) -> Result<()> {
    let encode = |error: serde_json::Error| Error::io("encode", path)(error.into());
    let list = serde_json::to_value(list).map_err(encode)?;
    let value = match version {
        1 => list,
        _ => json!({ CHECKSUM_KEY: json_checksum(&list), LIST_KEY: list }),
    };
    write_whole(storage, path, &serde_json::to_vec_pretty(&value).map_err(encode)?)
}
