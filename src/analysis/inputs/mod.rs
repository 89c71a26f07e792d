//! What a run's files say that its questions need: read here, and nowhere else.
//!
//! However many directions a run has, its rows are read twice here: once for the settings, and once
//! in all columns ([`reading`]). A third reading is that of the modes, over the window that the
//! stationarity of the rows names ([`ModesFit::of_sums`]). Besides there are the last row, the
//! events, and, where a last step is asked for, the column of steps. Everything is kept as sums, so
//! that memory does not grow with the run.

mod extent;
pub(crate) mod projections;
mod reading;
pub(crate) mod rows;

use super::Answer;
use super::curvatures::{Curvatures, unread_summaries};
use super::fit_options::FitOptions;
use super::health::Health;
use super::modes::{ModesFit, ModesOptions, WindowSums};
use super::settings::PlainSgd;
use crate::error::Result;
use crate::record::{Hyperparameters, RunInfo};
use crate::run::{InfoChange, Run};
use extent::{Extent, LastRow};
use projections::Projections;
use reading::{ModesInPieces, Reading};
use rows::RowSums;

/// All of it.
pub(crate) struct Inputs {
    pub(crate) info: RunInfo,
    pub(crate) extent: Extent,
    pub(crate) rows: RowSums,
    /// `None` if the run has no directions.
    pub(crate) projections: Option<Projections>,
    modes: ModesInPieces,
    pub(crate) health: Health,
    /// Given, or those in the run's folder.
    pub(crate) curvatures: Option<Curvatures>,
    /// Settings of every parameter group at the last row.
    pub(crate) present_hyperparameters: Vec<Hyperparameters>,
    pub(crate) remarks: Remarks,
}

/// What the files say besides numbers.
pub(crate) struct Remarks {
    pub(crate) info_change: Option<InfoChange>,
    /// The first line of the events that is not as it was written.
    pub(crate) changed_line: Option<u64>,
    /// What tells that rows are missing at the end, and which summaries of curvature were not read,
    /// a clause each.
    pub(crate) missing_end: Vec<String>,
    pub(crate) unread_summaries: Vec<String>,
}

impl Inputs {
    /// `None` without rows up to the last step asked for.
    ///
    /// # Errors
    /// Those of reading: [`Error::Damaged`](crate::Error::Damaged),
    /// [`Error::NewerSchema`](crate::Error::NewerSchema), [`Error::Io`](crate::Error::Io).
    pub(crate) fn read(run: &Run, options: &FitOptions) -> Result<Option<Inputs>> {
        let last_row = LastRow::read(run)?;
        let Some(extent) = Extent::read(run, options, &last_row)? else { return Ok(None) };
        let Reading { rows, projections, modes } = Reading::of(run, options, &extent)?;
        let (curvatures, unread_summaries) = match &options.curvatures {
            Some(given) => (Some(given.clone()), Vec::new()),
            None => (Curvatures::of_run(run)?, unread_summaries(run)?),
        };
        Ok(Some(Inputs {
            info: run.info().clone(),
            extent,
            rows,
            projections,
            modes,
            health: Health::of_run(run)?,
            curvatures,
            present_hyperparameters: last_row.hyperparameters,
            remarks: Remarks {
                info_change: run.info_change(),
                changed_line: run.changed_event()?,
                missing_end: run.missing_end()?,
                unread_summaries,
            },
        }))
    }

    /// Learning rate and momentum, where the rows were made by what the theory describes; otherwise
    /// why not.
    pub(crate) fn sgd(&self) -> std::result::Result<PlainSgd, String> {
        self.extent.settings.plain_sgd(&self.info.optimizer, self.info.layout.parameter_groups)
    }

    /// The modes from a step on, which is one of the beginnings of
    /// [`stationarity`](super::stationarity) or the one asked for; without it, over the longest
    /// window of all. Reads the rows of the window once more.
    ///
    /// # Errors
    /// Those of reading.
    pub(crate) fn read_modes(&self, run: &Run, first_step: Option<u64>) -> Result<ModesFit> {
        let window = match self.extent.window_from(first_step) {
            Answer::Known(window) => window,
            Answer::CannotSay { reason } => return Ok(ModesFit::nothing(reason)),
        };
        let ModesInPieces { cuts, modes, shared } = &self.modes;
        let sums = WindowSums::new(cuts, &window, modes, shared);
        let options = ModesOptions::default();
        let options = match &self.curvatures {
            Some(known) => options.with_curvatures(known, self.info.layout.directions),
            None => options,
        };
        ModesFit::of_sums(run, &options, window, sums)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::analysis::RunFit;
    use crate::record::{Layout, OptimizerInfo, RowBuffer, StepRecord};
    use crate::run::RunWriter;

    /// Rows of modes that noise drives about, which any generator can repeat.
    fn write(directory: &std::path::Path, directions: usize, rows: u64) {
        let settings = Hyperparameters {
            learning_rate: Some(0.1),
            momentum: Some(0.5),
            weight_decay: Some(0.0),
        };
        let optimizer = OptimizerInfo {
            name: Some("sgd".to_owned()),
            dampening: Some(0.0),
            nesterov: Some(false),
            ..OptimizerInfo::default()
        };
        let layout = Layout { parameter_groups: 1, directions };
        let info =
            RunInfo { optimizer, hyperparameters: vec![settings], layout, ..RunInfo::default() };
        let mut writer = RunWriter::create(directory, &info, Vec::new()).unwrap();
        let mut buffer = RowBuffer::default();
        let mut modes = vec![[0.0, 0.0]; directions];
        for step in 1..=rows {
            for (mode, [position, velocity]) in modes.iter_mut().enumerate() {
                let noise = ((step * step * (mode as u64 + 1)) as f64 * 0.7).sin();
                *velocity = 0.5 * *velocity - 0.5 * *position + noise;
                *position += 0.1 * *velocity;
            }
            let sum = |of: fn(&[f64; 2]) -> f64| modes.iter().map(of).sum::<f64>();
            buffer.records.push(StepRecord {
                step,
                hyperparameters: settings,
                batch_size: Some(8),
                loss: Some(sum(|[x, _]| x * x)),
                local_displacement_squared: Some(sum(|[_, v]| 0.01 * v * v)),
                global_displacement_squared: Some(sum(|[x, _]| x * x)),
                ..StepRecord::default()
            });
            buffer.projections.extend(modes.iter().map(|[x, _]| Some(*x)));
            buffer.projections.extend(modes.iter().map(|[_, v]| Some(*v)));
        }
        writer.append(&buffer).unwrap();
        writer.close().unwrap();
    }

    #[test]
    fn a_run_is_read_three_times_whatever_its_directions() {
        for directions in [1, 3, 12] {
            let directory = tempfile::tempdir().unwrap();
            write(directory.path(), directions, 3000);
            let run = Run::open(directory.path()).unwrap();
            let fit = RunFit::of(&run).unwrap();
            assert_eq!(run.readings.load(Ordering::Relaxed), 3, "{directions} directions");
            assert_eq!(fit.modes.modes.len(), directions);
            assert!(fit.modes.modes.iter().all(|mode| mode.recursion.known().is_some()));
            // The steps, too, to find the row that is the last one.
            RunFit::with(&run, &FitOptions { last_step: Some(2000), ..FitOptions::default() })
                .unwrap();
            assert_eq!(run.readings.load(Ordering::Relaxed), 3 + 4);
        }
    }

    #[test]
    fn modes_of_a_window_are_those_of_its_steps_alone() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), 2, 6000);
        let run = Run::open(directory.path()).unwrap();
        let fit = RunFit::of(&run).unwrap();
        let options = ModesOptions {
            first_step: Some(fit.modes.window.known().unwrap().first_step),
            ..ModesOptions::default()
        };
        let alone = ModesFit::of(&run, &options).unwrap();
        for (mode, alone) in fit.modes.modes.iter().zip(&alone.modes) {
            let [of_all, of_window] =
                [mode, alone].map(|mode| mode.recursion.known().unwrap().curvature.value);
            assert!((of_all / of_window - 1.0).abs() < 1e-10, "{of_all} {of_window}");
        }
    }
}
