//! Watching parameters from the training thread, at every step and at almost no cost.
//!
//! - [`attach`] wraps a tch optimizer: the one added line. [`Options`] has everything else, among
//!   it the form that builds the optimizer and so knows its hyperparameters, and
//!   [`Options::observe`] for optimizers of one's own.
//! - A step makes one row: how far the parameters moved, how far they are from where they began,
//!   and what was known of the step. Contiguous f32 parameters on the CPU are measured by one fused
//!   pass over their memory; all others by tensor operations on their device, read later by the
//!   worker thread.
//! - A row is handed to the [`recorder`](crate::recorder), which never makes training fail and,
//!   unless told to wait for a disk that cannot keep up, never makes it wait.

mod config;
mod directions;
mod kernel;
mod outside;
mod parameters;
mod settings;
mod summary;
mod threads;

mod delta_choice;
mod device;
mod host;
mod projection;

mod completion;
mod gradients;

mod tracker;

mod observation;
mod options;

mod basis;
mod deltas;
mod waiting;

mod observer;
mod resume;

mod joined;
mod optimizer;
mod start;

mod attach_error;
mod step;

mod attach;

pub use attach::attach;
pub use attach_error::AttachError;
pub use config::KnownOptimizer;
pub use observer::Observer;
pub use optimizer::{Optimizer, unobserved};
pub use options::Options;
pub use step::Step;
pub use summary::Summary;
