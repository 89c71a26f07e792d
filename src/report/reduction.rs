//! One reading of the log: curves, gaps, points in phase space and spectra, in memory that does not
//! grow with the run.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

use super::envelope::Envelope;
use super::phase::{Phase, PhasePlan};
use crate::analysis::speed::MOVING_AVERAGE_POINTS;
use crate::error::Result;
use crate::run::Run;
use crate::stats::moving_average::MovingAverage;

/// Gaps that are listed; the rest are counted.
const MOST_GAPS: usize = 200;
/// Batches between two words on progress.
const BATCHES_PER_WORD: usize = 16;

/// What a report shows of a run's rows.
#[derive(Debug)]
pub struct Reduction {
    /// Rows read.
    pub rows: u64,
    /// First and last step; none without rows.
    pub steps: Option<[u64; 2]>,
    /// ||delta_k||^2.
    pub local: Envelope,
    /// Its moving average over 15 rows.
    pub local_average: Envelope,
    /// ln ||Delta_k||^2, for logarithmic axes.
    pub global: Envelope,
    /// The same of the part along the directions, where it was asked for.
    pub projected: Envelope,
    /// Loss.
    pub loss: Envelope,
    /// Learning rate of the first group.
    pub learning_rate: Envelope,
    /// Missing rows.
    pub gaps: Gaps,
    /// The modes shown.
    pub phases: Vec<Phase>,
}

/// Steps without a row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gaps {
    /// First and last missing step of the first gaps.
    pub listed: Vec<[u64; 2]>,
    /// Gaps in all.
    pub count: u64,
}

impl Gaps {
    fn push(&mut self, missing: [u64; 2]) {
        self.count += 1;
        if self.listed.len() < MOST_GAPS {
            self.listed.push(missing);
        }
    }
}

/// Reads the run once; with the displacement along so many directions, or 0. `progress` is told the
/// rows read so far.
///
/// # Errors
/// Those of reading.
pub fn reduce(
    run: &Run,
    plans: Vec<PhasePlan>,
    directions: usize,
    progress: &mut dyn FnMut(u64),
) -> Result<Reduction> {
    let every = run.info().every_steps.max(1);
    let mut columns: Vec<String> = [
        "step",
        "local_displacement_squared",
        "global_displacement_squared",
        "loss",
        "learning_rate",
    ]
    .map(str::to_owned)
    .into();
    for plan in &plans {
        columns.extend([format!("position_{}", plan.mode), format!("velocity_{}", plan.mode)]);
    }
    let first_position = columns.len();
    columns.extend((1..=directions).map(|direction| format!("position_{direction}")));
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut reduction = Reduction {
        rows: 0,
        steps: None,
        local: Envelope::even(1),
        local_average: Envelope::even(1),
        global: Envelope::logarithmic(),
        projected: Envelope::logarithmic(),
        loss: Envelope::even(1),
        learning_rate: Envelope::even(1),
        gaps: Gaps::default(),
        phases: plans.into_iter().map(Phase::new).collect(),
    };
    let mut average = MovingAverage::new(MOVING_AVERAGE_POINTS);
    for (number, batch) in run.steps(&columns)?.enumerate() {
        let batch = batch?;
        let values: Vec<Vec<f64>> = batch.columns().iter().map(floats).collect();
        for row in 0..batch.num_rows() {
            let step = values[0][row] as u64;
            reduction.step(step, every);
            reduction.local.push(step, values[1][row]);
            // What is not finite leaves the average out for 15 rows and is no value of it.
            if let Some(mean) = average.push(values[1][row]).filter(|mean| mean.is_finite()) {
                reduction.local_average.push(step, mean);
            }
            reduction.global.push(step, values[2][row].ln());
            reduction.loss.push(step, values[3][row]);
            reduction.learning_rate.push(step, values[4][row]);
            if directions > 0 {
                let squared: f64 =
                    values[first_position..].iter().map(|position| position[row].powi(2)).sum();
                reduction.projected.push(step, squared.ln());
            }
            let of_phases = values[5..first_position].chunks_exact(2);
            for (phase, columns) in reduction.phases.iter_mut().zip(of_phases) {
                phase.push(step, [columns[0][row], columns[1][row]]);
            }
        }
        if number % BATCHES_PER_WORD == 0 {
            progress(reduction.rows);
        }
    }
    reduction.phases.iter_mut().for_each(Phase::finish);
    Ok(reduction)
}

impl Reduction {
    fn step(&mut self, step: u64, every: u64) {
        let before = self.steps.map_or(step.saturating_sub(every), |[_, last]| last);
        if step > before.saturating_add(every) {
            self.gaps.push([before + every, step - every]);
        }
        self.steps = Some([self.steps.map_or(step, |[first, _]| first), step]);
        self.rows += 1;
    }
}

/// A column as numbers; null is NaN.
fn floats(column: &ArrayRef) -> Vec<f64> {
    match column.data_type() {
        DataType::Int64 => {
            column.as_primitive::<Int64Type>().values().iter().map(|value| *value as f64).collect()
        }
        _ => {
            let column = column.as_primitive::<Float64Type>();
            if column.null_count() == 0 {
                return column.values().to_vec();
            }
            column.iter().map(|value| value.unwrap_or(f64::NAN)).collect()
        }
    }
}
