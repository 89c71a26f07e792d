//! What to observe and how: one builder, three ways to start.

use std::borrow::Cow;
use std::path::Path;
use std::time::{Duration, Instant};

use tch::nn::{Optimizer, VarStore};
use tch::{Kind, TchError, Tensor};

use super::basis::{Directions, take_up, update_rule};
use super::completion::complete;
use super::config::KnownOptimizer;
use super::observer::{Observer, Settings, later_groups};
use super::optimizer::ObservedOptimizer;
use super::outside::OutsideWrites;
use super::parameters::{Filter, Source};
use super::projection::DEFAULT_MEMORY_BYTES;
use super::tracker::{Reference, Tracker};
use crate::error::{Error, Result};
use crate::log::eigenvectors::Eigenvectors;
use crate::log::{ReferenceTensor, RunWriter};
use crate::record::{Hyperparameters, Layout, OptimizerInfo, RunInfo};
use crate::recorder::{Block, QueueOptions, Recorder};
use crate::variables::{self, Variable};

/// What [`attach`](crate::attach) does not ask for. Set what is wanted, then start with [`build`](Self::build),
/// [`attach`](Self::attach) or [`observe`](Self::observe).
///
/// ```no_run
/// # use tch::{nn, nn::OptimizerConfig, Device};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let vs = nn::VarStore::new(Device::Cpu);
/// let mut opt = perrin::Options::new()
///     .batch_size(128)
///     .steps_per_epoch(469)
///     .parameters(|name| !name.contains("embedding"))
///     .build(nn::sgd(0.9, 0., 1e-4, false), &vs, 1e-3, "runs/mnist")?;
/// # Ok(()) }
/// ```
#[derive(Default)]
#[must_use = "options do nothing until build, attach or observe"]
pub struct Options {
    batch_size: Option<u64>,
    steps_per_epoch: Option<u64>,
    every_steps: Option<u64>,
    gradient_norm: bool,
    filter: Option<Filter>,
    reference: Reference,
    source: Option<Source>,
    queue: QueueOptions,
    optimizer: OptimizerInfo,
    hyperparameters: Hyperparameters,
    projected: Option<Eigenvectors>,
    directions: usize,
    forget_vectors: bool,
    projection_memory_bytes: Option<usize>,
}

impl Options {
    /// Every step, every trainable variable, from where they are now.
    pub fn new() -> Self {
        Options::default()
    }

    /// Examples in a mini-batch: the `batch_size` column. Needed to turn the measured speed into sigma^2 tr(H).
    pub fn batch_size(mut self, batch_size: u64) -> Self {
        self.batch_size = Some(batch_size);
        self
    }

    /// Steps in an epoch: fills the `epoch` column, counted from 1. Where epochs differ in length, call
    /// [`ObservedOptimizer::start_epoch`] instead.
    pub fn steps_per_epoch(mut self, steps: u64) -> Self {
        self.steps_per_epoch = Some(steps);
        self
    }

    /// Makes a row of steps `steps`, 2 `steps`, ...; the others cost little. A row's local displacement is that of
    /// its one step.
    pub fn every_steps(mut self, steps: u64) -> Self {
        self.every_steps = Some(steps);
        self
    }

    /// Fills the `gradient_norm_squared` column, at the cost of another reading of the gradients.
    pub fn gradient_norm(mut self, wanted: bool) -> Self {
        self.gradient_norm = wanted;
        self
    }

    /// Observes only the parameters whose names `wanted` accepts, those added later too. Names are the variable
    /// store's; with [`attach`](Self::attach) they need [`variables`](Self::variables) and are else `parameter_0`, ...
    pub fn parameters(mut self, wanted: impl Fn(&str) -> bool + Send + 'static) -> Self {
        self.filter = Some(Box::new(wanted));
        self
    }

    /// The variable store of the optimizer given to [`attach`](Self::attach): gives parameters their names, and groups
    /// after the first their columns, in which `set_lr_group` and the like show.
    pub fn variables(mut self, variables: &VarStore) -> Self {
        self.source = Some(Source::store(variables));
        self
    }

    /// The reference point theta_* of the global displacement, by name, as `Tensor::read_safetensors` gives it.
    /// Parameters it does not name count from where they are now.
    pub fn reference(mut self, reference: Vec<(String, Tensor)>) -> Self {
        self.reference = reference;
        self
    }

    /// Logs, at every row, the position <theta_k - theta_*, q> and the velocity <v_k, q> = <delta_k, q> / eta_k along each
    /// direction q: the columns `position_1`, ... and `velocity_1`, ... (null while the learning rate is not known, and
    /// where it differs between parameter groups). Eigenvectors of the Hessian are meant, from `curvature::eigenvectors`,
    /// `curvature::Follower` or a file. Plain vectors do too; each has an element for each element of the observed
    /// parameters, in the order in which `run.json` lists them, each row-major.
    ///
    /// The directions are kept in the run folder. [`Observer::project_onto`] replaces them as the run goes on.
    /// Parameters added later have no part in them.
    pub fn project_onto(mut self, directions: impl Into<Eigenvectors>) -> Self {
        let directions = directions.into();
        self.directions = directions.eigenvectors.len();
        self.projected = Some(directions);
        self
    }

    /// Provides columns for so many directions, that [`Observer::project_onto`] will give later; null until then.
    pub fn directions(mut self, count: usize) -> Self {
        (self.directions, self.projected) = (count, None);
        self
    }

    /// Whether the run folder keeps the directions themselves, each time they change, and not only their eigenvalues
    /// and residuals: yes, unless told otherwise. They are `directions` times as large as the parameters.
    pub fn keep_eigenvectors(mut self, wanted: bool) -> Self {
        self.forget_vectors = !wanted;
        self
    }

    /// Memory for a block of displacements that wait to be projected together, 256 MiB unless set. Fewer steps to a
    /// block mean that the directions are read more often.
    pub fn projection_memory(mut self, bytes: usize) -> Self {
        self.projection_memory_bytes = Some(bytes);
        self
    }

    /// What to do when the disk cannot keep up, and how many rows to hold until then.
    pub fn queue(mut self, queue: QueueOptions) -> Self {
        self.queue = queue;
        self
    }

    /// Says what an optimizer is that perrin does not build itself.
    pub fn optimizer_info(mut self, optimizer: OptimizerInfo) -> Self {
        self.optimizer = optimizer;
        self
    }

    /// Says the hyperparameters of an optimizer that perrin does not build itself.
    pub fn hyperparameters(mut self, hyperparameters: Hyperparameters) -> Self {
        self.hyperparameters = hyperparameters;
        self
    }

    /// Observes a tch optimizer into a new run folder.
    ///
    /// # Errors
    /// [`Error::RunExists`] if `directory` holds a run, [`Error::Parameters`] if there is nothing to observe,
    /// [`Error::Io`] and [`Error::Torch`].
    pub fn attach(mut self, optimizer: Optimizer, directory: impl AsRef<Path>) -> Result<ObservedOptimizer> {
        let source = self.source.take().unwrap_or(Source::List);
        let list = match source {
            Source::List => optimizer.trainable_variables(),
            Source::Store(_) => Vec::new(),
        };
        let observer = self.start(source, list, directory.as_ref())?;
        Ok(ObservedOptimizer::new(optimizer, observer))
    }

    /// Builds an optimizer from its configuration and observes it: the log knows its hyperparameters, which are the
    /// configuration's whatever [`hyperparameters`](Self::hyperparameters) said.
    ///
    /// # Errors
    /// As [`attach`](Self::attach).
    pub fn build(
        mut self,
        config: impl KnownOptimizer,
        variables: &VarStore,
        learning_rate: f64,
        directory: impl AsRef<Path>,
    ) -> Result<ObservedOptimizer> {
        self.optimizer = config.info();
        self.hyperparameters = config.hyperparameters(learning_rate);
        let optimizer = config
            .build(variables, learning_rate)
            .map_err(|source| Error::Torch { action: "build the optimizer", source })?;
        self.variables(variables).attach(optimizer, directory)
    }

    /// Observes the variables of a store that an optimizer of the program's own will move.
    ///
    /// # Errors
    /// As [`attach`](Self::attach).
    pub fn observe(self, variables: &VarStore, directory: impl AsRef<Path>) -> Result<Observer> {
        self.start(Source::store(variables), Vec::new(), directory.as_ref())
    }

    fn start(self, source: Source, list: Vec<Tensor>, directory: &Path) -> Result<Observer> {
        let positive = |name, value: Option<u64>| match value {
            Some(0) => Err(Error::InvalidValue { name, value: 0.0, requirement: "at least 1" }),
            other => Ok(other),
        };
        let every_steps = positive("every_steps", self.every_steps)?.unwrap_or(1);
        let steps_per_epoch = positive("steps_per_epoch", self.steps_per_epoch)?;
        let (store, found) = match source {
            Source::Store(store) => {
                let found = variables::variables_after(0, &store);
                (Some(store), found)
            }
            Source::List => (None, variables::list_after(0, list)),
        };
        let parameter_groups = groups_of(&found);
        let known_variables = found.len();
        let mut tracker = Tracker::new(found, self.filter, self.reference)?;
        let directions = Directions {
            count: self.directions,
            basis: None,
            keep_vectors: !self.forget_vectors,
            memory_bytes: self.projection_memory_bytes.unwrap_or(DEFAULT_MEMORY_BYTES),
            rule: update_rule(&self.optimizer),
            unstable: false,
        };
        let mut projected = self.projected;
        if let Some(eigenvectors) = &mut projected {
            take_up(&mut tracker, eigenvectors, &directions)?;
        }
        let hyperparameters = vec![self.hyperparameters; parameter_groups];
        let info = RunInfo {
            optimizer: self.optimizer,
            hyperparameters: hyperparameters.clone(),
            batch_size: self.batch_size,
            every_steps,
            steps_per_epoch,
            layout: Layout { parameter_groups, directions: directions.count },
            parameters: tracker.info(),
            ..RunInfo::default()
        };
        let writer = create_writer(directory, &info, &tracker)?;
        let began = Instant::now();
        let recorder = Recorder::start(writer, directory, began, self.queue, complete)?;
        let mut observer = Observer {
            tracker,
            recorder,
            block: Block::default(),
            settings: Settings {
                groups: later_groups(&hyperparameters),
                hyperparameters,
                batch_size: self.batch_size,
                steps_per_epoch,
                every_steps,
                gradient_norm: self.gradient_norm,
            },
            store,
            known_variables,
            step: 0,
            epoch: None,
            next_loss: None,
            outside: OutsideWrites::default(),
            directions,
            began,
            spent: Duration::ZERO,
        };
        if let Some(eigenvectors) = projected {
            observer.begin_basis(eigenvectors);
        }
        Ok(observer)
    }
}

/// Parameter groups are numbered from 0; a list does not tell, and has the one.
fn groups_of(found: &[Variable]) -> usize {
    found.iter().filter_map(|variable| variable.group).max().map_or(1, |last| last + 1)
}

fn create_writer(directory: &Path, info: &RunInfo, tracker: &Tracker) -> Result<RunWriter> {
    let reference = tracker.reference();
    let tensors = info.parameters.iter().zip(&reference).map(|(parameter, (_, tensor))| {
        Ok(ReferenceTensor {
            name: &parameter.name,
            kind: &parameter.kind,
            shape: parameter.shape.iter().map(|size| *size as usize).collect(),
            bytes: Cow::Owned(bytes_of(tensor, &parameter.kind)?),
        })
    });
    let tensors = tensors.collect::<std::result::Result<Vec<_>, TchError>>();
    let tensors = tensors.map_err(|source| Error::Torch { action: "copy the reference point", source })?;
    RunWriter::create(directory, info, tensors)
}

/// Elements in memory order, in the parameter's own kind: what is measured from has been rounded to it.
fn bytes_of(tensor: &Tensor, kind: &str) -> std::result::Result<Vec<u8>, TchError> {
    let kind = match kind {
        "f64" => Kind::Double,
        "bf16" => Kind::BFloat16,
        "f16" => Kind::Half,
        _ => Kind::Float,
    };
    let tensor = tensor.f_to_device(tch::Device::Cpu)?.f_to_kind(kind)?.f_contiguous()?;
    let mut bytes = vec![0; tensor.numel() * kind.elt_size_in_bytes()];
    tensor.f_copy_data_u8(&mut bytes, tensor.numel())?;
    Ok(bytes)
}
