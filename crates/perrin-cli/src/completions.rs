//! `perrin completions SHELL`.

use clap::{Args, Command};
use clap_complete::Shell;

use crate::output;

#[derive(Args)]
#[command(after_help = "Examples:
  perrin completions bash > ~/.local/share/bash-completion/completions/perrin
  perrin completions zsh > ~/.zfunc/_perrin
  perrin completions fish > ~/.config/fish/completions/perrin.fish")]
pub struct CompletionsArguments {
    /// The shell.
    shell: Shell,
}

pub fn run(arguments: &CompletionsArguments, mut program: Command) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut program, "perrin", &mut script);
    Ok(output::text(String::from_utf8(script)?)?)
}
