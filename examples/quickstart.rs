//! Trains a small network on handwritten digits, observed, and fits its motion to theory.
//!
//! `cargo run --example quickstart [-- FOLDER]`; without a folder, the first free
//! `runs/digits-<n>`.
//!
//! The network cannot fit the digits exactly. One that can loses its gradient noise as it does, and
//! drifts on; this one comes to a stationary state, which is what the theory describes.

#[path = "support/digits.rs"]
mod digits;

use std::path::PathBuf;

use anyhow::Result;
use perrin::analysis::RunFit;
use perrin::curvature::{LossHessian, eigenvectors, top_eigenpairs};
use perrin::linalg::lanczos::LanczosOptions;
use perrin::run::Run;
use tch::nn::{self, Module, OptimizerConfig, VarStore};
use tch::{Device, Kind, Tensor};

const BATCH: i64 = 64;
const LEARNING_RATE: f64 = 0.02;
const WARM_UP_EPOCHS: u64 = 600;
const OBSERVED_EPOCHS: u64 = 400;
const DIRECTIONS: usize = 10;

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).map_or_else(free_folder, PathBuf::from);
    tch::manual_seed(0);
    // Such small matrices are multiplied sooner than a second thread starts.
    tch::set_num_threads(1);
    let digits = digits::load()?;
    let variables = VarStore::new(Device::Cpu);
    let root = variables.root();
    let network = nn::seq()
        .add(nn::linear(&root / "hidden", 64, 4, Default::default()))
        .add_fn(Tensor::tanh)
        .add(nn::linear(&root / "output", 4, 10, Default::default()));
    let sgd = nn::sgd(0.9, 0., 1e-3, false);

    println!("training a network of {} parameters on 1,797 digits", count(&variables));
    let mut optimizer = sgd.build(&variables, 0.1)?;
    for epoch in 1..=WARM_UP_EPOCHS {
        if epoch > WARM_UP_EPOCHS * 2 / 3 {
            optimizer.set_lr(LEARNING_RATE);
        }
        for (images, labels) in batches(&digits) {
            optimizer.backward_step(&network.forward(&images).cross_entropy_for_logits(&labels));
        }
    }
    report(WARM_UP_EPOCHS, &network, &digits);

    // The sharpest directions of the loss over all digits, to look at the motion along them.
    let all = |_| network.forward(&digits.images).cross_entropy_for_logits(&digits.labels);
    let mut hessian = LossHessian::new(&variables, &[digits.labels.numel()], all)?;
    let sharpest = top_eigenpairs(&mut hessian, &LanczosOptions::largest(DIRECTIONS))?;

    // The observed part. Unobserved, this line would be: let mut optimizer = sgd.build(&variables,
    // LEARNING_RATE)?;
    let observation = perrin::Options::new()
        .batch_size(BATCH as u64)
        .steps_per_epoch((digits.labels.numel() as i64 / BATCH) as u64)
        .project_onto(eigenvectors(&hessian, &sharpest.largest));
    let mut optimizer = observation.build(sgd, &variables, LEARNING_RATE, &folder)?;
    for epoch in 1..=OBSERVED_EPOCHS {
        for (images, labels) in batches(&digits) {
            optimizer.backward_step(&network.forward(&images).cross_entropy_for_logits(&labels));
        }
        if epoch % 100 == 0 {
            report(WARM_UP_EPOCHS + epoch, &network, &digits);
        }
    }
    let summary = optimizer.finish()?;

    println!("\n{}", RunFit::of(&Run::open(&folder)?)?.summary());
    println!(
        "log: {} ({} rows, {} kB, {:.1} us a step on the training thread)",
        folder.display(),
        summary.rows,
        summary.bytes / 1000,
        1e6 * summary.training_thread_seconds / summary.steps as f64
    );
    Ok(())
}

/// The digits in batches, in a new order; the last, shorter batch is left out so that all have one
/// size.
fn batches(digits: &digits::Digits) -> impl Iterator<Item = (Tensor, Tensor)> {
    let count = digits.labels.size()[0];
    let order = Tensor::randperm(count, (Kind::Int64, Device::Cpu));
    let (images, labels) =
        (digits.images.index_select(0, &order), digits.labels.index_select(0, &order));
    (0..count / BATCH).map(move |number| {
        (images.narrow(0, number * BATCH, BATCH), labels.narrow(0, number * BATCH, BATCH))
    })
}

fn report(epoch: u64, network: &impl Module, digits: &digits::Digits) {
    let logits = tch::no_grad(|| network.forward(&digits.images));
    let loss = logits.cross_entropy_for_logits(&digits.labels).double_value(&[]);
    let accuracy = logits.accuracy_for_logits(&digits.labels).double_value(&[]);
    println!("epoch {epoch:4}: training loss {loss:.4}, accuracy {:.1}%", 100. * accuracy);
}

fn count(variables: &VarStore) -> usize {
    variables.trainable_variables().iter().map(Tensor::numel).sum()
}

fn free_folder() -> PathBuf {
    let folder = |number: u32| PathBuf::from(format!("runs/digits-{number}"));
    (1..).map(folder).find(|folder| !folder.exists()).expect("a run number is free")
}
