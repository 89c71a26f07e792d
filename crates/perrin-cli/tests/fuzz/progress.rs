//! What the worker tells the supervisor, a JSON line at a time, in a file: its standard output
//! belongs to the operations.

use std::fs::File;
use std::io::Write;

use serde::{Deserialize, Serialize};

use crate::outcome::Outcome;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Line {
    /// A run is damaged.
    Case { case: u64, run: String, kind: String, change: String, detail: String, forged: bool },
    /// An operation begins.
    Begun { operation: String },
    /// It has ended; `memory`: bytes held at most.
    Done { operation: String, outcome: Outcome, memory: u64, seconds: f64 },
}

pub fn tell(file: &mut File, line: &Line) {
    let mut text = serde_json::to_string(line).unwrap();
    text.push('\n');
    file.write_all(text.as_bytes()).unwrap();
}
