//! `perrin sweep RUN RUN...`

use std::io::{Write, stdout};
use std::path::PathBuf;

use clap::Args;
use perrin::analysis::curvatures::Curvatures;
use perrin::analysis::sweep::Sweep;
use perrin::analysis::{FitOptions, RunFit};
use perrin::log::Run;

#[derive(Args)]
pub struct SweepArguments {
    /// The runs' folders; the first is the default run, whose sigma^2 tr(H) predicts the speed of the others.
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
    let fit = |path: &PathBuf| RunFit::with(&Run::open(path)?, &options);
    let fits = arguments.runs.iter().map(fit).collect::<perrin::Result<Vec<_>>>()?;
    let sweep = Sweep::of(&fits);
    if arguments.json {
        writeln!(stdout(), "{}", serde_json::to_string_pretty(&sweep)?)?;
    } else {
        write!(stdout(), "{sweep}")?;
    }
    Ok(())
}
