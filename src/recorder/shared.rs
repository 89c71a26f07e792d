//! What the training thread and the worker both see.

use std::any::Any;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Error;

#[derive(Debug)]
pub(super) struct Shared {
    folder: PathBuf,
    /// Whether the log has stopped for good.
    pub failed: AtomicBool,
    /// Whether the log cannot be written at present, and is tried again.
    failing: AtomicBool,
    pub rows_written: AtomicU64,
    /// Rows lost because the log could not be written.
    pub rows_lost: AtomicU64,
    errors: Mutex<Errors>,
}

#[derive(Debug, Default)]
struct Errors {
    stopped: Option<Arc<Error>>,
    interrupted: Option<Arc<Error>>,
}

impl Shared {
    pub fn new(folder: &Path) -> Self {
        Shared {
            folder: folder.to_owned(),
            failed: AtomicBool::new(false),
            failing: AtomicBool::new(false),
            rows_written: AtomicU64::new(0),
            rows_lost: AtomicU64::new(0),
            errors: Mutex::default(),
        }
    }

    /// The error for a worker that panicked.
    pub fn lost(&self, panic: &(dyn Any + Send)) -> Error {
        let reason = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned());
        Error::WorkerLost { path: self.folder.clone(), reason }
    }

    /// Stops the log for good. Keeps the first error that did, and says it once; returns it for the
    /// caller to return.
    pub fn stop(&self, error: Error) -> Error {
        let mut errors = self.errors();
        let first = errors.stopped.get_or_insert_with(|| {
            tracing::error!(run = %self.folder.display(), %error, "logging stopped, training goes on");
            Arc::new(error)
        });
        self.failed.store(true, Ordering::Relaxed);
        Error::Stopped(Arc::clone(first))
    }

    /// Takes note of an error that may pass. Keeps the first one, and says it once in the life of
    /// the run.
    pub fn interrupt(&self, error: Error) {
        self.errors().interrupted.get_or_insert_with(|| {
            tracing::error!(run = %self.folder.display(), %error, "the log cannot be written, training goes on");
            Arc::new(error)
        });
        self.failing.store(true, Ordering::Relaxed);
    }

    /// The log can be written again.
    pub fn go_on(&self) {
        let rows_lost = self.rows_lost.load(Ordering::Relaxed);
        tracing::info!(run = %self.folder.display(), rows_lost, "the log can be written again");
        self.failing.store(false, Ordering::Relaxed);
    }

    /// What stops the log now, for good or at present.
    pub fn failure(&self) -> Option<Error> {
        let failing = self.failing.load(Ordering::Relaxed);
        self.stopped().or_else(|| failing.then(|| self.first_error()).flatten())
    }

    /// What stopped the log for good.
    pub fn stopped(&self) -> Option<Error> {
        self.errors().stopped.clone().map(Error::Stopped)
    }

    /// What stopped the log for good, or interrupted it, though it may have passed.
    pub fn first_error(&self) -> Option<Error> {
        let rows_lost = self.rows_lost.load(Ordering::Relaxed);
        let interrupted = self.errors().interrupted.clone();
        self.stopped().or(interrupted.map(|source| Error::Interrupted { rows_lost, source }))
    }

    fn errors(&self) -> MutexGuard<'_, Errors> {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
