//! A tch optimizer that could not be observed, and why.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use tch::nn;

use super::optimizer::{Optimizer, unobserved};
use crate::error::Error;

/// Why a tch optimizer could not be observed; it gives the optimizer back, with its momentum and
/// all.
///
/// `?` turns it into an [`Error`] or a [`tch::TchError`] as well as into `anyhow::Error` and
/// `Box<dyn Error>`. A program that is to train in any case goes on unobserved:
///
/// ```no_run
/// # use tch::{nn, nn::OptimizerConfig, Device};
/// # fn main() -> Result<(), tch::TchError> {
/// # let vs = nn::VarStore::new(Device::Cpu);
/// let opt = nn::adam(0.9, 0.999, 0.).build(&vs, 1e-3)?;
/// let mut opt = perrin::attach(opt, "runs/mnist").unwrap_or_else(|refused| {
///     eprintln!("training unobserved: {refused}");
///     refused.unobserved()
/// });
/// # Ok(()) }
/// ```
pub struct AttachError(Box<Refused>);

struct Refused {
    /// In a mutex, because an error is expected to be shared between threads, which an optimizer
    /// cannot be.
    optimizer: Mutex<nn::Optimizer>,
    error: Error,
}

impl AttachError {
    pub(super) fn new(optimizer: nn::Optimizer, error: Error) -> AttachError {
        AttachError(Box::new(Refused { optimizer: Mutex::new(optimizer), error }))
    }

    /// Why.
    pub fn error(&self) -> &Error {
        &self.0.error
    }

    /// The optimizer as it was, and why it could not be observed.
    pub fn into_parts(self) -> (nn::Optimizer, Error) {
        let Refused { optimizer, error } = *self.0;
        (optimizer.into_inner().unwrap_or_else(PoisonError::into_inner), error)
    }

    /// The optimizer, to go on with unobserved.
    pub fn unobserved(self) -> Optimizer {
        unobserved(self.into_parts().0)
    }
}

impl fmt::Display for AttachError {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error().fmt(text)
    }
}

impl fmt::Debug for AttachError {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        text.debug_tuple("AttachError").field(self.error()).finish()
    }
}

impl std::error::Error for AttachError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error().source()
    }
}

impl From<AttachError> for Error {
    fn from(refused: AttachError) -> Error {
        refused.into_parts().1
    }
}

impl From<AttachError> for tch::TchError {
    fn from(refused: AttachError) -> tch::TchError {
        Error::from(refused).into()
    }
}
