//! What `run.json` says that is not what the run wrote: by its checksum, and by what its segments
//! say.

use std::fmt;
use std::path::Path;

use serde_json::Value;

use crate::record::RunInfo;
use crate::run::info::Checksum;
use crate::run::reader::Run;
use crate::run::steps::segment_reader::run_of;

/// At most so many differences are named.
const NAMED: usize = 8;
/// A value is shown up to this many characters.
const SHOWN: usize = 60;

/// A change made to `run.json` after the run wrote it. `Display` says what it is, and what to do
/// about it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InfoChange {
    /// Each as "every_steps was 1 and is 10". Empty where no segment tells.
    pub differences: Vec<String>,
    /// Whether it is meant: the checksum was taken out.
    pub meant: bool,
    /// Whether there is a checksum to take out.
    has_checksum: bool,
}

impl fmt::Display for InfoChange {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = self.differences.len().saturating_sub(NAMED);
        let named = self.differences[..self.differences.len() - more].join("; ");
        match (named.as_str(), more) {
            ("", _) => {
                write!(text, "it was changed after the run wrote it: its checksum does not fit")?
            }
            (named, 0) => write!(text, "it was changed after the run wrote it: {named}")?,
            (named, more) => {
                write!(text, "it was changed after the run wrote it: {named}; and {more} more")?
            }
        }
        match (self.meant, self.has_checksum) {
            (true, _) => write!(text, " (meant, as it has no checksum)"),
            (false, true) => {
                write!(
                    text,
                    ". If this is meant, remove \"checksum\" from it; if not, put back what it was"
                )
            }
            (false, false) => write!(text, ". If this is not meant, put back what it was"),
        }
    }
}

impl Run {
    /// What `run.json` says that is not what the run wrote; `None` if nothing is known of a change.
    /// Reads the footer of one segment.
    ///
    /// Answers follow `run.json` as it is. A program that shows some should show this too, unless
    /// the change is meant.
    pub fn info_change(&self) -> Option<InfoChange> {
        self.change_told_by(1)
    }

    /// [`info_change`](Self::info_change) by at most so many segments.
    pub(crate) fn change_told_by(&self, segments: usize) -> Option<InfoChange> {
        let mut change = InfoChange {
            differences: Vec::new(),
            // Version 1 had none.
            meant: self.checksum == Checksum::Missing && self.info().schema_version > 1,
            has_checksum: self.checksum != Checksum::Missing,
        };
        // What cannot be read tells nothing; reading its rows will say why.
        let segments_there = self.folder.list_steps().unwrap_or_default().segments;
        let paths = segments_there.into_iter().map(|numbers| self.folder.segment_of(numbers));
        for was in paths.filter_map(|path| wrote(&path)).take(segments) {
            for difference in differences(&was, self.info()) {
                if !change.differences.contains(&difference) {
                    change.differences.push(difference);
                }
            }
        }
        let is_changed = self.checksum == Checksum::Differs || !change.differences.is_empty();
        is_changed.then_some(change)
    }
}

/// What a segment says of the run.
fn wrote(segment: &Path) -> Option<RunInfo> {
    serde_json::from_str(&run_of(segment).ok()??).ok()
}

/// What differs, but for the parameters, which no segment lists.
fn differences(was: &RunInfo, is: &RunInfo) -> Vec<String> {
    let value =
        |info: &RunInfo| serde_json::to_value(RunInfo { parameters: Vec::new(), ..info.clone() });
    let mut differences = Vec::new();
    if let (Ok(was), Ok(is)) = (value(was), value(is)) {
        add_differences("", &was, &is, &mut differences);
    }
    differences
}

fn add_differences(name: &str, was: &Value, is: &Value, differences: &mut Vec<String>) {
    match (was, is) {
        (Value::Object(fields), Value::Object(others)) => {
            for (key, was) in fields {
                let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                add_differences(&name, was, others.get(key).unwrap_or(&Value::Null), differences);
            }
        }
        (Value::Array(were), Value::Array(are)) if were.len() == are.len() => {
            for (index, (was, is)) in were.iter().zip(are).enumerate() {
                add_differences(&format!("{name}[{index}]"), was, is, differences);
            }
        }
        _ if was == is => {}
        _ => differences.push(format!("{name} was {} and is {}", shown(was), shown(is))),
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
