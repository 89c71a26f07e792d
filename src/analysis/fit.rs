//! A run's motion, all answers at once: [`RunFit`].

use std::cell::OnceCell;
use std::path::PathBuf;

use serde::Serialize;

use super::Answer;
use super::advice::{self, Advice};
use super::curvatures::{Curvatures, unread_summaries};
use super::diffusion::{DisplacementPowerLaw, PrefixExponent};
use super::displacement::PredictedDisplacement;
use super::displacement_noise::{ExponentInterval, Start, Window};
use super::intervals::Process;
use super::lags::{LagExponents, lag_exponents};
use super::modes::{ModesFit, ModesOptions};
use super::notes::notes;
use super::projections::{Extent, Projections};
use super::row_sums::RowSums;
use super::speed::{GradientNoise, Speed};
use super::stationarity::{Stationarity, beginning, beginning_given, effective_samples};
use crate::error::{Error, Result};
use crate::log::Run;
use crate::record::{Hyperparameters, OptimizerInfo};

/// Missing rows count as early in the first of so many parts of a run.
const EARLY: u64 = 10;
/// A first step is short if less than this share of the later ones are shorter.
const SHORT: f64 = 0.01;

/// What to fit, and what is known besides the log.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FitOptions {
    /// The window begins at this step; without it, after a third of the rows.
    pub first_step: Option<u64>,
    /// The stationary part begins at this step; without it, where the tests say. The modes are fitted from there on, and
    /// the window begins there if nothing else is said and that is later than a third of the rows.
    pub stationary_from: Option<u64>,
    /// The window, and all else, ends at this step; without it, at the last row.
    pub last_step: Option<u64>,
    /// What is known of the Hessian. Without it what the run's folder has is taken; with it nothing of that.
    pub curvatures: Option<Curvatures>,
}

/// What a run's displacements say. `Display` is for people, serde for programs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunFit {
    /// The run's folder.
    pub run: PathBuf,
    /// The optimizer, as far as it is known.
    pub optimizer: OptimizerInfo,
    /// Hyperparameters of the first parameter group, when observation began.
    pub hyperparameters: Hyperparameters,
    /// Examples in a mini-batch, when observation began.
    pub batch_size: Option<u64>,
    /// Rows read.
    pub rows: u64,
    /// Steps between rows, as asked for.
    pub every_steps: u64,
    /// Step of the first row.
    pub first_step: u64,
    /// Step of the last row.
    pub last_step: u64,
    /// Seconds of observation up to the last row; none where that is not finite.
    pub elapsed_seconds: Option<f64>,
    /// Whether the window was chosen by hand; else it is the last two thirds of the rows (the paper's figure 1).
    pub window_chosen: bool,
    /// ||Delta_k||^2 = a k^c over the window.
    pub displacement: Answer<DisplacementPowerLaw>,
    /// The same over all rows, with an interval of its own (the paper's figure 6).
    pub displacement_all: Answer<DisplacementPowerLaw>,
    /// c after each tenth of the rows (the paper's figure 7).
    pub prefixes: Vec<PrefixExponent>,
    /// The part of the displacement along the projections, over the window.
    pub displacement_projected: Answer<DisplacementPowerLaw>,
    /// Share of the squared displacement that is along the projections, over the window.
    pub projected_share: Option<f64>,
    /// The exponent at each lag, over all origins, of the projected part.
    pub lags: Answer<LagExponents>,
    /// Mean of ||delta_k||^2 over the window, by default late enough for the momentum to have built up.
    pub speed: Answer<Speed>,
    /// sigma^2 tr(H) from that mean by eq. 12.
    pub gradient_noise: Answer<GradientNoise>,
    /// Where the stationary part begins, and what is worth how many values.
    pub stationarity: Stationarity,
    /// The displacement that theory expects of the measured eigenvalues.
    pub predicted: Answer<PredictedDisplacement>,
    /// What to do about it.
    pub advice: Advice,
    /// Oscillation, isotropy, equipartition, currents and noise along the directions projected on.
    pub modes: ModesFit,
    /// What else to know when reading these: rows dropped or left out, assumptions that do not hold, changes from outside, a
    /// run that was not closed.
    pub notes: Vec<String>,
}

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
            None => Answer::cannot_say("there are no projections"),
        };
        let displacement_projected =
            with_interval(projected, |exponent| process.interval_of_projected(window, exponent));
        let speed = base.speed.speed();
        let mut quantities = vec![("local displacement".to_owned(), &base.local), ("loss".to_owned(), &base.loss)];
        let positions = projections.iter().flat_map(|projections| &projections.positions);
        quantities
            .extend(positions.clone().enumerate().map(|(mode, series)| (format!("position {}", mode + 1), series)));
        let stationarity = Stationarity {
            beginning: match options.stationary_from {
                Some(step) => Answer::Known(beginning_given(&quantities, step, base.steps.0, base.steps.1)),
                None => beginning(&quantities, base.steps.0, base.steps.1),
            },
            fluctuation_dissipation: base.relation.answer(sgd.clone()),
            modes: positions.map(|position| effective_samples(position, info.every_steps)).collect(),
        };
        let stationary_from = stationarity.beginning.known().and_then(|beginning| beginning.first_step);
        let first_step = options.stationary_from.or(options.first_step).or(stationary_from);
        let of_modes = ModesOptions { first_step, last_step: options.last_step, ..ModesOptions::default() };
        let of_modes = match &curvatures {
            Some(known) => of_modes.with_curvatures(known, directions),
            None => of_modes,
        };
        let modes = ModesFit::of(run, &of_modes)?;
        let mut fit = RunFit {
            run: run.path().to_owned(),
            optimizer: info.optimizer.clone(),
            hyperparameters: info.hyperparameters.first().copied().unwrap_or_default(),
            batch_size: info.batch_size,
            rows,
            every_steps: info.every_steps,
            first_step: base.steps.0,
            last_step: base.steps.1,
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
                    "there are no projections, and distances from other points than the reference are not logged",
                ),
            },
            gradient_noise: base.speed.gradient_noise(&info.optimizer, info.layout.parameter_groups),
            advice: Advice {
                stability: advice::stability(sgd, process.largest_curvature()),
                learning_rate: advice::learning_rate(&stationarity, &speed),
                averaging: advice::averaging(&stationarity.modes),
            },
            speed,
            stationarity,
            modes,
            notes: Vec::new(),
        };
        fit.notes = notes(run, &fit)?;
        if options.curvatures.is_none() {
            fit.notes.extend(unread_summaries(run)?);
        }
        Ok(fit)
    }
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
