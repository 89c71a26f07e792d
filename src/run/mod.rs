//! The log on disk: a run's folder, its writer, its reader, and recovery after a crash.
//!
//! A run folder holds
//!
//! ```text
//! run.json                   what was run: record::RunInfo
//! reference.safetensors      the reference point theta_*
//! steps/000000.parquet ...   finished segments
//! open/000007.arrows         journal of the open segment, an Arrow IPC stream
//! curvature/000000.parquet   eigenvalues, a file an estimate, where directions were followed
//! curvature_summaries/000000.json   trace, density and gradient noise of the same, where they were measured
//! eigenvectors/000000.safetensors   their vectors: the directions of the rows with this number as `basis`
//! joined/000000.safetensors  reference points of parameters that joined later, a file an event
//! deltas/000000.arrows       whole displacements, where they were asked for
//! landscape/000000.parquet   losses on a grid in a plane around theta_*, where they were measured
//! events.jsonl               one record::Event a line
//! lock                       locked by the process that writes
//! ```
//!
//! [`RunWriter`] appends blocks of rows. Each goes to the open segment's journal with one write, and, encoded, towards
//! the segment's Parquet file. When the segment is long enough the Parquet file is completed beside its final place,
//! synced and renamed, and the journal removed: every row is at any moment in a journal or a finished segment.
//! [`Run`] reads both in step order, a batch at a time, also while a writer is at work, and a [`Follower`] goes on where it
//! was. [`recover`] turns what a killed process left behind into finished segments, and [`RunWriter::resume`] goes on with
//! the run; [`compact`] merges the segments of a run at rest.
//!
//! `docs/log-format.md` has the bytes and the guarantees.

mod check;
mod compact;
mod curvature;
mod curvature_summary;
mod delta_writer;
mod deltas;
pub mod eigenvectors;
mod eigenvectors_file;
mod events;
mod file;
mod folder;
mod follow;
mod footer;
mod guard;
mod holder;
mod info;
mod info_change;
mod joined;
mod journal;
mod journal_reader;
mod landscape;
mod list_file;
mod listing;
mod lock;
mod overview;
mod part;
mod parts;
mod reader;
mod recovery;
mod reference;
mod replace;
mod resume;
mod rollback;
mod row_order;
mod run_end;
mod safetensors_file;
mod schema;
mod segment;
mod segment_reader;
mod source;
pub mod storage;
mod tail;
mod version;
mod writer;

/// The crate of the record batches that [`Run::steps`] yields.
pub use arrow_array;
pub use check::{Check, Finding, Good, check};
pub use compact::{Compaction, compact, compact_as, compact_on};
pub use curvature::CurvatureRow;
pub use curvature_summary::{CurvatureSummary, GradientNoiseSummary, Measured, SpectralBulk};
pub use delta_writer::DeltaWriter;
pub use deltas::{Deltas, FullDelta};
pub use events::EventReader;
pub(crate) use folder::{RunFolder, partial};
pub use follow::Follower;
pub use info_change::InfoChange;
#[cfg(feature = "torch")]
pub(crate) use joined::joined;
pub use landscape::LossLandscape;
pub use lock::declare_abandoned;
pub use overview::{LockedFiles, Overview, RunState, find_runs};
pub use part::LostRows;
pub use reader::{Run, StepBatches};
pub use recovery::{Recovery, recover, recover_on};
pub use reference::{Reference, ReferenceTensor};
pub use resume::{ResumeFrom, Resumed};
#[cfg(feature = "torch")]
pub(crate) use rollback::kept_before;
pub use rollback::{KeptEvents, kept_events};
pub use schema::{batch_from_rows, rows_from_batch, steps_schema};
pub use segment::Encoding;
pub use writer::{LogTotals, RunWriter};
