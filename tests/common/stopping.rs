//! A storage that fails at a chosen operation.
//!
//! Its syncs are counted and not done: what they are for, a power loss, cannot be had here, and
//! they are slow.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use perrin::run::storage::{Disk, Storage, StorageFile};

/// What follows the operation that fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Then {
    /// Nothing ever works again, as after a SIGKILL.
    Dead,
    /// Everything works again, as when a full disk has space again.
    Well,
}

/// Keeps a list of operations; number `stop` of it, counted from 0, fails, a write after half of
/// its bytes.
#[derive(Clone)]
pub struct Stopping {
    operations: Arc<Mutex<Vec<String>>>,
    stop: u64,
    then: Then,
    /// Whether folders can be exchanged in one step.
    pub exchanges: bool,
    /// Whether a file cannot be renamed out of `open`, as `steps` is on another disk.
    pub other_disk: bool,
}

impl Stopping {
    pub fn at(stop: u64, then: Then) -> Stopping {
        Stopping { operations: Arc::default(), stop, then, exchanges: true, other_disk: false }
    }

    /// Never fails.
    pub fn never() -> Stopping {
        Stopping::at(u64::MAX, Then::Well)
    }

    /// Whether the operation that fails has been asked for.
    pub fn stopped(&self) -> bool {
        self.count() > self.stop
    }

    /// Operations asked for so far.
    pub fn count(&self) -> u64 {
        self.operations.lock().unwrap().len() as u64
    }

    /// The same, each as a verb and the name of the file.
    pub fn operations(&self) -> Vec<String> {
        self.operations.lock().unwrap().clone()
    }

    fn pass(&self, verb: &str, path: &Path) -> io::Result<()> {
        let mut operations = self.operations.lock().unwrap();
        let number = operations.len() as u64;
        operations.push(format!("{verb} {}", path.file_name().unwrap().display()));
        if number == self.stop || (number > self.stop && self.then == Then::Dead) {
            return Err(io::Error::other("stopped by the test"));
        }
        Ok(())
    }

    fn wrap(
        &self,
        path: &Path,
        file: io::Result<Box<dyn StorageFile>>,
    ) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(File { file: file?, path: path.to_owned(), stopping: self.clone() }))
    }
}

impl Storage for Stopping {
    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        self.pass("create", path)?;
        self.wrap(path, Disk.create(path))
    }

    fn append_to(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        self.pass("open", path)?;
        self.wrap(path, Disk.append_to(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.pass("rename to", to)?;
        if self.other_disk && from.parent().is_some_and(|folder| folder.ends_with("open")) {
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        Disk.rename(from, to)
    }

    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        self.pass("exchange", other)?;
        if self.exchanges {
            Disk.exchange(one, other)
        } else {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.pass("link", to)?;
        Disk.link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.pass("remove", path)?;
        Disk.remove(path)
    }

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        self.pass("make", path)?;
        Disk.make_dir(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.pass("remove", path)?;
        Disk.remove_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        Disk.list(path)
    }

    fn length(&self, path: &Path) -> io::Result<Option<u64>> {
        Disk.length(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.pass("sync", path)
    }

    fn overwrite(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.pass("overwrite", path)?;
        Disk.overwrite(path, bytes)
    }

    fn open_lock(&self, path: &Path) -> io::Result<fs::File> {
        Disk.open_lock(path)
    }

    fn lock(&self, file: &fs::File) -> io::Result<()> {
        Disk.lock(file)
    }

    fn largest_file(&self) -> Option<u64> {
        None
    }
}

struct File {
    file: Box<dyn StorageFile>,
    path: PathBuf,
    stopping: Stopping,
}

impl StorageFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let passed = self.stopping.pass("write", &self.path);
        let dead_before =
            self.stopping.then == Then::Dead && self.stopping.count() > self.stopping.stop + 1;
        match passed {
            Ok(()) => self.file.append(bytes),
            Err(error) if dead_before => Err(error),
            Err(error) => self.file.append(&bytes[..bytes.len() / 2]).and(Err(error)),
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.stopping.pass("sync", &self.path)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.stopping.pass("truncate", &self.path)?;
        self.file.truncate(length)
    }

    fn length_at(&self, path: &Path) -> io::Result<Option<u64>> {
        self.file.length_at(path)
    }
}
