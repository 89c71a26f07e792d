//! The log on disk: a run's folder, its writer, its reader, and recovery after a crash.
//!
//! A run folder holds
//!
//! ```text
//! run.json                   what was run: record::RunInfo
//! reference.safetensors      the reference point theta_*
//! steps/000000.parquet ...   finished segments
//! steps/000007.arrows        journal of the open segment, an Arrow IPC stream
//! events.jsonl               one record::Event a line
//! lock                       locked by the process that writes
//! ```
//!
//! [`RunWriter`] appends blocks of rows. Each goes to the open segment's journal with one write, and, encoded, towards
//! the segment's Parquet file. When the segment is long enough the Parquet file is completed beside its final place,
//! synced and renamed, and the journal removed: every row is at any moment in a journal or a finished segment.
//! [`Run`] reads both in step order, a batch at a time, also while a writer is at work, and a [`Follower`] goes on where it
//! was. [`recover`] turns
//! what a killed process left behind into finished segments.
//!
//! `docs/log-format.md` has the bytes and the guarantees.

mod check;
pub mod eigenvectors;
mod events;
mod follow;
mod guard;
mod journal;
mod reader;
mod recovery;
mod reference;
mod schema;
mod segment;
mod segment_reader;
mod source;
pub mod storage;
mod writer;

use std::path::{Path, PathBuf};

/// The crate of the record batches that [`Run::steps`] yields.
pub use arrow_array;
pub use check::{Check, Finding, check};
pub use follow::Follower;
pub use reader::{Run, StepBatches};
pub use recovery::{Recovery, recover, recover_on};
pub use reference::ReferenceTensor;
pub use schema::{batch_from_rows, rows_from_batch, steps_schema};
pub use writer::{LogTotals, RunWriter};

/// Where things are in a run folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunFolder {
    pub(crate) root: PathBuf,
}

impl RunFolder {
    pub(crate) fn new(root: impl AsRef<Path>) -> RunFolder {
        RunFolder { root: root.as_ref().to_owned() }
    }

    pub(crate) fn run_json(&self) -> PathBuf {
        self.root.join("run.json")
    }

    pub(crate) fn reference(&self) -> PathBuf {
        self.root.join("reference.safetensors")
    }

    pub(crate) fn events(&self) -> PathBuf {
        self.root.join("events.jsonl")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    pub(crate) fn steps(&self) -> PathBuf {
        self.root.join("steps")
    }

    pub(crate) fn segment(&self, number: u64) -> PathBuf {
        self.steps().join(format!("{number:06}.parquet"))
    }

    pub(crate) fn journal(&self, number: u64) -> PathBuf {
        self.steps().join(format!("{number:06}.arrows"))
    }

    /// The number of the segment that a file of `steps` is, if it is one.
    pub(crate) fn number_of_segment(&self, file: &Path) -> Option<u64> {
        number_in_name(file).filter(|&number| self.segment(number) == file)
    }

    /// The number of the segment that a file of `steps` is the journal of, if it is one.
    pub(crate) fn number_of_journal(&self, file: &Path) -> Option<u64> {
        number_in_name(file).filter(|&number| self.journal(number) == file)
    }

    /// Whether a file is one of ours that was not completed; other files in the folder are somebody's.
    pub(crate) fn is_partial(&self, file: &Path) -> bool {
        let complete = file.with_extension("");
        file == partial(&complete)
            && (complete == self.run_json()
                || complete == self.reference()
                || self.number_of_segment(&complete).is_some())
    }
}

fn number_in_name(file: &Path) -> Option<u64> {
    file.file_stem()?.to_str()?.parse().ok()
}

/// The name a file has until it is complete.
pub(crate) fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}
