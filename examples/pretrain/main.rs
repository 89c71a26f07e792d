//! Trains the networks that `resume_pretrained` and `hyperparameter_sweep` start from.
//!
//! `cargo run --release --features report --example pretrain -- small|resnet [--epochs N] [--data DIR] [FOLDER]`
//!
//! `--epochs N` stops after N epochs of this time; the same command with the same folder goes on.
//! What it made is in examples/data/.

#[path = "../support/arguments.rs"]
mod arguments;
#[path = "../support/datasets.rs"]
mod datasets;
#[path = "../support/networks.rs"]
mod networks;
#[path = "../support/problem.rs"]
mod problem;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use networks::Architecture;
use problem::{Batches, Problem};
use tch::nn::{self, OptimizerConfig};

/// How a network is trained: SGD, cross-entropy, batches drawn without replacement, no
/// augmentation.
struct Recipe {
    seed: u64,
    batch_size: usize,
    momentum: f64,
    weight_decay: f64,
    /// Learning rate and epochs, one after the other.
    schedule: &'static [(f64, u64)],
}

const SMALL: Recipe = Recipe {
    seed: 1,
    batch_size: 256,
    momentum: 0.9,
    weight_decay: 1e-4,
    schedule: &[(0.1, 6), (0.03, 6), (0.01, 8)],
};

const RESNET: Recipe = Recipe {
    seed: 1,
    batch_size: 128,
    momentum: 0.9,
    weight_decay: 5e-4,
    schedule: &[(0.1, 5), (0.03, 3), (0.01, 4)],
};

fn main() -> Result<()> {
    let (architecture, arguments) = Architecture::read_arguments(&["epochs", "data"], &[])?;
    let recipe = match architecture {
        Architecture::Small => SMALL,
        Architecture::Resnet => RESNET,
        Architecture::Mnist => bail!("that network comes trained: `make data`"),
    };
    // Always the same folder, for the next command to go on from.
    let folder = arguments.folder().map_or_else(|| PathBuf::from("runs/pretrained"), PathBuf::from);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let weights = folder.join(format!("{}.safetensors", architecture.name()));

    tch::manual_seed(recipe.seed as i64);
    let mut problem = Problem::new(architecture, arguments.path("data"))?;
    println!("{}: {} parameters", architecture.name(), problem.parameters());
    println!("{recipe}");
    let epochs = recipe.schedule.iter().map(|(_, epochs)| epochs).sum();
    let trained =
        (1..=epochs).rev().find(|&epoch| checkpoint(&weights, epoch).exists()).unwrap_or(0);
    if trained > 0 {
        problem.load(&checkpoint(&weights, trained))?;
        println!(
            "going on after epoch {trained}; the momentum starts from zero, as it does in no run of one piece"
        );
    }
    let until = epochs.min(trained.saturating_add(arguments.number("epochs", epochs)?));
    train(&problem, &recipe, trained, until, &weights)?;
    if until < epochs {
        println!("{} epochs are left: the same command goes on", epochs - until);
        return Ok(());
    }
    let (train, test) = (problem.quality(&problem.train), problem.quality(&problem.test));
    println!(
        "training loss {:.4}, accuracy {:.2}%; test loss {:.4}, accuracy {:.2}%",
        train.loss,
        100. * train.accuracy,
        test.loss,
        100. * test.accuracy
    );
    let last = checkpoint(&weights, epochs);
    fs::copy(&last, &weights).with_context(|| format!("cannot copy {}", last.display()))?;
    println!("weights: {}", weights.display());
    Ok(())
}

/// Trains from after epoch `trained` up to epoch `until`, and leaves a checkpoint of the last epoch
/// that was finished.
fn train(
    problem: &Problem,
    recipe: &Recipe,
    trained: u64,
    until: u64,
    weights: &Path,
) -> Result<()> {
    let sgd = nn::sgd(recipe.momentum, 0., recipe.weight_decay, false);
    let mut optimizer = sgd.build(&problem.variables, recipe.learning_rate(1))?;
    for epoch in trained + 1..=until {
        let began = Instant::now();
        optimizer.set_lr(recipe.learning_rate(epoch));
        // Of its own for each epoch, so that an epoch's order does not depend on where training was
        // taken up.
        let mut batches = Batches::new(
            problem.train.labels.size()[0],
            recipe.batch_size,
            1_000 * recipe.seed + epoch,
        );
        for _ in 0..batches.steps_per_epoch() {
            optimizer.backward_step(&problem.loss(&problem.train, &batches.next(), true));
        }
        let test = problem.quality(&problem.test);
        println!(
            "epoch {epoch:2}, learning rate {}: test loss {:.4}, accuracy {:.2}%; {:.0} s",
            recipe.learning_rate(epoch),
            test.loss,
            100. * test.accuracy,
            began.elapsed().as_secs_f64()
        );
        // Whole or not at all. The ending tells libtorch the format.
        let whole = checkpoint(weights, epoch);
        let partial = whole.with_extension("partial.safetensors");
        problem
            .variables
            .save(&partial)
            .with_context(|| format!("cannot write {}", partial.display()))?;
        fs::rename(&partial, &whole)
            .with_context(|| format!("cannot rename {}", partial.display()))?;
        if epoch > 1 {
            let _ = fs::remove_file(checkpoint(weights, epoch - 1));
        }
    }
    Ok(())
}

fn checkpoint(weights: &Path, epoch: u64) -> PathBuf {
    weights.with_extension(format!("epoch_{epoch}.safetensors"))
}

impl Recipe {
    /// Epochs count from 1.
    fn learning_rate(&self, epoch: u64) -> f64 {
        let mut last = 0;
        let in_force = self.schedule.iter().find(|(_, epochs)| {
            last += epochs;
            epoch <= last
        });
        in_force.or(self.schedule.last()).map_or(0., |(rate, _)| *rate)
    }
}

impl std::fmt::Display for Recipe {
    fn fmt(&self, text: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Recipe { seed, batch_size, momentum, weight_decay, schedule } = self;
        write!(
            text,
            "SGD, batch {batch_size}, momentum {momentum}, weight decay {weight_decay}, seed {seed}; learning rate"
        )?;
        for (index, (rate, epochs)) in schedule.iter().enumerate() {
            write!(text, "{} {rate} for {epochs} epochs", if index > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}
