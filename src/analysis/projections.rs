//! One reading of the projections: what diffusion, stationarity and prediction need of them.
//!
//! Columns are read a few thousand rows at a time and kept as sums, so that memory does not grow with the run. One thread
//! reads ahead, two sum up half of the directions each.

use std::ops::Range;
use std::thread;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;

use super::diffusion::DiffusionFit;
use super::lags::{FRACTION, STRETCHES};
use super::mode_recursion::ModeRecursion;
use super::read_ahead::read_ahead;
use crate::error::Result;
use crate::run::Run;
use crate::stats::autocorrelation::correlation_times;
use crate::stats::coarse_series::CoarseSeries;
use crate::stats::mean_squared_displacement::{Coordinate, DisplacementSums};
use crate::stats::moments::Moments;

/// Everything summed over one reading.
#[derive(Debug)]
pub(crate) struct Projections {
    /// One a direction.
    pub(crate) recursions: Vec<ModeRecursion>,
    pub(crate) positions: Vec<CoarseSeries>,
    pub(crate) velocities: Vec<CoarseSeries>,
    /// Displacements over lags, all directions together.
    pub(crate) lags: DisplacementSums,
    /// The squared displacement of the projected part over the window.
    pub(crate) diffusion: DiffusionFit,
    /// Mean of the squared projected velocity over the window.
    pub(crate) squared_velocity: Moments,
    /// Means over the window of the squared displacement, projected and in all.
    pub(crate) projected: f64,
    pub(crate) whole: f64,
    pub(crate) curve: CurvePoints,
    /// The step at which the directions were replaced, if they were.
    pub(crate) basis_changed: Option<u64>,
}

/// A few points of a curve, evenly on a logarithmic axis.
#[derive(Debug, Clone, Default)]
pub(crate) struct CurvePoints {
    targets: std::collections::VecDeque<f64>,
    pub(crate) found: Vec<(u64, f64)>,
}

/// Points of a curve that are shown.
const CURVE_POINTS: u32 = 8;

impl CurvePoints {
    pub(crate) fn new(first_step: u64, last_step: u64) -> CurvePoints {
        let (from, to) = (first_step.max(1) as f64, last_step.max(1) as f64);
        let share = |point: u32| f64::from(point) / f64::from(CURVE_POINTS - 1);
        // A little below, so that rounding does not pass over the last step.
        let targets = (0..CURVE_POINTS).map(|point| (from * (to / from).powf(share(point))) * (1.0 - 1e-12)).collect();
        CurvePoints { targets, found: Vec::new() }
    }

    pub(crate) fn push(&mut self, step: u64, value: f64) {
        if !value.is_finite() || self.targets.front().is_none_or(|target| (step as f64) < *target) {
            return;
        }
        while self.targets.front().is_some_and(|target| *target <= step as f64) {
            self.targets.pop_front();
        }
        self.found.push((step, value));
    }
}

/// What is read: rows up to `last_step`, of them those from `first_step` on for the window; at most `rows`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    pub(crate) rows: u64,
    pub(crate) first_step: u64,
    pub(crate) last_step: u64,
    /// For the recursion; none where it is not known or changes.
    pub(crate) momentum: Option<f64>,
}

impl Projections {
    /// Reads all positions and velocities of a run with projections.
    pub(crate) fn of(run: &Run, extent: Extent) -> Result<Projections> {
        let directions = run.info().layout.directions;
        let has_basis = run.columns().any(|column| column == "basis");
        let mut columns: Vec<String> = ["step", "global_displacement_squared"].map(str::to_owned).into();
        columns.extend((1..=directions).map(|direction| format!("position_{direction}")));
        columns.extend((1..=directions).map(|direction| format!("velocity_{direction}")));
        columns.extend(has_basis.then(|| "basis".to_owned()));
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();

        let mut sums = Projections {
            recursions: Vec::new(),
            positions: Vec::new(),
            velocities: Vec::new(),
            lags: DisplacementSums::new(extent.rows, STRETCHES, FRACTION),
            diffusion: DiffusionFit::default(),
            squared_velocity: Moments::default(),
            projected: 0.0,
            whole: 0.0,
            curve: CurvePoints::new(extent.first_step, extent.last_step),
            basis_changed: None,
        };
        let half = directions.div_ceil(2);
        let mut halves = [0..half, half..directions].map(|these| Directions::new(these, sums.lags.clone()));
        let (mut basis, mut remaining) = (None, extent.rows);
        read_ahead(run, &columns, |batch| {
            let batch = batch.slice(0, batch.num_rows().min(remaining as usize));
            remaining -= batch.num_rows() as u64;
            sums.add(&batch, extent, directions, &mut halves);
            if has_basis && sums.basis_changed.is_none() {
                sums.basis_changed = changed_basis(&batch, &mut basis);
            }
            remaining > 0
        })?;
        for half in halves {
            sums.recursions.extend(half.recursions);
            sums.positions.extend(half.positions);
            sums.velocities.extend(half.velocities);
            sums.lags.add(&half.lags);
        }
        Ok(sums)
    }

    fn add(&mut self, batch: &RecordBatch, extent: Extent, directions: usize, halves: &mut [Directions; 2]) {
        let steps = floats(batch.column(0));
        let momentum = extent.momentum;
        let [first, second] = halves;
        let (first, second) = thread::scope(|scope| {
            let second = scope.spawn(|| second.add(batch, &steps, directions, momentum));
            (first.add(batch, &steps, directions, momentum), second.join())
        });
        let second = second.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let whole = floats(batch.column(1));
        for row in 0..steps.len() {
            let step = steps[row] as u64;
            let (squared, squared_velocity) = (first[0][row] + second[0][row], first[1][row] + second[1][row]);
            if step < extent.first_step || step > extent.last_step {
                continue;
            }
            self.diffusion.push(step, Some(squared));
            self.curve.push(step, squared);
            if squared_velocity.is_finite() {
                self.squared_velocity.push(squared_velocity);
            }
            if squared.is_finite() && whole[row].is_finite() {
                self.projected += squared;
                self.whole += whole[row];
            }
        }
    }

    /// How many rows the slowest velocity remembers.
    pub(crate) fn memory_rows(&self) -> f64 {
        let memory = |series: &CoarseSeries| {
            let times = correlation_times(&series.means()).ok()?;
            // Bins wider than the memory hide it, and are short beside the run.
            Some(times.memory * series.width() as f64)
        };
        self.velocities.iter().filter_map(memory).fold(1.0, f64::max)
    }

    /// Share of the squared displacement over the window that is along the directions.
    pub(crate) fn share(&self) -> Option<f64> {
        Some(self.projected / self.whole).filter(|share| share.is_finite())
    }
}

/// What is summed of some of the directions, on a thread of their own.
struct Directions {
    these: Range<usize>,
    recursions: Vec<ModeRecursion>,
    positions: Vec<CoarseSeries>,
    velocities: Vec<CoarseSeries>,
    coordinates: Vec<Coordinate>,
    lags: DisplacementSums,
}

impl Directions {
    fn new(these: Range<usize>, lags: DisplacementSums) -> Directions {
        Directions {
            recursions: vec![ModeRecursion::default(); these.len()],
            positions: vec![CoarseSeries::default(); these.len()],
            velocities: vec![CoarseSeries::default(); these.len()],
            coordinates: vec![Coordinate::default(); these.len()],
            these,
            lags,
        }
    }

    /// Takes rows; the sums over these directions of the squares of each row's positions and velocities.
    fn add(&mut self, batch: &RecordBatch, steps: &[f64], directions: usize, momentum: Option<f64>) -> [Vec<f64>; 2] {
        let mut squares = [vec![0.0; steps.len()], vec![0.0; steps.len()]];
        for (index, direction) in self.these.clone().enumerate() {
            let positions = floats(batch.column(2 + direction));
            let velocities = floats(batch.column(2 + directions + direction));
            for row in 0..steps.len() {
                let (position, velocity) = (positions[row], velocities[row]);
                squares[0][row] += position * position;
                squares[1][row] += velocity * velocity;
                self.positions[index].push(Some(position));
                self.velocities[index].push(Some(velocity));
                self.coordinates[index].push(position, &mut self.lags);
                if let Some(momentum) = momentum {
                    self.recursions[index].push(steps[row] as u64, position, velocity, momentum);
                }
            }
        }
        squares
    }
}

/// The step from which on the directions are other ones than before.
fn changed_basis(batch: &RecordBatch, basis: &mut Option<f64>) -> Option<u64> {
    let (steps, numbers) = (floats(batch.column(0)), floats(batch.column_by_name("basis")?));
    for (step, number) in steps.iter().zip(numbers).filter(|(_, number)| number.is_finite()) {
        if *basis.get_or_insert(number) != number {
            return Some(*step as u64);
        }
    }
    None
}

/// A column as numbers; null is NaN.
fn floats(column: &ArrayRef) -> Vec<f64> {
    match column.data_type() {
        DataType::Int64 => column
            .as_primitive::<Int64Type>()
            .iter()
            .map(|value| value.map_or(f64::NAN, |value| value as f64))
            .collect(),
        _ => {
            let column = column.as_primitive::<Float64Type>();
            if column.null_count() == 0 {
                return column.values().to_vec();
            }
            column.iter().map(|value| value.unwrap_or(f64::NAN)).collect()
        }
    }
}
