//! The ways to begin: around an optimizer, building one, and beside one of the program's own.

use std::path::Path;

use tch::nn::{self, VarStore};

use super::attach_error::AttachError;
use super::config::KnownOptimizer;
use super::observer::Observer;
use super::optimizer::Optimizer;
use super::options::Options;
use super::parameters::Source;
use crate::error::{Error, Result};

/// Observes a tch optimizer from here on, into the run folder `directory`.
///
/// The optimizer, whatever it is, behaves as before: same methods, same updates, bit for bit. tch
/// gives no way to ask an optimizer for its learning rate, momentum or weight decay, so those
/// columns are null until `set_lr` and the like are called; [`Options::build`] knows them from the
/// start. A folder that holds a run is refused, never overwritten: give each run its own.
///
/// ```no_run
/// # use tch::{nn, nn::OptimizerConfig, Device};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let vs = nn::VarStore::new(Device::Cpu);
/// let opt = nn::adam(0.9, 0.999, 0.).build(&vs, 1e-3)?;
/// let mut opt = perrin::attach(opt, "runs/mnist")?;
/// // ... train as before ...
/// let summary = opt.finish()?;
/// # Ok(()) }
/// ```
///
/// # Errors
/// As [`Options::attach`]: an [`AttachError`], which gives the optimizer back.
pub fn attach(
    optimizer: nn::Optimizer,
    directory: impl AsRef<Path>,
) -> std::result::Result<Optimizer, AttachError> {
    Options::new().attach(optimizer, directory)
}

impl Options {
    /// Observes a tch optimizer into a new run folder. Where its variable store is still empty, the
    /// run begins with the first variables; one that is resumed needs them now.
    ///
    /// # Errors
    /// [`AttachError`], which gives the optimizer back, and in it [`Error::RunExists`] if
    /// `directory` holds a run that is not to be resumed, [`Error::Parameters`] if there is nothing
    /// to observe, [`Error::Io`] and [`Error::Torch`]; as
    /// [`RunWriter::resume`](crate::run::RunWriter::resume) where one is.
    pub fn attach(
        mut self,
        optimizer: nn::Optimizer,
        directory: impl AsRef<Path>,
    ) -> std::result::Result<Optimizer, AttachError> {
        let source = self.source.take().unwrap_or(Source::List);
        let list = match source {
            Source::List => optimizer.trainable_variables(),
            Source::Store(_) => Vec::new(),
        };
        match self.start(source, list, directory.as_ref()) {
            Ok(observer) => Ok(Optimizer::new(optimizer, observer)),
            Err(error) => Err(AttachError::new(optimizer, error)),
        }
    }

    /// Builds an optimizer from its configuration and observes it: the log knows its
    /// hyperparameters, which are the configuration's whatever
    /// [`hyperparameters`](Self::hyperparameters) said.
    ///
    /// # Errors
    /// As [`attach`](Self::attach), and [`Error::Torch`] if libtorch refuses the configuration.
    /// Whoever goes on unobserved then builds the optimizer again:
    /// `perrin::unobserved(config.build(&variables, learning_rate)?)`.
    pub fn build(
        mut self,
        config: impl KnownOptimizer,
        variables: &VarStore,
        learning_rate: f64,
        directory: impl AsRef<Path>,
    ) -> Result<Optimizer> {
        self.optimizer = config.info();
        self.hyperparameters = config.hyperparameters(learning_rate);
        let optimizer = config
            .build(variables, learning_rate)
            .map_err(|source| Error::Torch { action: "build the optimizer", source })?;
        Ok(self.variables(variables).attach(optimizer, directory)?)
    }

    /// Observes the variables of a store that an optimizer of the program's own will move.
    ///
    /// # Errors
    /// Those in the [`AttachError`] of [`attach`](Self::attach).
    pub fn observe(self, variables: &VarStore, directory: impl AsRef<Path>) -> Result<Observer> {
        self.start(Source::store(variables), Vec::new(), directory.as_ref())
    }
}
