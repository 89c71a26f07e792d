//! Two optimizers at once, each observed: a small generative adversarial network on handwritten
//! digits.
//!
//! `cargo run --release --features report --example gan [-- FOLDER]`; without a folder, the first
//! free `runs/gan-<n>`. About a minute; the digits come with the example.
//!
//! Generator and discriminator have a variable store, an optimizer and a run folder each. The steps
//! of one leave the variables of the other alone, so that neither run has a write from outside. A
//! game has no loss that both go down: what comes of the motion is measured, not predicted.

#[path = "../support/arguments.rs"]
mod arguments;
#[path = "../support/digits.rs"]
mod digits;
mod networks;

use std::path::Path;

use anyhow::Result;
use arguments::Arguments;
use networks::{Discriminator, Generator};
use perrin::Optimizer;
use perrin::analysis::{Answer, Health, RunFit};
use perrin::report::{ReportOptions, write_report};
use perrin::run::Run;
use tch::nn::{self, VarStore};
use tch::{Device, Kind, Tensor, no_grad};

const BATCH: i64 = 64;
const EPOCHS: u64 = 200;
const LEARNING_RATE: f64 = 1e-3;

fn main() -> Result<()> {
    let folder = Arguments::read(&[], &[])?.folder_or_free("gan");
    tch::manual_seed(0);
    tch::set_num_threads(1);
    let images = digits::load()?.images;
    let stores = [VarStore::new(Device::Cpu), VarStore::new(Device::Cpu)];
    let (generator, discriminator) =
        (Generator::new(&stores[0].root()), Discriminator::new(&stores[1].root()));
    let places = [folder.join("generator"), folder.join("discriminator")];
    let steps_per_epoch = images.size()[0] / BATCH;
    let observe = |index: usize| -> Result<Optimizer> {
        let options =
            perrin::Options::new().batch_size(BATCH as u64).steps_per_epoch(steps_per_epoch as u64);
        // With the usual momentum of 0.9 the two networks go round and round each other.
        Ok(options.build(
            nn::adam(0.5, 0.999, 0.),
            &stores[index],
            LEARNING_RATE,
            &places[index],
        )?)
    };
    let (mut generator_optimizer, mut discriminator_optimizer) = (observe(0)?, observe(1)?);

    println!("training on {} digits of 8 x 8", images.size()[0]);
    for epoch in 1..=EPOCHS {
        let order = Tensor::randperm(images.size()[0], (Kind::Int64, Device::Cpu));
        let mut losses = [0.0; 2];
        for number in 0..steps_per_epoch {
            let real = images.index_select(0, &order.narrow(0, number * BATCH, BATCH));
            // What the generator makes is data to the discriminator.
            let made = no_grad(|| generator.make(BATCH));
            let loss = surprise(&discriminator.judge(&real), 1.0)
                + surprise(&discriminator.judge(&made), 0.0);
            discriminator_optimizer.backward_step(&loss);
            losses[1] += loss.double_value(&[]) / steps_per_epoch as f64;

            // The gradients that this leaves in the discriminator are cleared before its next step.
            let loss = surprise(&discriminator.judge(&generator.make(BATCH)), 1.0);
            generator_optimizer.backward_step(&loss);
            losses[0] += loss.double_value(&[]) / steps_per_epoch as f64;
        }
        if epoch % 20 == 0 {
            println!(
                "epoch {epoch:3}: loss of the generator {:.3}, of the discriminator {:.3}",
                losses[0], losses[1]
            );
        }
    }
    for optimizer in [generator_optimizer, discriminator_optimizer] {
        optimizer.finish()?;
    }
    println!("\n{}", networks::drawn(&no_grad(|| generator.make(6))));

    let runs = [Run::open(&places[0])?, Run::open(&places[1])?];
    compare(&runs)?;
    let written = write_report(&runs, &ReportOptions::default(), &mut |_| {})?;
    println!("report of both runs: {}", written.page.display());
    Ok(())
}

/// Cross-entropy of a judgement (a logit: above 0 is "real") that should have been `truth`.
fn surprise(judgement: &Tensor, truth: f64) -> Tensor {
    let truth = judgement.full_like(truth);
    judgement.binary_cross_entropy_with_logits::<Tensor>(&truth, None, None, tch::Reduction::Mean)
}

fn compare(runs: &[Run; 2]) -> Result<()> {
    println!("{:<44}{:>16}{:>16}", "", "generator", "discriminator");
    let fits = [RunFit::of(&runs[0])?, RunFit::of(&runs[1])?];
    let line =
        |name: &str, values: [String; 2]| println!("{name:<44}{:>16}{:>16}", values[0], values[1]);
    let said = |of: &dyn Fn(&RunFit) -> Option<String>| {
        [0, 1].map(|index| of(&fits[index]).unwrap_or_else(|| "cannot say".to_owned()))
    };
    line("steps", said(&|fit| Some(fit.rows.to_string())));
    line("mean squared length of a step", said(&|fit| Some(format!("{:.3e}", speed(fit)?))));
    line(
        "exponent of the squared distance",
        said(&|fit| Some(format!("{:.3}", fit.displacement.known()?.exponent))),
    );
    line(
        "stationary",
        said(&|fit| match &fit.stationarity.beginning {
            Answer::Known(found) => {
                Some(found.first_step.map_or("no".to_owned(), |step| format!("from {step} on")))
            }
            Answer::CannotSay { .. } => None,
        }),
    );
    let outside = [0, 1].map(|index| outside_writes(runs[index].path()));
    let [generator, discriminator] = outside;
    line("writes from outside", [generator?.to_string(), discriminator?.to_string()]);
    println!(
        "predicted: nothing. The theory is of one loss that goes down, and of sgd; the report says so.\n"
    );
    Ok(())
}

fn speed(fit: &RunFit) -> Option<f64> {
    Some(fit.speed.known()?.mean_local_displacement_squared)
}

fn outside_writes(run: &Path) -> Result<u64> {
    Ok(Health::of_run(&Run::open(run)?)?.outside_writes)
}
