//! A storage that fails at a chosen operation.
//!
//! Its syncs are counted and not done: what they are for, a power loss, cannot be had here, and they are slow.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use perrin::log::storage::{Disk, Storage, StorageFile};

/// What follows the operation that fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Then {
    /// Nothing ever works again, as after a SIGKILL.
    Dead,
    /// Everything works again, as when a full disk has space again.
    Well,
}

/// Counts operations from 0; operation number `stop` fails, a write after half of its bytes.
#[derive(Clone)]
pub struct Stopping {
    count: Arc<AtomicU64>,
    stop: u64,
    then: Then,
}

impl Stopping {
    pub fn at(stop: u64, then: Then) -> Stopping {
        Stopping { count: Arc::default(), stop, then }
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
        self.count.load(Ordering::Relaxed)
    }

    fn pass(&self) -> io::Result<()> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        if number == self.stop || (number > self.stop && self.then == Then::Dead) {
            return Err(io::Error::other("stopped by the test"));
        }
        Ok(())
    }

    fn wrap(&self, file: io::Result<Box<dyn StorageFile>>) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(File { file: file?, stopping: self.clone() }))
    }
}

impl Storage for Stopping {
    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        self.pass()?;
        self.wrap(Disk.create(path))
    }

    fn append_to(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        self.pass()?;
        self.wrap(Disk.append_to(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.pass()?;
        Disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.pass()?;
        Disk.remove(path)
    }

    fn sync_dir(&self, _path: &Path) -> io::Result<()> {
        self.pass()
    }
}

struct File {
    file: Box<dyn StorageFile>,
    stopping: Stopping,
}

impl StorageFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let passed = self.stopping.pass();
        let dead_before = self.stopping.then == Then::Dead && self.stopping.count() > self.stopping.stop + 1;
        match passed {
            Ok(()) => self.file.append(bytes),
            Err(error) if dead_before => Err(error),
            Err(error) => self.file.append(&bytes[..bytes.len() / 2]).and(Err(error)),
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.stopping.pass()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.stopping.pass()?;
        self.file.truncate(length)
    }
}
