//! The first reading of the modes, in pieces: the window is chosen by what that reading says, among
//! a few that are known before, and its sums are those of the pieces in it.

use std::ops::Range;

use super::covariance::PositionSums;
use super::series::Splitter;
use super::sums::ModeSums;
use super::window::Window;
use crate::record::RunInfo;

/// Where the log is cut: at the ends of all windows.
#[derive(Debug, Clone, Default)]
pub(in crate::analysis) struct Cuts {
    pieces: Vec<Piece>,
    every: u64,
    steps_per_epoch: Option<u64>,
}

/// Rows that lie in the same windows, and in at least one.
#[derive(Debug, Clone)]
struct Piece {
    rows: Range<u64>,
    momentum: Option<f64>,
}

impl Cuts {
    pub(in crate::analysis) fn new<'a>(
        windows: impl Iterator<Item = &'a Window> + Clone,
        info: &RunInfo,
    ) -> Cuts {
        let mut ends: Vec<u64> =
            windows.clone().flat_map(|window| [window.range.start, window.range.end]).collect();
        ends.sort_unstable();
        ends.dedup();
        let piece = |ends: &[u64]| {
            let around = windows.clone().find(|window| window.range.contains(&ends[0]))?;
            Some(Piece { rows: ends[0]..ends[1], momentum: around.momentum })
        };
        let pieces = ends.windows(2).filter_map(piece).collect();
        Cuts { pieces, every: info.every_steps.max(1), steps_per_epoch: info.steps_per_epoch }
    }

    /// The pieces that a batch has rows of, and which.
    fn in_batch(&self, first_row: u64, rows: usize) -> impl Iterator<Item = (usize, Range<usize>)> {
        let end = first_row + rows as u64;
        self.pieces.iter().enumerate().filter_map(move |(index, piece)| {
            let (from, to) = (piece.rows.start.max(first_row), piece.rows.end.min(end));
            (from < to).then(|| (index, (from - first_row) as usize..(to - first_row) as usize))
        })
    }
}

/// One mode, piece by piece.
#[derive(Debug, Clone)]
pub(in crate::analysis) struct ModePieces {
    splitter: Splitter,
    sums: Vec<ModeSums>,
}

impl ModePieces {
    pub(in crate::analysis) fn new(cuts: &Cuts) -> ModePieces {
        let sums = |piece: &Piece| ModeSums::new(cuts.every, cuts.steps_per_epoch, piece.momentum);
        ModePieces {
            splitter: Splitter::new(cuts.every),
            sums: cuts.pieces.iter().map(sums).collect(),
        }
    }

    /// Takes the rows of a batch; `first_row` counts those of the run.
    pub(in crate::analysis) fn add(
        &mut self,
        cuts: &Cuts,
        first_row: u64,
        steps: &[u64],
        positions: &[f64],
        velocities: &[f64],
    ) {
        for (index, rows) in cuts.in_batch(first_row, steps.len()) {
            let sums = &mut self.sums[index];
            let columns = (&steps[rows.clone()], &positions[rows.clone()], &velocities[rows]);
            sums.left_out +=
                self.splitter.split(columns.0, columns.1, columns.2, |part| sums.add(part));
        }
    }
}

/// What takes all modes at once, piece by piece.
#[derive(Debug, Clone)]
pub(in crate::analysis) struct SharedPieces {
    positions: Vec<PositionSums>,
    /// Rows with a finite local displacement.
    moved: Vec<u64>,
}

impl SharedPieces {
    pub(in crate::analysis) fn new(cuts: &Cuts, directions: usize) -> SharedPieces {
        let positions = cuts.pieces.iter().map(|_| PositionSums::new(directions)).collect();
        SharedPieces { positions, moved: vec![0; cuts.pieces.len()] }
    }

    /// Takes the rows of a batch: the positions of all modes, and the squared local displacement.
    pub(in crate::analysis) fn add(
        &mut self,
        cuts: &Cuts,
        first_row: u64,
        positions: &[&[f64]],
        local: &[f64],
    ) {
        for (index, rows) in cuts.in_batch(first_row, local.len()) {
            let positions: Vec<&[f64]> =
                positions.iter().map(|column| &column[rows.clone()]).collect();
            self.positions[index].add(&positions);
            self.moved[index] +=
                local[rows].iter().filter(|squared| squared.is_finite()).count() as u64;
        }
    }
}

/// What the first reading says of a window.
#[derive(Debug)]
pub(in crate::analysis) struct WindowSums {
    pub(super) modes: Vec<ModeSums>,
    pub(super) positions: PositionSums,
    /// Rows with a finite local displacement.
    pub(super) moved: usize,
}

impl WindowSums {
    /// Of one of the windows that the pieces were cut for.
    pub(in crate::analysis) fn new(
        cuts: &Cuts,
        window: &Window,
        modes: &[ModePieces],
        shared: &SharedPieces,
    ) -> WindowSums {
        let inside = |piece: &Piece| {
            window.range.start <= piece.rows.start && piece.rows.end <= window.range.end
        };
        let inside: Vec<usize> =
            (0..cuts.pieces.len()).filter(|index| inside(&cuts.pieces[*index])).collect();
        let of_mode = |mode: &ModePieces| {
            let mut sums = ModeSums::new(cuts.every, cuts.steps_per_epoch, window.momentum);
            inside.iter().for_each(|index| sums.join(&mode.sums[*index]));
            sums
        };
        let mut positions = PositionSums::new(modes.len());
        inside.iter().for_each(|index| positions.join(&shared.positions[*index]));
        let moved = inside.iter().map(|index| shared.moved[*index]).sum::<u64>() as usize;
        WindowSums { modes: modes.iter().map(of_mode).collect(), positions, moved }
    }
}
