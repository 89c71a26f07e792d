//! `perrin fit RUN`.

use std::path::PathBuf;

use clap::Args;

#[derive(Args)]
pub struct FitArguments {
    /// The run's folder.
    run: PathBuf,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &FitArguments) -> anyhow::Result<()> {
    anyhow::bail!("{}: nothing to fit with yet ({})", arguments.run.display(), arguments.json)
}
