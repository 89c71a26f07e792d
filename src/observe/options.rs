//! What to observe and how. `attach` has the three ways to start.

use std::collections::BTreeMap;

use tch::Tensor;
use tch::nn::VarStore;

use super::delta_choice::DeltaOptions;
use super::parameters::{Filter, Source};
use super::tracker::Reference;
use crate::record::{Hyperparameters, OptimizerInfo};
use crate::recorder::QueueOptions;
use crate::run::Eigenvectors;
use crate::run::ResumeFrom;

/// What [`attach`](crate::attach) does not ask for. Set what is wanted, then start with
/// [`build`](Self::build), [`attach`](Self::attach) or [`observe`](Self::observe).
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
    pub(super) unobserved: bool,
    pub(super) batch_size: Option<u64>,
    pub(super) steps_per_epoch: Option<u64>,
    pub(super) every_steps: Option<u64>,
    pub(super) gradient_norm: bool,
    pub(super) filter: Option<Filter>,
    pub(super) reference: Reference,
    pub(super) source: Option<Source>,
    pub(super) queue: QueueOptions,
    pub(super) optimizer: OptimizerInfo,
    pub(super) hyperparameters: Hyperparameters,
    /// Of groups for which others were set before there were variables.
    pub(super) group_hyperparameters: BTreeMap<usize, Hyperparameters>,
    pub(super) projected: Option<Eigenvectors>,
    pub(super) directions: usize,
    pub(super) forget_vectors: bool,
    pub(super) projection_memory_bytes: Option<usize>,
    pub(super) deltas: Option<DeltaOptions>,
    pub(super) resume: Option<ResumeFrom>,
}

impl Options {
    /// Every step, every trainable variable, from where they are now.
    pub fn new() -> Self {
        Options::default()
    }

    /// Observes only if `wanted`: else the optimizer trains as it is, nothing is written, and
    /// [`finish`](crate::Optimizer::finish) says how many steps there were. For the one process of
    /// many that is to log, and for a program that is told not to. Steps count from that of
    /// [`resume`](Self::resume), where one was stated.
    ///
    /// ```no_run
    /// # use tch::{nn, Device};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (vs, rank) = (nn::VarStore::new(Device::Cpu), 0);
    /// let mut opt = perrin::Options::new()
    ///     .observe_if(rank == 0)
    ///     .build(nn::sgd(0.9, 0., 1e-4, false), &vs, 1e-3, "runs/mnist")?;
    /// # Ok(()) }
    /// ```
    pub fn observe_if(mut self, wanted: bool) -> Self {
        self.unobserved = !wanted;
        self
    }

    /// Examples in a mini-batch: the `batch_size` column. Needed to turn the measured speed into
    /// sigma^2 tr(H).
    pub fn batch_size(mut self, batch_size: u64) -> Self {
        self.batch_size = Some(batch_size);
        self
    }

    /// Steps in an epoch: fills the `epoch` column, counted from 1. Where epochs differ in length,
    /// call [`Optimizer::start_epoch`](crate::Optimizer::start_epoch) instead.
    pub fn steps_per_epoch(mut self, steps: u64) -> Self {
        self.steps_per_epoch = Some(steps);
        self
    }

    /// Makes a row of steps `steps`, 2 `steps`, ...; the others cost little. A row's local
    /// displacement is that of its one step.
    pub fn every_steps(mut self, steps: u64) -> Self {
        self.every_steps = Some(steps);
        self
    }

    /// Fills the `gradient_norm_squared` column, at the cost of another reading of the gradients:
    /// those of the observed parameters, before they are clipped where
    /// [`Optimizer`](crate::Optimizer) clips them
    /// ([`Optimizer::backward_step_clip`](crate::Optimizer::backward_step_clip) and the like,
    /// [`Optimizer::clip_grad_norm`](crate::Optimizer::clip_grad_norm)), else as they are after the
    /// step. For an [`Observer`](crate::Observer) see
    /// [`Observer::after_step`](crate::Observer::after_step).
    pub fn gradient_norm(mut self, wanted: bool) -> Self {
        self.gradient_norm = wanted;
        self
    }

    /// Observes only the parameters whose names `wanted` accepts, those added later too. Names are
    /// the variable store's; with [`attach`](Self::attach) they need [`variables`](Self::variables)
    /// and are else `parameter_0`, ... A tensor that the store has under several names is one
    /// parameter, chosen by each of them and called by the alphabetically first.
    pub fn parameters(mut self, wanted: impl Fn(&str) -> bool + Send + 'static) -> Self {
        self.filter = Some(Box::new(wanted));
        self
    }

    /// The variable store of the optimizer given to [`attach`](Self::attach): gives parameters
    /// their names, and groups after the first their columns, in which `set_lr_group` and the like
    /// show.
    pub fn variables(mut self, variables: &VarStore) -> Self {
        self.source = Some(Source::store(variables));
        self
    }

    /// The reference point theta_* of the global displacement, by name, as
    /// `Tensor::read_safetensors` gives it. Parameters it does not name count from where they are
    /// now.
    pub fn reference(mut self, reference: Vec<(String, Tensor)>) -> Self {
        self.reference = reference;
        self
    }

    /// Logs, at every row, the position <theta_k - theta_*, q> and the velocity <v_k, q> = <delta_k, q> / eta_k along each
    /// direction q: the columns `position_1`, ... and `velocity_1`, ... (null while the learning rate is not known, and
    /// where it differs between parameter groups). Eigenvectors of the Hessian are meant, from `curvature::eigenvectors`,
    /// `curvature::EigenpairFollower` or a file. Plain vectors do too; each has an element for each element of the observed
    /// parameters, in the order in which `run.json` lists them, each row-major.
    ///
    /// The directions are kept in the run folder.
    /// [`Observer::project_onto`](crate::Observer::project_onto) replaces them as the run goes on.
    /// Parameters added later have no part in them; those given then may be of the parameters with
    /// or without them.
    pub fn project_onto(mut self, directions: impl Into<Eigenvectors>) -> Self {
        let directions = directions.into();
        self.directions = directions.eigenvectors.len();
        self.projected = Some(directions);
        self
    }

    /// Provides columns for so many directions, that
    /// [`Observer::project_onto`](crate::Observer::project_onto) will give later; null until then.
    pub fn directions(mut self, count: usize) -> Self {
        (self.directions, self.projected) = (count, None);
        self
    }

    /// Whether the run folder keeps the directions themselves, each time they change, and not only
    /// their eigenvalues and residuals: yes, unless told otherwise. They are `directions` times as
    /// large as the parameters.
    pub fn keep_eigenvectors(mut self, wanted: bool) -> Self {
        self.forget_vectors = !wanted;
        self
    }

    /// Memory for a block of displacements that wait to be projected together, 256 MiB unless set.
    /// Fewer steps to a block mean that the directions are read more often.
    pub fn projection_memory(mut self, bytes: usize) -> Self {
        self.projection_memory_bytes = Some(bytes);
        self
    }

    /// Keeps the whole displacement of every `steps`-th step, and of the parameters whose names
    /// `wanted` accepts, in the run folder: 8 bytes an element each time. `perrin project` projects
    /// them on vectors found later. Parameters on a device are waited for at these steps.
    pub fn deltas(mut self, steps: u64, wanted: impl Fn(&str) -> bool + Send + 'static) -> Self {
        self.deltas = Some(DeltaOptions { every_steps: steps, wanted: Box::new(wanted) });
        self
    }

    /// Goes on with the run in the folder instead of beginning one: from [`ResumeFrom::default`]
    /// after its last row, or after the step of the checkpoint that training starts from. Steps,
    /// seconds and epochs count on; displacements are measured from the run's reference point; the
    /// directions in force are in force again, where they were kept; hyperparameters and batch size
    /// that are not stated are those of the last row.
    ///
    /// The parameters must be those of the run, and so must what rows there are: every how many
    /// steps, how many directions (left unsaid, they are the run's). Make the whole network, and
    /// load the checkpoint, before.
    ///
    /// Parameters that joined the run until that step are the run's, wherever in the network they
    /// are, and are measured from where they joined. (Logs of earlier versions did not keep that:
    /// there they count from where they are now.) Those that joined later join anew; variables that
    /// the run never had join it when they are made afterwards.
    pub fn resume(mut self, from: ResumeFrom) -> Self {
        self.resume = Some(from);
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
}
