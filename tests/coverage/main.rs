//! Intervals cover the truth, and tests raise false alarms, as often as they say: on runs drawn
//! from the exact process.
//!
//! Ordinarily 100 runs of two regimes, for gross errors.
//! `PERRIN_COVERAGE=1000 cargo test --release --test coverage -- --nocapture` takes 1,000 of all
//! and prints the figures of docs/analysis.md.

mod diffusion;
mod epochs;
mod lags;
mod stationarity;
mod support;
