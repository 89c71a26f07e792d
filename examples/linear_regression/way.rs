//! Figure 2: the way from the random start towards the minimum, and how much of it eq. 5 explains.

use std::path::Path;

use anyhow::Result;
use perrin::log::Run;
use perrin::theory::langevin::LangevinMode;
use perrin::theory::parameters::SgdParameters;

use super::problem::{Directions, Problem};
use super::training::{Batches, Training};
use super::trajectory::Trajectory;
use super::{BATCH, figure, picture};

/// The paper's.
const EPOCHS: i64 = 4;
/// Asked for of R^2.
const GOOD: f64 = 0.99;

/// Trains with momentum 0.9 and 0.99, each with all images in a batch, which leaves eq. 5 alone, and with mini-batches.
pub fn observe(problem: &mut Problem, directions: &Directions, folder: &Path) -> Result<()> {
    let learning_rate = 0.01 / directions.pairs[0].eigenvalue;
    let steps = EPOCHS * (problem.count() / BATCH);
    let mut rows = Vec::new();
    for momentum in [0.9, 0.99] {
        let mut train = |name: &str, batches: Batches| -> Result<Run> {
            problem.restart();
            let place = folder.join(format!("momentum_{momentum}_{name}"));
            let title = format!("momentum {momentum}, {name}");
            Training { title: &title, batches, learning_rate, momentum, steps }.run(
                problem,
                &directions.vectors,
                &place,
            )?;
            Ok(Run::open(place)?)
        };
        let runs = [train("all_images", Batches::Whole)?, train("mini_batches", Batches::Epochs(BATCH))?];
        // Where the last run ended: the noise of most of its steps.
        let noise = problem.noise(&directions.pairs)?;

        println!(
            "R^2 of eq. 5 (position, velocity) over {steps} steps, learning rate {learning_rate:.3e}, momentum {momentum}:"
        );
        let columns = ["mode", "rho", "damping", "all images", "mini-batches", "by noise"];
        println!(
            "{:>4} {:>9} {:>8} {:>18} {:>18} {:>18}",
            columns[0], columns[1], columns[2], columns[3], columns[4], columns[5]
        );
        let mut explained = Vec::new();
        for (index, pair) in directions.pairs.iter().enumerate() {
            let noise_scale = noise[index].value / pair.eigenvalue;
            let parameters =
                SgdParameters { learning_rate, momentum, weight_decay: 0.0, batch_size: BATCH as f64, noise_scale };
            let mode = LangevinMode::new(&parameters, pair.eigenvalue)?;
            let predicted = Trajectory::expected(&mode, directions.offsets[index], steps as u64)?;
            let [all, some] = [Trajectory::read(&runs[0], index + 1)?, Trajectory::read(&runs[1], index + 1)?];
            let found =
                [all.explained_by(&predicted), some.explained_by(&predicted), predicted.explains_of_noisy(&mode)];
            if index < 10 || (index + 1) % 10 == 0 {
                let [all, some, noisy] = found.map(|[position, velocity]| format!("{position:.4}, {velocity:.4}"));
                let damping = mode.damping_ratio();
                println!("{:>4} {:>9.4} {damping:>8.2} {all:>18} {some:>18} {noisy:>18}", index + 1, pair.eigenvalue);
            }
            if index == 0 {
                rows.push(picture::row(momentum, &some, &predicted));
            }
            explained.push(found);
        }
        for (which, name) in ["all images", "mini-batches", "by noise"].into_iter().enumerate() {
            let lowest = |of: usize| explained.iter().map(|found| found[which][of]).fold(f64::MAX, f64::min);
            let good = |of: usize| explained.iter().filter(|found| found[which][of] >= GOOD).count();
            println!(
                "{name}: position {:.4} at least, {GOOD} or more in {} modes; velocity {:.4} at least, {GOOD} in {} modes",
                lowest(0),
                good(0),
                lowest(1),
                good(1)
            );
        }
        println!();
    }
    let svg = figure::svg(&rows, [480, 280])?;
    std::fs::write(folder.join("figure_2.svg"), &svg)?;
    let text = "<p>Position and velocity along the sharpest direction, mini-batches of 512 images: measured in black, over eq. 5 in orange. \
                Nothing is fitted.</p>";
    let title = "Linear regression: the way to the minimum (figure 2)";
    figure::write_page(&folder.join("figure_2.html"), title, text, &svg)
}
