//! Who writes a run: `lock` is locked for as long as its writer lives, and says who that is.
//!
//! Some file systems know no locks, and on others they hold on one node only. So the writer also
//! writes into `lock`, every few seconds: a process that finds the name of another machine there,
//! or can have no lock, looks for a while whether the run still grows. No clock of one machine is
//! compared to that of another.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::record::RunInfo;
use crate::run::folder::RunFolder;
use crate::run::holder::{Found, Holder, read, this_machine, token, watch};
use crate::run::info::open_run;
use crate::run::storage::{Disk, Storage, names};

/// How often a writer says that it lives.
const BEAT: Duration = Duration::from_secs(5);

/// Whose the run was found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// Still this process's.
    Held,
    /// Let go by another process that had it meanwhile; it is this one's again.
    Again,
}

/// The right to write a run, given up when dropped.
pub(crate) struct RunLock {
    folder: RunFolder,
    file: File,
    /// Why there is no lock.
    refusal: Option<io::Error>,
    holder: Holder,
    claimed: bool,
    last_beat: Option<Duration>,
    /// Whether the file was not there at the last beat: somebody may be deleting the folder.
    missing: bool,
    /// Whether it was there before this process opened it.
    was_there: bool,
    /// Whether another process had the run when this one last looked.
    is_taken: bool,
}

impl RunLock {
    /// Locks the file, where its file system knows locks. The run is not this process's before it
    /// is [claimed](Self::claim).
    ///
    /// # Errors
    /// [`Error::RunLocked`] when another process has it, [`Error::Io`].
    pub(crate) fn open(storage: &dyn Storage, folder: &RunFolder) -> Result<RunLock> {
        let was_there = folder.lock().exists();
        let (file, refusal) = open_locked(storage, folder)?;
        let (host, machine) = this_machine();
        let token = format!("{:016x}", rand::random::<u64>());
        let holder =
            Holder { host, machine, process: std::process::id(), token, ..Holder::default() };
        let (folder, claimed, last_beat, missing, is_taken) =
            (folder.clone(), false, None, false, false);
        Ok(RunLock {
            folder,
            file,
            refusal,
            holder,
            claimed,
            last_beat,
            missing,
            was_there,
            is_taken,
        })
    }

    /// [`open`](Self::open), then [`claim`](Self::claim).
    pub(crate) fn take(storage: &dyn Storage, folder: &RunFolder) -> Result<RunLock> {
        let mut lock = RunLock::open(storage, folder)?;
        lock.claim(storage)?;
        Ok(lock)
    }

    /// Takes the run, once it is known that nobody writes it.
    ///
    /// # Errors
    /// [`Error::RunGrows`] when somebody does, [`Error::Io`].
    pub(crate) fn claim(&mut self, storage: &dyn Storage) -> Result<()> {
        let before = read(&self.folder)?;
        let lock_decides = match &before {
            Found::Holder(holder) => holder.machine == self.holder.machine,
            // As version 1 of the log left it. A lock that somebody removed while it was held
            // decides nothing.
            Found::Nothing => self.was_there,
            Found::Unknown(_) => false,
        };
        let is_decided = lock_decides && self.refusal.is_none();
        if !is_decided && before.may_be_alive(storage, &self.folder)? {
            watch(storage, &self.folder, &before)?;
        }
        self.write(storage)?;
        self.claimed = true;
        Ok(())
    }

    /// Why the file system gives no lock, where it gives none.
    pub(crate) fn refusal(&self) -> Option<&io::Error> {
        self.refusal.as_ref()
    }

    /// Whether the folder still holds this run: writing to an open file succeeds also after its
    /// folder was deleted, moved or replaced. Where only the handle of `lock` has gone stale it is
    /// opened anew.
    ///
    /// # Errors
    /// [`Error::Io`] when it does not, or while another process has it; [`Error::RunLocked`] when
    /// another process was quicker.
    pub(crate) fn check(&mut self, storage: &dyn Storage, info: &RunInfo) -> Result<Held> {
        let held = if self.is_taken { self.look(storage)? } else { Held::Held };
        let path = self.folder.lock();
        if names(&path, &self.file).map_err(Error::io("find", &path))? {
            return Ok(held);
        }
        match token(&self.folder)? {
            Some(token) if token == self.holder.token => {
                (self.file, self.refusal) = open_locked(storage, &self.folder)?;
                Ok(held)
            }
            // Somebody took it for left over, or another process has mended the run: the next beats
            // make it anew.
            None if open_run(&self.folder.root).is_ok_and(|(_, found)| found == *info) => Ok(held),
            _ => Err(Error::io("find", &path)(io::ErrorKind::NotFound.into())),
        }
    }

    /// Whether the folder is the one that was locked, whoever has it now, as far as can be seen.
    pub(crate) fn is_in_place(&self) -> bool {
        names(&self.folder.lock(), &self.file).unwrap_or(true)
            || token(&self.folder).is_ok_and(|token| token.as_ref() == Some(&self.holder.token))
    }

    /// Looks whether the run still is this process's, and says that it lives, every few seconds of
    /// `now`. Whoever looks takes a run that nothing was said of for gone; so what cannot be read
    /// or written now is tried the next time.
    ///
    /// # Errors
    /// [`Error::Io`] while another process has the run; [`Error::RunLocked`] when its lock was
    /// removed, and another process has locked it since.
    pub(crate) fn beat(&mut self, storage: &dyn Storage, now: Duration) -> Result<Held> {
        if self.last_beat.is_some_and(|last| now.saturating_sub(last) < BEAT) {
            return Ok(Held::Held);
        }
        self.last_beat = Some(now);
        self.look(storage)
    }

    /// The same at once.
    ///
    /// # Errors
    /// As [`beat`](Self::beat).
    pub(crate) fn look(&mut self, storage: &dyn Storage) -> Result<Held> {
        let was_missing = std::mem::replace(&mut self.missing, false);
        let found = read(&self.folder);
        self.is_taken = false;
        let held = match found {
            Ok(Found::Holder(holder)) if !holder.released && holder.token != self.holder.token => {
                self.is_taken = true;
                return Err(Error::io("hold", self.folder.lock())(io::Error::new(
                    io::ErrorKind::ResourceBusy,
                    format!("{} has the run now", holder.name()),
                )));
            }
            Ok(Found::Holder(holder)) if !holder.released => Held::Held,
            Ok(_) if self.folder.lock().exists() => Held::Again,
            Ok(_) if was_missing => {
                (self.file, self.refusal) = open_locked(storage, &self.folder)?;
                Held::Again
            }
            found => {
                self.missing = found.is_ok();
                return Ok(Held::Held);
            }
        };
        self.holder.beats += 1;
        let _ = self.write(storage);
        Ok(held)
    }

    fn write(&self, storage: &dyn Storage) -> Result<()> {
        let path = self.folder.lock();
        let mut line = serde_json::json!(self.holder).to_string();
        line.push('\n');
        storage.overwrite(&path, line.as_bytes()).map_err(Error::io("write", &path))
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        let mine = |token: Option<String>| token.is_some_and(|token| token == self.holder.token);
        if self.claimed && token(&self.folder).is_ok_and(mine) {
            self.holder.released = true;
            let _ = self.write(&Disk);
        }
    }
}

/// Says that the process that wrote a run is gone, where its file system cannot tell: after
/// [`Error::RunGrows`]. A writer that lives after all takes the run again, unless another process
/// has resumed it by then.
///
/// # Errors
/// [`Error::NoSuchRun`], [`Error::RunLocked`] when a lock says that it lives, [`Error::Io`].
pub fn declare_abandoned(directory: impl AsRef<Path>) -> Result<()> {
    let (folder, _) = open_run(directory)?;
    let mut lock = RunLock::open(&Disk, &folder)?;
    lock.holder.released = true;
    lock.write(&Disk)
}

fn open_locked(storage: &dyn Storage, folder: &RunFolder) -> Result<(File, Option<io::Error>)> {
    let path = folder.lock();
    let file = storage.open_lock(&path).map_err(Error::io("create", &path))?;
    match storage.lock(&file) {
        Ok(()) => Ok((file, None)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(Error::RunLocked { path: folder.root.clone() })
        }
        // A file system without locks is no reason not to log.
        Err(error) if is_without_locks(&error) => Ok((file, Some(error))),
        Err(error) => Err(Error::io("lock", &path)(error)),
    }
}

/// Whether a file system answers so that has no locks, or has run out of them: ENOSYS, EOPNOTSUPP,
/// EINVAL; ENOLCK of an NFS without a lock daemon; ENOTSUPP, which the kernel keeps to itself
/// elsewhere.
fn is_without_locks(error: &io::Error) -> bool {
    const ENOTSUPP: i32 = 524;
    let kind = matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput);
    #[cfg(unix)]
    let kind = kind || rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::NOLCK);
    kind || error.raw_os_error() == Some(ENOTSUPP)
}
