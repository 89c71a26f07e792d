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
//! [`RunWriter`] appends blocks of rows. Each goes to the open segment's journal with one write,
//! and, encoded, towards the segment's Parquet file. When the segment is long enough the Parquet
//! file is completed beside its final place, synced and renamed, and the journal removed: every row
//! is at any moment in a journal or a finished segment. [`Run`] reads both in step order, a batch
//! at a time, also while a writer is at work, and a [`Follower`] goes on where it was. [`recover`]
//! turns what a killed process left behind into finished segments, and [`RunWriter::resume`] goes
//! on with the run; [`compact`] merges the segments of a run at rest.
//!
//! `docs/log-format.md` has the bytes and the guarantees.

mod differences;
mod integrity;
mod listing;
mod schema;
pub mod storage;

mod file;
mod folder;
mod version;

mod events;
mod holder;
mod info;
mod places;
mod whole_file;

mod list_file;
mod lock;
mod safetensors_file;
mod steps;

mod reader;

mod artefacts;
mod follow;
mod info_change;
mod run_end;

mod overview;
mod rollback;
mod writing;

mod maintain;

/// The crate of the record batches that [`Run::steps`] yields.
pub use arrow_array;
pub use artefacts::curvature::CurvatureRow;
pub use artefacts::curvature_summary::{
    CurvatureSummary, GradientNoiseSummary, Measured, SpectralBulk,
};
pub use artefacts::delta_writer::DeltaWriter;
pub use artefacts::deltas::{Deltas, FullDelta};
pub use artefacts::eigenvectors::Eigenvectors;
#[cfg(feature = "torch")]
pub(crate) use artefacts::joined::joined;
pub use artefacts::landscape::LossLandscape;
pub use artefacts::reference::{Reference, ReferenceTensor};
pub use events::EventReader;
pub use follow::Follower;
pub use info_change::InfoChange;
pub use lock::declare_abandoned;
pub use maintain::check::{Check, Finding, Good, check};
pub use maintain::compact::{Compaction, compact, compact_as, compact_on};
pub use maintain::recovery::{Recovery, recover, recover_on};
pub use maintain::resume::{ResumeFrom, Resumed};
pub use overview::{LockedFiles, Overview, RunState, find_runs};
pub use reader::{Run, StepBatches};
#[cfg(feature = "torch")]
pub(crate) use rollback::kept_before;
pub use rollback::{KeptEvents, kept_events};
pub use schema::{batch_from_rows, rows_from_batch, steps_schema};
pub use steps::segment::Encoding;
pub use writing::part::LostRows;
pub use writing::place::LogTotals;
pub use writing::writer::RunWriter;
