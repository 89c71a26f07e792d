//! Taking up a run again, in another process: what must fit, what is given back, and which rows go.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::error::{Error, Result};
use crate::record::{Event, EventKind, Hyperparameters, ParameterInfo, RunInfo, StepRecord};
use crate::run::artefacts::deltas::bound_deltas;
use crate::run::artefacts::joined::{Joined, joined, read_events_of_joining, read_joined};
use crate::run::artefacts::landscape::next_landscape;
use crate::run::artefacts::reference::{Reference, read_reference};
use crate::run::differences::NOT_THE_RUNS;
use crate::run::differences::parameter_differences;
use crate::run::events::EventWriter;
use crate::run::info::open_run;
use crate::run::lock::RunLock;
use crate::run::maintain::recovery::{Recovery, recover_locked};
use crate::run::maintain::tail::Tail;
use crate::run::schema::{rows_from_batch, steps_schema};
use crate::run::storage::{Disk, Storage};
use crate::run::writing::place::LogTotals;
use crate::run::writing::writer::RunWriter;

/// Where a run is taken up again. The default: after its last row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ResumeFrom {
    /// The optimizer step after which training goes on: that of the checkpoint it starts from.
    /// `None` is the step of the log's last row; state it where rows are made of every Nth step
    /// only, or may have been lost with the process.
    pub step: Option<u64>,
    /// Whether rows later than `step` are to be removed: those of steps that are going to be taken
    /// once more. Without this such rows are an error, because nothing brings them back.
    pub discard_later_rows: bool,
}

/// What a training program needs to go on where a run ended.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Resumed {
    /// The run as `run.json` describes it.
    pub info: RunInfo,
    /// Step after which training goes on; the next row's is larger.
    pub step: u64,
    /// The log's last row, unless it has none; with its epoch, and the displacement that the
    /// parameters should have.
    pub last_row: Option<StepRecord>,
    /// Hyperparameters of every parameter group at that row; without rows, those of `run.json`.
    pub hyperparameters: Vec<Hyperparameters>,
    /// Positions, then velocities, along the directions at that row; empty without rows or
    /// directions.
    pub projections: Vec<Option<f64>>,
    /// `elapsed_seconds` of that row, from which the resumed run counts on.
    pub elapsed: Duration,
    /// Where displacements are measured from: the parameters of `info`, then those that joined the
    /// run until `step`, as far as their reference points were kept.
    pub reference: Reference,
    /// Parameters that had joined at steps the run does not have any more, by name: they join anew.
    pub joining: Vec<String>,
    /// What a killed process had left, made whole.
    pub recovery: Recovery,
    /// Rows removed because they were later than `step`.
    pub rows_discarded: u64,
    /// What is in the log now.
    pub totals: LogTotals,
}

impl RunWriter {
    /// Takes up a run again: recovers what a killed process left, compares the run to `info`, and
    /// goes on after the last segment. Nothing is changed unless the run fits. A `resumed` event
    /// tells of it.
    ///
    /// Of `info`, the parameters (names, shapes and kinds, and their order, which is that of the
    /// elements of a direction), the layout and `every_steps` must be those of the run; `run.json`
    /// stays as it is. A run goes on in the schema version it was begun with.
    ///
    /// Parameters that joined until the step that it goes on after are the run's, after those of
    /// `run.json` and in the order in which they joined. Parameters that joined later may be there
    /// too; they are [`Resumed::joining`].
    ///
    /// Discarding later rows goes from the end: interrupted, it leaves a log that ends somewhere
    /// between the step asked for and the end, and can be asked for again. A program that reads the
    /// run meanwhile may have to read again.
    ///
    /// # Errors
    /// [`Error::NoSuchRun`], [`Error::RunLocked`], [`Error::RunGrows`], [`Error::ResumeMismatch`]
    /// naming every difference, [`Error::RowsAfterResume`]; [`Error::Damaged`] and
    /// [`Error::NewerSchema`] for a log or a reference point that is not as it was written;
    /// [`Error::Io`].
    pub fn resume(
        directory: impl AsRef<Path>,
        info: &RunInfo,
        from: ResumeFrom,
    ) -> Result<(RunWriter, Resumed)> {
        RunWriter::resume_on(Arc::new(Disk), directory, info, from)
    }

    /// [`resume`](RunWriter::resume) on a storage of the caller's.
    pub fn resume_on(
        storage: Arc<dyn Storage>,
        directory: impl AsRef<Path>,
        info: &RunInfo,
        from: ResumeFrom,
    ) -> Result<(RunWriter, Resumed)> {
        let (folder, stored) = open_run(directory)?;
        let mut lock = RunLock::open(&*storage, &folder)?;
        let mismatch = |differences: Vec<String>| {
            let path = folder.root.clone();
            let differences = differences.join("; ");
            if differences.is_empty() {
                Ok(())
            } else {
                Err(Error::ResumeMismatch { path, differences })
            }
        };
        let events = read_events_of_joining(&folder)?;
        // Which of those that ever joined have to be there is not known before the step is.
        let first =
            info.parameters.iter().filter(|parameter| !has_ever_joined(&events, &parameter.name));
        mismatch(differences(
            &stored,
            &RunInfo { parameters: first.cloned().collect(), ..info.clone() },
        ))?;
        let schema = steps_schema(stored.layout)?;
        let mut reference = read_reference(&folder, &stored)?;

        lock.claim(&*storage)?;
        let recovery = recover_locked(&*storage, &folder, &schema, &stored)?;
        let mut tail = Tail::open(&folder, &schema)?;
        let last_step = tail.last_step();
        let step = from.step.or(last_step).unwrap_or(0);
        let later = tail.rows_after(step)?;
        match last_step {
            Some(last_step) if later > 0 && !from.discard_later_rows => {
                return Err(Error::RowsAfterResume { path: folder.root, step, last_step });
            }
            _ => {}
        }
        let joined: Vec<Joined> =
            joined(&events).into_iter().filter(|joined| joined.step <= step).collect();
        let kept = read_joined(&folder, &joined)?;
        let (parameters, joining) = with_joined(&stored, info, &joined, &kept);
        mismatch(parameter_differences(&parameters, &without(&info.parameters, &joining)))?;
        reference.append(kept);
        let last_row =
            tail.last_row(step)?.map(|batch| rows_from_batch(stored.layout, &batch)).transpose()?;
        let last_record = last_row.as_ref().and_then(|rows| rows.records.first().copied());
        let elapsed_seconds = last_record.map_or(0.0, |row| row.elapsed_seconds);

        // Told before rows go: a discarding that is interrupted is told, and told again when it is
        // done again.
        let kind = EventKind::Resumed {
            last_step,
            rows_discarded: later,
            next_landscape: Some(next_landscape(&folder)?),
            time: Some(humantime::format_rfc3339_seconds(SystemTime::now()).to_string()),
        };
        let event = Event { step: step.saturating_add(1), elapsed_seconds, kind };
        EventWriter::open(&*storage, &folder.events())?.append(&event)?;
        tail.discard_after(&*storage, step, &stored)?;
        bound_deltas(&*storage, &folder, step)?;
        let (number, totals) = (tail.next_number(), tail.totals());
        let mut writer =
            RunWriter::from_number(storage, folder, stored.clone(), schema, lock, number, totals);
        writer.begin(step, elapsed_seconds)?;
        let resumed = Resumed {
            step,
            last_row: last_record,
            hyperparameters: match (&last_row, last_record) {
                (Some(rows), Some(row)) => [row.hyperparameters]
                    .into_iter()
                    .chain(rows.group_hyperparameters.iter().copied())
                    .collect(),
                _ => stored.hyperparameters.clone(),
            },
            projections: last_row.map(|rows| rows.projections).unwrap_or_default(),
            elapsed: Duration::try_from_secs_f64(elapsed_seconds).unwrap_or_default(),
            reference,
            joining,
            recovery,
            rows_discarded: later,
            totals,
            info: stored,
        };
        Ok((writer, resumed))
    }
}

fn has_ever_joined(events: &[Event], name: &str) -> bool {
    events.iter().any(|event| match &event.kind {
        EventKind::ParametersAdded { parameters } => parameters.iter().any(|added| added == name),
        _ => false,
    })
}

/// The parameters of a run with those that have joined it, as they were; and which of `now` are
/// neither. Of what was not kept of a parameter that joined, anything will do.
fn with_joined(
    run: &RunInfo,
    now: &RunInfo,
    joined: &[Joined],
    kept: &Reference,
) -> (Vec<ParameterInfo>, Vec<String>) {
    let mut parameters = run.parameters.clone();
    for Joined { name, .. } in joined {
        let is_it = |parameter: &&ParameterInfo| parameter.name == *name;
        let unknown = || ParameterInfo { name: name.clone(), ..ParameterInfo::default() };
        let found = kept.parameters().find(is_it).or_else(|| now.parameters.iter().find(is_it));
        parameters.push(found.cloned().unwrap_or_else(unknown));
    }
    let is_new = |is: &&ParameterInfo| !parameters.iter().any(|was| was.name == is.name);
    let joining =
        now.parameters.iter().filter(is_new).map(|parameter| parameter.name.clone()).collect();
    (parameters, joining)
}

fn without(parameters: &[ParameterInfo], names: &[String]) -> Vec<ParameterInfo> {
    parameters.iter().filter(|parameter| !names.contains(&parameter.name)).cloned().collect()
}

/// What of a run is not as in what wants to go on with it, each as a phrase.
fn differences(run: &RunInfo, now: &RunInfo) -> Vec<String> {
    let mut differences = Vec::new();
    let mut number = |name: &str, run: u64, now: u64| {
        if run != now {
            differences.push(format!("{name} was {run} and is {now}"));
        }
    };
    number("every_steps", run.every_steps, now.every_steps);
    number(
        "the number of parameter groups",
        run.layout.parameter_groups as u64,
        now.layout.parameter_groups as u64,
    );
    number("the number of directions", run.layout.directions as u64, now.layout.directions as u64);

    let of_parameters = parameter_differences(&run.parameters, &now.parameters);
    let join = |difference: String| match difference.starts_with(NOT_THE_RUNS) {
        true => format!("{difference} (what is made after resuming joins it)"),
        false => difference,
    };
    differences.extend(of_parameters.into_iter().map(join));
    differences
}
