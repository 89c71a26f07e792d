//! The observer on real optimizers: what it records, what it leaves alone, and what it survives.
#![cfg(feature = "torch")]

mod bases;
mod behaviour;
mod changes;
mod deltas;
mod exactness;
mod failure;
mod following;
mod joined;
mod parameters;
mod program;
mod projections;
mod resume;
mod rollback;
mod support;
mod tied;
