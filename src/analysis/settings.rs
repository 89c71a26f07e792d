//! Whether the hyperparameters are known and stayed the same through a window: the theory needs
//! them constant.

use super::fit::RunFit;
use super::render_text::setting;
use crate::printable;
use crate::record::{Hyperparameters, OptimizerInfo};

/// Columns of the optimizer's name.
const MOST_OF_NAME: usize = 200;

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

/// Why the theory says nothing of what an optimizer does, in a clause; none for sgd, and where the
/// optimizer is not known.
pub(crate) fn beyond_theory(optimizer: &OptimizerInfo) -> Option<String> {
    let what = match optimizer.name.as_deref()? {
        "sgd" => return None,
        "adam" | "adamw" | "rms_prop" => {
            "it divides each element of a step by the root of that element's mean squared gradient"
        }
        _ => "the theory's equations are those of sgd with momentum and know nothing of its steps",
    };
    Some(format!(
        "the optimizer is {}, which the theory does not describe: {what}. What was measured stands; modified loss, isotropy, \
         equipartition, eq. 12 and the predicted exponent are no claims about it",
        optimizer.name.as_deref()?
    ))
}

/// Optimizer and settings as they are at the last row, of all parameter groups, and what they were
/// at first if that was another thing.
pub(crate) fn settings_in_words(fit: &RunFit) -> String {
    let name = match &fit.optimizer.name {
        Some(name) => printable::cut(name, MOST_OF_NAME).into_owned(),
        None => "optimizer not known (`Options::build` logs it)".to_owned(),
    };
    let present = &fit.present_hyperparameters;
    let of = |name: &str, of: &dyn Fn(&Hyperparameters) -> Option<f64>| {
        let mut values: Vec<String> = Vec::new();
        for value in present.iter().filter_map(of).map(setting) {
            if !values.contains(&value) {
                values.push(value);
            }
        }
        (!values.is_empty()).then(|| format!(", {name} {}", values.join(" and ")))
    };
    let rate = of("learning rate", &|group| group.learning_rate);
    let first = fit.learning_rates.filter(|rates| rates.first != rates.present);
    let first = first.map(|rates| format!(" ({} at first)", setting(rates.first)));
    let momentum = of("momentum", &|group| group.momentum);
    let decay = of("weight decay", &|group| group.weight_decay);
    let batch = fit.batch_size.map(|examples| format!(", batch {examples}"));
    let groups = (present.len() > 1).then(|| format!(", {} parameter groups", present.len()));
    let parts = [Some(name), rate, first, momentum, decay, batch, groups];
    parts.into_iter().flatten().collect()
}

/// Why there is nothing to say of modes.
pub(crate) const NO_DIRECTIONS: &str =
    "the run has no directions: `Options::project_onto` logs positions along them";

/// What logs a setting.
pub(crate) fn remedy(setting: &str) -> &'static str {
    match setting {
        "batch size" => "`Options::batch_size` logs it",
        _ => "`Options::build` in place of `attach` logs it",
    }
}

/// Why a setting is missing, and what logs it.
pub(crate) fn not_known(setting: &str) -> String {
    format!("the {setting} is not known: {}", remedy(setting))
}

/// Whether it is SGD with one parameter group; the reason if not.
fn is_sgd(optimizer: &OptimizerInfo, parameter_groups: usize) -> Result<(), String> {
    match optimizer.name.as_deref() {
        Some("sgd") => {}
        Some(other) => return Err(format!("the theory is for sgd, and the optimizer is {other}")),
        None => return Err(not_known("optimizer")),
    }
    if parameter_groups != 1 {
        return Err(format!(
            "the theory is for one parameter group, and there are {parameter_groups}"
        ));
    }
    Ok(())
}

/// Whether its momentum is without dampening and not Nesterov's; the reason if not. Without
/// momentum there is nothing to dampen or to look ahead with.
fn is_heavy_ball(optimizer: &OptimizerInfo, momentum: Option<f64>) -> Result<(), String> {
    match (optimizer.dampening, optimizer.nesterov) {
        _ if momentum == Some(0.0) => Ok(()),
        (Some(0.0), Some(false)) => Ok(()),
        (Some(dampening), _) if dampening != 0.0 => {
            Err(format!("the theory is for momentum without dampening, and it is {dampening}"))
        }
        (_, Some(true)) => Err("the theory is not for Nesterov's momentum".to_owned()),
        _ => Err(not_known("kind of momentum (dampening, Nesterov)")),
    }
}

/// Whether rows are those of the recursion that the theory describes, whatever the learning rate;
/// the reason if not.
pub(crate) fn is_plain_sgd(
    optimizer: &OptimizerInfo,
    parameter_groups: usize,
    momentum: Option<f64>,
) -> Result<(), String> {
    is_sgd(optimizer, parameter_groups)?;
    is_heavy_ball(optimizer, momentum)
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
    fn constant(
        self,
        name: &str,
        requirement: &str,
        meets: impl Fn(f64) -> bool,
    ) -> Result<f64, String> {
        match self {
            Setting::Constant(value) if meets(value) => Ok(value),
            Setting::Constant(value) => {
                Err(format!("the {name} is {value}, and the theory needs it {requirement}"))
            }
            Setting::Changed(step) => {
                Err(format!("the {name} changed at step {step}, and the theory needs it constant"))
            }
            Setting::Unknown | Setting::Unseen => Err(not_known(name)),
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

    /// Learning rate and momentum, where the rows were made by what the theory describes: SGD
    /// without dampening or Nesterov's momentum, in one parameter group; otherwise the reason why
    /// not.
    pub fn plain_sgd(
        &self,
        optimizer: &OptimizerInfo,
        parameter_groups: usize,
    ) -> Result<PlainSgd, String> {
        is_sgd(optimizer, parameter_groups)?;
        let learning_rate = self
            .learning_rate
            .constant("learning rate", "above 0", |value| value > 0.0 && value.is_finite())?;
        let momentum = self
            .momentum
            .constant("momentum", "at least 0 and below 1", |value| (0.0..1.0).contains(&value))?;
        is_heavy_ball(optimizer, Some(momentum))?;
        Ok(PlainSgd { learning_rate, momentum })
    }

    /// The same settings, with this learning rate at every row.
    pub(crate) fn at_rate(self, learning_rate: f64) -> Settings {
        Settings { learning_rate: Setting::Constant(learning_rate), ..self }
    }

    /// Whether what [`plain_sgd`](Self::plain_sgd) asks for is in the log, whatever it is.
    pub(crate) fn are_known(&self, optimizer: &OptimizerInfo) -> bool {
        let settings = [self.learning_rate, self.momentum, self.batch_size];
        let unknown = |setting: &Setting| matches!(setting, Setting::Unknown | Setting::Unseen);
        optimizer.name.is_some() && !settings.iter().any(unknown)
    }

    /// S, above 0, or why it is not to be had.
    pub fn batch_size(&self) -> Result<f64, String> {
        self.batch_size.constant("batch size", "above 0", |value| value > 0.0)
    }

    /// lambda, at least 0, or why it is not to be had.
    pub fn weight_decay(&self) -> Result<f64, String> {
        self.weight_decay
            .constant("weight decay", "at least 0", |value| value >= 0.0 && value.is_finite())
    }
}
