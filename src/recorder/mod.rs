//! From the training thread to the disk, without making the training thread wait.
//!
//! The training thread puts each row into a bounded lock-free channel ([`Recorder::row`]); a worker thread takes them
//! out a few times a second, completes what was left open, and hands them to a [`Sink`]: the run's log.
//! The worker is not woken for a row (waking costs more than the row); it looks by itself, and is woken only when the
//! channel is half full. What happens when the channel *is* full is the caller's choice, [`QueuePolicy`].
//!
//! Nothing here ends a training run. What the operating system refuses (a full disk, a folder
//! without permission) may pass: rows are kept in memory, up to 64 MiB, and writing is tried again,
//! after 0.4 s, then twice as long each time up to 10 s. Rows for which there is no room are lost
//! and counted; once the log can be written again events tell of both. Meanwhile
//! [`Recorder::health`] returns the error. Any other error stops the recorder for good, and rows
//! after it are forgotten. The first error is reported once by `tracing` and returned by
//! [`Recorder::finish`], also when it has passed.
//!
//! The recorder knows no framework. A row whose numbers still live on a device carries them as `D`,
//! and the `resolve` function given to [`Recorder::start`] turns a block of them into numbers, on
//! the worker thread.

mod clock;
mod message;
mod options;
mod shared;

mod deltas;
mod sink;

mod backlog;
#[cfg(feature = "metrics")]
pub mod metrics;

mod worker;

mod queue;

pub use clock::Clock;
pub use deltas::DeltaRecorder;
pub use message::{Basis, Block, Joined, Row};
pub use options::{Health, QueueOptions, QueuePolicy};
pub use queue::Recorder;
pub use sink::Sink;
