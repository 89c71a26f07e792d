//! `perrin ls [FOLDER]`.

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;

use clap::Args;
use perrin::printable::{Side, counted, grouped, table};
use perrin::run::{LockedFiles, Overview, Run, find_runs};
use serde::Serialize;

use crate::numbers::{short, size};
use crate::output;

/// Runs are read by so many threads: on a network most of the time is waiting.
const THREADS: usize = 8;

#[derive(Args)]
#[command(after_help = "Examples:
  perrin ls runs
  perrin ls runs --json")]
pub struct LsArguments {
    /// The folder whose runs are listed, those in folders below it too.
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
}

/// The answer as JSON.
#[derive(Serialize)]
struct Listing {
    folder: PathBuf,
    runs: Vec<Entry>,
}

/// A run, or why it cannot be read.
#[derive(Serialize)]
struct Entry {
    run: PathBuf,
    name: String,
    state: &'static str,
    last_step: Option<u64>,
    last_loss: Option<f64>,
    bytes: Option<u64>,
    error: Option<String>,
}

pub fn run(arguments: &LsArguments) -> anyhow::Result<()> {
    let folder = &arguments.folder;
    let runs = find_runs(folder)?;
    let entries = entries(folder, &runs);
    if arguments.json {
        return output::json(&Listing { folder: folder.clone(), runs: entries });
    }
    if entries.is_empty() {
        output::line(format_args!("no runs in {}", folder.display()))?;
        return Ok(());
    }
    let head = [
        ("steps", Side::Right),
        ("state", Side::Left),
        ("loss", Side::Right),
        ("size", Side::Right),
        // Last, so that a long name moves nothing.
        ("run", Side::Left),
    ];
    let row = |entry: &Entry| {
        let or_none = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        [
            or_none(entry.last_step.map(grouped)),
            entry.state.to_owned(),
            or_none(entry.last_loss.map(short)),
            or_none(entry.bytes.map(size)),
            entry.name.clone(),
        ]
    };
    output::text(table(head, &entries.iter().map(row).collect::<Vec<_>>()))?;
    output::line(totals(&entries))?;
    entries.iter().filter_map(|entry| entry.error.as_ref()).for_each(output::tell);
    Ok(())
}

/// Reads the runs, in their order.
fn entries(folder: &Path, runs: &[PathBuf]) -> Vec<Entry> {
    let locked = LockedFiles::now();
    let waiting = Mutex::new(runs.iter().enumerate());
    let read = || {
        let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
        std::iter::from_fn(next)
            .map(|(index, run)| (index, entry(folder, run, &locked)))
            .collect::<Vec<_>>()
    };
    let mut entries: Vec<(usize, Entry)> = thread::scope(|scope| {
        let threads: Vec<_> = (1..THREADS.min(runs.len())).map(|_| scope.spawn(read)).collect();
        let mut all = read();
        for thread in threads {
            all.extend(thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        all
    });
    entries.sort_by_key(|(index, _)| *index);
    entries.into_iter().map(|(_, entry)| entry).collect()
}

fn entry(folder: &Path, run: &Path, locked: &LockedFiles) -> Entry {
    // The folder itself may be a run.
    let below =
        run.strip_prefix(folder).ok().filter(|below| !below.as_os_str().is_empty()).unwrap_or(run);
    let named = Entry {
        run: run.to_owned(),
        name: below.display().to_string(),
        state: "unreadable",
        last_step: None,
        last_loss: None,
        bytes: None,
        error: None,
    };
    match Run::open(run).and_then(|run| run.overview(locked)) {
        Ok(Overview { state, last_step, last_loss, bytes }) => {
            Entry { state: state.name(), last_step, last_loss, bytes: Some(bytes), ..named }
        }
        Err(error) => Entry { error: Some(error.to_string()), ..named },
    }
}

/// How many runs there are, and how many in each state.
fn totals(entries: &[Entry]) -> String {
    let count = |state: &str| entries.iter().filter(|entry| entry.state == state).count();
    let states = ["growing", "finished", "stopped", "killed", "unreadable"];
    let parts =
        states.map(|state| (count(state), state)).into_iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts.map(|(count, state)| format!("{count} {state}")).collect();
    format!("{}: {}", counted(entries.len() as u64, "run"), parts.join(", "))
}
