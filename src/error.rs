//! The one public error.

use std::io;
use std::path::{Path, PathBuf};

/// `Result` with perrin's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused something.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb: "write", "rename".
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The folder to observe into already holds a run.
    #[error("{} already holds a run; choose another folder, remove this one first, or go on with it (Options::resume)", path.display())]
    RunExists {
        /// The run's folder.
        path: PathBuf,
    },
    /// Another process or observer is writing the run.
    #[error("{} is being written by another observer; give each its own folder", path.display())]
    RunLocked {
        /// The run's folder.
        path: PathBuf,
    },
    /// A run changes, though no lock says that somebody writes it.
    #[error(
        "{} is still being written, by {writer}; its file system has no lock that holds between the two. Wait until it ends; if \
         it has ended, `perrin recover --force` says so", path.display()
    )]
    RunGrows {
        /// The run's folder.
        path: PathBuf,
        /// Who writes it, as far as the run says.
        writer: String,
    },
    /// There is no run at the path.
    #[error("no run at {}: expected a folder with a run.json, as perrin::attach makes it", path.display())]
    NoSuchRun {
        /// The path given.
        path: PathBuf,
    },
    /// The run holds no rows.
    #[error("the run at {} has no rows yet", path.display())]
    EmptyRun {
        /// The run's folder.
        path: PathBuf,
    },
    /// A file is not what perrin writes, or was damaged since.
    #[error("{} is damaged or not written by perrin: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// The run was written by a newer perrin.
    #[error("{} has schema version {found}, this perrin reads up to {supported}; update perrin", path.display())]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version understood.
        supported: u32,
    },
    /// A column was asked for that the log does not have.
    #[error("{} has no column `{column}`; it has: {available}", path.display())]
    NoSuchColumn {
        /// The run's folder.
        path: PathBuf,
        /// The column asked for.
        column: String,
        /// The columns there are, comma separated.
        available: String,
    },
    /// A number outside the range in which it means something.
    #[error("{name} = {value}: must be {requirement}")]
    InvalidValue {
        /// Name of the quantity.
        name: &'static str,
        /// The value given.
        value: f64,
        /// What it must be, as it continues "must be".
        requirement: &'static str,
    },
    /// Two things that must have the same shape have not.
    #[error("{name} has shape {found}, expected {expected}")]
    ShapeMismatch {
        /// Name of the quantity.
        name: &'static str,
        /// Its shape.
        found: String,
        /// The shape needed.
        expected: String,
    },
    /// Data that cannot answer the question asked.
    #[error("cannot {question}: {reason}")]
    NotEnoughData {
        /// The question, as it continues "cannot".
        question: &'static str,
        /// Why not.
        reason: String,
    },
    /// libtorch refused an operation.
    #[cfg(feature = "torch")]
    #[error("libtorch could not {action}: {}", without_frames(source))]
    Torch {
        /// What was tried, as it continues "could not".
        action: &'static str,
        /// libtorch's answer.
        source: tch::TchError,
    },
    /// The loss has an operation that libtorch can differentiate only once.
    #[cfg(feature = "torch")]
    #[error(
        "libtorch has no second derivative of {operation}, and so the loss no Hessian: {remedy}"
    )]
    NoSecondDerivative {
        /// The operation, with libtorch's name of its backward pass.
        operation: String,
        /// What to use in its place.
        remedy: &'static str,
    },
    /// A parameter that cannot be observed, or a name that selects none.
    #[error("{reason}")]
    Parameters {
        /// Which, and why.
        reason: String,
    },
    /// The logging thread ended without saying why.
    #[error("the logging thread of {} ended unexpectedly: {reason}; rows after that are lost, training is not affected", path.display())]
    WorkerLost {
        /// The run's folder.
        path: PathBuf,
        /// What is known of it.
        reason: String,
    },
    /// The error that stopped a run's log earlier; it can be asked for more than once.
    #[error(transparent)]
    Stopped(std::sync::Arc<Error>),
    /// A matrix-vector product holds NaN or infinity.
    #[error(
        "product {product} of the operator is not finite; look for NaN in the parameters, the data or the loss"
    )]
    NonFiniteProduct {
        /// Which product, counted from 1.
        product: usize,
    },
    /// An operator that must be symmetric is not, or gives another answer each time.
    #[error(
        "the operator is not symmetric: |<u, H v> - <v, H u>| is {asymmetry:.1e} of its largest product, more than {tolerance:.1e}; \
         switch off dropout and random augmentation, and use the same data for every product"
    )]
    NotSymmetric {
        /// |<u, H v> - <v, H u>| of two unit vectors, relative to the longest product of a unit vector so far.
        asymmetry: f64,
        /// The largest that was allowed.
        tolerance: f64,
    },
    /// A field of an input file that is missing, of the wrong type or out of range.
    #[error("{field}: {reason}")]
    InvalidInput {
        /// The field, with the index of a list's entry: `steps[2]`.
        field: String,
        /// What does not fit.
        reason: String,
    },
    /// The loss of a batch is NaN or infinite.
    #[error(
        "the loss of batch {batch} is {loss}; it must be finite to have a Hessian: look at the parameters and the batch's data"
    )]
    NonFiniteLoss {
        /// Which batch, counted from 0.
        batch: usize,
        /// Its loss.
        loss: f64,
    },
    /// A run cannot be resumed by what is to go on with it.
    #[error("{} cannot be resumed: {differences}", path.display())]
    ResumeMismatch {
        /// The run's folder.
        path: PathBuf,
        /// Every difference, the parameters by name.
        differences: String,
    },
    /// A run is to be resumed from a step after which its log has rows.
    #[error(
        "{} has rows up to step {last_step}, and training goes on after step {step}: resume from a later checkpoint, or ask for \
         the later rows to be discarded", path.display()
    )]
    RowsAfterResume {
        /// The run's folder.
        path: PathBuf,
        /// The step asked for.
        step: u64,
        /// The last row's.
        last_step: u64,
    },
    /// The log could not be written for a while, or still cannot. What was written before is
    /// readable.
    #[error(
        "the log was interrupted, {rows_lost} rows are lost, training is not affected: {source}"
    )]
    Interrupted {
        /// Rows that there was no room to keep until the log could be written again.
        rows_lost: u64,
        /// The first error.
        source: std::sync::Arc<Error>,
    },
}

/// What libtorch says, without the C++ stack that it adds.
#[cfg(feature = "torch")]
fn without_frames(source: &tch::TchError) -> String {
    let text = source.to_string();
    text.split("\nException raised from ").next().unwrap_or_default().to_owned()
}

impl Error {
    /// Whether a file would have been larger than one may be there.
    pub(crate) fn is_file_too_large(&self) -> bool {
        matches!(self, Error::Io { source, .. } if source.kind() == io::ErrorKind::FileTooLarge)
    }

    /// An I/O error on `path`; `action` is a verb ("write").
    pub(crate) fn io(
        action: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Io { action, path: path.as_ref().to_owned(), source }
    }
}

/// For functions that return tch's `Result`: the message and its causes, as an error of input and
/// output.
#[cfg(feature = "torch")]
impl From<Error> for tch::TchError {
    fn from(error: Error) -> tch::TchError {
        tch::TchError::Io(io::Error::other(error))
    }
}
