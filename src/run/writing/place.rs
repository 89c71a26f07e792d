//! Where a writer writes, and what has become of it.

use std::sync::Arc;

use arrow_schema::SchemaRef;

use crate::record::RunInfo;
use crate::run::folder::RunFolder;
use crate::run::storage::Storage;

/// Where rows go, and what they are.
pub(crate) struct Place {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) folder: RunFolder,
    pub(crate) info: RunInfo,
    pub(crate) schema: SchemaRef,
}

/// What is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogTotals {
    /// Rows appended.
    pub rows: u64,
    /// Bytes of the finished segments.
    pub bytes: u64,
    /// Finished segments.
    pub segments: u64,
}
