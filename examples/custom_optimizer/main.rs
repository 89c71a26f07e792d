//! An optimizer of one's own, observed: Lion with a learning rate that rises and falls, and clipped
//! gradients.
//!
//! `cargo run --release --features report --example custom_optimizer [-- FOLDER]`; without a
//! folder, the first free `runs/custom-<n>`. Seconds; the digits come with the example.
//!
//! `Options::observe` watches the variables of a store, whatever moves them. Three lines are added
//! to the loop: `before_step`, `after_step`, and `set_hyperparameters`, since perrin cannot see a
//! learning rate that is a field of somebody's struct. Lion moves every element by plus or minus
//! the learning rate, so that here the squared length of a step is known beforehand: eta_k^2 times
//! the number of parameters.

#[path = "../support/arguments.rs"]
mod arguments;
#[path = "../support/classifier.rs"]
mod classifier;
#[path = "../support/digits.rs"]
mod digits;
mod lion;

use anyhow::Result;
use arguments::Arguments;
use classifier::{BATCH, Classifier};
use lion::Lion;
use perrin::analysis::RunFit;
use perrin::record::{Hyperparameters, OptimizerInfo};
use perrin::report::{ReportOptions, write_report};
use perrin::run::Run;

const EPOCHS: u64 = 300;
const LARGEST_LEARNING_RATE: f64 = 1e-3;
const WARM_UP_STEPS: f64 = 200.0;
const LONGEST_GRADIENT: f64 = 1.0;

fn main() -> Result<()> {
    let folder = Arguments::read(&[], &[])?.folder_or_free("custom");
    tch::manual_seed(0);
    tch::set_num_threads(1);
    let classifier = Classifier::new()?;
    let steps = EPOCHS * classifier.steps_per_epoch();
    let mut lion = Lion::new(&classifier.variables, 0.0);

    let mut observer = perrin::Options::new()
        .batch_size(BATCH as u64)
        .steps_per_epoch(classifier.steps_per_epoch())
        .gradient_norm(true)
        .optimizer_info(OptimizerInfo { name: Some("lion".to_owned()), ..OptimizerInfo::default() })
        .hyperparameters(Hyperparameters {
            learning_rate: Some(schedule(1, steps)),
            momentum: Some(lion.momentum),
            weight_decay: Some(0.0),
        })
        .observe(&classifier.variables, &folder)?;
    println!(
        "training a network of {} parameters on 1,797 digits by Lion, {steps} steps",
        classifier.parameters()
    );
    let mut clipped = 0;
    for epoch in 1..=EPOCHS {
        for (images, labels) in classifier.batches() {
            lion.learning_rate = schedule(observer.step_count() + 1, steps);
            observer
                .set_hyperparameters(None, |known| known.learning_rate = Some(lion.learning_rate));
            let loss = classifier.loss(&images, &labels);
            clipped += u64::from(lion.backward(&loss, LONGEST_GRADIENT)? > LONGEST_GRADIENT);
            observer.before_step();
            lion.step()?;
            observer.after_step(Some(&loss));
        }
        if epoch % 100 == 0 {
            classifier.print_loss(epoch);
        }
    }
    let summary = observer.finish()?;
    println!(
        "gradients were clipped at {clipped} of {steps} steps; {} rows are logged\n",
        summary.rows
    );

    let run = Run::open(&folder)?;
    compare(&run, classifier.parameters())?;
    for note in RunFit::of(&run)?.notes {
        println!("note: {note}");
    }
    let written = write_report(&[run], &ReportOptions::default(), &mut |_| {})?;
    println!("\nreport: {}", written.page.display());
    Ok(())
}

/// Rises linearly, then falls as a cosine does, to 1% at the end.
fn schedule(step: u64, steps: u64) -> f64 {
    let rise = (step as f64 / WARM_UP_STEPS).min(1.0);
    let done = (step as f64 - WARM_UP_STEPS).max(0.0) / (steps as f64 - WARM_UP_STEPS);
    LARGEST_LEARNING_RATE * rise * (0.01 + 0.99 * 0.5 * (1.0 + (std::f64::consts::PI * done).cos()))
}

/// The squared lengths of steps beside eta^2 m, by quarters of the run.
fn compare(run: &Run, parameters: usize) -> Result<()> {
    let mut rows = Vec::new();
    run.for_each_row(["learning_rate", "local_displacement_squared"], |[rate, squared]| {
        rows.extend(rate.zip(squared));
    })?;
    println!(
        "{:<18}{:>22}{:>34}{:>20}",
        "steps", "mean of ||delta||^2", "smallest to largest / (eta^2 m)", "Lion says"
    );
    for (number, quarter) in rows.chunks(rows.len().div_ceil(4)).enumerate() {
        let mean = quarter.iter().map(|(_, squared)| squared).sum::<f64>() / quarter.len() as f64;
        let ratios =
            quarter.iter().map(|(rate, squared)| squared / (rate * rate * parameters as f64));
        let (low, high) = ratios
            .fold((f64::INFINITY, 0.0_f64), |(low, high), ratio| (low.min(ratio), high.max(ratio)));
        let name = format!("quarter {}", number + 1);
        println!("{name:<18}{mean:>22.3e}{:>34}{:>20}", format!("{low:.6} to {high:.6}"), 1);
    }
    println!(
        "(Parameters are f32: beside a parameter of 1 a step of 1e-5 is rounded by up to 0.3%.)\n"
    );
    Ok(())
}
