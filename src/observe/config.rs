//! What an optimizer's configuration says, for the log.

use tch::nn::{Adam, AdamW, OptimizerConfig, RmsProp, Sgd};

use crate::record::{Hyperparameters, OptimizerInfo};

/// An optimizer configuration that can say what it is. tch's own do; implement it for one of your
/// own.
pub trait KnownOptimizer: OptimizerConfig {
    /// The optimizer's kind and the settings that stay.
    fn info(&self) -> OptimizerInfo;
    /// The settings that may change while training; the learning rate is given when building.
    fn hyperparameters(&self, learning_rate: f64) -> Hyperparameters;
}

fn hyperparameters(learning_rate: f64, momentum: f64, weight_decay: f64) -> Hyperparameters {
    Hyperparameters {
        learning_rate: Some(learning_rate),
        momentum: Some(momentum),
        weight_decay: Some(weight_decay),
    }
}

impl KnownOptimizer for Sgd {
    fn info(&self) -> OptimizerInfo {
        OptimizerInfo {
            name: Some("sgd".to_owned()),
            dampening: Some(self.dampening),
            nesterov: Some(self.nesterov),
            ..OptimizerInfo::default()
        }
    }

    fn hyperparameters(&self, learning_rate: f64) -> Hyperparameters {
        hyperparameters(learning_rate, self.momentum, self.wd)
    }
}

fn adam_info(name: &str, second_moment_decay: f64, epsilon: f64, amsgrad: bool) -> OptimizerInfo {
    OptimizerInfo {
        name: Some(name.to_owned()),
        second_moment_decay: Some(second_moment_decay),
        epsilon: Some(epsilon),
        amsgrad: Some(amsgrad),
        ..OptimizerInfo::default()
    }
}

impl KnownOptimizer for Adam {
    fn info(&self) -> OptimizerInfo {
        adam_info("adam", self.beta2, self.eps, self.amsgrad)
    }

    fn hyperparameters(&self, learning_rate: f64) -> Hyperparameters {
        hyperparameters(learning_rate, self.beta1, self.wd)
    }
}

impl KnownOptimizer for AdamW {
    fn info(&self) -> OptimizerInfo {
        adam_info("adamw", self.beta2, self.eps, self.amsgrad)
    }

    fn hyperparameters(&self, learning_rate: f64) -> Hyperparameters {
        hyperparameters(learning_rate, self.beta1, self.wd)
    }
}

impl KnownOptimizer for RmsProp {
    fn info(&self) -> OptimizerInfo {
        OptimizerInfo {
            name: Some("rms_prop".to_owned()),
            second_moment_decay: Some(self.alpha),
            epsilon: Some(self.eps),
            centered: Some(self.centered),
            ..OptimizerInfo::default()
        }
    }

    fn hyperparameters(&self, learning_rate: f64) -> Hyperparameters {
        hyperparameters(learning_rate, self.momentum, self.wd)
    }
}
