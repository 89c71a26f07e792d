//! The last rows of a run: its settings, its rate, and the path of one mode in phase space.

use std::collections::VecDeque;

use perrin::record::Hyperparameters;
use perrin::run::{Follower, Run};

/// Rows kept.
pub const TAIL_ROWS: usize = 4096;

/// The rate is that of the last rows within this long.
const RATE_SECONDS: f64 = 10.0;

/// Columns read for every mode, in the order of [`TailRow`]'s fields.
const COLUMNS: [&str; 8] = [
    "step",
    "elapsed_seconds",
    "epoch",
    "learning_rate",
    "momentum",
    "weight_decay",
    "batch_size",
    "basis",
];

/// Columns of each parameter group after the first.
const SETTINGS: [&str; 3] = ["learning_rate", "momentum", "weight_decay"];

/// Values of a row that are of interest only while they are new.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TailRow {
    pub step: u64,
    pub elapsed_seconds: f64,
    pub epoch: Option<f64>,
    pub learning_rate: Option<f64>,
    pub momentum: Option<f64>,
    pub weight_decay: Option<f64>,
    pub batch_size: Option<f64>,
    /// Of the directions that the chosen mode is one of.
    basis: Option<f64>,
    /// Along the chosen mode.
    pub position: Option<f64>,
    pub velocity: Option<f64>,
}

/// The last [`TAIL_ROWS`] rows.
pub struct Tail {
    follower: Follower,
    /// Settings of every parameter group at the last row.
    pub groups: Vec<Hyperparameters>,
    pub rows: VecDeque<TailRow>,
}

impl Tail {
    /// The tail of a run, with the position and velocity of a mode (from 1), where it has one.
    pub fn new(run: &Run, mode: Option<usize>) -> perrin::Result<Tail> {
        let mut columns = COLUMNS.map(str::to_owned).to_vec();
        let groups = run.info().layout.parameter_groups;
        for group in 1..groups {
            columns.extend(SETTINGS.map(|setting| format!("{setting}_group_{group}")));
        }
        columns.extend(
            mode.into_iter()
                .flat_map(|mode| [format!("position_{mode}"), format!("velocity_{mode}")]),
        );
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let follower = Follower::from_last(run, &columns, TAIL_ROWS as u64)?;
        Ok(Tail {
            follower,
            groups: vec![Hyperparameters::default(); groups],
            rows: VecDeque::new(),
        })
    }

    /// Reads a batch of new rows; returns how many there were.
    pub fn read(&mut self) -> perrin::Result<usize> {
        let (rows, groups) = (&mut self.rows, &mut self.groups);
        self.follower.next_rows(|row| {
            if rows.len() == TAIL_ROWS {
                rows.pop_front();
            }
            // Those of the first group are among the columns of all rows.
            let (of_groups, mode) =
                row[COLUMNS.len()..].split_at(SETTINGS.len() * groups.len().saturating_sub(1));
            for (group, settings) in
                groups.iter_mut().zip(row[3..6].chunks(3).chain(of_groups.chunks(3)))
            {
                let [learning_rate, momentum, weight_decay] =
                    [settings[0], settings[1], settings[2]];
                *group = Hyperparameters { learning_rate, momentum, weight_decay };
            }
            rows.push_back(TailRow {
                step: row[0].unwrap_or_default() as u64,
                elapsed_seconds: row[1].unwrap_or_default(),
                epoch: row[2],
                learning_rate: row[3],
                momentum: row[4],
                weight_decay: row[5],
                batch_size: row[6],
                basis: row[7],
                position: mode.first().copied().flatten(),
                velocity: mode.get(1).copied().flatten(),
            });
        })
    }

    /// Rows a second of the training program's time, lately; none while there are too few.
    pub fn rows_per_second(&self) -> Option<f64> {
        let last = self.rows.back()?.elapsed_seconds;
        let recent =
            self.rows.iter().rev().take_while(|row| last - row.elapsed_seconds <= RATE_SECONDS);
        let (count, first) =
            recent.fold((0, last), |(count, _), row| (count + 1, row.elapsed_seconds));
        (count > 1 && last > first).then(|| f64::from(count - 1) / (last - first))
    }

    /// Position and velocity of the chosen mode, oldest first, where both are finite; since its
    /// direction changed last.
    pub fn phase_path(&self) -> Vec<(f64, f64)> {
        let basis = self.rows.back().and_then(|row| row.basis);
        let points = self
            .rows
            .iter()
            .filter(|row| row.basis == basis)
            .filter_map(|row| row.position.zip(row.velocity));
        points.filter(|(position, velocity)| position.is_finite() && velocity.is_finite()).collect()
    }
}
