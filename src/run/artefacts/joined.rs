//! `joined/NNNNNN.safetensors`: parameters that joined a run after it had begun, where they were
//! then. One file a `parameters_added` event, written before the event.
//!
//! The header's metadata has `perrin.step`, the event's; `perrin.parameters`, as JSON: name, shape,
//! kind, device and group of each parameter; `perrin.checksums`: CRC-32 of each tensor's bytes by
//! name; and `perrin.seal`, CRC-32 of all these.

use std::collections::HashMap;
use std::path::Path;

use crate::error::{Error, Result};
use crate::record::{Event, EventKind, ParameterInfo};
use crate::run::artefacts::reference::{
    Reference, ReferenceTensor, read_metadata, read_tensors, write_tensors,
};
use crate::run::events::EventReader;
use crate::run::file;
use crate::run::folder::RunFolder;
use crate::run::integrity::damaged;
use crate::run::places::{make_place, numbers_in};
use crate::run::reader::Run;
use crate::run::storage::Storage;

const STEP_KEY: &str = "perrin.step";
const PARAMETERS_KEY: &str = "perrin.parameters";

/// A parameter that an event says has joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) name: String,
    /// Before which it did.
    pub(crate) step: u64,
}

/// The parameters that have joined, in the order of the events, each once: those told at steps that
/// the run still has.
pub(crate) fn joined(events: &[Event]) -> Vec<Joined> {
    let mut joined: Vec<Joined> = Vec::new();
    for event in events {
        match &event.kind {
            EventKind::ParametersAdded { parameters } => {
                for name in parameters {
                    joined.retain(|before| before.name != *name);
                    joined.push(Joined { name: name.clone(), step: event.step });
                }
            }
            // What joined after the checkpoint joins anew, if it is still there.
            EventKind::Resumed { .. } => joined.retain(|before| before.step < event.step),
            _ => {}
        }
    }
    joined
}

/// The events that [`joined`] asks: few, however many a run has.
pub(crate) fn read_events_of_joining(folder: &RunFolder) -> Result<Vec<Event>> {
    let asks = |event: &Event| {
        matches!(event.kind, EventKind::ParametersAdded { .. } | EventKind::Resumed { .. })
    };
    EventReader::new(folder.events()).filter(|event| event.as_ref().map_or(true, asks)).collect()
}

/// Writes the parameters' reference points as the next file.
pub(crate) fn write_joined(
    storage: &dyn Storage,
    folder: &RunFolder,
    step: u64,
    parameters: &[ParameterInfo],
    tensors: Vec<ReferenceTensor>,
) -> Result<()> {
    let place = folder.joined_folder();
    make_place(storage, folder, &place)?;
    let number = numbers(folder)?.last().map_or(0, |last| last.saturating_add(1));
    let path = folder.joined(number);
    let parameters = serde_json::to_string(parameters)
        .map_err(|error| Error::io("encode", &path)(error.into()))?;
    let metadata = HashMap::from([
        (STEP_KEY.to_owned(), step.to_string()),
        (PARAMETERS_KEY.to_owned(), parameters),
    ]);
    write_tensors(storage, &path, tensors, metadata)
}

/// The reference points of these, as far as they were kept.
pub(crate) fn read_joined(folder: &RunFolder, wanted: &[Joined]) -> Result<Reference> {
    let mut files = Vec::new();
    for number in numbers(folder)? {
        files.push(read_file(&folder.joined(number))?);
    }
    let mut found = Reference::default();
    for joined in wanted {
        // Written again after a failure, the last is the one that was told.
        let of_event = files.iter().rev().filter(|(step, _)| *step == joined.step);
        if let Some(reference) =
            of_event.filter_map(|(_, reference)| reference.only(&joined.name)).next()
        {
            found.append(reference);
        }
    }
    Ok(found)
}

/// Reads every file; what each one that cannot be used says.
pub(crate) fn check_joined(folder: &RunFolder) -> Result<Vec<Error>> {
    let files = numbers(folder)?.into_iter().map(|number| read_file(&folder.joined(number)));
    Ok(files.filter_map(Result::err).collect())
}

/// The parameters that have joined and whose reference points are in no file.
pub(crate) fn not_kept(folder: &RunFolder) -> Result<Vec<Joined>> {
    let joined = joined(&read_events_of_joining(folder)?);
    let kept = read_joined(folder, &joined)?;
    Ok(joined.into_iter().filter(|joined| kept.only(&joined.name).is_none()).collect())
}

fn numbers(folder: &RunFolder) -> Result<Vec<u64>> {
    numbers_in(&folder.joined_folder(), |path| folder.number_of_joined(path))
}

fn read_file(path: &Path) -> Result<(u64, Reference)> {
    let bytes = file::read(path)?;
    let metadata = read_metadata(path, &bytes)?;
    let value = |key: &str| {
        metadata.get(key).ok_or_else(|| damaged(path, format!("its metadata has no {key}")))
    };
    let step = value(STEP_KEY)?.parse().map_err(|_| damaged(path, "its step is no number"))?;
    let parameters: Vec<ParameterInfo> =
        serde_json::from_str(value(PARAMETERS_KEY)?).map_err(|error| damaged(path, error))?;
    Ok((step, read_tensors(path, bytes, &parameters, true)?))
}

impl Run {
    /// The parameters that joined after the run had begun, in the order in which they did, each
    /// with the point it is measured from. Not those of logs that did not keep it.
    ///
    /// # Errors
    /// [`Error::Damaged`] for a file that is not as it was written, [`Error::Io`].
    pub fn joined(&self) -> Result<Reference> {
        read_joined(&self.folder, &joined(&read_events_of_joining(&self.folder)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_joined_at_discarded_steps_has_not_joined() {
        let event = |step, kind| Event { step, elapsed_seconds: 0.0, kind };
        let added = |step, names: &[&str]| {
            event(
                step,
                EventKind::ParametersAdded {
                    parameters: names.iter().map(|name| (*name).to_owned()).collect(),
                },
            )
        };
        let json = r#"{"event": "resumed", "step": 31, "elapsed_seconds": 0.0, "last_step": 60, "rows_discarded": 30}"#;
        let resumed: Event = serde_json::from_str(json).unwrap();
        let events = [
            added(1, &["a"]),
            added(30, &["b", "c"]),
            added(31, &["d"]),
            added(40, &["e"]),
            resumed,
        ];
        let names = |events: &[Event]| -> Vec<(String, u64)> {
            joined(events).into_iter().map(|joined| (joined.name, joined.step)).collect()
        };
        let pair = |name: &str, step| (name.to_owned(), step);
        let before = [pair("a", 1), pair("b", 30), pair("c", 30)];
        assert_eq!(names(&events), before);
        let again: Vec<Event> =
            events.into_iter().chain([added(31, &["e"]), added(50, &["d"])]).collect();
        assert_eq!(names(&again), [&before[..], &[pair("e", 31), pair("d", 50)]].concat());
    }
}
