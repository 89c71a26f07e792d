//! Figure 2: the way from the random start towards the minimum, and how much of it eq. 5 explains.

use std::path::Path;

use anyhow::Result;
use perrin::run::Run;
use perrin::theory::langevin::LangevinMode;
use perrin::theory::parameters::SgdParameters;

use super::figure::{self, Panel};
use super::problem::{Directions, Noise, Problem};
use super::training::{Batches, Training};
use super::trajectory::Trajectory;
use super::{BATCH, picture};

/// The paper's.
const EPOCHS: i64 = 4;
/// Asked for of R^2.
const GOOD: f64 = 0.99;
const COLUMNS: [&str; 3] = ["all images", "mini-batches", "by eq. 6"];

/// Trains with momentum 0.9 and 0.99, each with all images in a batch, which leaves eq. 5 alone,
/// and with mini-batches.
pub fn observe(problem: &mut Problem, directions: &Directions, folder: &Path) -> Result<()> {
    let learning_rate = 0.01 / directions.pairs[0].eigenvalue;
    let steps = EPOCHS * (problem.count() / BATCH);
    let mut rows = Vec::new();
    for momentum in [0.9, 0.99] {
        let mut train = |name: &str, batches: Batches| -> Result<Run> {
            problem.restart();
            let place = folder.join(format!("momentum_{momentum}_{name}"));
            let title = &format!("momentum {momentum}, {name}");
            let training = Training { title, batches, learning_rate, momentum, steps };
            training.run(problem, &directions.vectors, &place)?;
            Ok(Run::open(place)?)
        };
        let runs =
            [train("all_images", Batches::Whole)?, train("mini_batches", Batches::Epochs(BATCH))?];
        // Where the last run ended: the noise of most of its steps.
        let noise = problem.noise(&directions.pairs);
        let batch_size = BATCH as f64;
        let parameters = SgdParameters {
            learning_rate,
            momentum,
            weight_decay: 0.0,
            batch_size,
            noise_scale: 0.0,
        };
        rows.push(tell(&runs, directions, &noise, &parameters, steps as u64)?);
    }
    let svg = figure::svg(&rows, [480, 280])?;
    std::fs::write(folder.join("figure_2.svg"), &svg)?;
    let title = "Linear regression: the way to the minimum (figure 2)";
    let text = "<p>Position and velocity along the sharpest direction, mini-batches of 512 images: measured in black, over \
                eq. 5 in orange. Nothing is fitted.</p>";
    figure::write_page(&folder.join("figure_2.html"), title, text, &svg)
}

/// Prints R^2 of eq. 5, mode by mode, in the run of all images and that of mini-batches; gives the
/// figure of the first.
fn tell(
    [all_images, mini_batches]: &[Run; 2],
    directions: &Directions,
    noise: &Noise,
    parameters: &SgdParameters,
    steps: u64,
) -> Result<Vec<Panel>> {
    let SgdParameters { learning_rate, momentum, .. } = parameters;
    println!(
        "R^2 of eq. 5 (position, velocity), {steps} steps, learning rate {learning_rate:.3e}, momentum {momentum}; by eq. 6 \
         the noise of mini-batches leaves what the last column says:"
    );
    let [all, some, noisy] = COLUMNS;
    println!("{:>4} {:>9} {:>8} {all:>18} {some:>18} {noisy:>18}", "mode", "rho", "damping");
    let mut panels = Vec::new();
    let mut explained = Vec::new();
    for (index, pair) in directions.pairs.iter().enumerate() {
        let noise_scale = noise.along[index] / pair.eigenvalue;
        let mode =
            LangevinMode::new(&SgdParameters { noise_scale, ..*parameters }, pair.eigenvalue)?;
        let predicted = Trajectory::expected(&mode, directions.offsets[index], steps)?;
        let [all, some] =
            [Trajectory::read(all_images, index + 1)?, Trajectory::read(mini_batches, index + 1)?];
        let found = [
            all.explained_by(&predicted),
            some.explained_by(&predicted),
            predicted.explains_of_noisy(&mode),
        ];
        if index < 10 || (index + 1) % 10 == 0 {
            let [all, some, noisy] =
                found.map(|[position, velocity]| format!("{position:.4}, {velocity:.4}"));
            let damping = mode.damping_ratio();
            println!(
                "{:>4} {:>9.4} {damping:>8.2} {all:>18} {some:>18} {noisy:>18}",
                index + 1,
                pair.eigenvalue
            );
        }
        if index == 0 {
            panels = picture::row(*momentum, &some, &predicted);
        }
        explained.push(found);
    }
    for (which, name) in COLUMNS.into_iter().enumerate() {
        let told = ["position", "velocity"].into_iter().enumerate().map(|(of, quantity)| {
            let values = || explained.iter().map(|found| found[which][of]);
            let (lowest, good) = (
                values().fold(f64::MAX, f64::min),
                values().filter(|value| *value >= GOOD).count(),
            );
            format!(
                "{quantity} at least {lowest:.4}, {GOOD} or more in {good} of {} modes",
                explained.len()
            )
        });
        println!("{name}: {}", told.collect::<Vec<_>>().join("; "));
    }
    println!();
    Ok(panels)
}
