//! `perrin project RUN --eigenvectors FILE --output RUN`.

use std::io::{IsTerminal, Write, stderr, stdout};
use std::path::PathBuf;

use clap::Args;
use perrin::analysis::project;
use perrin::log::Run;
use perrin::log::eigenvectors::Eigenvectors;

#[derive(Args)]
pub struct ProjectArguments {
    /// The run's folder; it must have been asked to keep whole displacements.
    run: PathBuf,
    /// The directions, a safetensors file of perrin's.
    #[arg(long, value_name = "FILE")]
    eigenvectors: PathBuf,
    /// The folder for the run with the new positions and velocities.
    #[arg(long, short, value_name = "RUN")]
    output: PathBuf,
}

pub fn run(arguments: &ProjectArguments) -> anyhow::Result<()> {
    let directions = Eigenvectors::read(&arguments.eigenvectors)?;
    let shown = stderr().is_terminal();
    let mut progress = |rows| {
        if shown {
            eprint!("\r{rows} rows");
        }
    };
    let done = project(&Run::open(&arguments.run)?, &directions, &arguments.output, &mut progress)?;
    if shown {
        eprintln!();
    }
    writeln!(stdout(), "rows {}, of which projected {}", done.rows, done.projected)?;
    Ok(())
}
