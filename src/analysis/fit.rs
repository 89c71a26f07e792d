//! The first look at a run: diffusion, speed and gradient noise in one reading.

use std::path::PathBuf;

use serde::Serialize;

use super::Answer;
use super::diffusion::{DiffusionFit, DisplacementPowerLaw};
use super::speed::{GradientNoise, Speed, SpeedFit};
use crate::error::{Error, Result};
use crate::log::Run;
use crate::record::{EventKind, Hyperparameters, OptimizerInfo};

/// What a run's displacements say at first sight. `Display` is for people, serde for programs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunFit {
    /// The run's folder.
    pub run: PathBuf,
    /// The optimizer, as far as it is known.
    pub optimizer: OptimizerInfo,
    /// Hyperparameters of the first parameter group, when observation began.
    pub hyperparameters: Hyperparameters,
    /// Examples in a mini-batch, when observation began.
    pub batch_size: Option<u64>,
    /// Rows read.
    pub rows: u64,
    /// Step of the first row.
    pub first_step: u64,
    /// Step of the last row.
    pub last_step: u64,
    /// Seconds of observation up to the last row; none where that is not finite.
    pub elapsed_seconds: Option<f64>,
    /// ||Delta_k||^2 = a k^c over the last two thirds of the rows (the paper's figure 1).
    pub displacement_last_two_thirds: Answer<DisplacementPowerLaw>,
    /// The same over all rows (the paper's figure 6).
    pub displacement_all: Answer<DisplacementPowerLaw>,
    /// Mean of ||delta_k||^2 over the last two thirds of the rows, by which the momentum has built up.
    pub speed: Answer<Speed>,
    /// sigma^2 tr(H) from that mean by eq. 12.
    pub gradient_noise: Answer<GradientNoise>,
    /// What else to know when reading these: rows dropped or left out, changes from outside, a run that was not closed.
    pub notes: Vec<String>,
}

impl RunFit {
    /// Reads the run twice, first to count its rows, in memory that does not grow with them.
    ///
    /// # Errors
    /// [`Error::EmptyRun`] when there are no rows; those of reading: [`Error::Damaged`], [`Error::NewerSchema`],
    /// [`Error::Io`].
    pub fn of(run: &Run) -> Result<RunFit> {
        let mut rows = 0;
        run.for_each_row(["step"], |_| rows += 1)?;

        let (mut all, mut last_two_thirds, mut speed) =
            (DiffusionFit::default(), DiffusionFit::default(), SpeedFit::default());
        let (mut read, mut steps, mut elapsed) = (0, None, None);
        let columns = [
            "step",
            "elapsed_seconds",
            "learning_rate",
            "momentum",
            "batch_size",
            "local_displacement_squared",
            "global_displacement_squared",
        ];
        run.for_each_row(columns, |[step, seconds, learning_rate, momentum, batch_size, local, global]| {
            // A run that is being written may have grown since its rows were counted.
            if read == rows {
                return;
            }
            let step = step.unwrap_or_default() as u64;
            all.push(step, global);
            if read >= rows / 3 {
                last_two_thirds.push(step, global);
                let hyperparameters = Hyperparameters { learning_rate, momentum, weight_decay: None };
                speed.push(step, local, hyperparameters, batch_size.map(|examples| examples as u64));
            }
            let (first, _) = steps.unwrap_or((step, step));
            (steps, elapsed) = (Some((first, step)), seconds);
            read += 1;
        })?;
        let Some((first_step, last_step)) = steps else {
            return Err(Error::EmptyRun { path: run.path().to_owned() });
        };

        let info = run.info();
        let mut fit = RunFit {
            run: run.path().to_owned(),
            optimizer: info.optimizer.clone(),
            hyperparameters: info.hyperparameters.first().copied().unwrap_or_default(),
            batch_size: info.batch_size,
            rows,
            first_step,
            last_step,
            elapsed_seconds: elapsed.filter(|seconds| seconds.is_finite()),
            displacement_last_two_thirds: last_two_thirds.answer(),
            displacement_all: all.answer(),
            speed: speed.speed(),
            gradient_noise: speed.gradient_noise(&info.optimizer, info.layout.parameter_groups),
            notes: Vec::new(),
        };
        fit.notes = notes(run, &fit)?;
        Ok(fit)
    }
}

fn notes(run: &Run, fit: &RunFit) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    if let Some(law) = fit.displacement_all.known().filter(|law| law.points_left_out > 0) {
        notes.push(format!(
            "{} rows have no global displacement to fit: unknown, zero or not finite",
            law.points_left_out
        ));
    }
    if let Some(speed) = fit.speed.known().filter(|speed| speed.points_left_out > 0) {
        notes.push(format!("{} rows of the window have no local displacement that is finite", speed.points_left_out));
    }
    let (mut dropped, mut outside_writes, mut added, mut finished) = (0, 0, 0, false);
    let (mut non_finite, mut stopped) = (None, None);
    for event in run.events()? {
        match event.kind {
            EventKind::RowsDropped { count, .. } => dropped += count,
            EventKind::OutsideWrite { count, .. } => outside_writes = count,
            EventKind::NonFinite { .. } => non_finite = non_finite.or(Some(event.step)),
            EventKind::ParametersAdded { parameters } => added += parameters.len(),
            EventKind::Finished { .. } => finished = true,
            EventKind::Stopped { reason } => stopped = Some((event.step, reason)),
            _ => {}
        }
    }
    if let Some(step) = non_finite {
        notes.push(format!("displacements were NaN or infinite, first at step {step}"));
    }
    if added > 0 {
        notes.push(format!("{added} parameters joined after observation began"));
    }
    if dropped > 0 {
        notes.push(format!("{dropped} rows were dropped because the log could not keep up"));
    }
    if outside_writes > 0 {
        notes.push(format!(
            "parameters were changed {outside_writes} times from outside: part of the global displacement"
        ));
    }
    if let Some((step, reason)) = stopped {
        notes.push(format!("an error stopped the log after step {step}: {reason}"));
    } else if !finished {
        notes.push("the run was not closed: it is still being written, or was interrupted".to_owned());
    }
    Ok(notes)
}
