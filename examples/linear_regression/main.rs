//! Linear regression, where the theory is exact (the paper's figure 2): from a random start to the
//! stationary state.
//!
//! `cargo run --release --features report --example linear_regression [-- --data DIR] [--steps N] [FOLDER]`
//! on Fashion-MNIST (`make data`), or on what is in DIR: data in MNIST's format, or a CIFAR-10
//! binary folder. Without a folder to write to, the first free `runs/linear-regression-<n>`.
//!
//! The loss is quadratic: its Hessian is the same everywhere, and where its minimum is follows from
//! the gradient at the start. Nothing below is fitted to the runs it is compared with.

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
mod variances;
mod way;

use anyhow::Result;
use arguments::Arguments;
use datasets::Standard;
use perrin::report::{ReportOptions, write_report};
use problem::{Directions, Problem};

/// Images in a batch and eigenvectors, as in the paper.
const BATCH: i64 = 512;
const DIRECTIONS: usize = 30;
const CLASSES: usize = 10;

fn main() -> Result<()> {
    let arguments = Arguments::read(&["data", "steps"], &[])?;
    let data = datasets::load(arguments.path("data"), Standard::FashionMnist)?;
    let folder = arguments.folder_or_free("linear-regression");
    let steps = arguments.number("steps", 20_000)?;
    tch::manual_seed(0);
    let mut problem = Problem::new(&data.train);
    println!("{}: {} images, {} parameters", data.name, problem.count(), problem.dimension());
    let spectrum = problem.spectrum()?;
    // Matrices of a mini-batch are multiplied sooner than a second thread starts.
    tch::set_num_threads(1);
    let directions = problem.directions(DIRECTIONS)?;
    tell_directions(&spectrum, &directions);

    way::observe(&mut problem, &directions, &folder)?;
    let curvatures = stationary::curvatures(&spectrum, &directions);
    let runs = stationary::observe(&mut problem, &directions, &curvatures, steps, &folder)?;

    let output = Some(folder.join("report.html"));
    let figures = Some(folder.join("figures"));
    let options =
        ReportOptions { output, figures, curvatures: Some(curvatures), ..ReportOptions::default() };
    let mut last = None;
    let written = write_report(&runs, &options, &mut |now| {
        if last.replace((now.run, now.stage.to_owned())) != Some((now.run, now.stage.to_owned())) {
            println!("report: run {} of {}, {}", (now.run + 1).min(now.runs), now.runs, now.stage);
        }
    })?;
    println!("figure 2: {}", folder.join("figure_2.html").display());
    println!("report of the stationary state: {}", written.page.display());
    Ok(())
}

fn tell_directions(spectrum: &[f64], directions: &Directions) {
    let found = &directions.vectors.eigenvalues;
    let errors = found.iter().zip(spectrum).map(|(found, exact)| (found - exact).abs());
    let residuals = directions.pairs.iter().map(|pair| pair.residual);
    let [error, residual] = [errors.fold(0.0, f64::max), residuals.fold(0.0, f64::max)];
    let trace = CLASSES as f64 * spectrum.iter().sum::<f64>();
    println!(
        "tr(H) = {trace:.1}; rho of {DIRECTIONS} directions from {:.4} to {:.4}",
        found[0],
        found[DIRECTIONS - 1]
    );
    println!(
        "  residuals ||H q - rho q|| up to {residual:.1e}; eigenvalues up to {error:.1e} off dense algebra's\n"
    );
}
