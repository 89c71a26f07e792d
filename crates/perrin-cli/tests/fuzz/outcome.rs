//! What can come of an operation on a damaged run.

use serde::{Deserialize, Serialize};

/// From the best to the worst. The texts say more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The answer of the undamaged run.
    Unchanged,
    /// An error.
    Refused,
    /// Another answer, and `check` or the answer itself says why.
    Told,
    /// Another answer without a word: of damage, and of a forgery that has its checksums.
    Silent(String),
    /// The same, where nothing could tell.
    Beyond(String),
    Panicked(String),
    /// The process ended.
    Died(String),
    Hung(String),
    OverMemory(String),
    /// Characters that act on a terminal came through.
    ActsOnReader(String),
}

impl Outcome {
    /// The table's column.
    pub fn column(&self, forged: bool) -> usize {
        match self {
            Outcome::Unchanged => 0,
            Outcome::Refused => 1,
            Outcome::Told => 2,
            Outcome::Silent(_) if forged => 3,
            Outcome::Beyond(_) => 4,
            Outcome::Silent(_) => 5,
            Outcome::Panicked(_) | Outcome::Died(_) => 6,
            Outcome::Hung(_) => 7,
            Outcome::OverMemory(_) => 8,
            Outcome::ActsOnReader(_) => 9,
        }
    }

    /// What there is to say more.
    pub fn detail(&self) -> &str {
        match self {
            Outcome::Unchanged | Outcome::Refused | Outcome::Told => "",
            Outcome::Silent(detail)
            | Outcome::Beyond(detail)
            | Outcome::Panicked(detail)
            | Outcome::Died(detail)
            | Outcome::Hung(detail)
            | Outcome::OverMemory(detail)
            | Outcome::ActsOnReader(detail) => detail,
        }
    }
}

/// The table's columns; from the sixth on, where nothing should be.
pub const COLUMNS: [&str; 10] = [
    "unchanged",
    "refused",
    "told",
    "forged",
    "beyond",
    "silent",
    "panics",
    "hangs",
    "memory",
    "acts",
];
/// The first of them that is a fault.
pub const FIRST_FAULT: usize = 5;
