//! Which runs a folder holds, and what can be told of each without reading its rows.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::error::{Error, Result};
use crate::record::EventKind;
use crate::run::events::EventReader;
use crate::run::folder::RunFolder;
use crate::run::follow::Follower;
use crate::run::holder::is_released;
use crate::run::reader::Run;

/// Where the events are that close a run.
const LAST_EVENTS_BYTES: u64 = 64 << 10;

/// A run is taken to grow for this long after its last change: its writer says every 5 s that it
/// lives.
const GROWS_FOR: Duration = Duration::from_secs(30);

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// A process of this machine holds its lock, or it was changed less than 30 s ago.
    Growing,
    /// It was closed properly.
    Finished,
    /// An error ended its log.
    Stopped,
    /// None of these: its process was killed, hangs, or ended without closing it.
    Killed,
}

impl RunState {
    /// As a word.
    pub fn name(self) -> &'static str {
        match self {
            RunState::Growing => "growing",
            RunState::Finished => "finished",
            RunState::Stopped => "stopped",
            RunState::Killed => "killed",
        }
    }
}

/// A run at a glance.
#[derive(Debug, Clone, PartialEq)]
pub struct Overview {
    /// How it stands.
    pub state: RunState,
    /// Step of its last row; none without rows.
    pub last_step: Option<u64>,
    /// Loss of its last row, where known.
    pub last_loss: Option<f64>,
    /// Bytes of its files.
    pub bytes: u64,
}

/// The folders that hold a run in a folder and below it, however deep, sorted; the folder itself if
/// it is one. What is inside of a run is not looked at. A symbolic link to a run counts; to another
/// folder it is not followed.
///
/// # Errors
/// [`Error::Io`] when the folder cannot be listed; folders below it that cannot be are passed over.
pub fn find_runs(folder: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
    let folder = folder.as_ref();
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(path) = waiting.pop() {
        if RunFolder::new(&path).run_json().is_file() {
            found.push(path);
            continue;
        }
        let entries = match fs::read_dir(&path) {
            Err(error) if path == folder => return Err(Error::io("list", &path)(error)),
            Err(_) => continue,
            Ok(entries) => entries,
        };
        for entry in entries.flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => waiting.push(entry.path()),
                Ok(kind)
                    if kind.is_symlink() && RunFolder::new(entry.path()).run_json().is_file() =>
                {
                    found.push(entry.path());
                }
                _ => {}
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Files locked by processes of this machine, by device and inode: to be read once for many runs.
#[derive(Debug, Clone, Default)]
pub struct LockedFiles(HashSet<(u64, u64)>);

impl LockedFiles {
    /// Those that the operating system tells, which only Linux does. Nothing is locked to learn it.
    pub fn now() -> LockedFiles {
        LockedFiles(
            fs::read_to_string("/proc/locks")
                .map_or_else(|_| HashSet::new(), |text| parse_locks(&text)),
        )
    }

    fn contain(&self, metadata: &Metadata) -> bool {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            self.0.contains(&(metadata.dev(), metadata.ino()))
        }
        #[cfg(not(unix))]
        {
            let _ = metadata;
            false
        }
    }
}

/// `1: FLOCK  ADVISORY  WRITE 1234 08:02:5678 0 EOF`: device in hexadecimal, inode in decimal.
fn parse_locks(text: &str) -> HashSet<(u64, u64)> {
    let file = |line: &str| {
        let mut parts =
            line.split_whitespace().find(|word| word.matches(':').count() == 2)?.split(':');
        let mut hexadecimal = || u64::from_str_radix(parts.next()?, 16).ok();
        let (major, minor) = (hexadecimal()?, hexadecimal()?);
        Some((device(major, minor), parts.next()?.parse().ok()?))
    };
    // A line with an arrow waits for a lock.
    text.lines().filter(|line| !line.contains("->")).filter_map(file).collect()
}

/// Linux's number of a device.
fn device(major: u64, minor: u64) -> u64 {
    (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & !0xff) << 12) | ((major & !0xfff) << 32)
}

impl Run {
    /// The run at a glance: the end of its events and of its rows, and its files' sizes, are all
    /// that is read.
    ///
    /// # Errors
    /// Those of reading its last rows and events.
    pub fn overview(&self, locked: &LockedFiles) -> Result<Overview> {
        let (mut last_step, mut last_loss) = (None, None);
        let mut follower = Follower::from_last(self, &["step", "loss"], 1)?;
        while follower
            .next_rows(|row| (last_step, last_loss) = (row[0].map(|step| step as u64), row[1]))?
            > 0
        {}
        let mut size = Size::default();
        size.add(&self.folder.root)?;
        let silent = size
            .changed
            .is_none_or(|changed| changed.elapsed().is_ok_and(|since| since >= GROWS_FOR));
        let state = match self.closed_by()? {
            Some(state) => state,
            None if is_released(&self.folder) => RunState::Killed,
            None if !silent => RunState::Growing,
            None if fs::metadata(self.folder.lock()).is_ok_and(|lock| locked.contain(&lock)) => {
                RunState::Growing
            }
            None => RunState::Killed,
        };
        Ok(Overview { state, last_step, last_loss, bytes: size.bytes })
    }

    /// How the run was closed, if it was and nobody took it up again.
    fn closed_by(&self) -> Result<Option<RunState>> {
        let mut state = None;
        for event in EventReader::near_end(self.folder.events(), LAST_EVENTS_BYTES)? {
            match event?.kind {
                EventKind::Finished { .. } => state = Some(RunState::Finished),
                EventKind::Stopped { .. } => state = Some(RunState::Stopped),
                EventKind::Resumed { .. } => state = None,
                _ => {}
            }
        }
        Ok(state)
    }
}

/// Bytes of files, and when one of the log was changed last.
#[derive(Default)]
struct Size {
    bytes: u64,
    changed: Option<SystemTime>,
}

impl Size {
    /// Adds what is in a folder; a file that goes away meanwhile counts nothing.
    fn add(&mut self, folder: &Path) -> Result<()> {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(Error::io("list", folder))?,
        };
        for entry in entries.flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                self.add(&entry.path())?;
            } else {
                self.bytes += metadata.len();
                // A page beside the log says nothing of its writer.
                let changed = metadata
                    .modified()
                    .ok()
                    .filter(|_| entry.file_name() != OsStr::new("report.html"));
                self.changed = self.changed.max(changed);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_of_files_are_parsed_and_waiting_ones_are_none() {
        let text = "1: FLOCK  ADVISORY  WRITE 71 08:02:5678 0 EOF\n2: -> FLOCK  ADVISORY  WRITE 72 08:02:9 0 EOF\n\
                    3: POSIX  ADVISORY  READ 5 fd:01:42 128 128\nnonsense\n";
        let expected = [(device(8, 2), 5678), (device(0xfd, 1), 42)];
        assert_eq!(parse_locks(text), HashSet::from(expected));
        assert_eq!((device(8, 2), device(0, 0x113)), (0x802, 0x10_0013));
    }

    /// The operating system's own list has the lock that this test takes.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_lock_that_is_held_is_among_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = fs::File::create(folder.path().join("lock")).unwrap();
        let metadata = file.metadata().unwrap();
        assert!(!LockedFiles::now().contain(&metadata));
        file.lock().unwrap();
        let locked = LockedFiles::now();
        // Where processes are not shown their own locks nothing is: then time alone tells.
        assert!(locked.contain(&metadata) || locked.0.is_empty(), "{locked:?} {metadata:?}");
    }
}
