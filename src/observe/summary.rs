//! What a run's end says of it.

use serde::Serialize;

/// What was recorded, when a run is over.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// Optimizer steps seen.
    pub steps: u64,
    /// Rows in the log.
    pub rows: u64,
    /// Rows dropped because the queue was full (never under
    /// [`QueuePolicy::Block`](crate::recorder::QueuePolicy)).
    pub rows_dropped: u64,
    /// Bytes of the log's segments on disk.
    pub bytes: u64,
    /// Seconds the training thread spent observing.
    pub training_thread_seconds: f64,
    /// Every 10,000 steps the running positions are compared to a direct projection, and go on from
    /// it: the largest difference found, relative to the largest position. `None` without
    /// directions or before the first comparison.
    pub position_correction: Option<f64>,
    /// Whole displacements written, where they were asked for.
    pub deltas: u64,
    /// Whole displacements dropped because the disk could not keep up.
    pub deltas_dropped: u64,
}
