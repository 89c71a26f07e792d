//! `perrin fit RUN`.

use std::io::{Write, stdout};
use std::path::PathBuf;

use clap::Args;
use perrin::analysis::RunFit;
use perrin::log::Run;

#[derive(Args)]
pub struct FitArguments {
    /// The run's folder.
    run: PathBuf,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &FitArguments) -> anyhow::Result<()> {
    let fit = RunFit::of(&Run::open(&arguments.run)?)?;
    if arguments.json {
        writeln!(stdout(), "{}", serde_json::to_string_pretty(&fit)?)?;
    } else {
        writeln!(stdout(), "{fit}")?;
    }
    Ok(())
}
