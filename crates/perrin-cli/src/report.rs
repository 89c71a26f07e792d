//! `perrin report RUN [RUN...]`.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use clap::Args;
use perrin::analysis::curvatures::Curvatures;
use perrin::report::{Progress, ReportOptions, write_report};
use serde::Serialize;

use crate::{output, runs};

/// Characters of the bar.
const BAR: usize = 30;
/// Time between two drawings of the line.
const REDRAWN: Duration = Duration::from_millis(100);

#[derive(Args)]
#[command(after_help = "Examples:
  perrin report runs/digits-1
  perrin report runs/digits-1 --output page.html --figures figures
  perrin report runs/default runs/rate-2 runs/batch-256")]
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
    /// Step at which the window begins, in all runs [default: after a third of the rows].
    #[arg(long, value_name = "STEP")]
    from: Option<u64>,
    /// Step at which the stationary part begins, in all runs: as `perrin fit --stationary-from`
    /// takes it [default: as tests find].
    #[arg(long, value_name = "STEP")]
    stationary_from: Option<u64>,
    /// Eigenvalues of the Hessian, for all runs: as `perrin fit --eigenvalues` takes them.
    #[arg(long, value_name = "FILE")]
    eigenvalues: Option<PathBuf>,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
}

/// The answer as JSON.
#[derive(Serialize)]
struct Files {
    page: PathBuf,
    figures: Vec<PathBuf>,
}

pub fn run(arguments: &ReportArguments) -> anyhow::Result<()> {
    let curvatures = arguments.eigenvalues.as_ref().map(Curvatures::read).transpose()?;
    let options = ReportOptions {
        output: arguments.output.clone(),
        figures: arguments.figures.clone(),
        curvatures,
        first_step: arguments.from,
        stationary_from: arguments.stationary_from,
    };
    let runs = runs::open_all(&arguments.runs)?;
    let written = if output::shows_progress() {
        with_line(|line| write_report(&runs, &options, &mut |progress| line.set(text(progress))))
    } else {
        write_report(&runs, &options, &mut |_| {})
    };
    let written = written?;
    if arguments.json {
        return output::json(&Files { page: written.page, figures: written.figures });
    }
    Ok(output::line(written.page.display())?)
}

/// What is being done, and how much of it is.
fn text(progress: Progress) -> String {
    let run = (progress.run + 1).min(progress.runs);
    let bar = if progress.rows_in_all > 0 {
        let share = (progress.rows as f64 / progress.rows_in_all as f64).min(1.0);
        let done = (share * BAR as f64) as usize;
        format!(" [{}{}] {:3.0}%", "=".repeat(done), " ".repeat(BAR - done), 100.0 * share)
    } else {
        String::new()
    };
    format!("run {run} of {}: {}{bar}", progress.runs, progress.stage)
}

/// A line on the terminal: what is done now, and since when.
struct Line {
    text: Mutex<(String, Instant)>,
    done: AtomicBool,
}

impl Line {
    fn set(&self, text: String) {
        *self.text.lock().unwrap_or_else(PoisonError::into_inner) = (text, Instant::now());
    }

    fn draw(&self) {
        let (text, since) = &*self.text.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = since.elapsed().as_secs();
        let waiting = if seconds > 0 { format!(", {seconds} s") } else { String::new() };
        output::progress(format_args!("{text}{waiting}"));
    }
}

/// Ends the drawing when it goes out of scope, also by a panic: the scope waits for the drawing
/// thread.
struct EndsDrawing<'a> {
    line: &'a Line,
    drawing: &'a Thread,
}

impl Drop for EndsDrawing<'_> {
    fn drop(&mut self) {
        self.line.done.store(true, Ordering::Relaxed);
        self.drawing.unpark();
    }
}

/// Does `work` while another thread draws the line: fitting says nothing for as long as it takes.
fn with_line<T>(work: impl FnOnce(&Line) -> T) -> T {
    let line =
        Line { text: Mutex::new((String::new(), Instant::now())), done: AtomicBool::new(false) };
    thread::scope(|scope| {
        let drawing = scope.spawn(|| {
            while !line.done.load(Ordering::Relaxed) {
                line.draw();
                thread::park_timeout(REDRAWN);
            }
            output::progress("");
        });
        let _ends = EndsDrawing { line: &line, drawing: drawing.thread() };
        work(&line)
    })
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::mpsc;

    use super::*;

    /// Long enough for any machine; reached only where the drawing never ends.
    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn the_drawing_ends_with_the_work_and_with_its_panic() {
        for panics in [false, true] {
            let (sender, receiver) = mpsc::channel();
            thread::spawn(move || {
                let work = || with_line(|_| if panics { panic!("the work fails") } else { 7 });
                sender.send(catch_unwind(AssertUnwindSafe(work)).ok())
            });
            let ended = receiver.recv_timeout(PATIENCE).expect("the line is drawn for ever");
            assert_eq!(ended, (!panics).then_some(7));
        }
    }
}
