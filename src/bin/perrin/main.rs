//! The `perrin` program: options in, one library call, text or JSON out.

mod check;
mod compact;
mod fit;
mod predict;
mod project;
mod recover;
mod report;
mod sweep;
mod watch;

use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "perrin", version, about = "Reads the logs of observed training runs and fits them to theory.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fit a run: diffusion exponent, speed, stationarity, predicted displacement, advice.
    Fit(fit::FitArguments),
    /// Compare runs: speeds and exponents against what theory predicts from the first.
    Sweep(sweep::SweepArguments),
    /// Verify a run's files: checksums, schema, order of rows. Fails where there is damage, and names it.
    Check(check::CheckArguments),
    /// Make finished segments of what a killed process left behind.
    Recover(recover::RecoverArguments),
    /// Project a run that kept whole displacements on vectors found later.
    Project(project::ProjectArguments),
    /// Merge the segments of runs that are not being written into large ones.
    Compact(compact::CompactArguments),
    /// Predict covariances, correlations and displacements from hyperparameters and Hessian eigenvalues.
    Predict(predict::PredictArguments),
    /// Write one HTML page with findings and figures of one run, or of several compared.
    Report(report::ReportArguments),
    /// Show a running or finished run in the terminal, as it grows.
    Watch(watch::WatchArguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Fit(arguments) => fit::run(&arguments),
        Command::Sweep(arguments) => sweep::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Recover(arguments) => recover::run(&arguments),
        Command::Project(arguments) => project::run(&arguments),
        Command::Compact(arguments) => compact::run(&arguments),
        Command::Predict(arguments) => predict::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Watch(arguments) => watch::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // `perrin fit RUN | head -1`: the reader has what it wanted.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("perrin: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
