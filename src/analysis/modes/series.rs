//! One mode's rows, batch by batch, parted where steps or values are missing.

/// Rows of one stretch, none of them missing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::analysis) struct Part<'a> {
    /// Whether the first row is the last one of the part before: it is here for the transition
    /// alone.
    pub(super) continues: bool,
    /// Step of the first row.
    pub(super) first_step: u64,
    pub(super) positions: &'a [f64],
    pub(super) velocities: &'a [f64],
}

/// From one row to the next one, a step later, or as many as rows are apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Transition {
    pub(super) position: f64,
    pub(super) velocity: f64,
    pub(super) next_position: f64,
    pub(super) next_velocity: f64,
}

impl<'a> Part<'a> {
    /// Positions and velocities of the rows that are not those of the part before.
    pub(super) fn new_rows(&self) -> [&'a [f64]; 2] {
        let from = usize::from(self.continues);
        [&self.positions[from..], &self.velocities[from..]]
    }

    /// Transitions between its rows.
    pub(super) fn count_transitions(&self) -> usize {
        self.positions.len() - 1
    }

    /// Positions and velocities from which there is a transition, and those it leads to.
    pub(in crate::analysis) fn columns(&self) -> [&'a [f64]; 4] {
        let transitions = self.count_transitions();
        let [x, v] = [self.positions, self.velocities];
        [&x[..transitions], &v[..transitions], &x[1..], &v[1..]]
    }

    /// All of them, in order.
    pub(super) fn transitions(&self) -> impl Iterator<Item = Transition> + use<'a> {
        let pairs = self.positions.windows(2).zip(self.velocities.windows(2));
        pairs.map(|(x, v)| Transition {
            position: x[0],
            velocity: v[0],
            next_position: x[1],
            next_velocity: v[1],
        })
    }

    /// Without its first row, as a part that begins a stretch; `None` if there is no other row.
    pub(super) fn begun_anew(&self, every: u64) -> Option<Part<'a>> {
        let rest = Part {
            continues: false,
            first_step: self.first_step + every,
            positions: &self.positions[1..],
            velocities: &self.velocities[1..],
        };
        Some(rest).filter(|rest| !rest.positions.is_empty())
    }
}

/// Parts the rows of one mode.
#[derive(Debug, Clone)]
pub(in crate::analysis) struct Splitter {
    /// Steps from a row to the next, where none is missing.
    every: u64,
    /// Step, position and velocity of the last row that had both.
    last: Option<(u64, f64, f64)>,
}

impl Splitter {
    /// For rows of every so many steps.
    pub(in crate::analysis) fn new(every: u64) -> Splitter {
        Splitter { every, last: None }
    }

    /// Gives `take` the parts of the next rows; how many rows have a position or a velocity that is
    /// NaN or infinite, or NaN for null. They are in no part.
    pub(in crate::analysis) fn split(
        &mut self,
        steps: &[u64],
        positions: &[f64],
        velocities: &[f64],
        mut take: impl FnMut(&Part),
    ) -> u64 {
        let every = self.every;
        let follows = |before: u64, step: u64| before.checked_add(every) == Some(step);
        // Without a branch it is done for several rows at once.
        let finite =
            |values: &[f64]| values.iter().fold(true, |finite, value| finite & value.is_finite());
        let in_order = steps
            .windows(2)
            .fold(true, |in_order, pair| in_order & (pair[1].wrapping_sub(pair[0]) == every));
        if in_order && finite(positions) && finite(velocities) {
            self.take_run(steps, positions, velocities, &mut take);
            return 0;
        }
        let known = |row: usize| positions[row].is_finite() && velocities[row].is_finite();
        let (mut left_out, mut row) = (0, 0);
        while row < steps.len() {
            if !known(row) {
                (left_out, row) = (left_out + 1, row + 1);
                continue;
            }
            let first = row;
            row += 1;
            while row < steps.len() && known(row) && follows(steps[row - 1], steps[row]) {
                row += 1;
            }
            self.take_run(
                &steps[first..row],
                &positions[first..row],
                &velocities[first..row],
                &mut take,
            );
        }
        left_out
    }

    /// Rows none of which is missing: the transition to the first one, then the others.
    fn take_run(
        &mut self,
        steps: &[u64],
        positions: &[f64],
        velocities: &[f64],
        take: &mut impl FnMut(&Part),
    ) {
        let (Some(&first_step), Some(&last_step)) = (steps.first(), steps.last()) else { return };
        let before =
            self.last.filter(|(step, ..)| step.checked_add(self.every) == Some(first_step));
        let last = steps.len() - 1;
        self.last = Some((last_step, positions[last], velocities[last]));
        if let Some((step, position, velocity)) = before {
            let (x, v) = ([position, positions[0]], [velocity, velocities[0]]);
            take(&Part { continues: true, first_step: step, positions: &x, velocities: &v });
        }
        if before.is_none() || last > 0 {
            take(&Part { continues: before.is_some(), first_step, positions, velocities });
        }
    }
}

/// Why what takes rows of successive steps has no answer.
pub(super) fn every_step_only(every: u64) -> String {
    format!("it takes rows of successive steps, and they are {every} steps apart")
}

/// A mode's rows in memory.
#[cfg(test)]
#[derive(Debug, Clone)]
pub(super) struct ModeSeries {
    pub(super) every: u64,
    pub(super) steps: Vec<u64>,
    pub(super) positions: Vec<f64>,
    pub(super) velocities: Vec<f64>,
}

#[cfg(test)]
impl Default for ModeSeries {
    fn default() -> Self {
        ModeSeries::of_every(1)
    }
}

#[cfg(test)]
impl ModeSeries {
    /// No rows yet, of every so many steps.
    pub(super) fn of_every(every: u64) -> ModeSeries {
        ModeSeries { every, steps: Vec::new(), positions: Vec::new(), velocities: Vec::new() }
    }

    pub(super) fn push(&mut self, step: u64, position: Option<f64>, velocity: Option<f64>) {
        self.steps.push(step);
        self.positions.push(position.unwrap_or(f64::NAN));
        self.velocities.push(velocity.unwrap_or(f64::NAN));
    }

    /// All parts, of batches of so many rows.
    pub(super) fn for_each_part(&self, rows: usize, mut take: impl FnMut(&Part)) -> u64 {
        let mut splitter = Splitter::new(self.every);
        let batches = self
            .steps
            .chunks(rows)
            .zip(self.positions.chunks(rows))
            .zip(self.velocities.chunks(rows));
        batches
            .map(|((steps, positions), velocities)| {
                splitter.split(steps, positions, velocities, &mut take)
            })
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_are_missing_null_or_nan_part_the_stretches_whatever_the_batches() {
        let mut series = ModeSeries::default();
        for step in [1, 2, 3, 5, 6, 7, 8, 9] {
            let position = if step == 7 { Some(f64::NAN) } else { Some(step as f64) };
            series.push(step, position, (step != 2).then_some(0.5));
        }
        for rows in 1..=8 {
            let (mut stretches, mut moves) = (Vec::<Vec<f64>>::new(), Vec::new());
            let left_out = series.for_each_part(rows, |part| {
                if !part.continues {
                    stretches.push(Vec::new());
                }
                stretches.last_mut().unwrap().extend(part.new_rows()[0]);
                moves.extend(part.transitions().map(|t| (t.position, t.next_position)));
                assert_eq!(part.first_step as f64, part.positions[0]);
            });
            assert_eq!(stretches, [vec![1.0], vec![3.0], vec![5.0, 6.0], vec![8.0, 9.0]]);
            assert_eq!(moves, [(5.0, 6.0), (8.0, 9.0)]);
            assert_eq!(left_out, 2);
        }
    }
}
