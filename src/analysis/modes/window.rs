//! Which rows of a run can be fitted together: the longest stretch of the same settings and the
//! same basis.

use std::ops::Range;

use serde::Serialize;

use crate::analysis::Answer;
use crate::run::Run;

/// Rows with the same learning rate, momentum, weight decay, batch size and basis of directions,
/// one behind the other. A change of any of them starts another stretch; stretches are not mixed,
/// and the longest one is fitted.
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
    pub(in crate::analysis) range: Range<u64>,
}

/// What must not change inside a window: bits, so that NaN equals itself.
#[derive(Debug, Clone, Copy, PartialEq)]
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

/// Columns that tell windows apart. Bases may be absent from a log; a column asked for twice
/// changes nothing.
pub(in crate::analysis) fn settings_columns(run: &Run) -> [&'static str; 6] {
    let basis = if run.columns().any(|column| column == "basis") { "basis" } else { "batch_size" };
    ["step", "learning_rate", "momentum", "weight_decay", "batch_size", basis]
}

/// Looks for the longest stretch among the rows of some steps; of equally long ones the latest.
#[derive(Debug)]
pub(in crate::analysis) struct WindowSearch {
    steps: Range<u64>,
    has_basis: bool,
    longest: Option<Window>,
    current: Option<(Settings, Window)>,
    row: u64,
    seen: u64,
    stretches: u64,
}

impl WindowSearch {
    pub(in crate::analysis) fn new(run: &Run, steps: Range<u64>) -> WindowSearch {
        let has_basis = settings_columns(run)[5] == "basis";
        WindowSearch {
            steps,
            has_basis,
            longest: None,
            current: None,
            row: 0,
            seen: 0,
            stretches: 0,
        }
    }

    /// Takes the next row: its step, and what [`settings_columns`] has besides.
    pub(in crate::analysis) fn see(&mut self, step: u64, mut settings: [Option<f64>; 5]) {
        let row = self.row;
        self.row += 1;
        if !self.steps.contains(&step) {
            return;
        }
        settings[4] = settings[4].filter(|_| self.has_basis);
        let settings = Settings::new(settings);
        self.seen += 1;
        match &mut self.current {
            Some((same, window)) if *same == settings => {
                (window.last_step, window.rows, window.range.end) =
                    (step, window.rows + 1, row + 1);
            }
            _ => {
                self.stretches += 1;
                self.close();
                self.current = Some((settings, settings.window(row..row + 1, [step; 2])));
            }
        }
    }

    fn close(&mut self) {
        if let Some((_, window)) = self.current.take()
            && self.longest.as_ref().is_none_or(|longest| window.rows >= longest.rows)
        {
            self.longest = Some(window);
        }
    }

    /// The longest stretch.
    pub(in crate::analysis) fn finish(mut self) -> Answer<Window> {
        self.close();
        let (seen, stretches) = (self.seen, self.stretches);
        match self.longest {
            Some(window) => {
                Answer::Known(Window { rows_left_out: seen - window.rows, stretches, ..window })
            }
            None => Answer::cannot_say("there are no rows"),
        }
    }
}
