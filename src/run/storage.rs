//! What the log does to a disk, behind a trait, so that tests can fail any one operation.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the log's writer, recovery and compaction ask of a file system. Rows are read by `std::fs`
/// directly.
pub trait Storage: Send + Sync {
    /// Opens a new, empty file for appending; a file that is there is emptied.
    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>>;
    /// Opens a file for appending, made if it is not there.
    fn append_to(&self, path: &Path) -> io::Result<Box<dyn StorageFile>>;
    /// Writes bytes in the place of a small file's contents, made if it is not there, and closes
    /// it.
    fn overwrite(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Renames a file, replacing what has the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives two folders each other's name in one step; [`io::ErrorKind::Unsupported`] where a file
    /// system cannot.
    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()>;
    /// Gives a file a second name; makes a copy of it where a file system knows no second names.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes a folder whose parent is there.
    fn make_dir(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty folder.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// The paths in a folder, in any order.
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>>;
    /// A file's length; `None` if nothing is there.
    fn length(&self, path: &Path) -> io::Result<Option<u64>>;
    /// Makes a folder's entries (new files, renames, removals) survive a power loss, as far as its
    /// file system can.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Opens a file to be locked, made if it is not there.
    fn open_lock(&self, path: &Path) -> io::Result<File>;
    /// Locks an open file until it is closed; [`io::ErrorKind::WouldBlock`] if another process has
    /// it locked.
    fn lock(&self, file: &File) -> io::Result<()>;
    /// Bytes that a file may have, where the process is limited.
    fn largest_file(&self) -> Option<u64>;
    /// Lets time pass.
    fn wait(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// A file that grows at its end.
pub trait StorageFile: Send {
    /// Writes all bytes at the end of the file, handed to the operating system in one call where it
    /// takes them so.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes the file's bytes survive a power loss.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the file to its first `length` bytes.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
    /// The file's length, if `path` still names it; `None` if nothing or another file is there.
    fn length_at(&self, path: &Path) -> io::Result<Option<u64>>;
}

/// The operating system's file system.
///
/// A call that a signal interrupts is made again. A write that would exceed the limit on the size
/// of a file (`ulimit -f`) fails before the system is asked: it would kill the process, by SIGXFSZ.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Storage for Disk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        if path.is_symlink() {
            // Who planted it does not choose where the log writes.
            fs::remove_file(path)?;
        }
        let file = open_itself(&mut options, path)?;
        file.set_len(0)?;
        Ok(Box::new(file))
    }

    fn append_to(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(open_itself(OpenOptions::new().append(true).create(true), path)?))
    }

    fn overwrite(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        check_limit(bytes.len() as u64)?;
        let mut file =
            open_itself(OpenOptions::new().write(true).create(true).truncate(false), path)?;
        file.write_all(bytes)?;
        file.set_len(bytes.len() as u64)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        uninterrupted(|| fs::rename(from, to))
    }

    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        let exchanged =
            || renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).map_err(io::Error::from);
        uninterrupted(exchanged).map_err(|error| match Errno::from_io_error(&error) {
            Some(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => io::ErrorKind::Unsupported.into(),
            _ => error,
        })
    }

    #[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
    fn exchange(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        if uninterrupted(|| fs::hard_link(from, to)).is_ok() {
            return Ok(());
        }
        check_limit(from.metadata()?.len())?;
        if to.is_symlink() {
            fs::remove_file(to)?;
        }
        let mut copy = open_itself(OpenOptions::new().write(true).create(true).truncate(true), to)?;
        io::copy(&mut File::open(from)?, &mut copy)?;
        copy.sync_all()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        uninterrupted(|| fs::remove_file(path))
    }

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        uninterrupted(|| fs::create_dir(path))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        uninterrupted(|| fs::remove_dir(path))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        uninterrupted(|| fs::read_dir(path))?.map(|entry| Ok(entry?.path())).collect()
    }

    fn length(&self, path: &Path) -> io::Result<Option<u64>> {
        match path.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => found.map(|found| Some(found.len())),
        }
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        // Only Unix lets a folder be opened and synced; elsewhere the file system orders renames
        // itself.
        let synced = if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) };
        synced.or_else(|error| if refuses_folders(&error) { Ok(()) } else { Err(error) })
    }

    fn open_lock(&self, path: &Path) -> io::Result<File> {
        open_itself(OpenOptions::new().read(true).write(true).create(true).truncate(false), path)
    }

    fn lock(&self, file: &File) -> io::Result<()> {
        uninterrupted(|| file.try_lock().map_err(io::Error::from))
    }

    fn largest_file(&self) -> Option<u64> {
        limit()
    }
}

impl StorageFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if limit().is_some() {
            check_limit(self.metadata()?.len().saturating_add(bytes.len() as u64))?;
        }
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn length_at(&self, path: &Path) -> io::Result<Option<u64>> {
        Ok(if names(path, self)? { Some(path.metadata()?.len()) } else { None })
    }
}

/// Opens a file, and not what a symbolic link of that name leads to, nor a pipe, which would wait
/// for its reader. Links among the folders above are the user's.
fn open_itself(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    if path.symlink_metadata().is_ok_and(|found| !found.is_file() && !found.is_symlink()) {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "it is no regular file: remove it",
        ));
    }
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        options,
        rustix::fs::OFlags::NOFOLLOW.bits() as i32,
    );
    options.open(path).map_err(|error| match path.is_symlink() {
        true => io::Error::new(
            error.kind(),
            "it is a symbolic link, and the log does not write through one: remove it",
        ),
        false => error,
    })
}

/// Whether `path` still names an open file. A handle that has gone stale is none of a file that is
/// there.
pub(crate) fn names(path: &Path, open: &File) -> io::Result<bool> {
    let named = match path.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        named => named?,
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Ok(open.metadata().is_ok_and(|open| (named.dev(), named.ino()) == (open.dev(), open.ino())))
    }
    #[cfg(not(unix))]
    {
        let _ = (named, open);
        Ok(true)
    }
}

/// Makes a call again that a signal interrupted; not for ever, as some file systems answer so for
/// other reasons.
fn uninterrupted<T>(call: impl Fn() -> io::Result<T>) -> io::Result<T> {
    for _ in 0..100 {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
    call()
}

/// Whether a file system answers so where it cannot sync a folder: CIFS, some of FUSE, DrvFs.
fn refuses_folders(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported)
}

#[cfg(unix)]
fn limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Fsize).current
}

#[cfg(not(unix))]
fn limit() -> Option<u64> {
    None
}

/// EFBIG if a file would be longer than the process may make one.
fn check_limit(length: u64) -> io::Result<()> {
    match limit() {
        #[cfg(unix)]
        Some(limit) if length > limit => Err(rustix::io::Errno::FBIG.into()),
        _ => Ok(()),
    }
}
