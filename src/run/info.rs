//! `run.json`: what was run, with a checksum by which a change made to it since is found.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::record::{RunInfo, SCHEMA_VERSION};
use crate::run::file;
use crate::run::folder::RunFolder;
use crate::run::integrity::{damaged, json_checksum};

const CHECKSUM_KEY: &str = "checksum";

/// Whether `run.json` is as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checksum {
    Fits,
    Differs,
    /// None is there: the run is of version 1, or somebody took it out.
    Missing,
}

/// The bytes of `run.json`. Version 1 had no checksum.
pub(crate) fn run_json(folder: &RunFolder, info: &RunInfo) -> Result<Vec<u8>> {
    #[derive(Serialize)]
    struct WithChecksum<'a> {
        #[serde(flatten)]
        info: &'a RunInfo,
        #[serde(skip_serializing_if = "Option::is_none")]
        checksum: Option<u32>,
    }
    let encode = |error: serde_json::Error| Error::io("encode", folder.run_json())(error.into());
    let checksum = serde_json::to_value(info).map(|value| json_checksum(&value)).map_err(encode)?;
    let checksum = (info.schema_version > 1).then_some(checksum);
    serde_json::to_vec_pretty(&WithChecksum { info, checksum }).map_err(encode)
}

/// The folder of a run and what its `run.json` says.
///
/// # Errors
/// [`Error::NoSuchRun`] when there is no `run.json`, [`Error::NewerSchema`], [`Error::Damaged`]
/// when it is not one of perrin's, [`Error::Io`].
pub(crate) fn open_run(directory: impl AsRef<Path>) -> Result<(RunFolder, RunInfo)> {
    read_run(directory).map(|(folder, info, _)| (folder, info))
}

/// The same, and whether `run.json` has its checksum.
pub(crate) fn read_run(directory: impl AsRef<Path>) -> Result<(RunFolder, RunInfo, Checksum)> {
    #[derive(Deserialize)]
    struct Version {
        schema_version: u32,
    }
    let folder = RunFolder::new(directory);
    let path = folder.run_json();
    let bytes = match file::read(&path) {
        Err(Error::Io { source, .. })
            if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Err(Error::NoSuchRun { path: folder.root });
        }
        bytes => bytes?,
    };
    // The version first: what else a newer one holds cannot be known.
    let version: Version = serde_json::from_slice(&bytes).map_err(|error| damaged(&path, error))?;
    check_version(&path, version.schema_version)?;
    let info: RunInfo = serde_json::from_slice(&bytes).map_err(|error| damaged(&path, error))?;
    if i64::try_from(info.every_steps).is_err() {
        return Err(damaged(
            &path,
            format!("every_steps is {}, more than a run can have steps", info.every_steps),
        ));
    }
    let mut value: Value = serde_json::from_slice(&bytes).map_err(|error| damaged(&path, error))?;
    let checksum = match value.as_object_mut().and_then(|all| all.remove(CHECKSUM_KEY)) {
        None => Checksum::Missing,
        Some(stored) if stored.as_u64() == Some(json_checksum(&value).into()) => Checksum::Fits,
        Some(_) => Checksum::Differs,
    };
    Ok((RunFolder::of_version(folder.root, info.schema_version), info, checksum))
}

/// Refuses what a newer perrin wrote.
pub(crate) fn check_version(path: &Path, found: u32) -> Result<()> {
    if found <= SCHEMA_VERSION {
        return Ok(());
    }
    Err(Error::NewerSchema { path: path.to_owned(), found, supported: SCHEMA_VERSION })
}
