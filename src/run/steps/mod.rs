//! The rows: a journal of the open segment, and finished segments as Parquet files.

pub(crate) mod footer;
pub(crate) mod journal;
pub(crate) mod row_order;

pub(crate) mod journal_reader;
pub(crate) mod segment;

pub(crate) mod finish;
pub(crate) mod segment_reader;

pub(crate) mod source;
