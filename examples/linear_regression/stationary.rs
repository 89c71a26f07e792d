//! From the random start to the stationary state: variances and speed there.

use std::path::Path;

use anyhow::Result;
use perrin::analysis::RunFit;
use perrin::analysis::curvatures::Curvatures;
use perrin::analysis::modes::Estimate;
use perrin::curvature::ModeNoise;
use perrin::run::{Run, SpectralBulk};
use perrin::theory::displacement::exact_curve;
use perrin::theory::langevin;
use perrin::theory::parameters::SgdParameters;

use super::problem::{Directions, Problem};
use super::training::{Batches, Training};
use super::variances::{measure, pooled};
use super::{BATCH, CLASSES};

/// What is trained: name, learning rate times the largest eigenvalue, batches. The limit of
/// stability is 2 (1 + beta) = 3.8.
///
/// Independent batches are those of the theory. At the higher learning rate SGD is no longer near
/// its Langevin limit; at the lower one a relaxation takes longer than an epoch, and there batches
/// without replacement matter.
const TRAINED: [(&str, f64, Batches); 3] = [
    ("independent_batches", 0.1, Batches::WithReplacement(BATCH)),
    ("high_learning_rate", 1.0, Batches::WithReplacement(BATCH)),
    ("epochs", 0.1, Batches::Epochs(BATCH)),
];

/// Trains from the random start, and compares the stationary part with the theory.
pub fn observe(
    problem: &mut Problem,
    directions: &Directions,
    curvatures: &Curvatures,
    steps: i64,
    folder: &Path,
) -> Result<Vec<Run>> {
    let mut runs = Vec::new();
    for (name, pull, batches) in TRAINED {
        problem.restart();
        let (learning_rate, momentum) = (pull / directions.pairs[0].eigenvalue, 0.9);
        let batch_size = BATCH as f64;
        let parameters = SgdParameters {
            learning_rate,
            momentum,
            weight_decay: 0.0,
            batch_size,
            noise_scale: 1.0,
        };
        // A run of its own for each, so that the stationary one begins where the state is
        // stationary.
        let approach = steps / 3;
        for (part, steps) in [("approach", approach), ("stationary", steps - approach)] {
            let (title, place) =
                (&format!("{name}, {part}"), folder.join(format!("{part}_{name}")));
            let training = Training { title, batches, learning_rate, momentum, steps };
            training.run(problem, &directions.vectors, &place)?;
        }
        let run = Run::open(folder.join(format!("stationary_{name}")))?;
        tell(&run, problem, directions, curvatures, &parameters)?;
        runs.push(run);
    }
    Ok(runs)
}

/// Prints what the stationary part says.
fn tell(
    run: &Run,
    problem: &Problem,
    directions: &Directions,
    curvatures: &Curvatures,
    parameters: &SgdParameters,
) -> Result<()> {
    let noise = problem.noise(&directions.pairs);
    let measured = problem.measured_noise(&directions.pairs)?;
    let within = |(mode, exact): &(&ModeNoise, &f64)| {
        (mode.variance.value - **exact).abs() <= 2. * mode.variance.standard_error
    };
    println!(
        "tr(Sigma) = {:.2} of all images; perrin's gradient_noise from {}: {:.2} +- {:.2}, and {} of {} q^T Sigma q within two errors",
        noise.trace,
        measured.batches,
        measured.trace.value,
        measured.trace.standard_error,
        measured.modes.iter().zip(&noise.along).filter(within).count(),
        noise.along.len()
    );
    let modes = measure(run, directions, parameters, &noise)?;
    let rate = parameters.learning_rate;
    println!("learning rate {rate:.3e}, variances over the exact ones, and Langevin's over exact:");
    println!("{:>4} {:>9} {:>22} {:>22} {:>9}", "mode", "rho", "position", "velocity", "Langevin");
    let shown = |ratio: &Estimate| {
        let [low, high] = [ratio.low.unwrap_or(0.0), ratio.high.unwrap_or(f64::INFINITY)];
        format!("{:.3} ({low:.3}-{high:.3})", ratio.value)
    };
    for mode in &modes {
        let [position, velocity] = mode.ratios.each_ref().map(shown);
        println!(
            "{:>4} {:>9.4} {position:>22} {velocity:>22} {:>9.3}",
            mode.mode, mode.eigenvalue, mode.langevin
        );
    }
    for (of, quantity) in ["position", "velocity"].into_iter().enumerate() {
        let [mean, low, high] = pooled(modes.iter().map(|mode| mode.ratios[of]));
        let inside = modes.iter().filter(|mode| mode.ratios[of].covers(1.0)).count();
        let count = modes.len();
        println!(
            "{quantity}: {mean:.3} ({low:.3} to {high:.3}) of the exact value over all; 1 is in {inside} of {count} intervals"
        );
    }
    if let Some(speed) = RunFit::of(run)?.speed.known() {
        // Eq. 12 needs no more than tr(Sigma), which is sigma^2 tr(H) by assumption 5.
        let langevin = langevin::local_displacement(parameters, noise.trace)?;
        let spectrum = curvatures.spectrum().map_err(anyhow::Error::msg)?;
        let noise_scale = noise.trace / spectrum.trace();
        let exact = exact_curve(&SgdParameters { noise_scale, ..*parameters }, &spectrum, 1)?[1];
        let interval =
            speed.interval.known().map_or([f64::NAN; 2], |interval| [interval.low, interval.high]);
        for (name, predicted) in [("eq. 12", langevin), ("the exact theory", exact)] {
            let measured = speed.mean_local_displacement_squared;
            let [low, high] = interval.map(|end| end / predicted);
            let ratio = measured / predicted;
            println!(
                "speed: {measured:.4e}, by {name} {predicted:.4e}: {ratio:.4} ({low:.4} to {high:.4}) of it"
            );
        }
    }
    println!();
    Ok(())
}

/// All eigenvalues of the Hessian: the directions', and the others as a density.
pub fn curvatures(spectrum: &[f64], directions: &Directions) -> Curvatures {
    let eigenvalues = directions.vectors.eigenvalues.clone();
    // The spectrum has each eigenvalue once; the directions are one of each of the first.
    let left = |index: usize| if index < eigenvalues.len() { CLASSES - 1 } else { CLASSES };
    let weights: Vec<f64> = (0..spectrum.len()).map(|index| left(index) as f64).collect();
    let nodes = spectrum.iter().map(|eigenvalue| eigenvalue.max(0.0)).collect();
    let density = SpectralBulk { nodes, dimension: weights.iter().sum(), weights };
    Curvatures { eigenvalues, density: Some(density), ..Curvatures::default() }
}
