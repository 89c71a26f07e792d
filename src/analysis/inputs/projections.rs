//! The columns of the directions: what diffusion, stationarity and prediction need of them.
//!
//! Directions are summed up side by side, a few to a task.

use std::collections::VecDeque;

use super::extent::Extent;
use super::rows::FittedRows;
use crate::analysis::diffusion::DiffusionFit;
use crate::analysis::lags::{FRACTION, STRETCHES};
use crate::analysis::mode_recursion::ModeRecursion;
use crate::analysis::modes::{Cuts, ModePieces, Splitter};
use crate::stats::autocorrelation::correlation_times;
use crate::stats::coarse_series::CoarseSeries;
use crate::stats::mean_squared_displacement::{Coordinate, DisplacementSums};
use crate::stats::moments::Moments;

/// Everything summed over the directions.
#[derive(Debug)]
pub(crate) struct Projections {
    /// One a direction.
    pub(crate) recursions: Vec<ModeRecursion>,
    pub(crate) positions: Vec<CoarseSeries>,
    pub(crate) velocities: Vec<CoarseSeries>,
    /// Displacements over lags, all directions together.
    pub(crate) lags: DisplacementSums,
    /// All directions together, over the window.
    pub(crate) together: Together,
    /// The step at which the directions were replaced, if they were.
    pub(crate) basis_changed: Option<u64>,
}

/// What is summed over some rows of all directions together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Together {
    /// The squared displacement of the projected part.
    pub(crate) diffusion: DiffusionFit,
    /// Mean of the squared projected velocity.
    pub(crate) squared_velocity: Moments,
    /// Sums of the squared displacement, projected and in all.
    projected: f64,
    whole: f64,
    pub(crate) curve: CurvePoints,
}

/// A few points of a curve, evenly on a logarithmic axis.
#[derive(Debug, Clone, Default)]
pub(crate) struct CurvePoints {
    targets: VecDeque<f64>,
    pub(crate) found: Vec<(u64, f64)>,
}

/// Points of a curve that are shown.
const CURVE_POINTS: u32 = 8;

impl CurvePoints {
    pub(crate) fn new(first_step: u64, last_step: u64) -> CurvePoints {
        let (from, to) = (first_step.max(1) as f64, last_step.max(1) as f64);
        let share = |point: u32| f64::from(point) / f64::from(CURVE_POINTS - 1);
        // A little below, so that rounding does not pass over the last step.
        let targets = (0..CURVE_POINTS)
            .map(|point| (from * (to / from).powf(share(point))) * (1.0 - 1e-12))
            .collect();
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

/// All directions together, over the window and over all rows: which of the two is wanted is known
/// only afterwards.
#[derive(Debug)]
pub(super) struct TogetherSums {
    fitted: FittedRows,
    last_step: u64,
    window: Option<Together>,
    all: Option<Together>,
}

impl TogetherSums {
    pub(super) fn new(fitted: FittedRows, extent: &Extent) -> TogetherSums {
        TogetherSums { fitted, last_step: extent.steps.1, window: None, all: None }
    }

    /// Takes rows: their steps, the squares of their displacements, projected and in all, and of
    /// their projected velocities.
    pub(super) fn add(
        &mut self,
        first_row: u64,
        steps: &[u64],
        squares: &[Vec<f64>; 2],
        whole: &[f64],
    ) {
        let last_step = self.last_step;
        for (row, &step) in steps.iter().enumerate() {
            let values = [squares[0][row], squares[1][row], whole[row]];
            let begun =
                || Together { curve: CurvePoints::new(step, last_step), ..Together::default() };
            self.all.get_or_insert_with(begun).push(step, values);
            if self.fitted.contain(first_row + row as u64, step) {
                self.window.get_or_insert_with(begun).push(step, values);
            }
        }
    }
}

impl Together {
    fn push(&mut self, step: u64, [squared, squared_velocity, whole]: [f64; 3]) {
        self.diffusion.push(step, Some(squared));
        self.curve.push(step, squared);
        if squared_velocity.is_finite() {
            self.squared_velocity.push(squared_velocity);
        }
        if squared.is_finite() && whole.is_finite() {
            self.projected += squared;
            self.whole += whole;
        }
    }
}

impl Projections {
    /// From what was summed of some directions each; over the window if there is one.
    pub(super) fn new(
        extent: &Extent,
        directions: Vec<Directions>,
        together: TogetherSums,
        has_window: bool,
    ) -> Projections {
        let together = if has_window { together.window } else { together.all };
        let mut sums = Projections {
            recursions: Vec::new(),
            positions: Vec::new(),
            velocities: Vec::new(),
            lags: DisplacementSums::new(extent.rows, STRETCHES, FRACTION),
            together: together.unwrap_or_default(),
            basis_changed: extent.basis_changed,
        };
        for some in directions {
            sums.recursions.extend(some.recursions);
            sums.positions.extend(some.positions);
            sums.velocities.extend(some.velocities);
            sums.lags.add(&some.lags);
        }
        sums
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
        Some(self.together.projected / self.together.whole).filter(|share| share.is_finite())
    }
}

/// What is summed of some of the directions.
pub(super) struct Directions {
    momentum: Option<f64>,
    recursions: Vec<ModeRecursion>,
    splitters: Vec<Splitter>,
    positions: Vec<CoarseSeries>,
    velocities: Vec<CoarseSeries>,
    coordinates: Vec<Coordinate>,
    lags: DisplacementSums,
    /// For the modes' own fits.
    pub(super) modes: Vec<ModePieces>,
    /// Sums over these directions of the squares of each row's positions and velocities, of the
    /// last batch.
    pub(super) squares: [Vec<f64>; 2],
}

impl Directions {
    /// Of `count` directions.
    pub(super) fn new(
        count: usize,
        momentum: Option<f64>,
        lags: DisplacementSums,
        cuts: &Cuts,
    ) -> Directions {
        Directions {
            momentum,
            recursions: vec![ModeRecursion::default(); count],
            splitters: vec![Splitter::new(1); count],
            positions: vec![CoarseSeries::default(); count],
            velocities: vec![CoarseSeries::default(); count],
            coordinates: vec![Coordinate::default(); count],
            lags,
            modes: vec![ModePieces::new(cuts); count],
            squares: [Vec::new(), Vec::new()],
        }
    }

    /// Takes rows: a column a direction.
    pub(super) fn add(
        &mut self,
        cuts: &Cuts,
        first_row: u64,
        steps: &[u64],
        positions: &[&[f64]],
        velocities: &[&[f64]],
    ) {
        for squares in &mut self.squares {
            squares.clear();
            squares.resize(steps.len(), 0.0);
        }
        for (index, (positions, velocities)) in positions.iter().zip(velocities).enumerate() {
            for (squares, values) in self.squares.iter_mut().zip([positions, velocities]) {
                squares.iter_mut().zip(*values).for_each(|(sum, value)| *sum += value * value);
            }
            self.positions[index].extend(positions);
            self.velocities[index].extend(velocities);
            self.coordinates[index].extend(positions, &mut self.lags);
            if let Some(momentum) = self.momentum {
                let recursion = &mut self.recursions[index];
                self.splitters[index].split(steps, positions, velocities, |part| {
                    let [positions, velocities, _, next_velocities] = part.columns();
                    recursion.extend(positions, velocities, next_velocities, momentum);
                });
            }
            self.modes[index].add(cuts, first_row, steps, positions, velocities);
        }
    }
}
