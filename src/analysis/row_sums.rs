//! One reading of the columns that every run has: what diffusion, speed and stationarity need of them.

use super::diffusion::{DiffusionFit, PrefixFit};
use super::fit::FitOptions;
use super::learning_rates::RateFit;
use super::not_finite::NotFinite;
use super::projections::CurvePoints;
use super::settings::Settings;
use super::speed::SpeedFit;
use super::stationarity::RelationFit;
use crate::error::Result;
use crate::record::Hyperparameters;
use crate::run::Run;
use crate::stats::coarse_series::CoarseSeries;

/// Sums over the columns that every run has.
pub(crate) struct RowSums {
    pub(crate) all: PrefixFit,
    pub(crate) window: DiffusionFit,
    pub(crate) speed: SpeedFit,
    pub(crate) relation: RelationFit,
    pub(crate) local: CoarseSeries,
    pub(crate) loss: CoarseSeries,
    pub(crate) settings: Settings,
    /// Rows without finite displacements.
    pub(crate) not_finite: NotFinite,
    pub(crate) rates: RateFit,
    pub(crate) curve: CurvePoints,
    pub(crate) steps: (u64, u64),
    /// ||delta||^2 of the first row.
    first_local: Option<f64>,
    /// Rows of the window with a ||delta||^2, and of these the ones with a smaller one than the first row.
    compared: [u64; 2],
    /// The last step before which no row is missing, of rows of every `every`-th step.
    pub(crate) complete_to: u64,
    pub(crate) elapsed: Option<f64>,
}

impl RowSums {
    /// One reading of a run of `rows` rows up to step `end`; none without rows.
    pub(crate) fn of(run: &Run, options: &FitOptions, rows: u64, end: u64) -> Result<Option<RowSums>> {
        let last = options.last_step.unwrap_or(u64::MAX);
        let every = run.info().every_steps.max(1);
        let mut base: Option<RowSums> = None;
        let mut read = 0;
        let columns = [
            "step",
            "elapsed_seconds",
            "learning_rate",
            "momentum",
            "weight_decay",
            "batch_size",
            "loss",
            "local_displacement_squared",
            "global_displacement_squared",
        ];
        run.for_each_row(
            columns,
            |[step, elapsed, learning_rate, momentum, weight_decay, batch_size, loss, local, global]| {
                let step = step.unwrap_or_default() as u64;
                // A run that is being written may have grown since its rows were counted.
                if read == rows || step > last {
                    return;
                }
                let base =
                    base.get_or_insert_with(|| RowSums::new(rows, step, options.first_step.unwrap_or(step), end));
                let hyperparameters = Hyperparameters { learning_rate, momentum, weight_decay };
                let batch_size = batch_size.map(|examples| examples as u64);
                base.settings.see(step, hyperparameters, batch_size);
                base.not_finite.see(step, &[local, global]);
                if read == 0 {
                    base.first_local = local;
                }
                base.all.push(step, global);
                base.local.push(local);
                base.loss.push(loss);
                let by_default = || read >= rows / 3 && options.stationary_from.is_none_or(|first| step >= first);
                let in_window = options.first_step.map_or_else(by_default, |first| step >= first);
                base.rates.push(step, learning_rate, in_window);
                if in_window {
                    base.window.push(step, global);
                    base.speed.push(step, local, hyperparameters, batch_size);
                    if let Some((local, first)) = local.zip(base.first_local) {
                        base.compared[0] += 1;
                        base.compared[1] += u64::from(local < first);
                    }
                    base.relation.push(step, local, global);
                }
                base.curve.push(step, global.unwrap_or(f64::NAN));
                if base.complete_to == base.steps.1 && base.steps.1 + every == step {
                    base.complete_to = step;
                }
                base.steps.1 = step;
                base.elapsed = elapsed;
                read += 1;
            },
        )?;
        Ok(base)
    }

    /// Share of the window's steps that were shorter than the first row's; none where that is not known.
    pub(crate) fn shorter_than_first(&self) -> Option<f64> {
        let [all, shorter] = self.compared;
        (all > 0).then(|| shorter as f64 / all as f64)
    }

    fn new(rows: u64, first_step: u64, first: u64, last: u64) -> RowSums {
        RowSums {
            all: PrefixFit::new(rows),
            window: DiffusionFit::default(),
            speed: SpeedFit::default(),
            relation: RelationFit::default(),
            local: CoarseSeries::default(),
            loss: CoarseSeries::default(),
            settings: Settings::default(),
            not_finite: NotFinite::default(),
            rates: RateFit::default(),
            curve: CurvePoints::new(first, last),
            steps: (first_step, first_step),
            first_local: None,
            compared: [0; 2],
            complete_to: first_step,
            elapsed: None,
        }
    }
}
