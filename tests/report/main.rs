//! The report: what the page holds, what it never holds, and its figures.
#![cfg(feature = "report")]

mod golden;
mod gradients;
mod landscape;
mod look;
mod markup;
mod page;
mod support;
#[path = "../common/synthetic.rs"]
mod synthetic;
