//! One mode's positions and velocities over a window, in memory: 16 bytes a row.

use std::ops::Range;

use super::window::Window;
use crate::error;
use crate::run::Run;

/// Rows whose position and velocity are known and finite, in order, and where steps between them are missing.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ModeSeries {
    /// Steps from a row to the next, where none is missing.
    pub(super) every: u64,
    pub(super) positions: Vec<f64>,
    pub(super) velocities: Vec<f64>,
    /// Stretches of rows without a gap.
    pub(super) stretches: Vec<Range<usize>>,
    /// Step of the first row of each stretch.
    pub(super) first_steps: Vec<u64>,
    /// Rows of the window that were left out.
    pub(super) left_out: u64,
    previous_step: Option<u64>,
}

/// From one row to the next one, a step later, or as many as rows are apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Transition {
    pub(super) position: f64,
    pub(super) velocity: f64,
    pub(super) next_position: f64,
    pub(super) next_velocity: f64,
}

impl Default for ModeSeries {
    fn default() -> Self {
        ModeSeries::of_every(1)
    }
}

impl ModeSeries {
    /// No rows yet, of every so many steps.
    pub(super) fn of_every(every: u64) -> ModeSeries {
        ModeSeries {
            every,
            positions: Vec::new(),
            velocities: Vec::new(),
            stretches: Vec::new(),
            first_steps: Vec::new(),
            left_out: 0,
            previous_step: None,
        }
    }

    /// Reads mode `mode`, counted from 1.
    ///
    /// # Errors
    /// Those of reading.
    pub(super) fn read(run: &Run, window: &Window, mode: usize) -> error::Result<ModeSeries> {
        let mut series = ModeSeries::of_every(run.info().every_steps.max(1));
        series.positions.reserve_exact(window.rows as usize);
        series.velocities.reserve_exact(window.rows as usize);
        let (position, velocity) = (format!("position_{mode}"), format!("velocity_{mode}"));
        let mut row = 0;
        run.for_each_row(["step", &position, &velocity], |[step, position, velocity]| {
            if window.range.contains(&row) {
                series.push(step.unwrap_or_default() as u64, position, velocity);
            }
            row += 1;
        })?;
        Ok(series)
    }

    pub(super) fn push(&mut self, step: u64, position: Option<f64>, velocity: Option<f64>) {
        let (Some(position), Some(velocity)) = (position.filter(|x| x.is_finite()), velocity.filter(|v| v.is_finite()))
        else {
            self.left_out += 1;
            return;
        };
        let at = self.positions.len();
        self.positions.push(position);
        self.velocities.push(velocity);
        match self.stretches.last_mut() {
            Some(stretch) if self.previous_step.is_some_and(|previous| previous + self.every == step) => {
                stretch.end = at + 1
            }
            _ => {
                self.stretches.push(at..at + 1);
                self.first_steps.push(step);
            }
        }
        self.previous_step = Some(step);
    }

    pub(super) fn rows(&self) -> usize {
        self.positions.len()
    }

    /// Transitions between rows without a gap.
    pub(super) fn count_transitions(&self) -> usize {
        self.rows() - self.stretches.len()
    }

    /// All of them, in order.
    pub(super) fn transitions(&self) -> impl Iterator<Item = Transition> {
        self.stretches.iter().flat_map(|stretch| self.transitions_of(stretch))
    }

    /// Those of one stretch.
    pub(super) fn transitions_of(&self, stretch: &Range<usize>) -> impl Iterator<Item = Transition> {
        let (now, next) = (stretch.start..stretch.end - 1, stretch.start + 1..stretch.end);
        let here = self.positions[now.clone()].iter().zip(&self.velocities[now]);
        let there = self.positions[next.clone()].iter().zip(&self.velocities[next]);
        here.zip(there).map(|((&position, &velocity), (&next_position, &next_velocity))| Transition {
            position,
            velocity,
            next_position,
            next_velocity,
        })
    }

    /// For what takes rows of successive steps.
    pub(super) fn require_every_step(&self) -> Result<(), String> {
        match self.every {
            1 => Ok(()),
            every => Err(format!("it takes rows of successive steps, and they are {every} steps apart")),
        }
    }

    /// Rows of the longest stretch.
    pub(super) fn longest_stretch(&self) -> usize {
        self.stretches.iter().map(Range::len).max().unwrap_or(0)
    }
}

/// Mean and variance (over n, not n - 1), in two passes; none without values, or where they overflow.
pub(super) fn mean_and_variance(values: &[f64]) -> Option<[f64; 2]> {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    (mean.is_finite() && variance.is_finite()).then_some([mean, variance])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_are_missing_null_or_nan_part_the_stretches() {
        let mut series = ModeSeries::default();
        for step in [1, 2, 3, 5, 6, 7, 8, 9] {
            let position = if step == 7 { Some(f64::NAN) } else { Some(step as f64) };
            series.push(step, position, (step != 2).then_some(0.5));
        }
        assert_eq!(series.positions, [1.0, 3.0, 5.0, 6.0, 8.0, 9.0]);
        assert_eq!(series.stretches, [0..1, 1..2, 2..4, 4..6]);
        assert_eq!((series.left_out, series.longest_stretch()), (2, 2));
        assert_eq!(series.first_steps, [1, 3, 5, 8]);
        let moves: Vec<_> = series.transitions().map(|t| (t.position, t.next_position)).collect();
        assert_eq!(moves, [(5.0, 6.0), (8.0, 9.0)]);
        assert_eq!(series.count_transitions(), 2);
    }

    #[test]
    fn moments() {
        assert_eq!(mean_and_variance(&[1.0, 3.0]), Some([2.0, 1.0]));
        assert_eq!(mean_and_variance(&[]), None);
        assert_eq!(mean_and_variance(&[f64::MAX, f64::MAX]), None);
    }
}
