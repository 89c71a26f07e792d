//! Whether the hyperparameters are known and stayed the same through a window: the theory needs them constant.

use crate::record::{Hyperparameters, OptimizerInfo};

/// The hyperparameters of a window's rows, of the first parameter group.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settings {
    learning_rate: Setting,
    momentum: Setting,
    weight_decay: Setting,
    batch_size: Setting,
}

/// One hyperparameter through the window.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
enum Setting {
    #[default]
    Unseen,
    Constant(f64),
    Unknown,
    /// At this step it was another than before.
    Changed(u64),
}

/// Why the theory says nothing of what an optimizer does, in a clause; none for sgd, and where the optimizer is not known.
pub(crate) fn beyond_theory(optimizer: &OptimizerInfo) -> Option<String> {
    let what = match optimizer.name.as_deref()? {
        "sgd" => return None,
        "adam" | "adamw" | "rms_prop" => {
            "it divides each element of a step by the root of that element's mean squared gradient, so that steps have neither the \
             Hessian's directions nor the gradient's noise, and are no shorter where the gradient is small"
        }
        _ => "the theory's equations are those of sgd with momentum and know nothing of its steps",
    };
    Some(format!(
        "the optimizer is {}, which the theory does not describe: {what}. What was measured stands, but modified loss, isotropy, \
         equipartition, eq. 12 and the predicted exponent are not claims about it",
        optimizer.name.as_deref()?
    ))
}

/// Learning rate and momentum of plain SGD.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlainSgd {
    /// eta > 0.
    pub learning_rate: f64,
    /// beta, in [0, 1).
    pub momentum: f64,
}

impl Setting {
    fn see(self, value: Option<f64>, step: u64) -> Setting {
        match (self, value) {
            (Setting::Changed(_), _) => self,
            (Setting::Unknown, _) | (_, None) => Setting::Unknown,
            (Setting::Unseen, Some(value)) => Setting::Constant(value),
            (Setting::Constant(before), Some(value)) if before == value => self,
            (Setting::Constant(_), Some(_)) => Setting::Changed(step),
        }
    }

    /// The value, if it is one number that meets the condition.
    fn constant(self, name: &str, requirement: &str, meets: impl Fn(f64) -> bool) -> Result<f64, String> {
        match self {
            Setting::Constant(value) if meets(value) => Ok(value),
            Setting::Constant(value) => Err(format!("the {name} is {value}, and the theory needs it {requirement}")),
            Setting::Changed(step) => {
                Err(format!("the {name} changed at step {step}, and the theory needs it constant"))
            }
            Setting::Unknown | Setting::Unseen => Err(format!("the {name} is not known")),
        }
    }
}

impl Settings {
    /// Takes the settings in force at a row.
    pub fn see(&mut self, step: u64, hyperparameters: Hyperparameters, batch_size: Option<u64>) {
        self.learning_rate = self.learning_rate.see(hyperparameters.learning_rate, step);
        self.momentum = self.momentum.see(hyperparameters.momentum, step);
        self.weight_decay = self.weight_decay.see(hyperparameters.weight_decay, step);
        self.batch_size = self.batch_size.see(batch_size.map(|examples| examples as f64), step);
    }

    /// Learning rate and momentum, where the rows were made by what the theory describes: SGD without dampening or
    /// Nesterov's momentum, in one parameter group; otherwise the reason why not.
    pub fn plain_sgd(&self, optimizer: &OptimizerInfo, parameter_groups: usize) -> Result<PlainSgd, String> {
        match optimizer.name.as_deref() {
            Some("sgd") => {}
            Some(other) => return Err(format!("the theory is for sgd, and the optimizer is {other}")),
            None => return Err("the optimizer is not known".to_owned()),
        }
        if parameter_groups != 1 {
            return Err(format!("the theory is for one parameter group, and there are {parameter_groups}"));
        }
        let learning_rate =
            self.learning_rate.constant("learning rate", "above 0", |value| value > 0.0 && value.is_finite())?;
        let momentum =
            self.momentum.constant("momentum", "at least 0 and below 1", |value| (0.0..1.0).contains(&value))?;
        // Without momentum there is nothing to dampen or to look ahead with.
        if momentum != 0.0 {
            match (optimizer.dampening, optimizer.nesterov) {
                (Some(0.0), Some(false)) => {}
                (Some(dampening), _) if dampening != 0.0 => {
                    return Err(format!("the theory is for momentum without dampening, and it is {dampening}"));
                }
                (_, Some(true)) => return Err("the theory is not for Nesterov's momentum".to_owned()),
                _ => return Err("it is not known whether there was dampening or Nesterov's momentum".to_owned()),
            }
        }
        Ok(PlainSgd { learning_rate, momentum })
    }

    /// S, above 0, or why it is not to be had.
    pub fn batch_size(&self) -> Result<f64, String> {
        self.batch_size.constant("batch size", "above 0", |value| value > 0.0)
    }

    /// lambda, at least 0, or why it is not to be had.
    pub fn weight_decay(&self) -> Result<f64, String> {
        self.weight_decay.constant("weight decay", "at least 0", |value| value >= 0.0 && value.is_finite())
    }
}
