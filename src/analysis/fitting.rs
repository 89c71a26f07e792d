//! How a [`RunFit`] is made: a run is read, every question is asked of it, and the answers are put
//! into words.

use std::cell::OnceCell;

use super::Answer;
use super::advice::{self, Advice};
use super::diffusion::DisplacementPowerLaw;
use super::displacement_noise::{ExponentInterval, Start, Window};
use super::findings::findings;
use super::fit::{FitOptions, RunFit};
use super::inputs::Inputs;
use super::inputs::projections::Projections;
use super::intervals::Process;
use super::lags::{LagExponents, lag_exponents};
use super::learning_rates::LearningRates;
use super::modes::ModesFit;
use super::notes::notes;
use super::settings::NO_DIRECTIONS;
use super::speed::Speed;
use super::stationarity::{Stationarity, beginning, beginning_given, effective_samples};
use crate::error::{Error, Result};
use crate::run::Run;

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

    /// Reads the run three times, however many directions it has: for its settings, for all
    /// columns, and for the rows of the modes' window. Memory does not grow with the rows.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for curvatures that are no measurement: a number that is not finite,
    /// a density without weight, lists that do not fit together; [`Error::EmptyRun`] when there are
    /// no rows up to the last step; those of reading: [`Error::Damaged`], [`Error::NewerSchema`],
    /// [`Error::Io`].
    pub fn with(run: &Run, options: &FitOptions) -> Result<RunFit> {
        if let Some(given) = &options.curvatures {
            given.check()?;
        }
        let Some(inputs) = Inputs::read(run, options)? else {
            return Err(Error::EmptyRun { path: run.path().to_owned() });
        };
        let (info, rows, extent) = (&inputs.info, &inputs.rows, &inputs.extent);
        let stationarity = stationarity(&inputs, options);
        let modes = modes(run, &inputs, options, &stationarity)?;
        let process = process(&inputs);
        let displacement = rows.window.answer();
        let (displacement_all, prefixes) = rows.all.clone().answer();
        let displacement_projected = displacement_projected(&inputs, &process);
        let (speed, rates) = (rows.speed.speed(), rows.rates.answer());
        let mut fit = RunFit {
            run: run.path().to_owned(),
            optimizer: info.optimizer.clone(),
            hyperparameters: info.hyperparameters.first().copied().unwrap_or_default(),
            present_hyperparameters: inputs.present_hyperparameters.clone(),
            learning_rates: rates,
            batch_size: info.batch_size,
            rows: extent.rows,
            every_steps: info.every_steps,
            first_step: extent.steps.0,
            last_step: extent.steps.1,
            state: inputs.health.state(),
            elapsed_seconds: rows.elapsed.filter(|seconds| seconds.is_finite()),
            window_chosen: [options.first_step, options.last_step, options.stationary_from]
                .iter()
                .any(Option::is_some),
            predicted: process.prediction(
                &displacement,
                &rows.curve.found,
                &displacement_projected,
                &speed,
            ),
            displacement: with_interval(displacement, |exponent| {
                process.interval_of_whole(process.window, exponent)
            }),
            displacement_all: displacement_of_all_rows(displacement_all, &inputs, &process),
            prefixes,
            displacement_projected,
            projected_share: inputs.projections.as_ref().and_then(Projections::share),
            lags: lags(&inputs),
            gradient_noise: rows
                .speed
                .gradient_noise(&info.optimizer, info.layout.parameter_groups),
            advice: advice(&inputs, &process, &stationarity, &speed, rates),
            speed,
            stationarity,
            modes,
            notes: Vec::new(),
            findings: Vec::new(),
        };
        fit.notes = notes(&fit, &inputs);
        fit.findings = findings(&fit, &inputs);
        Ok(fit)
    }
}

/// Whether, and from where on, the rows are stationary.
fn stationarity(inputs: &Inputs, options: &FitOptions) -> Stationarity {
    let (rows, (first_step, last_step)) = (&inputs.rows, inputs.extent.steps);
    if let Some(reason) = rows.not_finite.reason() {
        return Stationarity::nothing(&reason, inputs.info.layout.directions);
    }
    let positions = inputs.projections.iter().flat_map(|projections| &projections.positions);
    let mut quantities =
        vec![("local displacement".to_owned(), &rows.local), ("loss".to_owned(), &rows.loss)];
    quantities.extend(
        (1..).zip(positions.clone()).map(|(mode, series)| (format!("position {mode}"), series)),
    );
    Stationarity {
        beginning: match options.stationary_from {
            Some(step) => Answer::Known(beginning_given(&quantities, step, first_step, last_step)),
            None => beginning(&quantities, first_step, last_step),
        },
        fluctuation_dissipation: rows.relation.answer(inputs.sgd()),
        modes: positions
            .map(|position| effective_samples(position, inputs.info.every_steps))
            .collect(),
    }
}

/// The modes from where they are stationary, or from where they are asked for; this reads their
/// rows once more.
fn modes(
    run: &Run,
    inputs: &Inputs,
    options: &FitOptions,
    stationarity: &Stationarity,
) -> Result<ModesFit> {
    match inputs.rows.not_finite.reason() {
        Some(reason) if inputs.projections.is_some() => Ok(ModesFit::nothing(reason)),
        _ => {
            let stationary_from =
                stationarity.beginning.known().and_then(|beginning| beginning.first_step);
            inputs
                .read_modes(run, options.stationary_from.or(options.first_step).or(stationary_from))
        }
    }
}

/// What is known of the process that made the rows.
fn process(inputs: &Inputs) -> Process<'_> {
    let (first, last) = match inputs.rows.window.answer().known() {
        Some(law) => (law.first_step, law.last_step),
        None => inputs.extent.steps,
    };
    let settings = &inputs.extent.settings;
    Process {
        window: rows_between(inputs, first, last),
        start: start_of(inputs),
        sgd: inputs.sgd(),
        weight_decay: settings.weight_decay(),
        batch_size: settings.batch_size(),
        curvatures: inputs.curvatures.as_ref(),
        projections: inputs.projections.as_ref(),
        around_zero: OnceCell::new(),
    }
}

fn rows_between(inputs: &Inputs, first: u64, last: u64) -> Window {
    Window { first: first.max(1), last, every: inputs.info.every_steps.max(1) }
}

/// The power law along the directions, over the window.
fn displacement_projected(inputs: &Inputs, process: &Process) -> Answer<DisplacementPowerLaw> {
    let Some(projections) = &inputs.projections else { return Answer::cannot_say(NO_DIRECTIONS) };
    let law = projections.together.diffusion.answer();
    with_interval(law, |exponent| process.interval_of_projected(process.window, exponent))
}

/// The power law over all rows. There is no interval where some are missing early on: each of these
/// weighs much on a logarithmic axis.
fn displacement_of_all_rows(
    law: Answer<DisplacementPowerLaw>,
    inputs: &Inputs,
    process: &Process,
) -> Answer<DisplacementPowerLaw> {
    let ((first, last), complete_to) = (inputs.extent.steps, inputs.rows.complete_to);
    with_interval(law, |exponent| {
        if complete_to < last / EARLY {
            return Answer::cannot_say(format!(
                "rows are missing after step {complete_to}, which is early for a fit on logarithmic axes"
            ));
        }
        process.interval_of_whole(rows_between(inputs, first, last), exponent)
    })
}

/// The exponent at each lag, along the directions.
fn lags(inputs: &Inputs) -> Answer<LagExponents> {
    let info = &inputs.info;
    match &inputs.projections {
        Some(Projections { basis_changed: Some(step), .. }) => {
            Answer::cannot_say(format!("the directions were replaced at step {step}"))
        }
        Some(found) => lag_exponents(
            &found.lags,
            info.layout.directions,
            info.every_steps,
            found.memory_rows(),
        ),
        None => Answer::cannot_say(
            "there are no directions, and distances from other points than the reference are not logged",
        ),
    }
}

/// What to do about it. Of a schedule the rate in force now is the one that has to be stable.
fn advice(
    inputs: &Inputs,
    process: &Process,
    stationarity: &Stationarity,
    speed: &Answer<Speed>,
    rates: Option<LearningRates>,
) -> Advice {
    let (info, settings) = (&inputs.info, inputs.extent.settings);
    let present = rates.map_or(settings, |rates| settings.at_rate(rates.present));
    let present = present.plain_sgd(&info.optimizer, info.layout.parameter_groups);
    Advice {
        stability: advice::stability(present, process.largest_curvature()),
        learning_rate: advice::learning_rate(stationarity, speed, rates, inputs.health.state()),
        averaging: advice::averaging(&stationarity.modes, rates),
    }
}

/// How the run began, as its first step shows: where hardly any later one is as short there was no
/// momentum behind it yet. Rows of every n-th step have no first step, and n steps on it matters
/// little.
fn start_of(inputs: &Inputs) -> Start {
    let short = inputs.rows.shorter_than_first().is_some_and(|share| share < SHORT);
    if short && inputs.info.every_steps <= 1 && inputs.extent.steps.0 == 1 {
        Start::AtRest
    } else {
        Start::Stationary
    }
}

fn with_interval(
    mut law: Answer<DisplacementPowerLaw>,
    interval: impl Fn(f64) -> Answer<ExponentInterval>,
) -> Answer<DisplacementPowerLaw> {
    if let Answer::Known(law) = &mut law {
        law.interval = interval(law.exponent);
        law.prefactor_interval =
            law.prefactor.zip(law.interval.known()).and_then(|(prefactor, interval)| {
                let ends = interval.prefactor_factors.map(|factor| prefactor * factor);
                ends.iter().all(|end| end.is_normal()).then_some(ends)
            });
    }
    law
}
