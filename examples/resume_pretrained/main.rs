//! Resumes training of a trained network and compares how it moves with the theory: figures 1, 3,
//! 4, 5 and 7 of the paper.
//!
//! `cargo run --release --features report --example resume_pretrained [-- small|mnist|resnet] [--data DIR] [--weights FILE] [--steps N] [--refresh N] [--learning-rate X] [--momentum X] [--batch N] [--weight-decay X] [--with-replacement] [--directions N] [--examples N: how many the Hessian is of] [FOLDER]`
//!
//! Batches are drawn without replacement, as usual and as in the paper; `--with-replacement` draws
//! them as the theory has it. Of a folder with a run in it, such as one that was interrupted, the
//! findings are told and nothing is trained.
//!
//! - `small`, the default: a network that cannot fit Fashion-MNIST exactly, and so keeps its
//!   gradient noise. Along the sharp directions it is stationary; along the flat ones it drifts on.
//! - `mnist`: one that can, and so may lose its gradient noise and drift on. The largest: minutes
//!   go by for its eigenvectors alone.
//! - `resnet`: with batch normalisation. Loss, Hessian and gradient noise are those of *training
//!   mode*, over batches of the size trained with: it is the loss whose gradients SGD follows. In
//!   evaluation mode, with running averages for the moments of a batch, the function is another
//!   one, and it changes as training goes on without any step along it.

#[path = "../support/arguments.rs"]
mod arguments;
#[path = "../support/curvature.rs"]
mod curvature;
#[path = "../support/datasets.rs"]
mod datasets;
mod findings;
mod measure;
#[path = "../support/networks.rs"]
mod networks;
mod plan;
#[path = "../support/problem.rs"]
mod problem;

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use networks::Architecture;
use perrin::analysis::RunFit;
use perrin::curvature::EigenpairFollower;
use perrin::linalg::lanczos::LanczosOptions;
use perrin::report::{ReportOptions, write_report};
use perrin::run::Run;
use plan::Plan;
use problem::{Batches, Problem};
use tch::nn;

const SEED: u64 = 1;
/// Steps between two lines of progress.
const TOLD_STEPS: u64 = 1_000;

fn main() -> Result<()> {
    let options = [&["data", "weights"], plan::OPTIONS].concat();
    let (architecture, arguments) = Architecture::read_arguments(&options, &["with-replacement"])?;
    let plan = Plan::new(architecture, &arguments)?;
    let data = arguments.path("data");
    let folder = arguments.folder_or_free(&format!("{}-resumed", architecture.name()));
    tch::manual_seed(SEED as i64);
    let problem = Problem::trained(
        architecture,
        data,
        &architecture.weights(arguments.path("weights"), data)?,
    )?;
    println!("{}: {} parameters", architecture.name(), problem.parameters());
    tell_quality("before", &problem);

    let train_mode = architecture.has_batch_normalisation();
    if folder.join("run.json").exists() {
        println!("{} holds a run already: what it says", folder.display());
        return tell_findings(&folder, &problem, &plan, train_mode);
    }

    // The sharpest directions, which are estimated again as training goes on, and what there is
    // besides them.
    let hessian = measure::hessian(&problem, &plan, train_mode)?;
    let mut curvature = EigenpairFollower::new(
        hessian,
        LanczosOptions::largest(plan.directions),
        plan.refresh_steps,
    )?;
    println!(
        "the {} largest eigenvalues of the Hessian of {} examples",
        plan.directions, plan.hessian_examples
    );
    let eigenvectors = curvature.refresh()?;
    let summary = measure::summary(&mut curvature, &eigenvectors, &problem, &plan, train_mode)?;
    measure::tell(&eigenvectors, &summary);

    let sgd = nn::sgd(plan.momentum, 0., plan.weight_decay, false);
    let mut batches = Batches::new(problem.train.labels.size()[0], plan.batch_size, SEED);
    let mut observation = perrin::Options::new().batch_size(plan.batch_size as u64);
    if arguments.has("with-replacement") {
        batches = batches.with_replacement();
    } else {
        // Noise that cancels over an epoch is allowed for where epochs are known.
        observation = observation.steps_per_epoch(batches.steps_per_epoch());
    }
    let mut optimizer = observation.project_onto(eigenvectors.with_summary(summary)).build(
        sgd,
        &problem.variables,
        plan.learning_rate,
        &folder,
    )?;
    println!("resuming for {} steps, logged in {}", plan.steps, folder.display());
    let (began, mut loss_sum) = (Instant::now(), 0.);
    for step in 1..=plan.steps {
        let loss = problem.loss(&problem.train, &batches.next(), true);
        optimizer.backward_step(&loss);
        loss_sum += loss.double_value(&[]);
        if step % TOLD_STEPS == 0 {
            let mean = loss_sum / TOLD_STEPS as f64;
            println!("step {step:6}: mean loss {mean:.4}; {:.0} s", began.elapsed().as_secs_f64());
            loss_sum = 0.;
        }
        // Of use only if steps follow.
        let estimate = |step| {
            let due = if step < plan.steps { curvature.refresh_if_due(step)? } else { None };
            let Some(eigenvectors) = due else { return Ok(None) };
            let [first, last] =
                [0, plan.directions - 1].map(|index| eigenvectors.eigenvalues[index]);
            println!("step {step:6}: eigenvalues from {first:.2} to {last:.2}");
            let summary =
                measure::summary(&mut curvature, &eigenvectors, &problem, &plan, train_mode)?;
            anyhow::Ok(Some(eigenvectors.with_summary(summary)))
        };
        if let Some(error) = optimizer.follow(estimate) {
            println!("step {step:6}: {error}; the last directions stay");
        }
    }
    optimizer.finish()?;
    tell_quality("after", &problem);
    tell_findings(&folder, &problem, &plan, train_mode)
}

fn tell_findings(folder: &Path, problem: &Problem, plan: &Plan, train_mode: bool) -> Result<()> {
    let fit = RunFit::of(&Run::open(folder)?)?;
    println!("\n{fit}\n{}", findings::table(&fit, &Run::open(folder)?)?);
    measure::landscape(folder, &fit, problem, plan, train_mode)?;
    let written = write_report(
        &[Run::open(folder)?],
        &ReportOptions { figures: Some(folder.join("figures")), ..ReportOptions::default() },
        &mut |_| {},
    )?;
    println!(
        "report: {}; each figure by itself in {}",
        written.page.display(),
        folder.join("figures").display()
    );
    Ok(())
}

fn tell_quality(when: &str, problem: &Problem) {
    let (train, test) = (problem.quality(&problem.train), problem.quality(&problem.test));
    println!(
        "{when}: training loss {:.4}, accuracy {:.2}%; test loss {:.4}, accuracy {:.2}%",
        train.loss,
        100. * train.accuracy,
        test.loss,
        100. * test.accuracy
    );
}
