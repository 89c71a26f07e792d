//! numpy and scipy read the same log from disk: exponents, spectra and variances are theirs to
//! 1e-9.
//!
//! The packages are those that `make python` installs; `read_log.py` is what they compute.
//! (`reference` and `modes` compare more, with results that were stored.)

use crate::python;
use crate::synthetic::{SyntheticRun, USUAL_SGD};
use perrin::analysis::RunFit;
use perrin::run::Run;
use perrin::stats::spectrum::{Taper, Welch};
use serde_json::{Value, json};

/// Sums of some thousand numbers, added in another order.
const TOLERANCE: f64 = 1e-9;
const SEGMENT: usize = 256;

fn close(name: &str, found: f64, expected: &Value) {
    let expected = expected.as_f64().unwrap_or_else(|| panic!("{name} is missing"));
    // Of a variable that is near 0, and of small densities, what is left of larger terms.
    assert!(
        (found - expected).abs() <= TOLERANCE * expected.abs(),
        "{name}: {found}, scipy has {expected}"
    );
}

#[test]
fn exponents_spectra_and_variances_of_a_log_are_scipys() {
    let directory = tempfile::tempdir().unwrap();
    let eigenvalues = vec![4.0, 1.0, 0.2, 0.02, 0.001];
    SyntheticRun { parameters: USUAL_SGD, eigenvalues, rows: 6000, seed: 3 }
        .write(directory.path());
    let run = Run::open(directory.path()).unwrap();
    let fit = RunFit::of(&run).unwrap();
    let law = fit.displacement.known().unwrap();
    let window = fit.modes.window.known().unwrap();
    let input = json!({
        "run": directory.path(),
        "window": [law.first_step, law.last_step],
        "modes_window": [window.first_step, window.last_step],
        "segment": SEGMENT,
    });
    let answers = python::answer(&mut python::script("analysis/read_log.py"), &input);

    for (name, law) in [("window", law), ("all", fit.displacement_all.known().unwrap())] {
        close("exponent", law.exponent, &answers[name]["exponent"]);
        close("prefactor", law.prefactor.unwrap(), &answers[name]["prefactor"]);
        close("R^2", law.r_squared.unwrap(), &answers[name]["r_squared"]);
    }
    assert_eq!(fit.prefixes.len(), 10);
    for (index, prefix) in fit.prefixes.iter().enumerate() {
        close("exponent of a prefix", prefix.exponent, &answers["prefixes"][index]);
    }
    close("speed", fit.speed.known().unwrap().mean_local_displacement_squared, &answers["speed"]);
    for (index, mode) in fit.modes.modes.iter().enumerate() {
        let (moments, expected) = (mode.moments.known().unwrap(), &answers["modes"][index]);
        close("variance of positions", moments.position_variance, &expected["position_variance"]);
        close("variance of velocities", moments.velocity_variance, &expected["velocity_variance"]);
        let mut welch = Welch::new(SEGMENT, Taper::Hann).unwrap();
        let mut velocities = Vec::new();
        run.for_each_row([format!("velocity_{}", mode.mode).as_str()], |[v]| {
            velocities.push(v.unwrap())
        })
        .unwrap();
        welch.push(&velocities);
        let density = welch.spectrum().unwrap().density;
        assert_eq!(density.len(), expected["density"].as_array().unwrap().len());
        // Frequency zero is what rounding leaves of the means that were taken away.
        for (index, density) in density.iter().enumerate().skip(1) {
            close("density", *density, &expected["density"][index]);
        }
    }
}
