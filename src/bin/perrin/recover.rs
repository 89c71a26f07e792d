//! `perrin recover RUN`.

use std::io::{Write, stdout};
use std::path::PathBuf;

use clap::Args;

#[derive(Args)]
pub struct RecoverArguments {
    /// The run's folder.
    run: PathBuf,
    /// Say that the process that wrote it is gone, where the file system has no lock that tells.
    #[arg(long)]
    force: bool,
}

pub fn run(arguments: &RecoverArguments) -> anyhow::Result<()> {
    if arguments.force {
        perrin::log::declare_abandoned(&arguments.run)?;
    }
    let recovery = perrin::log::recover(&arguments.run)?;
    writeln!(stdout(), "rows recovered {}, journals {}", recovery.rows, recovery.segments)?;
    if recovery.bytes_discarded > 0 {
        writeln!(stdout(), "{} bytes held no whole block of rows", recovery.bytes_discarded)?;
    }
    Ok(())
}
