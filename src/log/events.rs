//! `events.jsonl`: what happened to a run besides its steps, one JSON object a line.

use std::fs;
use std::path::{Path, PathBuf};

use super::guard::damaged;
use super::storage::{Storage, StorageFile};
use crate::error::{Error, Result};
use crate::record::{Event, EventKind};

/// Appends events, each with a single write.
pub(crate) struct EventWriter {
    path: PathBuf,
    file: Box<dyn StorageFile>,
}

impl EventWriter {
    /// Opens the file to go on at its end; a last line that was not written whole is cut off.
    pub(crate) fn open(storage: &dyn Storage, path: &Path) -> Result<EventWriter> {
        let whole = whole_lines(&read(path)?).len() as u64;
        let mut file = storage.append_to(path).map_err(Error::io("open", path))?;
        file.truncate(whole).map_err(Error::io("truncate", path))?;
        Ok(EventWriter { path: path.to_owned(), file })
    }

    pub(crate) fn append(&mut self, event: &Event) -> Result<()> {
        let mut line = serde_json::json!(event).to_string();
        line.push('\n');
        self.file.append(line.as_bytes()).map_err(Error::io("write", &self.path))
    }
}

/// All events, in the order they were written; none where there is no file.
///
/// A last line without its end is a write that was interrupted and is passed over. So is an event of a kind this
/// version does not know: a kind may be added without a new schema version.
///
/// # Errors
/// [`Error::Damaged`] when a whole line is not a JSON object with an `event`.
pub(crate) fn read_events(path: &Path) -> Result<Vec<Event>> {
    let bytes = read(path)?;
    let mut events = Vec::new();
    for (index, line) in whole_lines(&bytes).split_inclusive(|&byte| byte == b'\n').enumerate() {
        match serde_json::from_slice(line) {
            Ok(event) => events.push(event),
            Err(error) => {
                let value: Option<serde_json::Value> = serde_json::from_slice(line).ok();
                if value.is_none_or(|value| !value["event"].is_string()) {
                    return Err(damaged(path, format!("line {}: {error}", index + 1)));
                }
            }
        }
    }
    Ok(events)
}

/// How often the run was taken up again; lines that are no event do not count.
pub(super) fn count_resumptions(path: &Path) -> Result<usize> {
    let bytes = read(path)?;
    let events =
        whole_lines(&bytes).split_inclusive(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
    Ok(events.filter(|event: &Event| matches!(event.kind, EventKind::Resumed { .. })).count())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        bytes => bytes.map_err(Error::io("read", path)),
    }
}

fn whole_lines(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    &bytes[..end]
}
