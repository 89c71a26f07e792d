//! The two readings of the modes, batch by batch, several modes at once.

use super::estimate::BatchSums;
use super::pieces::{Cuts, ModePieces, SharedPieces, WindowSums};
use super::reading::ModeReading;
use super::series::Splitter;
use super::window::Window;
use crate::analysis::columns::{floats, steps};
use crate::analysis::parallel::{Task, in_parallel};
use crate::analysis::read_ahead::read_ahead;
use crate::error::Result;
use crate::run::Run;

/// Modes that a thread takes at a time.
const MODES_A_TASK: usize = 4;

/// The columns of all modes, behind those: positions, then velocities.
pub(in crate::analysis) fn columns_with_modes(first: &[&str], directions: usize) -> Vec<String> {
    let of =
        |name: &'static str| (1..=directions).map(move |direction| format!("{name}_{direction}"));
    first
        .iter()
        .map(|column| (*column).to_owned())
        .chain(of("position"))
        .chain(of("velocity"))
        .collect()
}

/// Reads the sums of a window that is known beforehand.
pub(super) fn first_reading(run: &Run, window: &Window) -> Result<WindowSums> {
    let directions = run.info().layout.directions;
    let cuts = Cuts::new(std::iter::once(window), run.info());
    let mut modes = vec![ModePieces::new(&cuts); directions];
    let mut shared = SharedPieces::new(&cuts, directions);
    for_each_batch(
        run,
        window,
        "local_displacement_squared",
        |first_row, steps, local, columns| {
            let (positions, velocities) = columns.split_at(directions);
            let add_shared: Task = Box::new(|| shared.add(&cuts, first_row, positions, local));
            let chunks = modes
                .chunks_mut(MODES_A_TASK)
                .zip(positions.chunks(MODES_A_TASK))
                .zip(velocities.chunks(MODES_A_TASK));
            let add_modes = chunks.map(|((modes, positions), velocities)| -> Task {
                let cuts = &cuts;
                Box::new(move || {
                    for ((mode, positions), velocities) in
                        modes.iter_mut().zip(positions).zip(velocities)
                    {
                        mode.add(cuts, first_row, steps, positions, velocities);
                    }
                })
            });
            in_parallel(std::iter::once(add_shared).chain(add_modes).collect());
        },
    )?;
    Ok(WindowSums::new(&cuts, window, &modes, &shared))
}

/// Reads the rows of the window for what the sums of the first reading ask of them, and the squared
/// local displacements.
pub(super) fn second_reading(
    run: &Run,
    window: &Window,
    modes: &mut [ModeReading],
    mut squares: Option<&mut BatchSums>,
) -> Result<()> {
    let every = run.info().every_steps.max(1);
    let mut splitters = vec![Splitter::new(every); modes.len()];
    for_each_batch(run, window, "local_displacement_squared", |_, steps, local, columns| {
        if let Some(squares) = &mut squares {
            let finite: Vec<f64> =
                local.iter().copied().filter(|squared| squared.is_finite()).collect();
            squares.add(&finite);
        }
        let (positions, velocities) = columns.split_at(modes.len());
        let chunks = modes.chunks_mut(MODES_A_TASK).zip(splitters.chunks_mut(MODES_A_TASK));
        let columns = positions.chunks(MODES_A_TASK).zip(velocities.chunks(MODES_A_TASK));
        let tasks =
            chunks.zip(columns).map(|((modes, splitters), (positions, velocities))| -> Task {
                Box::new(move || {
                    let columns = positions.iter().zip(velocities);
                    for ((mode, splitter), (positions, velocities)) in
                        modes.iter_mut().zip(splitters).zip(columns)
                    {
                        splitter.split(steps, positions, velocities, |part| mode.add(part));
                    }
                })
            });
        in_parallel(tasks.collect());
    })
}

/// Gives `visit` the rows of a window, batch by batch: the number in the run of the first one, the
/// steps, one more column, and those of the modes. Null is NaN.
fn for_each_batch(
    run: &Run,
    window: &Window,
    column: &str,
    mut visit: impl FnMut(u64, &[u64], &[f64], &[&[f64]]),
) -> Result<()> {
    let columns = columns_with_modes(&["step", column], run.info().layout.directions);
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut next_row = 0;
    read_ahead(run, &columns, |batch| {
        let first_row = next_row;
        next_row += batch.num_rows() as u64;
        let (from, to) = (window.range.start.max(first_row), window.range.end.min(next_row));
        if from < to {
            let batch = batch.slice((from - first_row) as usize, (to - from) as usize);
            let numbers: Vec<_> = batch.columns()[1..].iter().map(floats).collect();
            let numbers: Vec<&[f64]> = numbers.iter().map(|column| &**column).collect();
            visit(from, &steps(batch.column(0)), numbers[0], &numbers[1..]);
        }
        next_row < window.range.end
    })
}
