//! `perrin recover RUN`.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::{output, runs};

#[derive(Args)]
#[command(after_help = "Example:
  perrin recover runs/digits-1")]
pub struct RecoverArguments {
    /// The run's folder.
    run: PathBuf,
    /// Say that the process that wrote it is gone, where the file system has no lock that tells.
    #[arg(long)]
    force: bool,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
}

/// The answer as JSON.
#[derive(Serialize)]
struct Recovered<'a> {
    run: &'a PathBuf,
    rows: u64,
    journals: u64,
    bytes_discarded: u64,
}

pub fn run(arguments: &RecoverArguments) -> anyhow::Result<()> {
    runs::open(&arguments.run)?;
    if arguments.force {
        perrin::run::declare_abandoned(&arguments.run)?;
    }
    let recovery = perrin::run::recover(&arguments.run)?;
    if arguments.json {
        let perrin::run::Recovery { rows, segments, bytes_discarded } = recovery;
        return output::json(&Recovered {
            run: &arguments.run,
            rows,
            journals: segments,
            bytes_discarded,
        });
    }
    output::line(format_args!("rows recovered {}, journals {}", recovery.rows, recovery.segments))?;
    if recovery.bytes_discarded > 0 {
        output::line(format_args!(
            "{} bytes held no whole block of rows",
            recovery.bytes_discarded
        ))?;
    }
    Ok(())
}
