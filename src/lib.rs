//! Watches how a neural network's parameters move while it trains, and explains the motion by
//! physics.
//!
//! # Observe
//!
//! One line added to code that trains with [tch](https://docs.rs/tch), here the second:
//!
#![cfg_attr(feature = "torch", doc = "```no_run")]
#![cfg_attr(not(feature = "torch"), doc = "```ignore")]
//! # use tch::{nn, nn::OptimizerConfig, Device};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let vs = nn::VarStore::new(Device::Cpu);
//! let opt = nn::sgd(0.9, 0., 1e-4, false).build(&vs, 1e-3)?;
//! let mut opt = perrin::attach(opt, "runs/mnist")?;
//! // ... train as before ...
//! let summary = opt.finish()?;
//! # Ok(()) }
//! ```
//!
//! From then on every optimizer step leaves a row: the squared local displacement ||theta_k - theta_{k-1}||^2, the squared
//! global displacement ||theta_k - theta_*||^2 (eq. 1 of the paper below), and what was known of the step.
//! [`Options`] has everything else: known hyperparameters, a choice of parameters, fewer rows, another reference
//! point, the queue. [`Observer`] is for optimizers that are not tch's.
//!
//! Training is not changed, slowed noticeably, or ever ended by this: see [`recorder`] for what happens when a disk fails
//! or cannot keep up, and `docs/design.md` for how little the training thread does.
//!
//! [`curvature`] has the Hessian of a loss over batches, its top eigenpairs with their residuals, and the gradients' noise along
//! them; given to [`Options::project_onto`], the eigenvectors add a position and a velocity each to every row.
//!
//! # Read
//!
//! A run is a folder of Parquet segments and a journal, readable while it grows, by [`run::Run`] and by whatever opens
//! Parquet (DuckDB, Polars). `docs/log-format.md` has the columns, the bytes and the promises.
//!
//! # Explain
//!
//! [`analysis`] fits a run to the theory of *The limiting dynamics of SGD: modified loss, phase space oscillations, and
//! anomalous diffusion* (cited as "the paper", by its equation numbers).
//! [`theory`] has its equations as plain functions, and the exact discrete-time ones beside them; [`linalg`] and [`stats`] the methods
//! below both. None of these needs libtorch, nor does the `perrin` program.
//!
//! # Which type for which task
//!
//! | to | take |
//! |---|---|
//! | observe a tch optimizer | [`attach`], with more to say [`Options`] |
//! | train unobserved with the same types | [`unobserved`], [`Options::observe_if`] |
//! | observe an optimizer of one's own | [`Options::observe`], which gives an [`Observer`] |
//! | follow the sharpest directions | [`curvature::EigenpairFollower`] |
//! | read a run, or one that grows | [`run::Run`], [`run::Follower`] |
//! | check, mend, merge a run | [`run::check`], [`run::recover`], [`run::compact`] |
//! | ask a run all questions | [`analysis::RunFit`] |
//! | compare runs | [`analysis::sweep::Sweep`] |
//! | write a page | [`report::write_report`] |
//! | predict from hyperparameters | [`theory::prediction`] |
//!
//! # Features
//!
//! - `torch` (default): [`observe`] and [`curvature`]; needs libtorch, as tch does.
//! - `download-libtorch`: tch's own; it fetches libtorch while building.
//! - `report`: [`report`], figures and the HTML page.
//! - `metrics`: the latest row through the `metrics` facade, see [`recorder`].

pub mod error;
pub mod printable;
pub mod record;

pub mod linalg;
pub mod run;
pub mod stats;
pub mod theory;
#[cfg(feature = "torch")]
mod variables;

pub mod analysis;
#[cfg(feature = "torch")]
pub mod curvature;
pub mod recorder;

#[cfg(feature = "torch")]
pub mod observe;
#[cfg(feature = "report")]
pub mod report;

pub use error::{Error, Result};
#[cfg(feature = "torch")]
pub use observe::{AttachError, Observer, Optimizer, Options, Step, Summary, attach, unobserved};
