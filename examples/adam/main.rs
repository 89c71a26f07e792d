//! Adam beside SGD: what the same measurements say of an optimizer that the theory does not
//! describe.
//!
//! `cargo run --release --features report --example adam [-- FOLDER]`; without a folder, the first
//! free `runs/adam-<n>`. Half a minute; the digits come with the example.
//!
//! A small network is trained on handwritten digits until it is stationary. From that one point SGD
//! and Adam go on, each observed along the same directions, the sharpest of the Hessian there.
//! SGD's positions should scatter alike in sharp and flat directions (isotropy) and its speed is
//! given by eq. 12. Adam divides each element of a step by the running size of that element's
//! gradient; nobody promises anything, and the example measures what it does.

#[path = "../support/arguments.rs"]
mod arguments;
#[path = "../support/classifier.rs"]
mod classifier;
#[path = "../support/digits.rs"]
mod digits;
mod table;

use std::path::{Path, PathBuf};

use anyhow::Result;
use arguments::Arguments;
use classifier::{BATCH, Classifier};
use perrin::analysis::RunFit;
use perrin::curvature::{LandscapePlane, LossHessian, gradient_noise, loss_landscape};
use perrin::observe::KnownOptimizer;
use perrin::report::{ReportOptions, write_report};
use perrin::run::Eigenvectors;
use perrin::run::Run;
use tch::nn;

const OBSERVED_EPOCHS: u64 = 400;
const DIRECTIONS: usize = 20;
const SGD_LEARNING_RATE: f64 = 0.02;
/// Chosen so that Adam's steps are about as long as SGD's.
const ADAM_LEARNING_RATE: f64 = 8e-3;

fn main() -> Result<()> {
    let folder = Arguments::read(&[], &[])?.folder_or_free("adam");
    tch::manual_seed(0);
    // Such small matrices are multiplied sooner than a second thread starts.
    tch::set_num_threads(1);
    let classifier = Classifier::new()?;
    println!("training a network of {} parameters on 1,797 digits by SGD", classifier.parameters());
    classifier.warm_up(SGD_LEARNING_RATE)?;
    let (pairs, directions) = classifier.sharpest(DIRECTIONS)?;
    // Of every digit's gradient: what eq. 12 takes to predict the speed before a step is taken.
    let noise = gradient_noise(&mut classifier.losses()?, &pairs)?;
    let start = classifier.values();

    let sgd = observe(
        &classifier,
        "sgd",
        nn::sgd(0.9, 0., 1e-3, false),
        SGD_LEARNING_RATE,
        &directions,
        &folder,
    )?;
    classifier.go_back(&start);
    let adam = observe(
        &classifier,
        "adam",
        nn::adam(0.9, 0.999, 1e-3),
        ADAM_LEARNING_RATE,
        &directions,
        &folder,
    )?;
    classifier.go_back(&start);
    for run in [&sgd, &adam] {
        measure_landscape(&classifier, &directions, run)?;
    }

    let runs = [Run::open(&sgd)?, Run::open(&adam)?];
    let fits = [RunFit::of(&runs[0])?, RunFit::of(&runs[1])?];
    println!("\n{}", table::compare(&fits, &directions, &noise));
    for note in fits[1].notes.iter().filter(|note| note.contains("adam")) {
        println!("The log says of the second run: {note}.\n");
    }
    let written = write_report(&runs, &ReportOptions::default(), &mut |_| {})?;
    println!("report of both runs: {}", written.page.display());
    Ok(())
}

/// Trains on from where the parameters are, observed into `folder/name`.
fn observe(
    classifier: &Classifier,
    name: &str,
    optimizer: impl KnownOptimizer,
    learning_rate: f64,
    directions: &Eigenvectors,
    folder: &Path,
) -> Result<PathBuf> {
    let run = folder.join(name);
    println!("\n{name}, learning rate {learning_rate}");
    let mut optimizer = perrin::Options::new()
        .batch_size(BATCH as u64)
        .steps_per_epoch(classifier.steps_per_epoch())
        .project_onto(directions.clone())
        .build(optimizer, &classifier.variables, learning_rate, &run)?;
    for epoch in 1..=OBSERVED_EPOCHS {
        for (images, labels) in classifier.batches() {
            optimizer.backward_step(&classifier.loss(&images, &labels));
        }
        if epoch % 100 == 0 {
            classifier.print_loss(epoch);
        }
    }
    optimizer.finish()?;
    Ok(run)
}

/// The loss where the run went: in the plane of the sharpest and the last direction, as wide as its
/// positions scatter.
fn measure_landscape(classifier: &Classifier, directions: &Eigenvectors, run: &Path) -> Result<()> {
    let columns = ["position_1".to_owned(), format!("position_{DIRECTIONS}")];
    let mut reach = [0.0_f64; 2];
    Run::open(run)?.for_each_row([columns[0].as_str(), columns[1].as_str()], |positions| {
        for (reach, position) in reach.iter_mut().zip(positions) {
            *reach = reach.max(position.unwrap_or(0.0).abs());
        }
    })?;
    let (all, whole) = (classifier.digits.labels.numel(), &classifier.digits);
    let mut loss = LossHessian::new(&classifier.variables, &[all], |_| {
        classifier.loss(&whole.images, &whole.labels)
    })?;
    let plane = LandscapePlane::new(directions, [1, DIRECTIONS], reach)?;
    loss_landscape(&mut loss, None, &plane)?.write(run)?;
    Ok(())
}
