//! `events.jsonl`: what happened to a run besides its steps, one JSON object a line.
//!
//! Each line ends in a checksum over the file up to there, so that also a line that is gone or
//! moved shows.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crc32fast::Hasher;

use crate::error::{Error, Result};
use crate::record::{Event, EventKind};
use crate::run::file;
use crate::run::integrity::damaged;
use crate::run::storage::{Storage, StorageFile};

/// Appends events, each with a single write.
pub(crate) struct EventWriter {
    path: PathBuf,
    file: Box<dyn StorageFile>,
    /// Of all that is in the file.
    hasher: Hasher,
    length: u64,
}

impl EventWriter {
    /// Opens the file to go on at its end; a last line that was not written whole is cut off.
    pub(crate) fn open(storage: &dyn Storage, path: &Path) -> Result<EventWriter> {
        let whole = whole_lines(path)?;
        let mut file = storage.append_to(path).map_err(Error::io("open", path))?;
        file.truncate(whole.position).map_err(Error::io("truncate", path))?;
        Ok(EventWriter {
            path: path.to_owned(),
            file,
            hasher: whole.chain.hasher,
            length: whole.position,
        })
    }

    pub(crate) fn append(&mut self, event: &Event) -> Result<()> {
        let mut line = serde_json::json!(event).to_string();
        line.pop();
        let mut hasher = self.hasher.clone();
        hasher.update(line.as_bytes());
        let checksum = hasher.finalize();
        line += CHECKSUM;
        line += &format!("{checksum}}}\n");
        self.file.append(line.as_bytes()).map_err(Error::io("write", &self.path))?;
        self.hasher.update(line.as_bytes());
        self.length += line.len() as u64;
        Ok(())
    }

    /// Whether the file is there and has no line but those that this writer knows of.
    pub(crate) fn is_in_place(&self) -> bool {
        self.file.length_at(&self.path).is_ok_and(|length| length == Some(self.length))
    }
}

/// What is between a line's other fields and its checksum, which is of the file up to here.
const CHECKSUM: &str = ",\"checksum\":";

/// Lines in the order written, and whether they are those that were written.
#[derive(Default)]
struct Chain {
    hasher: Hasher,
    /// Whether a line had a checksum, and those after it have one. Logs of version 1 may have none.
    begun: bool,
    /// Number of the first line that is not as it was written.
    changed: Option<u64>,
}

impl Chain {
    fn add(&mut self, line: &[u8], number: u64) {
        let fits = match checksum_of(line) {
            Some((length, checksum)) => {
                let mut hasher = self.hasher.clone();
                hasher.update(&line[..length]);
                self.begun = true;
                hasher.finalize() == checksum
            }
            None => !self.begun,
        };
        if !fits {
            self.changed = self.changed.or(Some(number));
        }
        self.hasher.update(line);
    }
}

/// How long a line is up to its checksum, and the checksum, if it has one.
fn checksum_of(line: &[u8]) -> Option<(usize, u32)> {
    let length = line.windows(CHECKSUM.len()).rposition(|window| window == CHECKSUM.as_bytes())?;
    let digits = line[length + CHECKSUM.len()..].strip_suffix(b"}\n")?;
    Some((length, std::str::from_utf8(digits).ok()?.parse().ok()?))
}

/// The word of a [`EventKind::Resumed`], and of a [`EventKind::BasisChanged`].
pub(crate) const RESUMED: &str = "\"resumed\"";
pub(crate) const BASIS_CHANGED: &str = "\"basis_changed\"";

/// Bytes of the longest line that is read: an event names at most the parameters of a network.
const LONGEST_LINE: u64 = 64 << 20;

/// The events of a run, in the order they were written, read a line at a time: memory does not grow
/// with their number.
///
/// It ends where the file ends now. Asked again after that, it goes on with what was written since.
///
/// A last line without its end is a write that was interrupted, or is under way, and is passed
/// over. So is an event of a kind this version does not know: a kind may be added without a new
/// schema version.
pub struct EventReader {
    path: PathBuf,
    file: Option<BufReader<File>>,
    line: Vec<u8>,
    /// What a line must hold to be looked at.
    only: &'static [u8],
    /// Bytes and number of the whole lines read.
    position: u64,
    lines: u64,
    chain: Chain,
}

impl EventReader {
    /// A reader from the first event on; none are read where there is no file yet.
    pub(crate) fn new(path: PathBuf) -> EventReader {
        EventReader::of_kind(path, "")
    }

    /// A reader of the events of one kind: `"resumed"`, with its quotes. Lines without the word are
    /// not even parsed.
    pub(crate) fn of_kind(path: PathBuf, quoted: &'static str) -> EventReader {
        let (only, chain) = (quoted.as_bytes(), Chain::default());
        EventReader { path, file: None, line: Vec::new(), only, position: 0, lines: 0, chain }
    }

    /// A reader from the first line that begins in the last `bytes` bytes; its lines are counted
    /// from there.
    pub(crate) fn near_end(path: PathBuf, bytes: u64) -> Result<EventReader> {
        let mut reader = EventReader::new(path);
        let length = match fs::metadata(&reader.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            metadata => metadata.map_err(Error::io("read", &reader.path))?.len(),
        };
        if length > bytes {
            // From the byte before: if that ends a line, the next one is whole.
            reader.position = length - bytes - 1;
            reader.read_line()?;
            reader.lines = 0;
        }
        Ok(reader)
    }

    /// The reader for a run of this version: only in version 1 need lines have no checksums.
    pub(crate) fn of_version(mut self, version: u32) -> EventReader {
        self.chain.begun = version > 1;
        self
    }

    /// The first line read so far that is not as it was written, or has not the lines before it
    /// that it had, from 1; `None` if nothing is known of a change. Lines of version 1 have no
    /// checksums.
    pub fn changed_line(&self) -> Option<u64> {
        self.chain.changed
    }

    /// Number of the line read last, from 1.
    pub(crate) fn line_number(&self) -> u64 {
        self.lines
    }

    /// Bytes of the whole lines read or passed over so far.
    pub fn bytes_read(&self) -> u64 {
        self.position
    }

    /// The next event; none if that is all for now.
    ///
    /// # Errors
    /// [`Error::Damaged`] when a whole line is not a JSON object with an `event`; [`Error::Io`].
    pub fn next_event(&mut self) -> Result<Option<Event>> {
        while self.read_line()? {
            if !self.only.is_empty()
                && !self.line.windows(self.only.len()).any(|word| word == self.only)
            {
                continue;
            }
            match serde_json::from_slice(&self.line) {
                Ok(event) => return Ok(Some(event)),
                Err(error) => {
                    let value: Option<serde_json::Value> = serde_json::from_slice(&self.line).ok();
                    if value.is_none_or(|value| !value["event"].is_string()) {
                        return Err(damaged(&self.path, format!("line {}: {error}", self.lines)));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Reads a whole line into `line`, if there is one.
    fn read_line(&mut self) -> Result<bool> {
        let read_error = Error::io("read", &self.path);
        let file = match &mut self.file {
            Some(file) => file,
            none => match file::if_there(file::open(&self.path))? {
                None => return Ok(false),
                Some(mut file) => {
                    if let Err(error) = file.seek(SeekFrom::Start(self.position)) {
                        return Err(read_error(error));
                    }
                    none.insert(BufReader::new(file))
                }
            },
        };
        self.line.clear();
        let read = file.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut self.line);
        let read = read.map_err(read_error)? as u64;
        if self.line.last() == Some(&b'\n') {
            (self.position, self.lines) = (self.position + read, self.lines + 1);
            self.chain.add(&self.line, self.lines);
            return Ok(true);
        }
        // The rest of the line may follow: it is read from its beginning then.
        self.file = None;
        if read == LONGEST_LINE {
            let reason = format!("line {} is longer than {LONGEST_LINE} bytes", self.lines + 1);
            return Err(damaged(&self.path, reason));
        }
        Ok(false)
    }
}

impl Iterator for EventReader {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_event().transpose()
    }
}

/// How often the run was taken up again; lines that are no event do not count.
pub(crate) fn count_resumptions(path: &Path) -> Result<usize> {
    let mut reader = EventReader::of_kind(path.to_owned(), RESUMED);
    let mut count = 0;
    loop {
        match reader.next_event() {
            Ok(None) => return Ok(count),
            Ok(Some(event)) => {
                count += usize::from(matches!(event.kind, EventKind::Resumed { .. }))
            }
            Err(Error::Damaged { .. }) if reader.file.is_some() => {}
            Err(error) => return Err(error),
        }
    }
}

/// A reader behind the last line that was written whole.
fn whole_lines(path: &Path) -> Result<EventReader> {
    read_whole_lines(EventReader::new(path.to_owned()))
}

pub(crate) fn read_whole_lines(mut reader: EventReader) -> Result<EventReader> {
    while reader.read_line()? {}
    Ok(reader)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(step: u64) -> String {
        format!(
            "{{\"step\":{step},\"elapsed_seconds\":1.0,\"event\":\"resumed\",\"last_step\":1,\"rows_discarded\":0}}\n"
        )
    }

    #[test]
    fn a_reader_goes_on_where_it_was_and_waits_for_the_end_of_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let mut reader = EventReader::new(path.clone());
        assert!(reader.next().is_none(), "there is no file");
        let text = line(1)
            + "{\"step\":2,\"elapsed_seconds\":1.0,\"event\":\"of a later version\"}\n"
            + &line(3);
        fs::write(&path, &text[..text.len() - 1]).unwrap();
        assert_eq!(reader.next().unwrap().unwrap().step, 1);
        assert!(reader.next().is_none());
        fs::write(&path, text.clone() + "no event\n" + &line(4)).unwrap();
        assert_eq!(
            (reader.next().unwrap().unwrap().step, reader.bytes_read()),
            (3, text.len() as u64)
        );
        assert!(reader.next().unwrap().unwrap_err().to_string().contains("line 4"));
        assert_eq!(reader.next().unwrap().unwrap().step, 4);
        assert_eq!(count_resumptions(&path).unwrap(), 3);
    }

    #[test]
    fn the_end_is_read_from_a_whole_line_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let text: String = (0..10_u64).map(line).collect();
        let one = line(0).len() as u64;
        for torn in ["", "{\"step\":9"] {
            fs::write(&path, text.clone() + torn).unwrap();
            assert_eq!(whole_lines(&path).unwrap().position, 10 * one);
            let torn = torn.len() as u64;
            for (bytes, first) in [
                (torn + one, 9),
                (torn + one + 1, 9),
                (torn + 2 * one - 1, 9),
                (torn + 2 * one, 8),
                (9999, 0),
            ] {
                let steps: Vec<u64> = EventReader::near_end(path.clone(), bytes)
                    .unwrap()
                    .map(|event| event.unwrap().step)
                    .collect();
                assert_eq!(steps, (first..10).collect::<Vec<_>>(), "{bytes}");
            }
        }
        fs::write(&path, "x".repeat(200_000)).unwrap();
        assert_eq!(whole_lines(&path).unwrap().position, 0);
        fs::write(&path, "\n".to_owned() + &"x".repeat(200_000)).unwrap();
        assert_eq!(whole_lines(&path).unwrap().position, 1);
        assert_eq!(whole_lines(&folder.path().join("none")).unwrap().position, 0);
    }
}
