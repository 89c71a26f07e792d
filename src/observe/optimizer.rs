//! tch's optimizer, observed.

use std::ops::Deref;

use tch::Tensor;
use tch::nn::Optimizer;

use super::observer::Observer;
use super::summary::Summary;
use crate::error::Result;
use crate::log::eigenvectors::Eigenvectors;
use crate::record::Hyperparameters;
use crate::recorder::Health;
use crate::variables;

/// A [`tch::nn::Optimizer`] whose every step is recorded.
///
/// All its methods are here, with their names and signatures. Those that take `&self` go through `Deref`; there is no
/// `DerefMut`, because a step taken through it would not be seen. See [`Observer`] for what is asked of a program.
pub struct ObservedOptimizer {
    optimizer: Optimizer,
    observer: Observer,
}

impl Deref for ObservedOptimizer {
    type Target = Optimizer;

    fn deref(&self) -> &Optimizer {
        &self.optimizer
    }
}

impl ObservedOptimizer {
    pub(super) fn new(optimizer: Optimizer, observer: Observer) -> Self {
        ObservedOptimizer { optimizer, observer }
    }

    /// See [`Optimizer::zero_grad`].
    pub fn zero_grad(&mut self) {
        self.optimizer.zero_grad();
    }

    /// See [`Optimizer::step`]. The step's loss is not seen here; [`set_next_loss`](Self::set_next_loss) gives it.
    pub fn step(&mut self) {
        self.observed(None, Optimizer::step);
    }

    /// See [`Optimizer::backward_step`].
    pub fn backward_step(&mut self, loss: &Tensor) {
        self.observed(Some(loss), |optimizer| optimizer.backward_step(loss));
    }

    /// See [`Optimizer::backward_step_clip`].
    pub fn backward_step_clip(&mut self, loss: &Tensor, max: f64) {
        self.observed(Some(loss), |optimizer| optimizer.backward_step_clip(loss, max));
    }

    /// See [`Optimizer::backward_step_clip_norm`].
    pub fn backward_step_clip_norm(&mut self, loss: &Tensor, max: f64) {
        self.observed(Some(loss), |optimizer| optimizer.backward_step_clip_norm(loss, max));
    }

    /// See [`Optimizer::set_lr`].
    pub fn set_lr(&mut self, lr: f64) {
        self.optimizer.set_lr(lr);
        self.observer.set_hyperparameters(None, |settings| settings.learning_rate = Some(lr));
    }

    /// See [`Optimizer::set_momentum`].
    pub fn set_momentum(&mut self, m: f64) {
        self.optimizer.set_momentum(m);
        self.observer.set_hyperparameters(None, |settings| settings.momentum = Some(m));
    }

    /// See [`Optimizer::set_weight_decay`].
    pub fn set_weight_decay(&mut self, weight_decay: f64) {
        self.optimizer.set_weight_decay(weight_decay);
        self.observer.set_hyperparameters(None, |settings| settings.weight_decay = Some(weight_decay));
    }

    /// See [`Optimizer::set_lr_group`].
    pub fn set_lr_group(&mut self, group: usize, lr: f64) {
        self.optimizer.set_lr_group(group, lr);
        self.observer.set_hyperparameters(Some(group), |settings| settings.learning_rate = Some(lr));
    }

    /// See [`Optimizer::set_momentum_group`].
    pub fn set_momentum_group(&mut self, group: usize, m: f64) {
        self.optimizer.set_momentum_group(group, m);
        self.observer.set_hyperparameters(Some(group), |settings| settings.momentum = Some(m));
    }

    /// See [`Optimizer::set_weight_decay_group`].
    pub fn set_weight_decay_group(&mut self, group: usize, weight_decay: f64) {
        self.optimizer.set_weight_decay_group(group, weight_decay);
        self.observer.set_hyperparameters(Some(group), |settings| settings.weight_decay = Some(weight_decay));
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

    /// What the rows say of the hyperparameters of a group, or of all (`None`), where perrin cannot know: after
    /// [`attach`](crate::attach), which is not told them.
    pub fn set_hyperparameters(&mut self, group: Option<usize>, change: impl Fn(&mut Hyperparameters)) {
        self.observer.set_hyperparameters(group, change);
    }

    /// Projects on these directions from the next step on; see [`Observer::project_onto`].
    ///
    /// # Errors
    /// As [`Observer::project_onto`].
    pub fn project_onto(&mut self, directions: impl Into<Eigenvectors>) -> Result<()> {
        self.observer.project_onto(directions)
    }

    /// Steps seen.
    pub fn step_count(&self) -> u64 {
        self.observer.step_count()
    }

    /// Counters, or the error that has stopped the log.
    pub fn health(&self) -> Result<Health> {
        self.observer.health()
    }

    /// Writes what is queued, closes the log and says what is in it.
    ///
    /// # Errors
    /// The first error met while observing or logging.
    pub fn finish(self) -> Result<Summary> {
        self.observer.finish()
    }

    /// Closes the log and gives the optimizer back, to go on unobserved.
    pub fn into_inner(self) -> (Optimizer, Result<Summary>) {
        (self.optimizer, self.observer.finish())
    }

    fn observed(&mut self, loss: Option<&Tensor>, step: impl FnOnce(&mut Optimizer)) {
        self.observer.before_step();
        self.notice_added_variables();
        step(&mut self.optimizer);
        self.observer.after_step(loss);
    }

    /// Without a variable store at hand, the optimizer's list is the only place where an added variable shows.
    fn notice_added_variables(&mut self) {
        if self.observer.store.is_none() {
            let optimizer = &self.optimizer;
            self.observer.guarded(|observer| {
                let list = optimizer.trainable_variables();
                if list.len() > observer.known_variables {
                    let found = variables::list_after(observer.known_variables, list);
                    observer.add(found)?;
                }
                Ok(())
            });
        }
    }
}
