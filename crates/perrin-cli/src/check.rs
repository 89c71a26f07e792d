//! `perrin check RUN [RUN...]`.

use std::path::{Path, PathBuf};

use clap::Args;
use perrin::printable::{Side, grouped, table};
use perrin::run::{Check, Finding, Good};
use serde::Serialize;

use crate::{output, runs};

#[derive(Args)]
#[command(after_help = "Examples:
  perrin check runs/digits-1
  perrin check runs/* --json")]
pub struct CheckArguments {
    /// The runs' folders.
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
}

/// The answer as JSON.
#[derive(Serialize)]
struct Checked<'a> {
    runs: Vec<CheckedRun<'a>>,
}

/// What was found of a run.
#[derive(Serialize)]
struct CheckedRun<'a> {
    run: &'a Path,
    rows: u64,
    rows_dropped: u64,
    segments: u64,
    journals: u64,
    good: Vec<GoodFiles>,
    damage: Vec<Found>,
    notes: Vec<Found>,
}

/// Files that are as they were written.
#[derive(Serialize)]
struct GoodFiles {
    kind: &'static str,
    files: u64,
    entries: u64,
    checksums: bool,
}

#[derive(Serialize)]
struct Found {
    path: PathBuf,
    row: Option<u64>,
    what: String,
}

pub fn run(arguments: &CheckArguments) -> anyhow::Result<()> {
    let runs = runs::among(&arguments.runs)?;
    let mut checked = Vec::new();
    let (mut damaged, mut findings) = (Vec::new(), 0);
    for run in &runs {
        let check = match perrin::run::check(run) {
            Ok(check) => check,
            Err(error) if runs.len() > 1 => {
                output::tell(&error);
                damaged.push(*run);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if !check.damage.is_empty() {
            damaged.push(*run);
            findings += check.damage.len();
        }
        if arguments.json {
            checked.push(of(run, check));
        } else {
            if runs.len() > 1 {
                output::line(run.display())?;
            }
            tell(&check)?;
        }
    }
    if arguments.json {
        output::json(&Checked { runs: checked })?;
    }
    match damaged[..] {
        [] => Ok(()),
        [run] if runs.len() == 1 => {
            anyhow::bail!("{} is damaged: see the {findings} findings above", run.display())
        }
        _ => anyhow::bail!("{} of {} runs are damaged: see above", damaged.len(), runs.len()),
    }
}

fn tell(check: &Check) -> anyhow::Result<()> {
    for finding in check.damage.iter().chain(&check.notes) {
        output::line(finding)?;
    }
    let good = |good: &Good| {
        let checksums = if good.checksums { "fit" } else { "none" };
        [good.kind.to_owned(), grouped(good.files), grouped(good.entries), checksums.to_owned()]
    };
    let head = [
        ("good", Side::Left),
        ("files", Side::Right),
        ("entries", Side::Right),
        ("checksums", Side::Left),
    ];
    output::text(table(head, &check.good.iter().map(good).collect::<Vec<_>>()))?;
    let Check { rows, rows_dropped, segments, journals, .. } = check;
    let dropped =
        if *rows_dropped > 0 { format!(", dropped {rows_dropped}") } else { String::new() };
    Ok(output::line(format_args!(
        "rows {rows}{dropped}, segments {segments}, journals {journals}"
    ))?)
}

fn of(run: &Path, check: Check) -> CheckedRun<'_> {
    let found = |findings: Vec<Finding>| {
        findings.into_iter().map(|Finding { path, row, what }| Found { path, row, what }).collect()
    };
    let good = check.good.iter().map(|&Good { kind, files, entries, checksums }| GoodFiles {
        kind,
        files,
        entries,
        checksums,
    });
    let good = good.collect();
    let Check { rows, rows_dropped, segments, journals, damage, notes, .. } = check;
    CheckedRun {
        run,
        rows,
        rows_dropped,
        segments,
        journals,
        good,
        damage: found(damage),
        notes: found(notes),
    }
}
