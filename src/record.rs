//! What is recorded: plain data, in the vocabulary of the log's columns.
//!
//! Nothing here knows a framework, a file or a thread. A value that is not known is `None` and
//! becomes null in the log; it is never written as zero.

use serde::{Deserialize, Serialize};

/// Version of the run folder's layout and columns. A reader refuses a newer one.
pub const SCHEMA_VERSION: u32 = 2;

/// One observed optimizer step: a row of `steps`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct StepRecord {
    /// Optimizer step, counted from 1. The parameters before step 1 are the run's starting point.
    pub step: u64,
    /// Epoch in which the step was taken, as the training program counts them.
    pub epoch: Option<u64>,
    /// Seconds since observation began, when the step had been taken.
    pub elapsed_seconds: f64,
    /// Hyperparameters in force during the step (of parameter group 0, where there are several).
    pub hyperparameters: Hyperparameters,
    /// Examples in the step's mini-batch.
    pub batch_size: Option<u64>,
    /// Loss of the mini-batch, before the step.
    pub loss: Option<f64>,
    /// ||g||^2 of the observed parameters' gradient; before clipping, where perrin's optimizer clips.
    pub gradient_norm_squared: Option<f64>,
    /// ||theta_k - theta_{k-1}||^2, the squared local displacement (eq. 1).
    pub local_displacement_squared: Option<f64>,
    /// ||theta_k - theta_*||^2, the squared global displacement (eq. 1) from the run's reference point.
    pub global_displacement_squared: Option<f64>,
    /// Number of the basis whose directions the row's projections are along, from 0; see
    /// [`EventKind::BasisChanged`].
    pub basis: Option<u64>,
}

/// The optimizer settings that may change from step to step, of one parameter group.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Hyperparameters {
    /// eta.
    pub learning_rate: Option<f64>,
    /// beta; of Adam and AdamW, beta_1.
    pub momentum: Option<f64>,
    /// lambda.
    pub weight_decay: Option<f64>,
}

/// Rows on their way to the log, column counts fixed by the run's [`Layout`].
///
/// `group_hyperparameters` holds `layout.parameter_groups - 1` entries a row (groups 1, 2, ...),
/// and `projections` `2 * layout.directions` values a row: all positions, then all velocities;
/// `None` where not known.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RowBuffer {
    /// The rows, in step order.
    pub records: Vec<StepRecord>,
    /// Hyperparameters of the parameter groups after the first, row by row.
    pub group_hyperparameters: Vec<Hyperparameters>,
    /// Positions, then velocities, along the projection directions, row by row.
    pub projections: Vec<Option<f64>>,
}

impl RowBuffer {
    /// Whether no row is held.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Number of rows held.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Takes the rows from index `at` on out of it.
    pub(crate) fn split_off(&mut self, at: usize) -> RowBuffer {
        let rows = self.len().max(1);
        let (groups, projections) =
            (self.group_hyperparameters.len() / rows, self.projections.len() / rows);
        RowBuffer {
            records: self.records.split_off(at.min(self.records.len())),
            group_hyperparameters: self.group_hyperparameters.split_off(at.min(rows) * groups),
            projections: self.projections.split_off(at.min(rows) * projections),
        }
    }

    /// Forgets the rows and keeps the memory.
    pub fn clear(&mut self) {
        self.records.clear();
        self.group_hyperparameters.clear();
        self.projections.clear();
    }
}

/// How many columns of each kind a run's rows have; fixed for the life of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// Parameter groups of the optimizer, at least 1. Group g > 0 has columns
    /// `learning_rate_group_g`, ...
    pub parameter_groups: usize,
    /// Directions projected on: columns `position_1..=directions` and `velocity_1..=directions`.
    pub directions: usize,
}

impl Default for Layout {
    fn default() -> Self {
        Layout { parameter_groups: 1, directions: 0 }
    }
}

/// What was run: the contents of `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// [`SCHEMA_VERSION`] of the program that wrote the run.
    pub schema_version: u32,
    /// Version of perrin that wrote the run.
    pub perrin_version: String,
    /// When observation began, RFC 3339, UTC.
    pub created: String,
    /// The optimizer, as far as it is known.
    pub optimizer: OptimizerInfo,
    /// Hyperparameters of every parameter group when observation began.
    pub hyperparameters: Vec<Hyperparameters>,
    /// Examples in a mini-batch when observation began.
    pub batch_size: Option<u64>,
    /// A row was asked for every so many steps.
    pub every_steps: u64,
    /// Steps in an epoch, where it was stated.
    pub steps_per_epoch: Option<u64>,
    /// Column counts.
    pub layout: Layout,
    /// The tracked parameters, in the order of the reference point.
    pub parameters: Vec<ParameterInfo>,
}

impl Default for RunInfo {
    fn default() -> Self {
        RunInfo {
            schema_version: SCHEMA_VERSION,
            perrin_version: env!("CARGO_PKG_VERSION").to_owned(),
            created: humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string(),
            optimizer: OptimizerInfo::default(),
            hyperparameters: vec![Hyperparameters::default()],
            batch_size: None,
            every_steps: 1,
            steps_per_epoch: None,
            layout: Layout::default(),
            parameters: Vec::new(),
        }
    }
}

/// The optimizer's kind and the settings that do not change while it runs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct OptimizerInfo {
    /// `sgd`, `adam`, `adamw`, `rms_prop`, or the name a training program gave its own.
    pub name: Option<String>,
    /// SGD's dampening.
    pub dampening: Option<f64>,
    /// Whether SGD's momentum is Nesterov's.
    pub nesterov: Option<bool>,
    /// Adam's beta_2; RMSprop's alpha.
    pub second_moment_decay: Option<f64>,
    /// Adam's and RMSprop's epsilon.
    pub epsilon: Option<f64>,
    /// Adam's AMSGrad variant.
    pub amsgrad: Option<bool>,
    /// RMSprop's centered variant.
    pub centered: Option<bool>,
}

/// A tracked parameter.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ParameterInfo {
    /// Its name in the variable store, or `parameter_<n>` where names are not known.
    pub name: String,
    /// Its shape; empty for a scalar.
    pub shape: Vec<i64>,
    /// Its element kind: `f32`, `f64`, `bf16`, `f16`.
    pub kind: String,
    /// Its device: `cpu`, `cuda:0`, ...
    pub device: String,
    /// Its parameter group, where known.
    pub group: Option<usize>,
}

/// Something that happened to a run besides its steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The step before which it was noticed (for `non_finite`: the step that showed it).
    pub step: u64,
    /// Seconds since observation began.
    pub elapsed_seconds: f64,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// The kinds of [`Event`]. `snake_case` names are the log's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// Parameters were changed between two steps by something else than the observed optimizer. The
    /// change is part of the global displacement and of no local one. One that ends where it began
    /// is none. Told at counts 1, 2, 4, 8, ..., when one is more than twice as long as all told
    /// before, and once more at the end.
    OutsideWrite {
        /// The parameters changed, by name (the first few, when many).
        parameters: Vec<String>,
        /// ||theta_after - theta_before||^2 of the latest change, where both were at hand.
        displacement_squared: Option<f64>,
        /// How many such changes there have been, this one included, and those of unknown length.
        count: u64,
    },
    /// A displacement became NaN or infinite for the first time, or again after having been finite.
    NonFinite {
        /// Squared local displacement, as logged.
        local_displacement_squared: String,
        /// Squared global displacement, as logged.
        global_displacement_squared: String,
    },
    /// Variables that were added to the store after observation began; their reference point is
    /// their value now, which is kept in `joined/`.
    ParametersAdded {
        /// Their names.
        parameters: Vec<String>,
    },
    /// Variables that were added to the store after observation began and cannot be observed: they
    /// are passed over.
    ParametersNotObserved {
        /// Their names.
        parameters: Vec<String>,
        /// Why not.
        reason: String,
    },
    /// The rows from this step on are projected on another basis: another set of directions,
    /// usually eigenvectors computed anew. Positions still count from the run's reference point.
    BasisChanged {
        /// Its number, which is that of its files in `eigenvectors` and `curvature`.
        basis: u64,
    },
    /// An estimate of new directions failed, because the loss was NaN, say: rows go on along those
    /// before. Failures in a row are told at counts 1, 2, 4, 8, ...
    EstimateFailed {
        /// The error.
        reason: String,
        /// How many have failed since the last one that did not.
        count: u64,
    },
    /// The vectors of a basis could not be written and are not in the log; its eigenvalues are.
    EigenvectorsNotKept {
        /// Its number.
        basis: u64,
        /// The error.
        reason: String,
    },
    /// The largest eigenvalue has crossed the limit of stability: above it, a step along its
    /// eigenvector grows from step to step, as far as the loss is quadratic there.
    StabilityCrossed {
        /// rho_1 + lambda: the largest eigenvalue, weight decay included.
        sharpness: f64,
        /// Of the optimizer: 2 (1 + beta) / eta for SGD with heavy-ball momentum.
        limit: f64,
        /// Whether it is above now.
        unstable: bool,
    },
    /// Rows that are missing from the log: they could not be queued under the drop-newest policy,
    /// or the log could not be written for so long that there was no room to keep them.
    RowsDropped {
        /// Rows dropped since the last such event.
        count: u64,
        /// First step dropped.
        first_step: u64,
        /// Last step dropped.
        last_step: u64,
    },
    /// A journal left by a process that did not close the run was made a segment.
    Recovered {
        /// Rows saved.
        rows: u64,
        /// Bytes at the journal's end that held no whole block.
        bytes_discarded: u64,
    },
    /// The log could not be written for a while. Rows that were lost by it are told by a
    /// `rows_dropped`.
    Interrupted {
        /// The first error of that while.
        reason: String,
        /// How long it lasted.
        seconds: f64,
        /// Events lost by it.
        events_lost: u64,
    },
    /// The file system gave no lock: another process that takes the run for abandoned is not kept
    /// from it.
    NotLocked {
        /// The file system's answer.
        reason: String,
    },
    /// The run was taken up again by another process. The event's step is the first that can
    /// follow.
    Resumed {
        /// Last step in the log before, if it had rows.
        last_step: Option<u64>,
        /// Rows discarded at the user's wish: those of the event's step and later, up to
        /// `last_step`.
        rows_discarded: u64,
        /// The number of the next landscape: those before, of the event's step or later, are of
        /// discarded steps. `None` in logs that do not tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next_landscape: Option<u64>,
        /// When, RFC 3339, UTC; `None` in logs that do not tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        time: Option<String>,
    },
    /// An error stopped the log; the rows end before the run did.
    Stopped {
        /// The error.
        reason: String,
    },
    /// The run was closed properly.
    Finished {
        /// Rows in the log.
        rows: u64,
        /// Rows dropped, in all.
        dropped: u64,
    },
}
