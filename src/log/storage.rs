//! The few things the log does to a disk, behind a trait, so that tests can stop at any one of them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// What the log's writer and recovery ask of a file system.
///
/// Reading, making folders, and the lock go to `std::fs` directly: nothing that was written before is at stake there.
pub trait Storage: Send + Sync {
    /// Opens a new, empty file for appending; a file that is there is emptied.
    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>>;
    /// Opens a file for appending, made if it is not there.
    fn append_to(&self, path: &Path) -> io::Result<Box<dyn StorageFile>>;
    /// Renames a file, replacing what has the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives two folders each other's name in one step; [`io::ErrorKind::Unsupported`] where a file system cannot.
    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()>;
    /// Gives a file a second name; makes a copy of it where a file system knows no second names.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;
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

    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).map_err(|error| match error {
            Errno::INVAL | Errno::NOSYS | Errno::NOTSUP => io::ErrorKind::Unsupported.into(),
            error => error.into(),
        })
    }

    #[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
    fn exchange(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        if fs::hard_link(from, to).is_ok() {
            return Ok(());
        }
        fs::copy(from, to)?;
        OpenOptions::new().write(true).open(to)?.sync_all()
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
