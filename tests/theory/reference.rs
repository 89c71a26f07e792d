//! The theory against values computed independently: `tests/data/sgd_modes.json` and
//! `ornstein_uhlenbeck.json` (80-digit and dense linear algebra), and `sgd_modes_extreme.json`
//! (200-digit arithmetic, `generate_sgd_modes_extreme.py`): eigenvalues from 1e-12 to the edge of
//! stability, no momentum, nearly no damping, up to 10^9 steps.

use perrin::theory::langevin::LangevinMode;
use perrin::theory::parameters::SgdParameters;
use perrin::theory::prediction::{ModePrediction, PredictionInput, predict};
use serde_json::Value;

/// Relative to each value for displacements, variances and ratios; to the largest of the list
/// otherwise.
const ONE_MODE: f64 = 1e-9;
/// A little above what is seen (4e-16; at the extremes 2e-13, where momentum is 1 - 1e-6 and two
/// eigenvalues of the step meet): a change that loses digits should be noticed long before the bar
/// above.
const REFERENCE_SEEN: f64 = 2e-15;
const EXTREMES_SEEN: f64 = 1e-12;

fn floats(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(entries) => entries.iter().flat_map(floats).collect(),
        other => vec![other.as_f64().unwrap()],
    }
}

struct Comparison {
    worst: f64,
    place: String,
}

impl Comparison {
    fn note(&mut self, error: f64, place: &str) {
        assert!(error.is_finite(), "{place}");
        if error > self.worst {
            *self = Comparison { worst: error, place: place.to_owned() };
        }
    }

    /// Each value on its own; where the reference is 0 (to its own 80 digits) ours must be exactly
    /// 0.
    fn each(&mut self, ours: &[f64], reference: &Value, place: &str) {
        let reference = floats(reference);
        assert_eq!(ours.len(), reference.len(), "{place}");
        for (index, (&a, &b)) in ours.iter().zip(&reference).enumerate() {
            let error = if b.abs() < 1e-60 { a.abs() } else { (a / b - 1.0).abs() };
            self.note(error, &format!("{place}[{index}]: {a:e}, not {b:e}"));
        }
    }

    /// Relative to the largest of the list, column by column of `columns` (positions and velocities
    /// have their own).
    fn list(&mut self, ours: &[f64], reference: &Value, columns: usize, place: &str) {
        let reference = floats(reference);
        assert_eq!(ours.len(), reference.len(), "{place}");
        for column in 0..columns {
            let of = |list: &[f64]| {
                list.iter().skip(column).step_by(columns).copied().collect::<Vec<f64>>()
            };
            let (ours, reference) = (of(ours), of(&reference));
            let largest = reference.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
            for (index, (a, b)) in ours.iter().zip(&reference).enumerate() {
                if largest > 0.0 {
                    self.note(
                        (a - b).abs() / largest,
                        &format!("{place}[{index}][{column}]: {a:e}, not {b:e}"),
                    );
                } else {
                    self.note(a.abs(), place);
                }
            }
        }
    }
}

fn compare_mode(ours: &ModePrediction, mode: &Value, place: &str, comparison: &mut Comparison) {
    comparison.each(
        &[ours.damping_ratio],
        &mode["damping_ratio"],
        &format!("{place} damping_ratio"),
    );
    let (langevin, reference) = (&ours.langevin, &mode["langevin"]);
    let at = |name: &str| format!("{place} langevin {name}");
    comparison.each(
        langevin.stationary_covariance.as_flattened(),
        &reference["stationary_covariance"],
        &at("covariance"),
    );
    comparison.list(langevin.mean.as_flattened(), &reference["mean"], 2, &at("mean"));
    comparison.each(
        &langevin.mean_squared_displacement,
        &reference["mean_squared_displacement"],
        &at("displacement"),
    );
    comparison.list(
        &langevin.velocity_autocorrelation,
        &reference["velocity_autocorrelation"],
        1,
        &at("velocity_autocorrelation"),
    );
    let (exact, reference) = (&ours.exact_discrete, &mode["exact_discrete"]);
    let at = |name: &str| format!("{place} exact {name}");
    comparison.each(
        exact.stationary_covariance.as_flattened(),
        &reference["stationary_covariance"],
        &at("covariance"),
    );
    comparison.list(exact.mean.as_flattened(), &reference["mean"], 2, &at("mean"));
    comparison.each(
        &exact.mean_squared_displacement,
        &reference["mean_squared_displacement"],
        &at("displacement"),
    );
    comparison.each(
        &[exact.local_displacement],
        &reference["local_displacement"],
        &at("local_displacement"),
    );
}

fn compare_file(text: &str) -> Comparison {
    let reference: Value = serde_json::from_str(text).unwrap();
    let mut comparison = Comparison { worst: 0.0, place: String::new() };
    for (case_index, case) in reference["cases"].as_array().unwrap().iter().enumerate() {
        let modes = case["modes"].as_array().unwrap();
        let of = |value: &dyn Fn(&Value) -> f64| modes.iter().map(value).collect::<Vec<f64>>();
        let input = PredictionInput {
            learning_rate: case["learning_rate"].as_f64().unwrap(),
            momentum: case["momentum"].as_f64().unwrap(),
            weight_decay: case["weight_decay"].as_f64().unwrap(),
            batch_size: case["batch_size"].as_f64().unwrap(),
            sigma_squared: case["sigma_squared"].as_f64().unwrap(),
            steps: case["steps"].as_array().unwrap().iter().map(|k| k.as_u64().unwrap()).collect(),
            eigenvalues: of(&|mode| mode["eigenvalue"].as_f64().unwrap()),
            initial_positions: Some(of(&|mode| {
                mode["initial_position_velocity"][0].as_f64().unwrap()
            })),
            initial_velocities: Some(of(&|mode| {
                mode["initial_position_velocity"][1].as_f64().unwrap()
            })),
        };
        let prediction = predict(&input).unwrap();
        let parameters = SgdParameters {
            learning_rate: input.learning_rate,
            momentum: input.momentum,
            weight_decay: input.weight_decay,
            batch_size: input.batch_size,
            noise_scale: input.sigma_squared,
        };
        for (mode_index, (ours, mode)) in prediction.modes.iter().zip(modes).enumerate() {
            let place = format!("case {case_index} mode {mode_index}");
            compare_mode(ours, mode, &place, &mut comparison);
            let covariance =
                LangevinMode::new(&parameters, ours.eigenvalue).unwrap().covariance_from_point(37);
            let expected = &mode["langevin"]["covariance_from_point_after_37_steps"];
            comparison.each(
                covariance.as_flattened(),
                expected,
                &format!("{place} after 37 steps"),
            );
        }
    }
    comparison
}

#[test]
fn one_mode_agrees_with_the_reference() {
    let Comparison { worst, place } = compare_file(include_str!("../data/sgd_modes.json"));
    assert!(worst < ONE_MODE, "{worst:e} at {place}");
    assert!(worst < REFERENCE_SEEN, "{worst:e} at {place}");
}

#[test]
fn one_mode_agrees_with_200_digits_at_the_extremes() {
    let Comparison { worst, place } = compare_file(include_str!("../data/sgd_modes_extreme.json"));
    assert!(worst < ONE_MODE, "{worst:e} at {place}");
    assert!(worst < EXTREMES_SEEN, "{worst:e} at {place}");
}
