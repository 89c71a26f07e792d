//! The `perrin` program: options in, one library call, text or JSON out.

mod fit;
mod predict;

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
    /// Fit a run's displacements: diffusion exponent, speed, sigma^2 tr(H).
    Fit(fit::FitArguments),
    /// Predict covariances, correlations and displacements from hyperparameters and Hessian eigenvalues.
    Predict(predict::PredictArguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Fit(arguments) => fit::run(&arguments),
        Command::Predict(arguments) => predict::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("perrin: {error:#}");
            ExitCode::FAILURE
        }
    }
}
