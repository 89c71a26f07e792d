//! What the examples are made of.

#[path = "../../examples/support/arguments.rs"]
mod arguments;
#[cfg(feature = "torch")]
#[path = "../../examples/support/datasets.rs"]
mod datasets;
mod files;
#[allow(clippy::duplicate_mod, reason = "`datasets` has it too, for itself")]
#[path = "../../examples/support/idx.rs"]
mod idx;
#[cfg(feature = "torch")]
#[path = "../../examples/support/networks.rs"]
mod networks;
#[cfg(feature = "torch")]
#[path = "../../examples/support/problem.rs"]
mod problem;
#[cfg(feature = "torch")]
mod training;
