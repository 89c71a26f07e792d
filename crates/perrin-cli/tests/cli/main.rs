//! The program, as its user calls it.

mod check;
#[path = "../../../../tests/common/mod.rs"]
mod common;
mod fit;
mod hostile;
mod json;
mod ls;
mod predict;
mod readme;
mod report;
mod sweep;
#[path = "../../../../tests/common/synthetic.rs"]
mod synthetic;
mod watch;
