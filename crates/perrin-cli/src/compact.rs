//! `perrin compact RUN [RUN...]`.

use std::path::{Path, PathBuf};

use clap::Args;
use perrin::run::Encoding;
use serde::Serialize;

use crate::{output, runs};

#[derive(Args)]
#[command(after_help = "Examples:
  perrin compact runs/digits-1
  perrin compact runs/*")]
pub struct CompactArguments {
    /// The runs' folders.
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Say that the processes that wrote them are gone, where a file system has no lock that tells.
    #[arg(long)]
    force: bool,
    /// Write plain encodings, for readers that do not know BYTE_STREAM_SPLIT (Spark before 4.3,
    /// fastparquet): larger files.
    #[arg(long)]
    portable: bool,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
}

/// The answer as JSON.
#[derive(Serialize)]
struct Compacted<'a> {
    runs: Vec<CompactedRun<'a>>,
}

/// What was done to a run.
#[derive(Serialize)]
struct CompactedRun<'a> {
    run: &'a Path,
    rows: u64,
    segments_before: u64,
    segments_after: u64,
    bytes_before: u64,
    bytes_after: u64,
}

pub fn run(arguments: &CompactArguments) -> anyhow::Result<()> {
    let encoding = if arguments.portable { Encoding::Portable } else { Encoding::Small };
    let runs = runs::among(&arguments.runs)?;
    let mut all = Compacted { runs: Vec::new() };
    for run in &runs {
        let free = if arguments.force { perrin::run::declare_abandoned(run) } else { Ok(()) };
        match free.and_then(|()| perrin::run::compact_as(encoding, run)) {
            Ok(done) => {
                let perrin::run::Compaction {
                    rows,
                    segments_before,
                    segments_after,
                    bytes_before,
                    bytes_after,
                } = done;
                if !arguments.json {
                    output::line(format_args!(
                        "{}: rows {rows}, segments {segments_before} to {segments_after}, bytes {bytes_before} to \
                         {bytes_after}",
                        run.display()
                    ))?;
                }
                all.runs.push(CompactedRun {
                    run,
                    rows,
                    segments_before,
                    segments_after,
                    bytes_before,
                    bytes_after,
                });
            }
            Err(error) => output::tell(error),
        }
    }
    if arguments.json {
        output::json(&all)?;
    }
    let failed = runs.len() - all.runs.len();
    anyhow::ensure!(failed == 0, "{failed} of {} runs could not be merged: see above", runs.len());
    Ok(())
}
