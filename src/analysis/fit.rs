//! A run's motion, all answers at once: [`RunFit`].

use std::path::PathBuf;

use serde::Serialize;

use super::Answer;
use super::advice::Advice;
use super::diffusion::{DisplacementPowerLaw, PrefixExponent};
use super::displacement::PredictedDisplacement;
use super::findings::{Finding, Question};
pub use super::fit_options::FitOptions;
use super::health::RunState;
use super::lags::LagExponents;
use super::learning_rates::LearningRates;
use super::modes::ModesFit;
use super::speed::{GradientNoise, Speed};
use super::stationarity::Stationarity;
use crate::record::{Hyperparameters, OptimizerInfo};

/// What a run's displacements say. `Display` is for people, serde for programs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunFit {
    /// The run's folder.
    pub run: PathBuf,
    /// The optimizer, as far as it is known.
    pub optimizer: OptimizerInfo,
    /// Hyperparameters of the first parameter group, when observation began.
    pub hyperparameters: Hyperparameters,
    /// Hyperparameters of every parameter group at the last row.
    pub present_hyperparameters: Vec<Hyperparameters>,
    /// How the learning rate of the first group went; `None` where it is not known at every row.
    pub learning_rates: Option<LearningRates>,
    /// Examples in a mini-batch, when observation began.
    pub batch_size: Option<u64>,
    /// Rows read.
    pub rows: u64,
    /// Steps between rows, as asked for.
    pub every_steps: u64,
    /// Step of the first row.
    pub first_step: u64,
    /// Step of the last row.
    pub last_step: u64,
    /// Whether the run was closed.
    pub state: RunState,
    /// Seconds of observation up to the last row; none where that is not finite.
    pub elapsed_seconds: Option<f64>,
    /// Whether the window was chosen by hand; else it is the last two thirds of the rows (the
    /// paper's figure 1).
    pub window_chosen: bool,
    /// ||Delta_k||^2 = a k^c over the window.
    pub displacement: Answer<DisplacementPowerLaw>,
    /// The same over all rows, with an interval of its own (the paper's figure 6).
    pub displacement_all: Answer<DisplacementPowerLaw>,
    /// c after each tenth of the rows (the paper's figure 7).
    pub prefixes: Vec<PrefixExponent>,
    /// The part of the displacement along the projections, over the window.
    pub displacement_projected: Answer<DisplacementPowerLaw>,
    /// Share of the squared displacement that is along the projections, over the window.
    pub projected_share: Option<f64>,
    /// The exponent at each lag, over all origins, of the projected part.
    pub lags: Answer<LagExponents>,
    /// Mean of ||delta_k||^2 over the window, by default late enough for the momentum to have built
    /// up.
    pub speed: Answer<Speed>,
    /// sigma^2 tr(H) from that mean by eq. 12.
    pub gradient_noise: Answer<GradientNoise>,
    /// Where the stationary part begins, and what is worth how many values.
    pub stationarity: Stationarity,
    /// The displacement that theory expects of the measured eigenvalues.
    pub predicted: Answer<PredictedDisplacement>,
    /// What to do about it.
    pub advice: Advice,
    /// Oscillation, isotropy, equipartition, currents and noise along the directions projected on.
    pub modes: ModesFit,
    /// What else to know when reading these: rows dropped or left out, an optimizer that the theory
    /// does not describe, changes from outside, a run that was not closed.
    pub notes: Vec<String>,
    /// All of it in words, in the order of reading.
    pub findings: Vec<Finding>,
}

impl RunFit {
    /// What the run says to a question; `None` where it was not asked.
    pub fn finding(&self, question: Question) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.question == question)
    }
}
