//! `perrin sweep RUN RUN...`

use std::path::PathBuf;

use clap::Args;
use perrin::analysis::curvatures::Curvatures;
use perrin::analysis::sweep::Sweep;
use perrin::analysis::{FitOptions, RunFit};

use crate::{output, runs};

#[derive(Args)]
#[command(after_help = "Examples:
  perrin sweep runs/default runs/rate-2 runs/batch-256
  perrin sweep runs/*
  perrin sweep runs/* --json")]
pub struct SweepArguments {
    /// The runs' folders; the first is the default run, whose sigma^2 tr(H) predicts the speed of
    /// the others.
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Eigenvalues of the Hessian, for all runs: as `perrin fit --eigenvalues` takes them.
    #[arg(long, value_name = "FILE")]
    eigenvalues: Option<PathBuf>,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &SweepArguments) -> anyhow::Result<()> {
    let curvatures = arguments.eigenvalues.as_ref().map(Curvatures::read).transpose()?;
    let options = FitOptions { curvatures, ..FitOptions::default() };
    let runs = runs::open_all(&arguments.runs)?;
    let fits =
        runs.iter().map(|run| RunFit::with(run, &options)).collect::<perrin::Result<Vec<_>>>()?;
    let sweep = Sweep::of(&fits);
    if arguments.json {
        return output::json(&sweep);
    }
    let columns = output::columns();
    Ok(output::text(format_args!("{sweep:columns$}"))?)
}
