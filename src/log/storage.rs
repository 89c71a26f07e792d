//! The few things the log does to a disk, behind a trait, so that tests can stop at any one of them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// What the log's writer and recovery ask of a file system.
///
/// Reading, making folders, the lock and the bytes of the reference point go to `std::fs` directly: nothing that was
/// written before is at stake there.
pub trait Storage: Send + Sync {
    /// Opens a new, empty file for appending; a file that is there is emptied.
    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>>;
    /// Opens a file for appending, made if it is not there.
    fn append_to(&self, path: &Path) -> io::Result<Box<dyn StorageFile>>;
    /// Renames a file, replacing what has the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes a folder's entries (new files, renames, removals) survive a power loss.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
}

/// A file that grows at its end.
pub trait StorageFile: Send {
    /// Writes all bytes at the end of the file, handed to the operating system in one call where it takes them so.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes the file's bytes survive a power loss.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the file to its first `length` bytes.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
}

/// The operating system's file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Storage for Disk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let mut file = self.append_to(path)?;
        file.truncate(0)?;
        Ok(file)
    }

    fn append_to(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(OpenOptions::new().append(true).create(true).open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        // Only Unix lets a folder be opened and synced; elsewhere the file system orders renames itself.
        if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
    }
}

impl StorageFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}
