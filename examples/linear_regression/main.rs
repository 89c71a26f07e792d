//! Linear regression, where the theory is exact (the paper's figure 2): from a random start to the stationary state.
//!
//! `cargo run --release --features report --example linear_regression [-- --data DIR] [FOLDER]` on Fashion-MNIST
//! (`make data`), or on what is in DIR: data in MNIST's format, or a CIFAR-10 binary folder. Without a folder to write
//! to, the first free `runs/linear-regression-<n>`.
//!
//! The loss is quadratic, so the Hessian is the same everywhere, and the minimum is known from the gradient at the start.
//! Nothing below is fitted to the runs it is compared with.

#[path = "../support/arguments.rs"]
mod arguments;
#[path = "../support/datasets.rs"]
mod datasets;
#[path = "../support/figure.rs"]
mod figure;
mod picture;
mod problem;
mod stationary;
mod training;
mod trajectory;

use std::path::Path;

use anyhow::Result;
use arguments::Arguments;
use datasets::Standard;
use perrin::analysis::curvatures::{Curvatures, Density};
use perrin::analysis::{FitOptions, RunFit};
use perrin::log::Run;
use perrin::report::{ReportOptions, write_report};
use perrin::theory::langevin;
use perrin::theory::parameters::SgdParameters;
use problem::{Directions, Problem};
use training::{Batches, Training};
use trajectory::Trajectory;

/// As in the paper: images in a batch, epochs of figure 2, eigenvectors.
const BATCH: i64 = 512;
const EPOCHS: i64 = 4;
const DIRECTIONS: usize = 30;
const CLASSES: usize = 10;

fn main() -> Result<()> {
    let arguments = Arguments::read(&["data", "steps"], &[])?;
    let data = datasets::load(arguments.path("data"), Standard::FashionMnist)?;
    let folder = arguments.folder_or_free("linear-regression");
    let steps = arguments.number("steps", 40_000)?;
    tch::manual_seed(0);
    let mut problem = Problem::new(&data.train);
    println!("{}: {} images, {} parameters", data.name, problem.count(), problem.dimension());

    let spectrum = problem.spectrum()?;
    let directions = problem.directions(DIRECTIONS)?;
    describe(&spectrum, &directions);
    way_to_the_minimum(&mut problem, &directions, &folder)?;
    problem.restart();
    stationary_state(&mut problem, &directions, &spectrum, steps, &folder)
}

fn describe(spectrum: &[f64], directions: &Directions) {
    let found = &directions.vectors.eigenvalues;
    let error = |eigenvalue: &f64| spectrum.iter().map(|exact| (exact - eigenvalue).abs()).fold(f64::MAX, f64::min);
    let worst = found.iter().map(error).fold(0.0, f64::max);
    let trace: f64 = spectrum.iter().sum();
    println!(
        "Hessian: tr(H) = {:.1}; eigenvalues {:.4} to {:.4} of {DIRECTIONS} directions",
        CLASSES as f64 * trace,
        found[0],
        found[DIRECTIONS - 1]
    );
    println!("  largest difference from the eigenvalues of X^T X / n by dense algebra: {worst:.1e}\n");
}

/// Figure 2: from the random start on, full batches and mini-batches, with eq. 5.
fn way_to_the_minimum(problem: &mut Problem, directions: &Directions, folder: &Path) -> Result<()> {
    let eigenvalues = &directions.vectors.eigenvalues;
    let learning_rate = 0.01 / eigenvalues[0];
    let steps = EPOCHS * (problem.count() / BATCH);
    let mut rows = Vec::new();
    for momentum in [0.9, 0.99] {
        let parameters =
            SgdParameters { learning_rate, momentum, weight_decay: 0.0, batch_size: BATCH as f64, noise_scale: 0.0 };
        let mut runs = Vec::new();
        for (name, batches) in [("whole", Batches::Whole), ("batches", Batches::Epochs(BATCH))] {
            let place = folder.join(format!("momentum_{momentum}_{name}"));
            problem.restart();
            let title =
                format!("momentum {momentum}, {}", if name == "whole" { "all images" } else { "batches of 512" });
            Training { title: &title, batches, learning_rate, momentum, steps }.run(
                problem,
                &directions.vectors,
                &place,
            )?;
            runs.push(Run::open(place)?);
        }
        println!("R^2 of eq. 5 over {steps} steps, learning rate {learning_rate:.3e}:");
        println!(
            "{:>4} {:>9} {:>8} {:>20} {:>20} {:>23}",
            "mode", "rho", "damping", "all images", "batches of 512", "exact, batches of 512"
        );
        let mut explained = Vec::new();
        for (index, (&eigenvalue, &offset)) in eigenvalues.iter().zip(&directions.offsets).enumerate() {
            let expected = |discrete| Trajectory::expected(&parameters, eigenvalue, offset, steps as usize, discrete);
            let (predicted, exact) = (expected(false)?, expected(true)?);
            let [whole, batches] = [&runs[0], &runs[1]].map(|run| Trajectory::read(run, index + 1));
            let (whole, batches) = (whole?, batches?);
            let r_squared =
                [whole.explained_by(&predicted), batches.explained_by(&predicted), batches.explained_by(&exact)];
            let damping = langevin::LangevinMode::new(&parameters, eigenvalue)?.damping_ratio();
            if index < 10 || index + 1 == DIRECTIONS {
                let pair = |[position, velocity]: [f64; 2]| format!("{position:.4}, {velocity:.4}");
                println!(
                    "{:>4} {eigenvalue:>9.4} {damping:>8.2} {:>20} {:>20} {:>23}",
                    index + 1,
                    pair(r_squared[0]),
                    pair(r_squared[1]),
                    pair(r_squared[2])
                );
            }
            if index == 0 {
                rows.push(picture::row(momentum, &batches, &predicted));
            }
            explained.push(r_squared);
        }
        for (which, name) in ["all images", "batches of 512"].iter().enumerate() {
            let worst = |of: usize| explained.iter().map(|r_squared| r_squared[which][of]).fold(f64::MAX, f64::min);
            let good = explained.iter().filter(|r_squared| r_squared[which].iter().all(|value| *value >= 0.99)).count();
            println!(
                "{name}: lowest R^2 of position {:.4}, of velocity {:.4}; both at least 0.99 in {good} of {DIRECTIONS} modes",
                worst(0),
                worst(1)
            );
        }
        println!();
    }
    let svg = figure::svg(&rows, [480, 280])?;
    std::fs::write(folder.join("figure_2.svg"), &svg)?;
    let text = "Position and velocity along the sharpest eigenvector, batches of 512: measured in black, over eq. 5 in orange. Nothing is fitted.";
    figure::write_page(
        &folder.join("figure_2.html"),
        "Linear regression: the way to the minimum (figure 2)",
        &[text],
        &svg,
    )
}

/// On to the stationary state, at ten times the learning rate.
fn stationary_state(
    problem: &mut Problem,
    directions: &Directions,
    spectrum: &[f64],
    steps: i64,
    folder: &Path,
) -> Result<()> {
    let eigenvalues = &directions.vectors.eigenvalues;
    let trace = CLASSES as f64 * spectrum.iter().sum::<f64>();
    let parameters = SgdParameters {
        learning_rate: 0.1 / eigenvalues[0],
        momentum: 0.9,
        weight_decay: 0.0,
        batch_size: BATCH as f64,
        noise_scale: 1.0,
    };
    let curvatures = curvatures(spectrum, eigenvalues);
    let first_step = steps as u64 / 3 + 1;
    let mut reported = Vec::new();
    for (name, batches) in [("independent", Batches::WithReplacement(BATCH)), ("epochs", Batches::Epochs(BATCH))] {
        problem.restart();
        let place = folder.join(format!("stationary_{name}"));
        let title = if name == "epochs" { "stationary, epochs" } else { "stationary, independent batches" };
        let SgdParameters { learning_rate, momentum, .. } = parameters;
        Training { title, batches, learning_rate, momentum, steps }.run(problem, &directions.vectors, &place)?;
        let run = Run::open(&place)?;
        let noise = problem.noise(&directions.pairs)?;
        let modes = stationary::measure(&run, directions, &parameters, &noise, first_step)?;

        println!("variances from step {first_step} on, over those of the exact theory (and Langevin's over exact):");
        println!("{:>4} {:>9} {:>24} {:>24} {:>9}", "mode", "rho", "position", "velocity", "Langevin");
        let interval = |estimate: &perrin::analysis::modes::Estimate| {
            format!(
                "{:.3} ({:.3}-{:.3})",
                estimate.value,
                estimate.low.unwrap_or(0.0),
                estimate.high.unwrap_or(f64::INFINITY)
            )
        };
        for mode in &modes {
            println!(
                "{:>4} {:>9.4} {:>24} {:>24} {:>9.3}",
                mode.mode,
                mode.eigenvalue,
                interval(&mode.position),
                interval(&mode.velocity),
                mode.langevin
            );
        }
        for (quantity, of) in [
            ("position", (|mode| mode.position) as fn(&stationary::Stationary) -> _),
            ("velocity", |mode| mode.velocity),
        ] {
            let [mean, low, high] = stationary::pooled(modes.iter().map(|mode| (of(mode), noise[mode.mode - 1])));
            let inside = modes.iter().filter(|mode| of(mode).covers(1.0)).count();
            println!(
                "{quantity}: {mean:.3} ({low:.3} to {high:.3}) of the exact value over all; 1 is in {inside} of {} intervals",
                modes.len()
            );
        }
        // Eq. 12 needs only tr(Sigma) = sigma^2 tr(H).
        let whole = &noise[DIRECTIONS];
        let expected =
            langevin::local_displacement(&SgdParameters { noise_scale: whole.value / trace, ..parameters }, trace)?;
        let options =
            FitOptions { first_step: Some(first_step), curvatures: Some(curvatures.clone()), ..FitOptions::default() };
        let fit = RunFit::with(&run, &options)?;
        if let Some(speed) = fit.speed.known() {
            let measured = speed.mean_local_displacement_squared;
            println!(
                "speed: {measured:.4e}, by eq. 12 from tr(Sigma) = {:.2} +- {:.2}: {expected:.4e}, ratio {:.4}",
                whole.value,
                whole.standard_error,
                measured / expected
            );
        }
        println!("\n{fit}\n");
        reported.push(run);
    }
    let options = ReportOptions {
        output: Some(folder.join("report.html")),
        curvatures: Some(curvatures),
        ..ReportOptions::default()
    };
    let written = write_report(&reported, &options, &mut |_| {})?;
    println!("figure 2: {}", folder.join("figure_2.html").display());
    println!("report: {}", written.page.display());
    Ok(())
}

/// All eigenvalues: the directions', and the others as a density.
fn curvatures(spectrum: &[f64], directions: &[f64]) -> Curvatures {
    let mut rest: Vec<f64> = spectrum.iter().flat_map(|eigenvalue| [*eigenvalue; CLASSES]).collect();
    for direction in directions {
        let nearest =
            (0..rest.len()).min_by(|a, b| (rest[*a] - direction).abs().total_cmp(&(rest[*b] - direction).abs()));
        rest.swap_remove(nearest.expect("there are more eigenvalues than directions"));
    }
    let density = Density { weights: vec![1.0; rest.len()], dimension: rest.len() as f64, nodes: rest };
    Curvatures { eigenvalues: directions.to_vec(), density: Some(density) }
}
