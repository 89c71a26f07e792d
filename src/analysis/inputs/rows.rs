//! The columns that every run has: what diffusion, speed and stationarity need of them.

use arrow_array::RecordBatch;

use super::extent::Extent;
use super::projections::CurvePoints;
use crate::analysis::columns::options;
use crate::analysis::diffusion::{DiffusionFit, PrefixFit};
use crate::analysis::fit_options::FitOptions;
use crate::analysis::learning_rates::RateFit;
use crate::analysis::not_finite::NotFinite;
use crate::analysis::speed::SpeedFit;
use crate::analysis::stationarity::RelationFit;
use crate::record::Hyperparameters;
use crate::stats::coarse_series::CoarseSeries;

/// These columns, in the order in which [`RowSums::add`] takes them.
pub(super) const COLUMNS: [&str; 9] = [
    "step",
    "global_displacement_squared",
    "local_displacement_squared",
    "elapsed_seconds",
    "learning_rate",
    "momentum",
    "weight_decay",
    "batch_size",
    "loss",
];

/// Which rows the fits are over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FittedRows {
    /// All rows.
    rows: u64,
    first_step: Option<u64>,
    stationary_from: Option<u64>,
}

impl FittedRows {
    pub(super) fn new(rows: u64, options: &FitOptions) -> FittedRows {
        FittedRows {
            rows,
            first_step: options.first_step,
            stationary_from: options.stationary_from,
        }
    }

    /// Whether the row with this number, counted from 0, is one of them: from the first one on all
    /// are.
    pub(super) fn contain(&self, row: u64, step: u64) -> bool {
        let by_default =
            || row >= self.rows / 3 && self.stationary_from.is_none_or(|first| step >= first);
        self.first_step.map_or_else(by_default, |first| step >= first)
    }
}

/// Sums over the columns that every run has.
pub(crate) struct RowSums {
    pub(crate) all: PrefixFit,
    pub(crate) window: DiffusionFit,
    pub(crate) speed: SpeedFit,
    pub(crate) relation: RelationFit,
    pub(crate) local: CoarseSeries,
    /// The loss of all rows: what stationarity is tested by, and where its course can be looked up.
    pub(crate) loss: CoarseSeries,
    /// Rows without finite displacements.
    pub(crate) not_finite: NotFinite,
    pub(crate) rates: RateFit,
    pub(crate) curve: CurvePoints,
    /// ||delta||^2 of the first row.
    first_local: Option<f64>,
    /// Rows of the window with a ||delta||^2, and of these the ones with a smaller one than the
    /// first row.
    compared: [u64; 2],
    /// The last step before which no row is missing, of rows of every `every`-th step.
    pub(crate) complete_to: u64,
    pub(crate) elapsed: Option<f64>,
    fitted: FittedRows,
    every_steps: u64,
    /// Step of the last row so far.
    last: u64,
    read: u64,
}

impl RowSums {
    pub(super) fn new(extent: &Extent, options: &FitOptions, every_steps: u64) -> RowSums {
        let (first_step, last_step) = extent.steps;
        RowSums {
            all: PrefixFit::new(extent.rows),
            window: DiffusionFit::default(),
            speed: SpeedFit::default(),
            relation: RelationFit::default(),
            local: CoarseSeries::default(),
            loss: CoarseSeries::default(),
            not_finite: NotFinite::default(),
            rates: RateFit::default(),
            curve: CurvePoints::new(options.first_step.unwrap_or(first_step), last_step),
            first_local: None,
            compared: [0; 2],
            complete_to: first_step,
            last: first_step,
            elapsed: None,
            fitted: FittedRows::new(extent.rows, options),
            every_steps: every_steps.max(1),
            read: 0,
        }
    }

    /// Takes a batch whose first columns are [`COLUMNS`].
    pub(super) fn add(&mut self, batch: &RecordBatch) {
        let columns: [Vec<Option<f64>>; COLUMNS.len()] =
            std::array::from_fn(|index| options(batch.column(index)));
        for row in 0..batch.num_rows() {
            let [step, values @ ..] = columns.each_ref().map(|column| column[row]);
            self.add_row(step.unwrap_or_default() as u64, values);
        }
    }

    fn add_row(&mut self, step: u64, values: [Option<f64>; COLUMNS.len() - 1]) {
        let [global, local, elapsed, learning_rate, momentum, weight_decay, batch_size, loss] =
            values;
        let hyperparameters = Hyperparameters { learning_rate, momentum, weight_decay };
        let batch_size = batch_size.map(|examples| examples as u64);
        self.not_finite.see(step, &[local, global]);
        if self.read == 0 {
            self.first_local = local;
        } else if self.complete_to == self.last
            && self.last.checked_add(self.every_steps) == Some(step)
        {
            self.complete_to = step;
        }
        self.last = step;
        self.all.push(step, global);
        self.local.push(local);
        self.loss.push(loss);
        let in_window = self.fitted.contain(self.read, step);
        self.rates.push(step, learning_rate, in_window);
        if in_window {
            self.window.push(step, global);
            self.speed.push(step, local, hyperparameters, batch_size);
            if let Some((local, first)) = local.zip(self.first_local) {
                self.compared[0] += 1;
                self.compared[1] += u64::from(local < first);
            }
            self.relation.push(step, local, global);
        }
        self.curve.push(step, global.unwrap_or(f64::NAN));
        self.elapsed = elapsed;
        self.read += 1;
    }

    /// Share of the window's steps that were shorter than the first row's; none where that is not
    /// known.
    pub(crate) fn shorter_than_first(&self) -> Option<f64> {
        let [all, shorter] = self.compared;
        (all > 0).then(|| shorter as f64 / all as f64)
    }
}
