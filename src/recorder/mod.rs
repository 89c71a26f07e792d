//! From the training thread to the disk, without making the training thread wait.
//!
//! The training thread puts each row into a bounded lock-free channel ([`Recorder::row`]); a worker thread takes them
//! out a few times a second, completes what was left open, and hands them to a [`Sink`]: the run's log.
//! The worker is not woken for a row (waking costs more than the row); it looks by itself, and is woken only when the
//! channel is half full. What happens when the channel *is* full is the caller's choice, [`QueuePolicy`].
//!
//! Nothing here ends a training run. The first error stops the recorder: it is reported once by `tracing`, counted in
//! [`Health`], and returned by [`Recorder::health`] and [`Recorder::finish`]; rows after it are forgotten.
//!
//! The recorder knows no framework. A row whose numbers still live on a device carries them as `D`, and the
//! `resolve` function given to [`Recorder::start`] turns a block of them into numbers, on the worker thread.

mod deltas;
mod message;
mod options;
mod queue;
mod sink;
mod worker;

pub use deltas::DeltaRecorder;
pub use message::{Basis, Block, Row};
pub use options::{Health, QueueOptions, QueuePolicy};
pub use queue::Recorder;
pub use sink::Sink;
