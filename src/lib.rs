//! Watches how a neural network's parameters move while it trains, and explains the motion by physics.

pub mod analysis;
#[cfg(feature = "torch")]
pub mod curvature;
pub mod error;
pub mod log;
pub mod numeric;
#[cfg(feature = "torch")]
pub mod observe;
pub mod record;
pub mod recorder;

pub use error::{Error, Result};
#[cfg(feature = "torch")]
pub use observe::{ObservedOptimizer, Observer, Options, Summary, attach};
