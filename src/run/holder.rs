//! What `lock` says of who writes a run, and whether that one lives.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::run::file;
use crate::run::folder::RunFolder;
use crate::run::storage::Storage;

/// How long a run is looked at before its writer counts as gone: three beats.
const WATCH: Duration = Duration::from_secs(16);
const LOOK: Duration = Duration::from_millis(500);

/// What `lock` says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Holder {
    /// Whether it has let the run go.
    pub(crate) released: bool,
    pub(crate) host: String,
    pub(crate) process: u32,
    /// Processes of the same machine see each other's locks.
    pub(crate) machine: String,
    /// Of this one holder.
    pub(crate) token: String,
    pub(crate) beats: u64,
}

/// The token of who has the run, if somebody has it.
pub(crate) fn token(folder: &RunFolder) -> Result<Option<String>> {
    match read(folder)? {
        Found::Holder(holder) if !holder.released => Ok(Some(holder.token)),
        _ => Ok(None),
    }
}

/// Whether who had the run last has let it go.
pub(crate) fn is_released(folder: &RunFolder) -> bool {
    matches!(read(folder), Ok(Found::Holder(Holder { released: true, .. })))
}

/// What is in `lock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    /// Of an older version, or half written.
    Unknown(Vec<u8>),
    Holder(Holder),
}

impl Found {
    /// Whether somebody may be writing the run as far as this says.
    pub(crate) fn may_be_alive(&self, storage: &dyn Storage, folder: &RunFolder) -> Result<bool> {
        match self {
            Found::Holder(holder) => Ok(!holder.released),
            Found::Unknown(_) => Ok(true),
            // Nothing of it tells that it has begun a segment.
            Found::Nothing => {
                let paths = list(storage, &folder.open_folder())?;
                Ok(paths.iter().any(|path| folder.number_of_journal(path).is_some()))
            }
        }
    }

    pub(crate) fn name(&self) -> String {
        match self {
            Found::Holder(holder) => holder.name(),
            _ => "an unknown process".to_owned(),
        }
    }
}

impl Holder {
    pub(crate) fn name(&self) -> String {
        format!("process {} on {}", self.process, self.host)
    }
}

/// Reads `lock`. It is opened for it: over NFS that is when another machine's changes are asked
/// for.
pub(crate) fn read(folder: &RunFolder) -> Result<Found> {
    let bytes = file::if_there(file::read(&folder.lock()))?.unwrap_or_default();
    if bytes.is_empty() {
        return Ok(Found::Nothing);
    }
    Ok(serde_json::from_slice(&bytes).map_or(Found::Unknown(bytes), Found::Holder))
}

/// Returns once the run has not changed for a while.
pub(crate) fn watch(storage: &dyn Storage, folder: &RunFolder, before: &Found) -> Result<()> {
    tracing::info!(run = %folder.root.display(), "looking whether {} still writes it", before.name());
    let mut waited = Duration::ZERO;
    let first = (before.clone(), signs_of_life(storage, folder)?);
    while waited < WATCH {
        storage.wait(LOOK);
        waited += LOOK;
        let found = read(folder)?;
        if (found, signs_of_life(storage, folder)?) != first {
            return Err(Error::RunGrows { path: folder.root.clone(), writer: before.name() });
        }
    }
    Ok(())
}

/// The files of the segments, the open one among them, and their lengths.
fn signs_of_life(storage: &dyn Storage, folder: &RunFolder) -> Result<Vec<(PathBuf, Option<u64>)>> {
    let length = |path: PathBuf| {
        let length = file::open(&path)
            .ok()
            .and_then(|file| file.metadata().ok())
            .map(|metadata| metadata.len());
        (path, length)
    };
    let mut files = list(storage, &folder.steps())?;
    files.extend(list(storage, &folder.open_folder())?);
    let mut signs: Vec<_> = files.into_iter().map(length).collect();
    signs.sort_unstable();
    Ok(signs)
}

/// The files of a folder; none where it is not there.
fn list(storage: &dyn Storage, folder: &Path) -> Result<Vec<PathBuf>> {
    if folder.exists() {
        storage.list(folder).map_err(Error::io("list", folder))
    } else {
        Ok(Vec::new())
    }
}

/// The name of this machine, and what tells it from all others for as long as it runs.
pub(crate) fn this_machine() -> (String, String) {
    #[cfg(unix)]
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    #[cfg(not(unix))]
    let host = std::env::var("COMPUTERNAME").unwrap_or_default();
    let machine = fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let machine = machine.map_or_else(|_| host.clone(), |machine| machine.trim().to_owned());
    (host, machine)
}
