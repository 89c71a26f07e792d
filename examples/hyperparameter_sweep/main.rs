//! Learning rate, batch size and momentum around a default, and whether one run predicts the
//! others: figure 6 of the paper.
//!
//! `cargo run --release --features report --example hyperparameter_sweep [-- --data DIR] [--steps N] [--weights FILE] [FOLDER]`
//!
//! Each run resumes training of the small network of `resume_pretrained` from the same weights. As
//! many run side by side as there are cores. With the same folder again, runs that are complete are
//! not made anew.

#[path = "../support/arguments.rs"]
mod arguments;
#[path = "../support/curvature.rs"]
mod curvature;
#[path = "../support/datasets.rs"]
mod datasets;
#[path = "../support/networks.rs"]
mod networks;
#[path = "../support/problem.rs"]
mod problem;
mod table;

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, Result, bail};
use curvature::{Effort, loss_over};
use networks::Architecture;
use perrin::analysis::RunFit;
use perrin::analysis::sweep::Sweep;
use perrin::curvature::{eigenvectors, top_eigenpairs};
use perrin::linalg::lanczos::LanczosOptions;
use perrin::report::{ReportOptions, write_report};
use perrin::run::Eigenvectors;
use perrin::run::Run;
use problem::{Batches, Problem};
use tch::nn;

const NETWORK: Architecture = Architecture::Small;
const WEIGHT_DECAY: f64 = 1e-4;
const DIRECTIONS: usize = 30;
const SEED: u64 = 1;

/// What is varied.
#[derive(Clone, Copy)]
struct Setting {
    learning_rate: f64,
    batch_size: usize,
    momentum: f64,
}

const DEFAULT: Setting = Setting { learning_rate: 0.01, batch_size: 256, momentum: 0.9 };

/// The default first, then one thing varied at a time.
fn settings() -> Vec<Setting> {
    let rates =
        [0.001, 0.002, 0.005, 0.02, 0.03].map(|learning_rate| Setting { learning_rate, ..DEFAULT });
    let sizes = [64, 128, 512, 1024].map(|batch_size| Setting { batch_size, ..DEFAULT });
    let momenta = [0.8, 0.85, 0.95, 0.97].map(|momentum| Setting { momentum, ..DEFAULT });
    [&[DEFAULT][..], &rates, &sizes, &momenta].concat()
}

impl Setting {
    fn folder(&self, sweep: &Path) -> PathBuf {
        let Setting { learning_rate, batch_size, momentum } = self;
        sweep.join(format!("rate_{learning_rate}_batch_{batch_size}_momentum_{momentum}"))
    }
}

/// All that runs share.
struct Shared {
    folder: PathBuf,
    weights: PathBuf,
    steps: u64,
    directions: Eigenvectors,
}

fn main() -> Result<()> {
    let arguments = arguments::Arguments::read(&["data", "weights", "steps"], &[])?;
    let folder = arguments.folder_or_free("sweep");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let data = arguments.path("data");
    let weights = NETWORK.weights(arguments.path("weights"), data)?;
    let problem = Problem::trained(NETWORK, data, &weights)?;
    println!(
        "{} parameters; {} settings into {}",
        problem.parameters(),
        settings().len(),
        folder.display()
    );

    let directions =
        match settings().iter().map(|setting| setting.folder(&folder)).find(|run| run.exists()) {
            // The place that runs start from is the same for all.
            Some(complete) => {
                let run = Run::open(complete)?;
                Eigenvectors { summary: run.curvature_summary(0)?, ..run.eigenvectors(0)? }
            }
            None => measure(&problem)?,
        };
    let steps = arguments.number("steps", 1_500)?;
    let shared = Shared { folder: folder.clone(), weights, steps, directions };
    run_all(&problem, &shared)?;

    let runs: Vec<Run> = settings()
        .iter()
        .map(|setting| Run::open(setting.folder(&folder)))
        .collect::<Result<_, _>>()?;
    let fits: Vec<RunFit> = runs.iter().map(RunFit::of).collect::<Result<_, _>>()?;
    let sweep = Sweep::of(&fits);
    println!("\n{sweep}\n{}", table::findings(&sweep, &fits));
    let options = ReportOptions {
        output: Some(folder.join("report.html")),
        figures: Some(folder.join("figures")),
        ..ReportOptions::default()
    };
    let written = write_report(&runs, &options, &mut |_| {})?;
    println!(
        "report: {}; each figure by itself in {}",
        written.page.display(),
        folder.join("figures").display()
    );
    Ok(())
}

/// Eigenvectors and what there is besides them, at the place that all runs start from.
fn measure(problem: &Problem) -> Result<Eigenvectors> {
    println!(
        "the {DIRECTIONS} largest eigenvalues of the Hessian, its density, and the noise of gradients"
    );
    let mut hessian = loss_over(problem, &problem.train, 5, 1_000, true)?;
    let sharpest = top_eigenpairs(&mut hessian, &LanczosOptions::largest(DIRECTIONS))?;
    let directions = eigenvectors(&hessian, &sharpest.largest);
    let mut gradients = loss_over(problem, &problem.train, 2_000, 1, true)?;
    let effort = Effort { trace_samples: 20, density_starts: 2, density_steps: 40 };
    let summary = curvature::summary(&mut hessian, &mut gradients, &directions, effort)?;
    Ok(directions.with_summary(summary))
}

/// Makes the runs that are not there yet, one on each core at a time.
fn run_all(problem: &Problem, shared: &Shared) -> Result<()> {
    let mut missing = VecDeque::new();
    for setting in settings() {
        if !is_there(&setting.folder(&shared.folder), shared.steps)? {
            missing.push_back(setting);
        }
    }
    let waiting = Mutex::new(missing);
    let failed = AtomicBool::new(false);
    let workers = thread::available_parallelism().map_or(1, |cores| cores.get());
    // Several small networks side by side, each on one core, are faster than one on all cores.
    tch::set_num_threads(1);
    let problems: Vec<Problem> = (0..workers).map(|_| problem.another(NETWORK)).collect();
    thread::scope(|scope| {
        for mut own in problems {
            let (waiting, failed) = (&waiting, &failed);
            scope.spawn(move || {
                // Libtorch's threads are counted for each thread that calls it.
                tch::set_num_threads(1);
                let next = || waiting.lock().ok()?.pop_front();
                while let Some(setting) = next() {
                    match run(&mut own, setting, shared) {
                        Ok(loss) => println!(
                            "{} done, loss {loss:.4}",
                            setting.folder(Path::new("")).display()
                        ),
                        Err(error) => {
                            eprintln!("{}: {error:#}", setting.folder(Path::new("")).display());
                            failed.store(true, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    if failed.load(Ordering::Relaxed) {
        bail!("runs failed; with {} the others are not made anew", shared.folder.display());
    }
    Ok(())
}

/// Whether a run is complete; one of another length is refused, as runs are compared.
fn is_there(run: &Path, steps: u64) -> Result<bool> {
    if !run.exists() {
        return Ok(false);
    }
    let mut rows = 0;
    Run::open(run)?.for_each_row(["step"], |_| rows += 1)?;
    if rows != steps {
        bail!(
            "{} has {rows} steps, not {steps}: say --steps {rows}, or name another folder",
            run.display()
        );
    }
    Ok(true)
}

/// Resumes training with one setting, and returns the mean loss over its last half.
fn run(problem: &mut Problem, setting: Setting, shared: &Shared) -> Result<f64> {
    let folder = setting.folder(&shared.folder);
    // Given its name when it is complete. What an interrupted sweep has left is made anew.
    let unfinished = folder.with_added_extension("unfinished");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)
            .with_context(|| format!("cannot remove {}", unfinished.display()))?;
    }
    problem.load(&shared.weights)?;
    let mut batches = Batches::new(problem.train.labels.size()[0], setting.batch_size, SEED);
    let mut optimizer = perrin::Options::new()
        .batch_size(setting.batch_size as u64)
        .steps_per_epoch(batches.steps_per_epoch())
        .project_onto(shared.directions.clone())
        .build(
            nn::sgd(setting.momentum, 0., WEIGHT_DECAY, false),
            &problem.variables,
            setting.learning_rate,
            &unfinished,
        )?;
    let mut loss_sum = 0.;
    for step in 0..shared.steps {
        let loss = problem.loss(&problem.train, &batches.next(), true);
        optimizer.backward_step(&loss);
        if step >= shared.steps / 2 {
            loss_sum += loss.double_value(&[]);
        }
    }
    optimizer.finish()?;
    fs::rename(&unfinished, &folder)
        .with_context(|| format!("cannot rename {}", unfinished.display()))?;
    Ok(loss_sum / (shared.steps - shared.steps / 2) as f64)
}
