//! From the random start to the stationary state: variances, speed and displacement there.

use std::path::Path;

use anyhow::Result;
use perrin::analysis::curvatures::{Curvatures, Density};
use perrin::analysis::modes::Estimate;
use perrin::analysis::{FitOptions, RunFit};
use perrin::log::Run;
use perrin::theory::langevin;
use perrin::theory::parameters::SgdParameters;

use super::problem::{Directions, Problem};
use super::training::{Batches, Training};
use super::variances::{measure, pooled};
use super::{BATCH, CLASSES};

/// Trains ten times as fast as for figure 2, with independent batches, as the theory has them, and with epochs.
pub fn observe(
    problem: &mut Problem,
    directions: &Directions,
    curvatures: &Curvatures,
    steps: i64,
    folder: &Path,
) -> Result<Vec<Run>> {
    let parameters = SgdParameters {
        learning_rate: 0.1 / directions.pairs[0].eigenvalue,
        momentum: 0.9,
        weight_decay: 0.0,
        batch_size: BATCH as f64,
        noise_scale: 1.0,
    };
    let mut runs = Vec::new();
    for (name, batches) in
        [("independent_batches", Batches::WithReplacement(BATCH)), ("epochs", Batches::Epochs(BATCH))]
    {
        problem.restart();
        let place = folder.join(format!("stationary_{name}"));
        let SgdParameters { learning_rate, momentum, .. } = parameters;
        Training { title: name, batches, learning_rate, momentum, steps }.run(problem, &directions.vectors, &place)?;
        let run = Run::open(place)?;
        tell(&run, problem, directions, curvatures, &parameters, steps as u64 / 3 + 1)?;
        runs.push(run);
    }
    Ok(runs)
}

/// Prints what the stationary part says, from `first_step` on.
fn tell(
    run: &Run,
    problem: &Problem,
    directions: &Directions,
    curvatures: &Curvatures,
    parameters: &SgdParameters,
    first_step: u64,
) -> Result<()> {
    let noise = problem.noise(&directions.pairs)?;
    let modes = measure(run, directions, parameters, &noise, first_step)?;
    println!("variances from step {first_step} on over those of the exact theory, and Langevin's over exact:");
    println!("{:>4} {:>9} {:>22} {:>22} {:>9}", "mode", "rho", "position", "velocity", "Langevin");
    let shown = |ratio: &Estimate| {
        let [low, high] = [ratio.low.unwrap_or(0.0), ratio.high.unwrap_or(f64::INFINITY)];
        format!("{:.3} ({low:.3}-{high:.3})", ratio.value)
    };
    for mode in &modes {
        let [position, velocity] = mode.ratios.each_ref().map(shown);
        println!("{:>4} {:>9.4} {position:>22} {velocity:>22} {:>9.3}", mode.mode, mode.eigenvalue, mode.langevin);
    }
    for (of, quantity) in ["position", "velocity"].into_iter().enumerate() {
        let [mean, low, high] = pooled(&modes, of);
        let inside = modes.iter().filter(|mode| mode.ratios[of].covers(1.0)).count();
        let count = modes.len();
        println!(
            "{quantity}: {mean:.3} ({low:.3} to {high:.3}) of the exact value over all; 1 is in {inside} of {count} intervals"
        );
    }
    let first_step = Some(first_step);
    let fit = RunFit::with(run, &FitOptions { first_step, curvatures: Some(curvatures.clone()), last_step: None })?;
    if let Some(speed) = fit.speed.known() {
        // Eq. 12 needs no more than tr(Sigma), which is sigma^2 tr(H) by assumption 5.
        let trace = &noise[directions.pairs.len()];
        let predicted = langevin::local_displacement(parameters, trace.value)?;
        let [value, error] = [trace.value, trace.standard_error];
        let measured = speed.mean_local_displacement_squared;
        let ratio = measured / predicted;
        println!(
            "speed: {measured:.4e}; by eq. 12 from tr(Sigma) = {value:.2} +- {error:.2}: {predicted:.4e}; ratio {ratio:.4}"
        );
    }
    println!("\n{fit}\n");
    Ok(())
}

/// All eigenvalues of the Hessian: the directions', and the others as a density.
pub fn curvatures(spectrum: &[f64], directions: &Directions) -> Curvatures {
    let eigenvalues = directions.vectors.eigenvalues.clone();
    // The spectrum has each eigenvalue once; the directions are one of each of the first.
    let left = |index: usize| if index < eigenvalues.len() { CLASSES - 1 } else { CLASSES };
    let weights: Vec<f64> = (0..spectrum.len()).map(|index| left(index) as f64).collect();
    let nodes = spectrum.iter().map(|eigenvalue| eigenvalue.max(0.0)).collect();
    let density = Density { nodes, dimension: weights.iter().sum(), weights };
    Curvatures { eigenvalues, density: Some(density) }
}
