//! Which rows of a run can be fitted together: the longest stretch of the same settings and the same basis.

use std::ops::Range;

use serde::Serialize;

use crate::analysis::Answer;
use crate::error::Result;
use crate::run::Run;

/// Rows with the same learning rate, momentum, weight decay, batch size and basis of directions, one behind the other.
/// A change of any of them starts another stretch; stretches are not mixed, and the longest one is fitted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Window {
    /// Step of the first row.
    pub first_step: u64,
    /// Step of the last row.
    pub last_step: u64,
    /// Rows in it; fewer than steps where rows are missing.
    pub rows: u64,
    /// Rows of the run, or of the steps asked for, that belong to other stretches.
    pub rows_left_out: u64,
    /// Stretches there were to choose from.
    pub stretches: u64,
    /// eta.
    pub learning_rate: Option<f64>,
    /// beta.
    pub momentum: Option<f64>,
    /// lambda.
    pub weight_decay: Option<f64>,
    /// S, examples.
    pub batch_size: Option<u64>,
    /// Number of the basis that positions and velocities belong to, where rows tell it.
    pub basis: Option<u64>,
    /// Where the rows are in the run.
    #[serde(skip)]
    pub(super) range: Range<u64>,
}

/// What must not change inside a window: bits, so that NaN equals itself.
#[derive(Clone, Copy, PartialEq)]
struct Settings([Option<u64>; 5]);

impl Settings {
    fn new(values: [Option<f64>; 5]) -> Settings {
        Settings(values.map(|value| value.map(f64::to_bits)))
    }

    fn value(&self, index: usize) -> Option<f64> {
        self.0[index].map(f64::from_bits).filter(|value| value.is_finite())
    }

    fn window(&self, range: Range<u64>, [first_step, last_step]: [u64; 2]) -> Window {
        let integer = |index: usize| self.value(index).map(|value| value as u64);
        Window {
            first_step,
            last_step,
            rows: range.end - range.start,
            rows_left_out: 0,
            stretches: 0,
            learning_rate: self.value(0),
            momentum: self.value(1),
            weight_decay: self.value(2),
            batch_size: integer(3),
            basis: integer(4),
            range,
        }
    }
}

impl Window {
    /// The longest stretch among the rows of `steps`; of equally long ones the latest.
    ///
    /// # Errors
    /// Those of reading.
    pub(super) fn longest(run: &Run, steps: &Range<u64>) -> Result<Answer<Window>> {
        // Bases may be absent from a log; a column asked for twice changes nothing.
        let basis = if run.columns().any(|column| column == "basis") { "basis" } else { "batch_size" };
        let (mut longest, mut current): (Option<Window>, Option<(Settings, Window)>) = (None, None);
        let (mut row, mut seen, mut stretches) = (0_u64, 0_u64, 0_u64);
        let mut close = |current: Option<(Settings, Window)>| {
            if let Some((_, window)) = current
                && longest.as_ref().is_none_or(|longest| window.rows >= longest.rows)
            {
                longest = Some(window);
            }
        };
        let columns = ["step", "learning_rate", "momentum", "weight_decay", "batch_size", basis];
        run.for_each_row(columns, |[step, learning_rate, momentum, weight_decay, batch_size, number]| {
            let step = step.unwrap_or_default() as u64;
            let number = number.filter(|_| basis == "basis");
            let settings = Settings::new([learning_rate, momentum, weight_decay, batch_size, number]);
            if steps.contains(&step) {
                seen += 1;
                match &mut current {
                    Some((same, window)) if *same == settings => {
                        (window.last_step, window.rows, window.range.end) = (step, window.rows + 1, row + 1);
                    }
                    _ => {
                        stretches += 1;
                        close(current.replace((settings, settings.window(row..row + 1, [step; 2]))));
                    }
                }
            }
            row += 1;
        })?;
        close(current);
        Ok(match longest {
            Some(window) => Answer::Known(Window { rows_left_out: seen - window.rows, stretches, ..window }),
            None => Answer::cannot_say("there are no rows"),
        })
    }
}
