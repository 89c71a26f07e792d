//! The report: what the page holds, what it never holds, and its figures.

mod look;
mod support;
#[path = "../common/synthetic.rs"]
mod synthetic;
