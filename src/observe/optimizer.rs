//! tch's optimizer, observed.

use std::fmt;
use std::ops::Deref;

use tch::{Tensor, nn};

use super::observer::Observer;
use super::summary::Summary;
use crate::error::{Error, Result};
use crate::record::Hyperparameters;
use crate::recorder::Health;
use crate::run::Eigenvectors;

/// A [`tch::nn::Optimizer`] whose every step is recorded; of an [`unobserved`] one, none.
///
/// All its methods are here, with their names and signatures. Those that take `&self` go through
/// `Deref`; there is no `DerefMut`, because a step taken through it would not be seen. See
/// [`Observer`] for what is asked of a program, and [`Step`](super::Step) for helpers that are to
/// take this optimizer or tch's.
pub struct Optimizer {
    optimizer: nn::Optimizer,
    observer: Observer,
}

/// The optimizer as it is, of the type of an observed one: nothing is recorded, and nothing costs
/// time. For processes that are not to log, for tests, and for going on where
/// [`attach`](crate::attach) was refused.
///
/// ```no_run
/// # use tch::{nn, nn::OptimizerConfig, Device};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (vs, rank) = (nn::VarStore::new(Device::Cpu), 0);
/// let opt = nn::adam(0.9, 0.999, 0.).build(&vs, 1e-3)?;
/// let mut opt = if rank == 0 { perrin::attach(opt, "runs/mnist")? } else { perrin::unobserved(opt) };
/// # Ok(()) }
/// ```
pub fn unobserved(optimizer: nn::Optimizer) -> Optimizer {
    Optimizer::new(optimizer, Observer::unobserved(0))
}

impl Deref for Optimizer {
    type Target = nn::Optimizer;

    fn deref(&self) -> &nn::Optimizer {
        &self.optimizer
    }
}

impl fmt::Debug for Optimizer {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        text.debug_struct("Optimizer").field("observer", &self.observer).finish_non_exhaustive()
    }
}

impl Optimizer {
    pub(super) fn new(optimizer: nn::Optimizer, observer: Observer) -> Self {
        Optimizer { optimizer, observer }
    }

    /// See [`nn::Optimizer::zero_grad`].
    pub fn zero_grad(&mut self) {
        self.observer.forget_gradient();
        self.optimizer.zero_grad();
    }

    /// See [`nn::Optimizer::step`]. The step's loss is not seen here;
    /// [`set_next_loss`](Self::set_next_loss) gives it.
    pub fn step(&mut self) {
        self.before_step();
        self.optimizer.step();
        self.observer.after_step(None);
    }

    /// See [`nn::Optimizer::backward_step`].
    pub fn backward_step(&mut self, loss: &Tensor) {
        self.before_step();
        self.observer.forget_gradient();
        self.optimizer.backward_step(loss);
        self.observer.after_step(Some(loss));
    }

    /// See [`nn::Optimizer::backward_step_clip`]. The row has the gradient's norm before clipping.
    pub fn backward_step_clip(&mut self, loss: &Tensor, max: f64) {
        self.backward_step_clipped(loss, |optimizer| optimizer.clip_grad_value(max));
    }

    /// See [`nn::Optimizer::backward_step_clip_norm`]. The row has the gradient's norm before
    /// clipping.
    pub fn backward_step_clip_norm(&mut self, loss: &Tensor, max: f64) {
        self.backward_step_clipped(loss, |optimizer| optimizer.clip_grad_norm(max));
    }

    /// See [`nn::Optimizer::clip_grad_value`]. The next step's row has the gradient's norm before
    /// clipping.
    pub fn clip_grad_value(&self, max: f64) {
        self.observer.measure_gradient();
        self.optimizer.clip_grad_value(max);
    }

    /// See [`nn::Optimizer::clip_grad_norm`]. The next step's row has the gradient's norm before
    /// clipping.
    pub fn clip_grad_norm(&self, max: f64) {
        self.observer.measure_gradient();
        self.optimizer.clip_grad_norm(max);
    }

    /// See [`nn::Optimizer::set_lr`].
    pub fn set_lr(&mut self, lr: f64) {
        self.optimizer.set_lr(lr);
        self.observer.set_hyperparameters(None, |settings| settings.learning_rate = Some(lr));
    }

    /// See [`nn::Optimizer::set_momentum`].
    pub fn set_momentum(&mut self, m: f64) {
        self.optimizer.set_momentum(m);
        self.observer.set_hyperparameters(None, |settings| settings.momentum = Some(m));
    }

    /// See [`nn::Optimizer::set_weight_decay`].
    pub fn set_weight_decay(&mut self, weight_decay: f64) {
        self.optimizer.set_weight_decay(weight_decay);
        self.observer
            .set_hyperparameters(None, |settings| settings.weight_decay = Some(weight_decay));
    }

    /// See [`nn::Optimizer::set_lr_group`].
    pub fn set_lr_group(&mut self, group: usize, lr: f64) {
        self.optimizer.set_lr_group(group, lr);
        self.observer
            .set_hyperparameters(Some(group), |settings| settings.learning_rate = Some(lr));
    }

    /// See [`nn::Optimizer::set_momentum_group`].
    pub fn set_momentum_group(&mut self, group: usize, m: f64) {
        self.optimizer.set_momentum_group(group, m);
        self.observer.set_hyperparameters(Some(group), |settings| settings.momentum = Some(m));
    }

    /// See [`nn::Optimizer::set_weight_decay_group`].
    pub fn set_weight_decay_group(&mut self, group: usize, weight_decay: f64) {
        self.optimizer.set_weight_decay_group(group, weight_decay);
        self.observer.set_hyperparameters(Some(group), |settings| {
            settings.weight_decay = Some(weight_decay)
        });
    }

    /// The epoch that begins now; the rows from here on carry it.
    pub fn start_epoch(&mut self, epoch: u64) {
        self.observer.start_epoch(epoch);
    }

    /// The loss of the next [`step`](Self::step), which does not see it.
    pub fn set_next_loss(&mut self, loss: f64) {
        self.observer.set_next_loss(loss);
    }

    /// Examples in the batches from here on.
    pub fn set_batch_size(&mut self, batch_size: u64) {
        self.observer.set_batch_size(batch_size);
    }

    /// What the rows say of the hyperparameters of a group, or of all (`None`), where perrin cannot
    /// know: after [`attach`](crate::attach), which is not told them.
    pub fn set_hyperparameters(
        &mut self,
        group: Option<usize>,
        change: impl Fn(&mut Hyperparameters),
    ) {
        self.observer.set_hyperparameters(group, change);
    }

    /// Projects on these directions from the next step on; see [`Observer::project_onto`].
    ///
    /// # Errors
    /// As [`Observer::project_onto`].
    pub fn project_onto(&mut self, directions: impl Into<Eigenvectors>) -> Result<()> {
        self.observer.begin_if_waiting(|| self.optimizer.trainable_variables());
        self.observer.project_onto(directions)
    }

    /// Projects on the directions that `estimate` finds, if it finds some after so many steps, and
    /// goes on with those before where it fails:
    /// `opt.follow(|step| curvature.refresh_if_due(step))` once a step. See [`Observer::follow`].
    pub fn follow<E>(
        &mut self,
        estimate: impl FnOnce(u64) -> std::result::Result<Option<Eigenvectors>, E>,
    ) -> Option<E>
    where
        E: From<Error> + fmt::Display,
    {
        self.observer.begin_if_waiting(|| self.optimizer.trainable_variables());
        self.observer.follow(estimate)
    }

    /// Steps seen.
    pub fn step_count(&self) -> u64 {
        self.observer.step_count()
    }

    /// Counters, or the error that has stopped the log; see [`Observer::health`].
    ///
    /// # Errors
    /// As [`Observer::health`].
    pub fn health(&self) -> Result<Health> {
        self.observer.health()
    }

    /// Writes what is queued, closes the log and says what is in it; of an [`unobserved`]
    /// optimizer, the number of steps.
    ///
    /// # Errors
    /// As [`Observer::finish`].
    pub fn finish(self) -> Result<Summary> {
        self.observer.finish()
    }

    /// Closes the log and gives the optimizer back, to go on unobserved.
    pub fn into_inner(self) -> (nn::Optimizer, Result<Summary>) {
        (self.optimizer, self.observer.finish())
    }

    fn before_step(&mut self) {
        let optimizer = &self.optimizer;
        self.observer.before_step_of(|| optimizer.trainable_variables());
    }

    /// What tch's `backward_step_clip...` do, with the gradient measured in between.
    fn backward_step_clipped(&mut self, loss: &Tensor, clip: impl Fn(&Self)) {
        self.before_step();
        self.zero_grad();
        loss.backward();
        clip(self);
        self.optimizer.step();
        self.observer.after_step(Some(loss));
    }
}
