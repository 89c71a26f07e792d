//! `perrin check RUN`.

use std::io::{Write, stdout};
use std::path::PathBuf;

use clap::Args;

#[derive(Args)]
pub struct CheckArguments {
    /// The run's folder.
    run: PathBuf,
}

pub fn run(arguments: &CheckArguments) -> anyhow::Result<()> {
    let check = perrin::log::check(&arguments.run)?;
    for finding in check.damage.iter().chain(&check.notes) {
        writeln!(stdout(), "{finding}")?;
    }
    writeln!(stdout(), "rows {}, segments {}, journals {}", check.rows, check.segments, check.journals)?;
    let damage = check.damage.len();
    anyhow::ensure!(damage == 0, "{} is damaged: see the {damage} findings above", arguments.run.display());
    Ok(())
}
