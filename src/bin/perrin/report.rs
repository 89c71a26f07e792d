//! `perrin report RUN [RUN...]`.

use std::io::{IsTerminal, Write, stderr, stdout};
use std::path::PathBuf;

use clap::Args;
use perrin::analysis::curvatures::Curvatures;
use perrin::log::Run;
use perrin::report::{Progress, ReportOptions, write_report};

/// Characters of the bar.
const BAR: usize = 30;

#[derive(Args)]
pub struct ReportArguments {
    /// The runs' folders; of several, the first is the one that predicts the others' speeds.
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// The page to write [default: report.html in the first run's folder].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// A folder for each figure as SVG, and its numbers as CSV.
    #[arg(long, value_name = "DIR")]
    figures: Option<PathBuf>,
    /// Eigenvalues of the Hessian, for all runs: as `perrin fit --eigenvalues` takes them.
    #[arg(long, value_name = "FILE")]
    eigenvalues: Option<PathBuf>,
}

pub fn run(arguments: &ReportArguments) -> anyhow::Result<()> {
    let curvatures = arguments.eigenvalues.as_ref().map(Curvatures::read).transpose()?;
    let options = ReportOptions { output: arguments.output.clone(), figures: arguments.figures.clone(), curvatures };
    let runs = arguments.runs.iter().map(Run::open).collect::<perrin::Result<Vec<_>>>()?;
    let shown = stderr().is_terminal();
    let written = write_report(&runs, &options, &mut |progress| {
        if shown {
            show(progress);
        }
    });
    if shown {
        eprint!("\r\x1b[K");
    }
    writeln!(stdout(), "{}", written?.page.display())?;
    Ok(())
}

/// One line, written over again and again.
fn show(progress: Progress) {
    let run = (progress.run + 1).min(progress.runs);
    let bar = if progress.rows_in_all > 0 {
        let share = (progress.rows as f64 / progress.rows_in_all as f64).min(1.0);
        let done = (share * BAR as f64) as usize;
        format!(" [{}{}] {:3.0}%", "=".repeat(done), " ".repeat(BAR - done), 100.0 * share)
    } else {
        String::new()
    };
    eprint!("\r\x1b[Krun {run} of {}: {}{bar}", progress.runs, progress.stage);
}
