//! Whole displacements on their way to the disk: a short channel and a thread of their own, so that
//! rows never wait for so much data.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use super::options::QueuePolicy;
use crate::error::{Error, Result};
use crate::run::{DeltaWriter, FullDelta};

/// The training thread's handle. An error stops the deltas and nothing else; [`close`](Self::close)
/// returns it.
#[derive(Debug)]
pub struct DeltaRecorder {
    folder: PathBuf,
    sender: Option<Sender<FullDelta>>,
    policy: QueuePolicy,
    worker: Option<JoinHandle<Result<()>>>,
    shared: Arc<Shared>,
    dropped: u64,
}

#[derive(Debug, Default)]
struct Shared {
    failed: AtomicBool,
    written: AtomicU64,
}

impl DeltaRecorder {
    /// Starts the thread; `capacity` deltas may wait for the disk.
    ///
    /// # Errors
    /// [`Error::Io`] if the system gives no thread.
    pub fn start(
        writer: DeltaWriter,
        folder: &Path,
        policy: QueuePolicy,
        capacity: usize,
    ) -> Result<Self> {
        let (sender, receiver) = bounded(capacity.max(1));
        let shared = Arc::new(Shared::default());
        let (run, seen) = (folder.to_owned(), Arc::clone(&shared));
        let worker = std::thread::Builder::new()
            .name("perrin-deltas".to_owned())
            .spawn(move || write_all(&receiver, writer, &seen, &run))
            .map_err(Error::io("start the thread for the deltas of", folder))?;
        let folder = folder.to_owned();
        Ok(DeltaRecorder {
            folder,
            sender: Some(sender),
            policy,
            worker: Some(worker),
            shared,
            dropped: 0,
        })
    }

    /// Whether an error has stopped the deltas.
    pub fn failed(&self) -> bool {
        self.shared.failed.load(Ordering::Relaxed)
    }

    /// Hands a delta over. If there is no room it waits, or drops and counts it, as the policy
    /// says.
    pub fn delta(&mut self, delta: FullDelta) {
        let Some(sender) = self.sender.as_ref().filter(|_| !self.failed()) else { return };
        if let Err(TrySendError::Full(delta)) = sender.try_send(delta) {
            match self.policy {
                // A thread that ended has dropped its receiver, so that this cannot wait for ever.
                QueuePolicy::Block => drop(sender.send(delta)),
                QueuePolicy::DropNewest => self.dropped += 1,
            }
        }
    }

    /// Deltas dropped because there was no room.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Writes what is queued; returns how many were written in all. A second call does nothing.
    ///
    /// # Errors
    /// The error that stopped the deltas.
    pub fn close(&mut self) -> Result<u64> {
        self.sender = None;
        if let Some(worker) = self.worker.take() {
            let lost = |_| {
                let reason = "writing deltas, it panicked".to_owned();
                Err(Error::WorkerLost { path: self.folder.clone(), reason })
            };
            worker.join().unwrap_or_else(lost)?;
        }
        Ok(self.shared.written.load(Ordering::Relaxed))
    }
}

impl Drop for DeltaRecorder {
    fn drop(&mut self) {
        let _ = self.close();
    }
}

fn write_all(
    receiver: &Receiver<FullDelta>,
    mut writer: DeltaWriter,
    shared: &Shared,
    folder: &Path,
) -> Result<()> {
    for delta in receiver {
        if let Err(error) = writer.append(delta) {
            tracing::error!(run = %folder.display(), %error, "keeping whole displacements stopped, all else goes on");
            shared.failed.store(true, Ordering::Relaxed);
            return Err(error);
        }
        shared.written.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}
