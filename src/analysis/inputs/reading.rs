//! The second reading: all columns of all rows, each batch given to everything that sums it up.

use super::extent::Extent;
use super::projections::{Directions, Projections, TogetherSums};
use super::rows::{COLUMNS, FittedRows, RowSums};
use crate::analysis::columns::{floats, steps};
use crate::analysis::fit_options::FitOptions;
use crate::analysis::lags::{FRACTION, STRETCHES};
use crate::analysis::modes::{Cuts, ModePieces, SharedPieces, columns_with_modes};
use crate::analysis::parallel::{Task, in_parallel};
use crate::analysis::read_ahead::read_ahead;
use crate::error::Result;
use crate::run::Run;
use crate::stats::mean_squared_displacement::DisplacementSums;

/// Directions that a thread takes at a time.
const DIRECTIONS_A_TASK: usize = 4;

/// Everything summed over the rows.
pub(super) struct Reading {
    pub(super) rows: RowSums,
    pub(super) projections: Option<Projections>,
    pub(super) modes: ModesInPieces,
}

/// What the modes' own fits need, for every window that they may be fitted over.
pub(super) struct ModesInPieces {
    pub(super) cuts: Cuts,
    pub(super) modes: Vec<ModePieces>,
    pub(super) shared: SharedPieces,
}

impl Reading {
    pub(super) fn of(run: &Run, options: &FitOptions, extent: &Extent) -> Result<Reading> {
        let info = run.info();
        let directions = info.layout.directions;
        let sgd = extent.settings.plain_sgd(&info.optimizer, info.layout.parameter_groups);
        let momentum = sgd.ok().map(|sgd| sgd.momentum);
        let cuts = Cuts::new(extent.windows.iter().filter_map(|(_, window)| window.known()), info);
        let mut rows = RowSums::new(extent, options, info.every_steps);
        let mut shared = SharedPieces::new(&cuts, directions);
        let mut together = TogetherSums::new(FittedRows::new(extent.rows, options), extent);
        let lags = DisplacementSums::new(extent.rows, STRETCHES, FRACTION);
        let counts = (0..directions)
            .step_by(DIRECTIONS_A_TASK)
            .map(|from| (directions - from).min(DIRECTIONS_A_TASK));
        let mut groups: Vec<Directions> =
            counts.map(|count| Directions::new(count, momentum, lags.clone(), &cuts)).collect();

        let columns = columns_with_modes(&COLUMNS, directions);
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let mut next_row = 0;
        read_ahead(run, &columns, |batch| {
            // A run that is being written may have grown since its rows were counted.
            let batch = batch.slice(0, batch.num_rows().min((extent.rows - next_row) as usize));
            let first_row = next_row;
            next_row += batch.num_rows() as u64;
            let steps = steps(batch.column(0));
            let of_directions: Vec<_> =
                batch.columns()[COLUMNS.len()..].iter().map(floats).collect();
            let of_directions: Vec<&[f64]> = of_directions.iter().map(|column| &**column).collect();
            let (positions, velocities) = of_directions.split_at(directions);
            let [whole, local] = [floats(batch.column(1)), floats(batch.column(2))];
            let mut tasks: Vec<Task> = vec![Box::new(|| rows.add(&batch))];
            if directions > 0 {
                tasks.push(Box::new(|| shared.add(&cuts, first_row, positions, &local)));
            }
            let chunks =
                positions.chunks(DIRECTIONS_A_TASK).zip(velocities.chunks(DIRECTIONS_A_TASK));
            for (group, (positions, velocities)) in groups.iter_mut().zip(chunks) {
                let (cuts, steps) = (&cuts, &steps);
                tasks.push(Box::new(move || {
                    group.add(cuts, first_row, steps, positions, velocities)
                }));
            }
            in_parallel(tasks);
            if directions > 0 {
                together.add(first_row, &steps, &squares(&groups, steps.len()), &whole);
            }
            next_row < extent.rows
        })?;
        let modes = groups.iter_mut().flat_map(|group| std::mem::take(&mut group.modes)).collect();
        let has_window = rows.window.answer().known().is_some();
        let projections =
            (directions > 0).then(|| Projections::new(extent, groups, together, has_window));
        Ok(Reading { rows, projections, modes: ModesInPieces { cuts, modes, shared } })
    }
}

/// Of all directions: sums of the squares of each row's positions and velocities.
fn squares(groups: &[Directions], rows: usize) -> [Vec<f64>; 2] {
    let mut squares = [vec![0.0; rows], vec![0.0; rows]];
    for group in groups {
        for (sums, more) in squares.iter_mut().zip(&group.squares) {
            sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
        }
    }
    squares
}
