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
            Outcome::Silent(_) => 4,
            Outcome::Panicked(_) | Outcome::Died(_) => 5,
            Outcome::Hung(_) => 6,
            Outcome::OverMemory(_) => 7,
            Outcome::ActsOnReader(_) => 8,
        }
    }

    /// What there is to say more.
    pub fn detail(&self) -> &str {
        match self {
            Outcome::Unchanged | Outcome::Refused | Outcome::Told => "",
            Outcome::Silent(detail)
            | Outcome::Panicked(detail)
            | Outcome::Died(detail)
            | Outcome::Hung(detail)
            | Outcome::OverMemory(detail)
            | Outcome::ActsOnReader(detail) => detail,
        }
    }
}

/// The table's columns; from the fifth on, where nothing should be.
pub const COLUMNS: [&str; 9] =
    ["unchanged", "refused", "told", "forged", "silent", "panics", "hangs", "memory", "acts"];
/// The first of them that is a fault.
pub const FIRST_FAULT: usize = 4;
