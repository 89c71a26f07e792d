//! An answer, or why there is none.

use serde::Serialize;

use crate::error::Error;

/// What the data say, or the reason why they cannot say it. In JSON: the value itself, or
/// `{"cannot_say": "reason"}`.
///
/// Not an error: that a run of one row has no exponent is an answer about the run. A value in an
/// answer holds only finite numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Answer<T> {
    /// The value.
    Known(T),
    /// There is none.
    CannotSay {
        /// Why, as a clause: "the learning rate is not known".
        #[serde(rename = "cannot_say")]
        reason: String,
    },
}

impl<T> Answer<T> {
    /// No value, for this reason.
    pub fn cannot_say(reason: impl Into<String>) -> Answer<T> {
        Answer::CannotSay { reason: reason.into() }
    }

    /// The value, if there is one.
    pub fn known(&self) -> Option<&T> {
        match self {
            Answer::Known(value) => Some(value),
            Answer::CannotSay { .. } => None,
        }
    }

    /// The reason, if there is no value.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Answer::Known(_) => None,
            Answer::CannotSay { reason } => Some(reason),
        }
    }
}

/// Of a computation on numbers in memory. An error of reading is no answer: it goes to the caller
/// as an error.
impl<T> From<Result<T, Error>> for Answer<T> {
    fn from(result: Result<T, Error>) -> Answer<T> {
        match result {
            Ok(value) => Answer::Known(value),
            Err(Error::NotEnoughData { reason, .. }) => Answer::CannotSay { reason },
            Err(error) => Answer::cannot_say(error.to_string()),
        }
    }
}
