//! How a [`RunFit`] is made: a run is read, every question is asked of it, and the answers are put into words.

use std::cell::OnceCell;

use super::Answer;
use super::advice::{self, Advice};
use super::curvatures::{Curvatures, unread_summaries};
use super::diffusion::DisplacementPowerLaw;
use super::displacement_noise::{ExponentInterval, Start, Window};
use super::findings::findings;
use super::fit::{FitOptions, RunFit};
use super::health::Health;
use super::intervals::Process;
use super::lags::lag_exponents;
use super::modes::{ModesFit, ModesOptions};
use super::notes::notes;
use super::projections::{Extent, Projections};
use super::row_sums::RowSums;
use super::settings::NO_DIRECTIONS;
use super::stationarity::{Stationarity, beginning, beginning_given, effective_samples};
use crate::error::{Error, Result};
use crate::record::Hyperparameters;
use crate::run::{Follower, Run};

/// Missing rows count as early in the first of so many parts of a run.
const EARLY: u64 = 10;
/// A first step is short if less than this share of the later ones are shorter.
const SHORT: f64 = 0.01;

impl RunFit {
    /// Fits with the default window and without eigenvalues but those in the run's folder.
    ///
    /// # Errors
    /// As [`with`](RunFit::with).
    pub fn of(run: &Run) -> Result<RunFit> {
        RunFit::with(run, &FitOptions::default())
    }

    /// Reads the run for its rows, the columns every run has, the projections, and as [`ModesFit::of`] does: its 32 bytes
    /// a row are all the memory that grows.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for curvatures that are no measurement: a number that is not finite, a density without
    /// weight, lists that do not fit together; [`Error::EmptyRun`] when there are no rows up to the last step; those of
    /// reading: [`Error::Damaged`], [`Error::NewerSchema`], [`Error::Io`].
    pub fn with(run: &Run, options: &FitOptions) -> Result<RunFit> {
        if let Some(given) = &options.curvatures {
            given.check()?;
        }
        let last = options.last_step.unwrap_or(u64::MAX);
        let (mut rows, mut end) = (0, 0);
        run.for_each_row(["step"], |[step]| {
            let step = step.unwrap_or_default() as u64;
            if step <= last {
                (rows, end) = (rows + 1, step);
            }
        })?;
        let Some(base) = RowSums::of(run, options, rows, end)? else {
            return Err(Error::EmptyRun { path: run.path().to_owned() });
        };
        let info = run.info();
        let health = Health::of_run(run)?;
        let not_finite = base.not_finite.reason();
        let rates = base.rates.answer();
        let sgd = base.settings.plain_sgd(&info.optimizer, info.layout.parameter_groups);
        let displacement = base.window.answer();
        let law = displacement.known();
        let (window_first, window_last) = law.map_or(base.steps, |law| (law.first_step, law.last_step));
        let momentum = sgd.as_ref().ok().map(|sgd| sgd.momentum);
        let extent = Extent { rows, first_step: window_first, last_step: window_last, momentum };
        let directions = info.layout.directions;
        let projections = if directions > 0 { Some(Projections::of(run, extent)?) } else { None };
        let curvatures = match &options.curvatures {
            Some(given) => Some(given.clone()),
            None => Curvatures::of_run(run)?,
        };

        let rows_between = |first: u64, last| Window { first: first.max(1), last, every: info.every_steps.max(1) };
        let window = rows_between(window_first, window_last);
        let process = Process {
            window,
            start: start_of(&base, info.every_steps),
            sgd: sgd.clone(),
            weight_decay: base.settings.weight_decay(),
            batch_size: base.settings.batch_size(),
            curvatures: curvatures.as_ref(),
            projections: projections.as_ref(),
            around_zero: OnceCell::new(),
        };
        let (all_rows, early_gap) = (rows_between(base.steps.0, base.steps.1), early_gap(&base));
        let (displacement_all, prefixes) = base.all.answer();
        let projected = match &projections {
            Some(projections) => projections.diffusion.answer(),
            None => Answer::cannot_say(NO_DIRECTIONS),
        };
        let displacement_projected =
            with_interval(projected, |exponent| process.interval_of_projected(window, exponent));
        let speed = base.speed.speed();
        let mut quantities = vec![("local displacement".to_owned(), &base.local), ("loss".to_owned(), &base.loss)];
        let positions = projections.iter().flat_map(|projections| &projections.positions);
        quantities
            .extend(positions.clone().enumerate().map(|(mode, series)| (format!("position {}", mode + 1), series)));
        let stationarity = match &not_finite {
            Some(reason) => Stationarity::nothing(reason, directions),
            None => Stationarity {
                beginning: match options.stationary_from {
                    Some(step) => Answer::Known(beginning_given(&quantities, step, base.steps.0, base.steps.1)),
                    None => beginning(&quantities, base.steps.0, base.steps.1),
                },
                fluctuation_dissipation: base.relation.answer(sgd.clone()),
                modes: positions.map(|position| effective_samples(position, info.every_steps)).collect(),
            },
        };
        let stationary_from = stationarity.beginning.known().and_then(|beginning| beginning.first_step);
        let first_step = options.stationary_from.or(options.first_step).or(stationary_from);
        let of_modes = ModesOptions { first_step, last_step: options.last_step, ..ModesOptions::default() };
        let of_modes = match &curvatures {
            Some(known) => of_modes.with_curvatures(known, directions),
            None => of_modes,
        };
        let modes = match not_finite {
            Some(reason) if directions > 0 => ModesFit::nothing(reason),
            _ => ModesFit::of(run, &of_modes)?,
        };
        // Of a schedule the rate in force now is the one that has to be stable.
        let present = rates.map_or(base.settings, |rates| base.settings.at_rate(rates.present));
        let present = present.plain_sgd(&info.optimizer, info.layout.parameter_groups);
        let mut fit = RunFit {
            run: run.path().to_owned(),
            optimizer: info.optimizer.clone(),
            hyperparameters: info.hyperparameters.first().copied().unwrap_or_default(),
            present_hyperparameters: present_hyperparameters(run)?,
            learning_rates: rates,
            batch_size: info.batch_size,
            rows,
            every_steps: info.every_steps,
            first_step: base.steps.0,
            last_step: base.steps.1,
            state: health.state(),
            elapsed_seconds: base.elapsed.filter(|seconds| seconds.is_finite()),
            window_chosen: [options.first_step, options.last_step, options.stationary_from].iter().any(Option::is_some),
            predicted: process.prediction(&displacement, &base.curve.found, &displacement_projected, &speed),
            displacement: with_interval(displacement, |exponent| process.interval_of_whole(window, exponent)),
            displacement_all: with_interval(displacement_all, |exponent| match early_gap {
                Some(ref reason) => Answer::cannot_say(reason.as_str()),
                None => process.interval_of_whole(all_rows, exponent),
            }),
            prefixes,
            displacement_projected,
            projected_share: projections.as_ref().and_then(Projections::share),
            lags: match &projections {
                Some(Projections { basis_changed: Some(step), .. }) => {
                    Answer::cannot_say(format!("the directions were replaced at step {step}"))
                }
                Some(projections) => {
                    lag_exponents(&projections.lags, directions, info.every_steps, projections.memory_rows())
                }
                None => Answer::cannot_say(
                    "there are no directions, and distances from other points than the reference are not logged",
                ),
            },
            gradient_noise: base.speed.gradient_noise(&info.optimizer, info.layout.parameter_groups),
            advice: Advice {
                stability: advice::stability(present, process.largest_curvature()),
                learning_rate: advice::learning_rate(&stationarity, &speed, rates, health.state()),
                averaging: advice::averaging(&stationarity.modes, rates),
            },
            speed,
            stationarity,
            modes,
            notes: Vec::new(),
            findings: Vec::new(),
        };
        fit.notes = notes(run, &fit, &health)?;
        if options.curvatures.is_none() {
            fit.notes.extend(unread_summaries(run)?);
        }
        fit.findings = findings(&fit, base.settings.are_known(&info.optimizer));
        Ok(fit)
    }
}

/// The settings of every parameter group at the run's last row; without rows, those of `run.json`.
fn present_hyperparameters(run: &Run) -> Result<Vec<Hyperparameters>> {
    let info = run.info();
    let of_group = |group: usize| {
        let names = ["learning_rate", "momentum", "weight_decay"];
        names.map(|name| if group == 0 { name.to_owned() } else { format!("{name}_group_{group}") })
    };
    let columns: Vec<String> = (0..info.layout.parameter_groups).flat_map(of_group).collect();
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut last = None;
    let mut rows = Follower::from_last(run, &columns, 1)?;
    while rows.next_rows(|row| last = Some(row.to_vec()))? > 0 {}
    let Some(last) = last else { return Ok(info.hyperparameters.clone()) };
    let settings = |values: &[Option<f64>]| Hyperparameters {
        learning_rate: values[0],
        momentum: values[1],
        weight_decay: values[2],
    };
    Ok(last.chunks_exact(3).map(settings).collect())
}

/// How the run began, as its first step shows: where hardly any later one is as short there was no momentum behind it yet.
/// Rows of every n-th step have no first step, and n steps on it matters little.
fn start_of(base: &RowSums, every_steps: u64) -> Start {
    let short = base.shorter_than_first().is_some_and(|share| share < SHORT);
    if short && every_steps <= 1 && base.steps.0 == 1 { Start::AtRest } else { Start::Stationary }
}

/// Why there is no interval over all rows where some are missing early on: each of these weighs much on a logarithmic axis.
fn early_gap(base: &RowSums) -> Option<String> {
    let (_, last) = base.steps;
    (base.complete_to < last / EARLY).then(|| {
        format!("rows are missing after step {}, which is early for a fit on logarithmic axes", base.complete_to)
    })
}

fn with_interval(
    mut law: Answer<DisplacementPowerLaw>,
    interval: impl Fn(f64) -> Answer<ExponentInterval>,
) -> Answer<DisplacementPowerLaw> {
    if let Answer::Known(law) = &mut law {
        law.interval = interval(law.exponent);
        law.prefactor_interval = law.prefactor.zip(law.interval.known()).and_then(|(prefactor, interval)| {
            let ends = interval.prefactor_factors.map(|factor| prefactor * factor);
            ends.iter().all(|end| end.is_normal()).then_some(ends)
        });
    }
    law
}
