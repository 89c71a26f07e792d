//! `perrin project RUN --eigenvectors FILE --output RUN`.

use std::path::PathBuf;

use clap::Args;
use perrin::analysis::project;
use perrin::run::Eigenvectors;
use serde::Serialize;

use crate::{output, runs};

#[derive(Args)]
#[command(after_help = "Example:
  perrin project runs/digits-1 --eigenvectors found.safetensors --output runs/digits-1-projected")]
pub struct ProjectArguments {
    /// The run's folder; it must have been asked to keep whole displacements.
    run: PathBuf,
    /// The directions, a safetensors file of perrin's.
    #[arg(long, value_name = "FILE")]
    eigenvectors: PathBuf,
    /// The folder for the run with the new positions and velocities.
    #[arg(long, short, value_name = "RUN")]
    output: PathBuf,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
}

/// The answer as JSON.
#[derive(Serialize)]
struct Projected<'a> {
    run: &'a PathBuf,
    rows: u64,
    projected: u64,
}

pub fn run(arguments: &ProjectArguments) -> anyhow::Result<()> {
    let directions = Eigenvectors::read(&arguments.eigenvectors)?;
    let shown = output::shows_progress();
    let mut progress = |rows| {
        if shown {
            output::progress(format_args!("{rows} rows"));
        }
    };
    let done =
        project(&runs::open(&arguments.run)?, &directions, &arguments.output, &mut progress)?;
    if shown {
        output::progress("");
    }
    if arguments.json {
        return output::json(&Projected {
            run: &arguments.output,
            rows: done.rows,
            projected: done.projected,
        });
    }
    Ok(output::line(format_args!("rows {}, of which projected {}", done.rows, done.projected))?)
}
