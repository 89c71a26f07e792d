//! Watches how a neural network's parameters move while it trains, and explains the motion by physics.

pub mod error;
pub mod record;
pub mod theory;

pub use error::{Error, Result};
