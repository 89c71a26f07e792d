//! What a training loop asks of an optimizer, observed or not.

use tch::{Tensor, nn};

use super::optimizer::Optimizer;

/// What a training loop asks of tch's optimizer: for helpers that are to take it observed
/// ([`Optimizer`]) or bare ([`tch::nn::Optimizer`]).
///
/// ```no_run
/// # use tch::Tensor;
/// fn train_epoch(opt: &mut impl perrin::Step, losses: impl Iterator<Item = Tensor>) {
///     losses.for_each(|loss| opt.backward_step_clip_norm(&loss, 1.0));
/// }
/// ```
pub trait Step {
    /// See [`tch::nn::Optimizer::zero_grad`].
    fn zero_grad(&mut self);
    /// See [`tch::nn::Optimizer::step`].
    fn step(&mut self);
    /// See [`tch::nn::Optimizer::backward_step`].
    fn backward_step(&mut self, loss: &Tensor);
    /// See [`tch::nn::Optimizer::backward_step_clip`].
    fn backward_step_clip(&mut self, loss: &Tensor, max: f64);
    /// See [`tch::nn::Optimizer::backward_step_clip_norm`].
    fn backward_step_clip_norm(&mut self, loss: &Tensor, max: f64);
    /// See [`tch::nn::Optimizer::clip_grad_value`].
    fn clip_grad_value(&self, max: f64);
    /// See [`tch::nn::Optimizer::clip_grad_norm`].
    fn clip_grad_norm(&self, max: f64);
    /// See [`tch::nn::Optimizer::set_lr`].
    fn set_lr(&mut self, lr: f64);
    /// See [`tch::nn::Optimizer::trainable_variables`].
    fn trainable_variables(&self) -> Vec<Tensor>;
}

/// Each method is the type's own, which goes before the trait's.
macro_rules! step {
    ($optimizer:ty) => {
        impl Step for $optimizer {
            fn zero_grad(&mut self) {
                <$optimizer>::zero_grad(self);
            }
            fn step(&mut self) {
                <$optimizer>::step(self);
            }
            fn backward_step(&mut self, loss: &Tensor) {
                <$optimizer>::backward_step(self, loss);
            }
            fn backward_step_clip(&mut self, loss: &Tensor, max: f64) {
                <$optimizer>::backward_step_clip(self, loss, max);
            }
            fn backward_step_clip_norm(&mut self, loss: &Tensor, max: f64) {
                <$optimizer>::backward_step_clip_norm(self, loss, max);
            }
            fn clip_grad_value(&self, max: f64) {
                <$optimizer>::clip_grad_value(self, max);
            }
            fn clip_grad_norm(&self, max: f64) {
                <$optimizer>::clip_grad_norm(self, max);
            }
            fn set_lr(&mut self, lr: f64) {
                <$optimizer>::set_lr(self, lr);
            }
            fn trainable_variables(&self) -> Vec<Tensor> {
                nn::Optimizer::trainable_variables(self)
            }
        }
    };
}

step!(Optimizer);
step!(nn::Optimizer);
