//! The displacement curve of a whole spectrum: time against modes and steps, and whether it is
//! linear in both.
//!
//! `cargo bench --no-default-features --bench displacement_curve`. Median of three runs each; the
//! largest is 1,000 modes over 1,000,000 steps. Compare only runs of one quiet machine.

use std::time::Instant;

use perrin::theory::displacement::{equation_13_curve, exact_curve, langevin_curve};
use perrin::theory::parameters::SgdParameters;
use perrin::theory::spectrum::Spectrum;

const RUNS: usize = 3;
const PARAMETERS: SgdParameters = SgdParameters {
    learning_rate: 0.01,
    momentum: 0.9,
    weight_decay: 1e-4,
    batch_size: 128.0,
    noise_scale: 1.0,
};

/// Eigenvalues evenly spaced in logarithm from 1e-6 to 100.
fn spectrum(modes: usize) -> Spectrum {
    let eigenvalue = |index: usize| 10f64.powf(-6.0 + 8.0 * index as f64 / (modes - 1) as f64);
    Spectrum::from_eigenvalues(&(0..modes).map(eigenvalue).collect::<Vec<f64>>())
        .expect("eigenvalues are positive")
}

fn median_seconds(run: impl Fn() -> Vec<f64>) -> f64 {
    let mut seconds: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(run());
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds[RUNS / 2]
}

fn main() {
    println!(
        "{:<12} {:>7} {:>10} {:>10} {:>18}",
        "curve", "modes", "steps", "seconds", "ns/(mode*step)"
    );
    let report = |name: &str, modes: usize, steps: usize, seconds: f64| {
        println!(
            "{name:<12} {modes:>7} {steps:>10} {seconds:>10.4} {:>18.3}",
            seconds * 1e9 / (modes * steps) as f64
        );
    };
    for (modes, steps) in [(100, 100_000), (1000, 100_000), (100, 1_000_000), (1000, 1_000_000)] {
        let spectrum = spectrum(modes);
        let run = || exact_curve(&PARAMETERS, &spectrum, steps).expect("the spectrum is stable");
        report("exact", modes, steps, median_seconds(run));
    }
    let spectrum = spectrum(1000);
    let run =
        || langevin_curve(&PARAMETERS, &spectrum, 1_000_000).expect("the parameters are valid");
    report("langevin", 1000, 1_000_000, median_seconds(run));
    let run =
        || equation_13_curve(&PARAMETERS, &spectrum, 1_000_000).expect("the parameters are valid");
    report("equation 13", 1000, 1_000_000, median_seconds(run));
}
