//! A disk that refuses chosen operations on chosen files with chosen errors, once, n times or for
//! ever.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use perrin::run::storage::{Disk, Storage, StorageFile};

/// What the log asks of a disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    Create,
    Open,
    Overwrite,
    Write,
    Sync,
    Truncate,
    Find,
    Rename,
    Exchange,
    Link,
    Remove,
    MakeFolder,
    RemoveFolder,
    List,
    SyncFolder,
    OpenLock,
    Lock,
}

/// Which operations fail, and how.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub operation: Operation,
    /// The file's name contains this.
    pub file: &'static str,
    /// The system's number of the error.
    pub error: i32,
    /// How many such operations succeed before.
    pub after: u64,
    /// How often; a write fails after half of its bytes.
    pub times: u64,
}

type Meanwhile = Box<dyn FnMut() + Send>;

#[derive(Clone, Default)]
pub struct Faulty {
    faults: Arc<Mutex<Vec<Fault>>>,
    failed: Arc<Mutex<u64>>,
    waited: Arc<Mutex<Duration>>,
    meanwhile: Arc<Mutex<Option<Meanwhile>>>,
    pub largest_file: Option<u64>,
}

impl Faulty {
    pub fn new(faults: impl IntoIterator<Item = Fault>) -> Faulty {
        Faulty { faults: Arc::new(Mutex::new(faults.into_iter().collect())), ..Faulty::default() }
    }

    /// A disk whose file system answers so when a lock is asked for.
    pub fn without_locks(error: i32) -> Faulty {
        Faulty::new([Fault {
            operation: Operation::Lock,
            file: "",
            error,
            after: 0,
            times: u64::MAX,
        }])
    }

    /// Fails no more.
    pub fn heal(&self) {
        self.faults.lock().unwrap().clear();
    }

    /// How often an operation failed.
    pub fn failed(&self) -> u64 {
        *self.failed.lock().unwrap()
    }

    /// How long was waited. The time passes at once.
    pub fn waited(&self) -> Duration {
        *self.waited.lock().unwrap()
    }

    /// What happens whenever somebody waits.
    pub fn meanwhile(&self, happens: impl FnMut() + Send + 'static) {
        *self.meanwhile.lock().unwrap() = Some(Box::new(happens));
    }

    fn pass(&self, operation: Operation, path: &Path) -> io::Result<()> {
        let name =
            path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        for fault in self.faults.lock().unwrap().iter_mut() {
            if fault.operation == operation && name.contains(fault.file) && fault.times > 0 {
                if fault.after > 0 {
                    fault.after -= 1;
                    continue;
                }
                fault.times -= 1;
                *self.failed.lock().unwrap() += 1;
                return Err(io::Error::from_raw_os_error(fault.error));
            }
        }
        Ok(())
    }

    fn wrap(
        &self,
        path: &Path,
        file: io::Result<Box<dyn StorageFile>>,
    ) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(FaultyFile { file: file?, path: path.to_owned(), disk: self.clone() }))
    }
}

impl Storage for Faulty {
    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        self.pass(Operation::Create, path)?;
        self.wrap(path, Disk.create(path))
    }

    fn append_to(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        self.pass(Operation::Open, path)?;
        self.wrap(path, Disk.append_to(path))
    }

    fn overwrite(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.pass(Operation::Overwrite, path)?;
        Disk.overwrite(path, bytes)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.pass(Operation::Rename, to)?;
        Disk.rename(from, to)
    }

    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        self.pass(Operation::Exchange, other)?;
        Disk.exchange(one, other)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.pass(Operation::Link, to)?;
        Disk.link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.pass(Operation::Remove, path)?;
        Disk.remove(path)
    }

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        self.pass(Operation::MakeFolder, path)?;
        Disk.make_dir(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.pass(Operation::RemoveFolder, path)?;
        Disk.remove_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        self.pass(Operation::List, path)?;
        Disk.list(path)
    }

    fn length(&self, path: &Path) -> io::Result<Option<u64>> {
        self.pass(Operation::Find, path)?;
        Disk.length(path)
    }

    /// Not done: what it is for, a power loss, cannot be had here.
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.pass(Operation::SyncFolder, path)
    }

    fn open_lock(&self, path: &Path) -> io::Result<fs::File> {
        self.pass(Operation::OpenLock, path)?;
        Disk.open_lock(path)
    }

    fn lock(&self, file: &fs::File) -> io::Result<()> {
        self.pass(Operation::Lock, Path::new("lock"))?;
        Disk.lock(file)
    }

    fn largest_file(&self) -> Option<u64> {
        self.largest_file
    }

    fn wait(&self, time: Duration) {
        *self.waited.lock().unwrap() += time;
        if let Some(happens) = &mut *self.meanwhile.lock().unwrap() {
            happens();
        }
    }
}

struct FaultyFile {
    file: Box<dyn StorageFile>,
    path: PathBuf,
    disk: Faulty,
}

impl StorageFile for FaultyFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.disk.pass(Operation::Write, &self.path) {
            return self.file.append(&bytes[..bytes.len() / 2]).and(Err(error));
        }
        let length = self.path.metadata().map(|file| file.len()).unwrap_or_default();
        if self.disk.largest_file.is_some_and(|most| length + bytes.len() as u64 > most) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.file.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.pass(Operation::Sync, &self.path)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.disk.pass(Operation::Truncate, &self.path)?;
        self.file.truncate(length)
    }

    fn length_at(&self, path: &Path) -> io::Result<Option<u64>> {
        self.disk.pass(Operation::Find, path)?;
        self.file.length_at(path)
    }
}
