//! `perrin fit RUN`.

use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;
use perrin::analysis::curvatures::Curvatures;
use perrin::analysis::{FitOptions, RunFit};

use crate::{output, runs};

#[derive(Args)]
#[command(after_help = "Examples:
  perrin fit runs/digits-1
  perrin fit runs/digits-1 --from 500 --to 2000
  perrin fit runs/digits-1 --json | jq .speed")]
pub struct FitArguments {
    /// The run's folder.
    run: PathBuf,
    /// Step at which the window begins [default: after a third of the rows].
    #[arg(long, value_name = "STEP")]
    from: Option<u64>,
    /// Step at which the stationary part begins: modes are fitted from there on, and without --from
    /// the window does not begin earlier [default: as tests find].
    #[arg(long, value_name = "STEP")]
    stationary_from: Option<u64>,
    /// Step at which the window, and everything else, ends [default: the last].
    #[arg(long, value_name = "STEP")]
    to: Option<u64>,
    /// Eigenvalues of the Hessian: eigenvectors as perrin writes them (.safetensors), or JSON with
    /// `eigenvalues`, `density` (`nodes`, `weights`, `dimension`), `trace` and `gradient_noise`
    /// [default: what the run's folder has].
    #[arg(long, value_name = "FILE")]
    eigenvalues: Option<PathBuf>,
    /// Print every number, table and finding below the summary.
    #[arg(long)]
    all: bool,
    /// Print JSON instead of text.
    #[arg(long, conflicts_with = "all")]
    json: bool,
}

pub fn run(arguments: &FitArguments) -> anyhow::Result<()> {
    if let (Some(from), Some(to)) = (arguments.from, arguments.to) {
        ensure!(from < to, "--from {from} --to {to}: the window must end after it begins");
    }
    if let (Some(from), Some(to)) = (arguments.stationary_from, arguments.to) {
        ensure!(
            from < to,
            "--stationary-from {from} --to {to}: the stationary part must end after it begins"
        );
    }
    let curvatures = arguments.eigenvalues.as_ref().map(Curvatures::read).transpose()?;
    let FitArguments { from: first_step, to: last_step, stationary_from, .. } = *arguments;
    let options = FitOptions { first_step, stationary_from, last_step, curvatures };
    let fit = RunFit::with(&runs::open(&arguments.run)?, &options)?;
    if arguments.json {
        return output::json(&fit);
    }
    let columns = output::columns();
    if arguments.all {
        return Ok(output::text(format_args!("{fit:columns$}"))?);
    }
    Ok(output::text(format_args!("{:columns$}", fit.summary()))?)
}
