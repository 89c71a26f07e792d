//! Watching parameters from the training thread, at every step and at almost no cost.
//!
//! - [`attach`] wraps a tch optimizer: the one added line. [`Options`] has everything else, among it the form that
//!   builds the optimizer and so knows its hyperparameters, and [`Options::observe`] for optimizers of one's own.
//! - A step makes one row: how far the parameters moved, how far they are from where they began, and what was known of
//!   the step. Contiguous f32 parameters on the CPU are measured by one fused pass over their memory; all others by
//!   tensor operations on their device, read later by the worker thread.
//! - A row is handed to the [`recorder`](crate::recorder), which never makes training fail and, unless told to wait for
//!   a disk that cannot keep up, never makes it wait.

mod attach_error;
mod basis;
mod completion;
mod config;
mod deltas;
mod device;
mod gradients;
mod host;
mod joined;
mod kernel;
mod observation;
mod observer;
mod optimizer;
mod options;
mod outside;
mod parameters;
mod projection;
mod resume;
mod settings;
mod start;
mod step;
mod summary;
mod threads;
mod tracker;
mod waiting;

use std::path::Path;

pub use attach_error::AttachError;
pub use config::KnownOptimizer;
pub use observer::Observer;
pub use optimizer::{Optimizer, unobserved};
pub use options::Options;
pub use step::Step;
pub use summary::Summary;

/// Observes a tch optimizer from here on, into the run folder `directory`.
///
/// The optimizer, whatever it is, behaves as before: same methods, same updates, bit for bit. tch gives no way to ask
/// an optimizer for its learning rate, momentum or weight decay, so those columns are null until `set_lr` and the like
/// are called; [`Options::build`] knows them from the start. A folder that holds a run is refused, never overwritten: give
/// each run its own.
///
/// ```no_run
/// # use tch::{nn, nn::OptimizerConfig, Device};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let vs = nn::VarStore::new(Device::Cpu);
/// let opt = nn::adam(0.9, 0.999, 0.).build(&vs, 1e-3)?;
/// let mut opt = perrin::attach(opt, "runs/mnist")?;
/// // ... train as before ...
/// let summary = opt.finish()?;
/// # Ok(()) }
/// ```
///
/// # Errors
/// As [`Options::attach`]: an [`AttachError`], which gives the optimizer back.
pub fn attach(optimizer: tch::nn::Optimizer, directory: impl AsRef<Path>) -> Result<Optimizer, AttachError> {
    Options::new().attach(optimizer, directory)
}
