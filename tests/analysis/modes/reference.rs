//! Against scipy and numpy on the same series (`tests/data/generate_modes_reference.py`).

use perrin::analysis::modes::{ModesFit, ModesOptions};
use perrin::stats::spectrum::{Taper, Welch};
use serde_json::Value;

use super::support::{PARAMETERS, info, row, write};

/// Sums of 1,000 doubles in another order differ by about 1e-14 of the largest term.
const RELATIVE: f64 = 1e-9;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

#[test]
fn spectra_variances_and_fits_are_scipys() {
    let reference: Value =
        serde_json::from_str(include_str!("../../data/modes_reference.json")).unwrap();
    let close = |found: f64, name: &str| {
        let expected = reference[name].as_f64().unwrap();
        assert!((found / expected - 1.0).abs() < RELATIVE, "{name}: {found} is not {expected}");
    };
    let (positions, velocities) =
        (numbers(&reference["positions"]), numbers(&reference["velocities"]));
    for (taper, name) in [(Taper::Hann, "hann"), (Taper::None, "none")] {
        let mut welch = Welch::new(128, taper).unwrap();
        welch.push(&velocities);
        let expected = numbers(&reference["spectra"][name]);
        let found = welch.spectrum().unwrap().density;
        assert_eq!(found.len(), expected.len());
        let largest = expected.iter().copied().fold(0.0, f64::max);
        for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
            // Frequency zero is what rounding leaves of a mean that was taken away.
            let enough = RELATIVE * expected + 1e-20 * largest;
            assert!(
                (found - expected).abs() <= enough,
                "{name} {index}: {found} is not {expected}"
            );
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let rows = (1..)
        .zip(positions.iter().zip(&velocities))
        .map(|(step, (x, v))| row(step, &PARAMETERS, &[*x], &[*v]));
    let run = write(&directory.path().join("known"), &info(1), rows.clone());
    let fit = ModesFit::of(&run, &ModesOptions::default()).unwrap();
    let mode = &fit.modes[0];
    let moments = mode.moments.known().unwrap();
    close(moments.position_mean, "position_mean");
    close(moments.position_variance, "position_variance");
    close(moments.velocity_variance, "velocity_variance");
    let recursion = mode.recursion.known().unwrap();
    close(recursion.curvature.value, "curvature");
    close(recursion.noise_variance.value, "noise_variance");
    // 95% are two standard errors, and the quantiles of this window nearly normal.
    let half = 0.5 * (recursion.curvature.high.unwrap() - recursion.curvature.low.unwrap());
    let errors = half / reference["curvature_standard_error"].as_f64().unwrap();
    assert!((errors - 1.96).abs() < 0.05, "{errors}");
    let noise = mode.noise.known().unwrap();
    close(noise.skewness, "skewness");
    close(noise.excess_kurtosis, "excess_kurtosis");
    close(noise.against_gaussian.probability, "normaltest_probability");

    // The same with the momentum left out of the log.
    let unknown = rows.map(|mut row| {
        row.record.hyperparameters.momentum = None;
        row
    });
    let run = write(&directory.path().join("unknown"), &info(1), unknown);
    let fit = ModesFit::of(&run, &ModesOptions::default()).unwrap();
    let recursion = fit.modes[0].recursion.known().unwrap().clone();
    assert!(recursion.momentum_fitted);
    close(recursion.curvature.value, "fitted_curvature");
    close(recursion.momentum.value, "fitted_momentum");
}
