//! The `perrin` program: options in, one library call, text or JSON out.

mod check;
mod compact;
mod completions;
mod fit;
mod ls;
mod man;
mod numbers;
mod output;
mod predict;
mod project;
mod recover;
mod report;
mod runs;
mod sweep;
mod watch;

use std::io;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use perrin::printable;

#[derive(Parser)]
#[command(
    name = "perrin",
    version,
    about = "Reads the logs of observed training runs and fits them to theory.",
    after_help = "Examples:
  perrin ls runs
  perrin watch runs/digits-1
  perrin fit runs/digits-1
  perrin report runs/digits-1
  perrin help fit"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the runs in a folder: steps, state, loss, size.
    #[command(visible_alias = "list")]
    Ls(ls::LsArguments),
    /// Show a running or finished run in the terminal, as it grows.
    Watch(watch::WatchArguments),
    /// Fit a run: diffusion exponent, speed, stationarity, predicted displacement, advice.
    Fit(fit::FitArguments),
    /// Write one HTML page with findings and figures of one run, or of several compared.
    Report(report::ReportArguments),
    /// Compare runs: speeds and exponents against what theory predicts from the first.
    Sweep(sweep::SweepArguments),
    /// Verify a run's files: checksums, schema, order of rows. Fails where there is damage, and
    /// names it.
    Check(check::CheckArguments),
    /// Make finished segments of what a killed process left behind.
    Recover(recover::RecoverArguments),
    /// Merge the segments of runs that are not being written into large ones.
    Compact(compact::CompactArguments),
    /// Project a run that kept whole displacements on vectors found later.
    Project(project::ProjectArguments),
    /// Predict covariances, correlations and displacements from hyperparameters and Hessian
    /// eigenvalues.
    Predict(predict::PredictArguments),
    /// Write the completions of a shell.
    Completions(completions::CompletionsArguments),
    /// Write a manual page.
    Man(man::ManArguments),
}

fn main() -> ExitCode {
    let command = match Arguments::try_parse() {
        Ok(arguments) => arguments.command,
        Err(error) => return refused(error),
    };
    let outcome = match command {
        Command::Ls(arguments) => ls::run(&arguments),
        Command::Watch(arguments) => watch::run(&arguments),
        Command::Fit(arguments) => fit::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Sweep(arguments) => sweep::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Recover(arguments) => recover::run(&arguments),
        Command::Compact(arguments) => compact::run(&arguments),
        Command::Project(arguments) => project::run(&arguments),
        Command::Predict(arguments) => predict::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments, Arguments::command()),
        Command::Man(arguments) => man::run(&arguments, Arguments::command()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // `perrin fit RUN | head -1`: the reader has what it wanted.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::tell(format_args!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Arguments that are none of ours, or a question for help.
fn refused(error: clap::Error) -> ExitCode {
    let status = ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
    if error.use_stderr() {
        // Arguments may be names from anywhere, as in `perrin fit runs/*`: said again with clean
        // ones.
        let clean = std::env::args_os()
            .map(|argument| printable::line(&argument.to_string_lossy()).into_owned());
        let said = Arguments::try_parse_from(clean).err().unwrap_or(error);
        output::usage(said.render());
    } else {
        // A reader that is gone is no reason to fail.
        let _ = error.print();
    }
    status
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of a help text that are commands, up to the first redirection or pipe.
    fn examples(help: &str) -> Vec<Vec<String>> {
        let commands =
            help.split("\n  ").filter_map(|line| line.find("perrin ").map(|start| &line[start..]));
        let words = |line: &str| {
            line.split_whitespace()
                .take_while(|word| !["|", ">", "<"].contains(word))
                .map(str::to_owned)
                .collect()
        };
        commands.map(words).collect()
    }

    #[test]
    fn every_command_has_examples_that_it_takes() {
        let mut program = Arguments::command();
        program.build();
        let own = program.get_after_help().unwrap().to_string();
        let all = program.get_subcommands().filter(|command| command.get_name() != "help").map(
            |command| {
                let help = command
                    .get_after_help()
                    .unwrap_or_else(|| panic!("{} has no example", command.get_name()));
                (format!("perrin {} ", command.get_name()), help.to_string())
            },
        );
        for (start, help) in all.chain([("perrin ".to_owned(), own)]) {
            let examples = examples(&help);
            assert!(!examples.is_empty() && help.starts_with("Example"), "{help}");
            for example in examples {
                let line = example.join(" ") + " ";
                assert!(line.starts_with(&start), "{line} is no example of {start}");
                match Arguments::try_parse_from(&example) {
                    Ok(_) => {}
                    Err(error) if error.kind() == clap::error::ErrorKind::DisplayHelp => {}
                    Err(error) => panic!("{line}: {error}"),
                }
            }
        }
    }

    #[test]
    fn a_slip_in_a_short_word_is_known_for_what_it_is() {
        for (slip, meant) in
            [("fi", "fit"), ("lss", "ls"), ("chek", "check"), ("mann", "man"), ("wach", "watch")]
        {
            let Err(error) = Arguments::try_parse_from(["perrin", slip, "run"]) else {
                panic!("{slip} is no command")
            };
            assert!(error.to_string().contains(&format!("'{meant}'")), "{slip}: {error}");
        }
        let Err(error) = Arguments::try_parse_from(["perrin", "fit", "run", "--jsn"]) else {
            panic!()
        };
        assert!(error.to_string().contains("'--json'"), "{error}");
    }
}
