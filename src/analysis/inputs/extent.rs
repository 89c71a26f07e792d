//! The first reading: how many rows there are, their settings, and which of them could be fitted
//! together.

use crate::analysis::Answer;
use crate::analysis::fit_options::FitOptions;
use crate::analysis::modes::{Window, WindowSearch, settings_columns};
use crate::analysis::settings::{NO_DIRECTIONS, Settings};
use crate::analysis::stationarity::beginnings;
use crate::error::Result;
use crate::record::Hyperparameters;
use crate::run::{Follower, Run};

/// What a run's columns of settings say.
pub(crate) struct Extent {
    /// Rows up to the last step asked for.
    pub(crate) rows: u64,
    /// Step of the first and of the last of them.
    pub(crate) steps: (u64, u64),
    /// Of the first parameter group, over these rows.
    pub(crate) settings: Settings,
    /// The step at which the directions were replaced, if they were.
    pub(crate) basis_changed: Option<u64>,
    /// By the step from which on they are looked for: the windows that the modes may be fitted
    /// over.
    pub(super) windows: Vec<(u64, Answer<Window>)>,
}

/// The last row of a run.
pub(crate) struct LastRow {
    step: Option<u64>,
    /// The settings of every parameter group; without rows, those of `run.json`.
    pub(crate) hyperparameters: Vec<Hyperparameters>,
}

impl LastRow {
    pub(super) fn read(run: &Run) -> Result<LastRow> {
        let info = run.info();
        let of_group = |group: usize| {
            let names = ["learning_rate", "momentum", "weight_decay"];
            names.map(
                |name| if group == 0 { name.to_owned() } else { format!("{name}_group_{group}") },
            )
        };
        let mut columns = vec!["step".to_owned()];
        columns.extend((0..info.layout.parameter_groups).flat_map(of_group));
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let mut last: Option<Vec<Option<f64>>> = None;
        let mut rows = Follower::from_last(run, &columns, 1)?;
        while rows.next_rows(|row| last = Some(row.to_vec()))? > 0 {}
        let Some(last) = last else {
            return Ok(LastRow { step: None, hyperparameters: info.hyperparameters.clone() });
        };
        let settings = |values: &[Option<f64>]| Hyperparameters {
            learning_rate: values[0],
            momentum: values[1],
            weight_decay: values[2],
        };
        let step = last[0].map(|step| step as u64);
        Ok(LastRow { step, hyperparameters: last[1..].chunks_exact(3).map(settings).collect() })
    }
}

impl Extent {
    /// `None` without rows up to the last step asked for.
    pub(super) fn read(
        run: &Run,
        options: &FitOptions,
        last_row: &LastRow,
    ) -> Result<Option<Extent>> {
        let Some(end) = end(run, options, last_row)? else { return Ok(None) };
        let directions = run.info().layout.directions;
        let given = options.stationary_from.or(options.first_step);
        let mut searches: Vec<(u64, WindowSearch)> = Vec::new();
        let search = |first: u64| (first, WindowSearch::new(run, first..end.saturating_add(1)));
        let (mut rows, mut steps, mut settings) = (0, None, Settings::default());
        let (mut basis, mut basis_changed) = (None, None);
        let columns = settings_columns(run);
        run.for_each_row(columns, |[step, values @ ..]| {
            let step = step.unwrap_or_default() as u64;
            // A run that is being written may have grown since its end was looked for.
            if step > end {
                return;
            }
            let first = steps.map_or(step, |(first, _)| first);
            if rows == 0 && directions > 0 {
                searches = given.map_or_else(
                    || beginnings(first, end).map(search).into(),
                    |first| vec![search(first)],
                );
            }
            (rows, steps) = (rows + 1, Some((first, step)));
            let [learning_rate, momentum, weight_decay, batch_size, number] = values;
            let hyperparameters = Hyperparameters { learning_rate, momentum, weight_decay };
            settings.see(step, hyperparameters, batch_size.map(|examples| examples as u64));
            if let Some(number) = number.filter(|_| columns[5] == "basis")
                && *basis.get_or_insert(number) != number
            {
                basis_changed.get_or_insert(step);
            }
            searches.iter_mut().for_each(|(_, search)| search.see(step, values));
        })?;
        let windows =
            searches.into_iter().map(|(first, search)| (first, search.finish())).collect();
        Ok(steps.map(|steps| Extent { rows, steps, settings, basis_changed, windows }))
    }

    /// The window that begins at this step or later; without one, the longest of all.
    pub(super) fn window_from(&self, first_step: Option<u64>) -> Answer<Window> {
        let found = match first_step {
            Some(first_step) => self.windows.iter().find(|(first, _)| *first == first_step),
            None => self.windows.first(),
        };
        found.map_or_else(|| Answer::cannot_say(NO_DIRECTIONS), |(_, window)| window.clone())
    }
}

/// The step of the last row, up to the last step asked for; `None` without rows.
fn end(run: &Run, options: &FitOptions, last_row: &LastRow) -> Result<Option<u64>> {
    let last = options.last_step.unwrap_or(u64::MAX);
    if last_row.step.is_none_or(|step| step <= last) {
        return Ok(last_row.step);
    }
    let mut end = None;
    run.for_each_row(["step"], |[step]| {
        end = step.map(|step| step as u64).filter(|step| *step <= last).or(end)
    })?;
    Ok(end)
}
