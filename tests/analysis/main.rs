//! Answers about whole runs.

mod findings;
mod modes;
#[path = "../queries/python.rs"]
mod python;
mod reference;
mod runs;
mod scipy;
mod summary;
#[path = "../common/synthetic.rs"]
mod synthetic;
