//! `perrin recover RUN`.

use std::io::{Write, stdout};
use std::path::PathBuf;

use clap::Args;

#[derive(Args)]
pub struct RecoverArguments {
    /// The run's folder.
    run: PathBuf,
}

pub fn run(arguments: &RecoverArguments) -> anyhow::Result<()> {
    let recovery = perrin::log::recover(&arguments.run)?;
    writeln!(stdout(), "rows recovered {}, journals {}", recovery.rows, recovery.segments)?;
    if recovery.bytes_discarded > 0 {
        writeln!(stdout(), "{} bytes held no whole block of rows", recovery.bytes_discarded)?;
    }
    Ok(())
}
