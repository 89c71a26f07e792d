//! What a user chooses about the queue, and what it says of itself.

/// What to do with a row when the channel is full: when the disk is slower than the training.
///
/// A disk that refuses to write fills no channel, whatever the policy: see
/// [`Recorder`](super::Recorder).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QueuePolicy {
    /// Wait for room: no row is lost, a disk that cannot keep up slows training.
    #[default]
    Block,
    /// Drop the row and count it: a step is never delayed, the log says which rows it lacks.
    DropNewest,
}

/// The channel between the training thread and the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueOptions {
    /// What to do when it is full.
    pub policy: QueuePolicy,
    /// Rows it holds; its memory is taken once, at the start.
    pub capacity: usize,
}

impl Default for QueueOptions {
    fn default() -> Self {
        // A second of the fastest loops: a disk that pauses for a sync is not noticed.
        QueueOptions { policy: QueuePolicy::Block, capacity: 16_384 }
    }
}

/// How a recorder is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Health {
    /// Rows given to the recorder.
    pub rows_received: u64,
    /// Those of them that are in the log.
    pub rows_written: u64,
    /// Rows dropped because the channel was full.
    pub rows_dropped: u64,
    /// Rows lost because the log could not be written for so long that there was no room to keep
    /// them.
    pub rows_lost: u64,
    /// Messages waiting in the channel.
    pub queued: usize,
}
