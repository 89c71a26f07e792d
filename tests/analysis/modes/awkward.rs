//! Data that cannot answer: a reason each time, never NaN, never a panic.

use perrin::analysis::modes::{ModesFit, ModesOptions};
use perrin::record::{Layout, OptimizerInfo, RunInfo};
use perrin::run::Measured;
use perrin::theory::parameters::SgdParameters;
use serde_json::Value;

use super::support::{PARAMETERS, Row, info, row, sgd, write};

/// Where null means unknown or unbounded; anywhere else it would be a NaN.
const MAY_BE_NULL: [&str; 17] = [
    "low",
    "high",
    "hessian_eigenvalue",
    "learning_rate",
    "momentum",
    "weight_decay",
    "batch_size",
    "basis",
    "mean",
    "epochs",
    "epoch_noise",
    "modes",
    "same_in_all_modes",
    "position_over_modified_loss",
    "position_spread",
    "discrete_spread",
    "spread",
];

fn assert_no_nan(value: &Value, path: &str) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            assert!(
                !value.is_null() || MAY_BE_NULL.contains(&key.as_str()),
                "{path}.{key} is null"
            );
            assert_no_nan(value, &format!("{path}.{key}"));
        }),
        Value::Array(items) => items.iter().for_each(|item| {
            assert!(!item.is_null(), "{path} holds null");
            assert_no_nan(item, path);
        }),
        _ => {}
    }
}

/// Noise that needs no generator.
fn noise(step: u64) -> f64 {
    ((step * step) as f64 * 0.7).sin()
}

fn swinging(steps: u64, curvature: f64) -> Vec<Row> {
    let (mut x, mut v) = (0.0, 0.0);
    let step = |step: u64| {
        v = 0.9 * v - curvature * (x - 0.2) + noise(step);
        x += 0.1 * v;
        row(step, &PARAMETERS, &[x], &[v])
    };
    (1..=steps).map(step).collect()
}

fn fit(info: &RunInfo, rows: Vec<Row>, options: &ModesOptions) -> ModesFit {
    let directory = tempfile::tempdir().unwrap();
    let fit = ModesFit::of(&write(directory.path(), info, rows), options).unwrap();
    let json: Value = serde_json::to_value(&fit).unwrap();
    assert_no_nan(&json, "");
    let text = fit.to_string();
    assert!(!text.contains("NaN"), "{text}");
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    fit
}

/// The reason why there is no recursion of mode 1.
fn reason(info: &RunInfo, rows: Vec<Row>) -> String {
    for eigenvalues in [None, Some([0.5])] {
        let options = ModesOptions {
            eigenvalues: eigenvalues.as_ref().map(|all| all.as_slice()),
            hessian_trace: Some(Measured { value: 1.0, standard_error: 0.1 }),
            ..ModesOptions::default()
        };
        let fit = fit(info, rows.clone(), &options);
        if eigenvalues.is_some() {
            return fit.modes[0].recursion.reason().unwrap_or_default().to_owned();
        }
    }
    unreachable!()
}

fn constant(steps: u64, position: f64, velocity: f64) -> Vec<Row> {
    (1..=steps).map(|step| row(step, &PARAMETERS, &[position], &[velocity])).collect()
}

fn changed(rows: Vec<Row>, change: impl Fn(&mut Row)) -> Vec<Row> {
    let with = |mut row: Row| {
        change(&mut row);
        row
    };
    rows.into_iter().map(with).collect()
}

#[test]
fn rows_that_show_nothing() {
    let one = info(1);
    assert!(reason(&one, swinging(1, 0.5)).contains("0 pairs of rows"));
    assert!(reason(&one, swinging(20, 0.5)).contains("19 pairs of rows"));
    for (position, velocity) in [(0.0, 0.0), (3.7, 0.0), (1e300, 0.0), (0.0, 1.0), (-2.5, 1e-300)] {
        let reason = reason(&one, constant(200, position, velocity));
        assert!(!reason.is_empty(), "{position} {velocity}");
    }
    for value in [None, Some(f64::NAN), Some(f64::INFINITY)] {
        let rows = changed(swinging(200, 0.5), |row| row.projections[1] = value);
        assert!(reason(&one, rows).contains("no row has a position and a velocity"));
    }
    let huge = changed(swinging(200, 0.5), |row| {
        row.projections[0] = row.projections[0].map(|x| x * 1e200)
    });
    assert!(reason(&one, huge).contains("too large"));
    let tiny = changed(swinging(200, 0.5), |row| {
        row.projections.iter_mut().for_each(|x| *x = x.map(|x| x * 1e-310))
    });
    assert!(!reason(&one, tiny).is_empty());
    assert!(
        reason(&one, changed(swinging(300, 0.5), |row| row.record.step *= 2)).contains("0 pairs")
    );
}

#[test]
fn settings_that_are_unknown_or_change() {
    let one = info(1);
    let of = |change: &dyn Fn(&mut Row)| changed(swinging(300, 0.5), change);
    let reason_of = |change: &dyn Fn(&mut Row)| reason(&one, of(change));
    assert!(
        reason_of(&|row| row.record.hyperparameters.learning_rate = None)
            .contains("learning rate is not known")
    );
    let nan = |row: &mut Row| row.record.hyperparameters.learning_rate = Some(f64::NAN);
    assert!(reason_of(&nan).contains("learning rate is not known"));
    assert!(reason_of(&|row| row.record.hyperparameters.momentum = Some(1.0)).contains("below 1"));
    assert_eq!(
        reason_of(&|row| row.record.hyperparameters.momentum = None),
        "",
        "the momentum can be fitted"
    );
    let every_step = |row: &mut Row| {
        row.record.hyperparameters.learning_rate = Some(0.1 / row.record.step as f64)
    };
    assert!(reason_of(&every_step).contains("0 pairs of rows"));

    let undecayed = fit(
        &one,
        of(&|row| row.record.hyperparameters.weight_decay = None),
        &ModesOptions { eigenvalues: Some(&[0.5]), ..ModesOptions::default() },
    );
    assert!(undecayed.modes[0].recursion.known().is_some());
    assert!(
        undecayed.modes[0].equipartition.reason().unwrap().contains("weight decay is not known")
    );
    let batchless = fit(&one, of(&|row| row.record.batch_size = None), &ModesOptions::default());
    assert!(batchless.noise_scale.reason().unwrap().contains("batch size is not known"));
}

#[test]
fn optimizers_that_the_recursion_does_not_describe() {
    let with =
        |optimizer: OptimizerInfo| reason(&RunInfo { optimizer, ..info(1) }, swinging(300, 0.5));
    assert!(with(OptimizerInfo { name: Some("adam".to_owned()), ..sgd() }).contains("adam"));
    assert!(with(OptimizerInfo::default()).contains("not known"));
    assert!(with(OptimizerInfo { nesterov: Some(true), ..sgd() }).contains("Nesterov"));
    assert!(with(OptimizerInfo { dampening: Some(0.5), ..sgd() }).contains("0.5"));
    assert!(with(OptimizerInfo { dampening: None, ..sgd() }).contains("not known"));
    // The spectrum asks for no optimizer.
    let adam =
        RunInfo { optimizer: OptimizerInfo { name: Some("adam".to_owned()), ..sgd() }, ..info(1) };
    assert!(
        fit(&adam, swinging(300, 0.5), &ModesOptions::default()).modes[0]
            .spectrum
            .known()
            .is_some()
    );
}

#[test]
fn modes_that_run_away_or_do_not_swing_once() {
    assert!(reason(&info(1), swinging(200, -0.05)).contains("curvature is negative"));
    // A swing takes 314 steps, and there are 200.
    let slow = SgdParameters { momentum: 0.9999, ..PARAMETERS };
    let (mut x, mut v) = (0.0, 1.0);
    let rows = (1..=200)
        .map(|step| {
            v = 0.9999 * v - 0.004 * x + 1e-4 * noise(step);
            x += 0.1 * v;
            row(step, &slow, &[x], &[v])
        })
        .collect();
    let fit = fit(&info(1), rows, &ModesOptions::default());
    let reason = fit.modes[0].spectrum.reason().unwrap();
    assert!(reason.contains("less than one oscillation"), "{reason}");
}

#[test]
fn eigenvalues_that_cannot_be() {
    for eigenvalue in [-1.0, 0.0, f64::NAN, f64::INFINITY] {
        let options = ModesOptions { eigenvalues: Some(&[eigenvalue]), ..ModesOptions::default() };
        let directory = tempfile::tempdir().unwrap();
        let run = write(directory.path(), &info(1), swinging(2000, 0.5));
        let fit = ModesFit::of(&run, &options).unwrap();
        let mode = &fit.modes[0];
        assert!(mode.recursion.known().is_some());
        if eigenvalue != 0.0 {
            assert!(
                mode.equipartition.reason().unwrap().contains("must be positive"),
                "{eigenvalue}"
            );
            assert!(
                mode.curvature_over_hessian.reason().is_some()
                    && fit.noise_scale.reason().is_some()
            );
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let run = write(directory.path(), &info(1), swinging(10, 0.5));
    let wrong = ModesOptions { eigenvalues: Some(&[1.0, 2.0]), ..ModesOptions::default() };
    assert!(ModesFit::of(&run, &wrong).is_err());
    let wrong = ModesOptions { gradient_variances: Some(&[]), ..ModesOptions::default() };
    assert!(ModesFit::of(&run, &wrong).is_err());
    let zero = [Measured { value: 0.0, standard_error: 0.0 }];
    fit(
        &info(1),
        swinging(500, 0.5),
        &ModesOptions { gradient_variances: Some(&zero), ..ModesOptions::default() },
    );
}

#[test]
fn runs_without_rows_or_directions() {
    let without = RunInfo { layout: Layout { parameter_groups: 1, directions: 0 }, ..info(0) };
    let rows = vec![row(1, &PARAMETERS, &[], &[])];
    let fit_of = |info: &RunInfo, rows| fit(info, rows, &ModesOptions::default());
    assert!(fit_of(&without, rows).window.reason().unwrap().contains("no directions"));
    let none = fit_of(&info(1), Vec::new());
    assert!(none.window.reason().unwrap().contains("no rows"));
    let outside = ModesOptions { first_step: Some(1000), ..ModesOptions::default() };
    assert!(fit(&info(1), swinging(10, 0.5), &outside).window.reason().is_some());
}
