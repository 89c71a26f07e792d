//! What the rows say of the run besides what is measured.

use std::sync::Arc;

use crate::record::Hyperparameters;

/// What the rows say of the run, and which steps make rows.
pub(super) struct Settings {
    /// Of each parameter group.
    pub hyperparameters: Vec<Hyperparameters>,
    /// Those of the groups after the first, as rows carry them; `None` when there are no such
    /// groups.
    pub groups: Option<Arc<[Hyperparameters]>>,
    pub batch_size: Option<u64>,
    pub steps_per_epoch: Option<u64>,
    pub every_steps: u64,
    pub gradient_norm: bool,
}

impl Settings {
    /// The learning rate, where it is known and all parameter groups have the same.
    pub fn one_learning_rate(&self) -> Option<f64> {
        let first = self.hyperparameters.first()?.learning_rate;
        self.hyperparameters.iter().all(|group| group.learning_rate == first).then_some(first)?
    }
}

/// What rows carry of the groups after the first.
pub(super) fn later_groups(hyperparameters: &[Hyperparameters]) -> Option<Arc<[Hyperparameters]>> {
    hyperparameters.get(1..).filter(|later| !later.is_empty()).map(Arc::from)
}
