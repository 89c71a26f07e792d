//! `perrin man [COMMAND]`.

use anyhow::Context;
use clap::{Args, Command};

use crate::output;

#[derive(Args)]
#[command(after_help = "Examples:
  perrin man | man -l -
  perrin man fit > perrin-fit.1")]
pub struct ManArguments {
    /// The command whose page is written [default: the program's].
    command: Option<String>,
}

pub fn run(arguments: &ManArguments, mut program: Command) -> anyhow::Result<()> {
    // Makes the commands' full names.
    program.build();
    let command = match &arguments.command {
        None => program,
        Some(name) => {
            let found = program.find_subcommand(name).cloned();
            found.with_context(|| {
                format!("there is no command {name}: `perrin --help` lists them")
            })?
        }
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    Ok(output::text(String::from_utf8(page)?)?)
}
