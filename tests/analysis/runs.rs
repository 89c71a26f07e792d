//! `RunFit` on runs whose truth is known, and on runs that have nothing to say.

use crate::synthetic::{SyntheticRun, USUAL_SGD};
use perrin::analysis::curvatures::Curvatures;
use perrin::analysis::displacement_noise::Curvatures as From;
use perrin::analysis::{FitOptions, Question, RunFit, Verdict};
use perrin::record::StepRecord;
use perrin::run::Run;

const NOT_KNOWN: &str =
    "the learning rate is not known: `Options::build` in place of `attach` logs it";
const EIGENVALUES: [f64; 5] = [4.0, 1.5, 0.5, 0.2, 0.05];

fn synthetic() -> SyntheticRun {
    SyntheticRun { parameters: USUAL_SGD, eigenvalues: EIGENVALUES.to_vec(), rows: 6000, seed: 1 }
}

fn fit(
    run: &SyntheticRun,
    options: &FitOptions,
    change: impl FnMut(&mut StepRecord, &mut [Option<f64>]) -> bool,
) -> RunFit {
    let directory = tempfile::tempdir().unwrap();
    run.write_with(directory.path(), change);
    let fit = RunFit::with(&Run::open(directory.path()).unwrap(), options).unwrap();
    assert_no_null(&fit);
    fit
}

/// NaN would be null in JSON: null is only where a field says that it may be none.
fn assert_no_null(fit: &RunFit) {
    fn walk(path: &str, value: &serde_json::Value) {
        const MAY_BE_NULL: [&str; 25] = [
            "prefactor",
            "prefactor_interval",
            "noise_scale_of_gradients",
            "height_by_gradients",
            "left_out",
            "r_squared",
            "moving_average",
            "plain_interval",
            "projected_share",
            "elapsed_seconds",
            "first_step",
            "name",
            "dampening",
            "nesterov",
            "second_moment_decay",
            "epsilon",
            "amsgrad",
            "centered",
            "batch_size",
            "learning_rate",
            "learning_rates",
            "schedule_from",
            "change",
            "size",
            "interval",
        ];
        if path.starts_with("/modes") {
            // What is known of a mode and what is not is looked at in tests/modes.
            return;
        }
        match value {
            serde_json::Value::Null => {
                let field = path.rsplit('/').next().unwrap();
                assert!(
                    MAY_BE_NULL.contains(&field) || ["momentum", "weight_decay"].contains(&field),
                    "{path}"
                );
            }
            serde_json::Value::Array(values) => values.iter().for_each(|value| walk(path, value)),
            serde_json::Value::Object(fields) => {
                fields.iter().for_each(|(key, value)| walk(&format!("{path}/{key}"), value))
            }
            _ => {}
        }
    }
    walk("", &serde_json::to_value(fit).unwrap());
    let text = fit.to_string().replace("NaN or infinite", "");
    assert!(!text.contains("NaN") && !text.contains("inf "), "{text}");
    let longest = text.lines().skip(1).map(|line| line.chars().count()).max().unwrap();
    assert!(longest <= 80, "{longest} columns:\n{text}");
}

#[test]
fn a_stationary_run_answers_everything() {
    let curvatures =
        Some(Curvatures { eigenvalues: EIGENVALUES.to_vec(), ..Curvatures::default() });
    let fit = fit(&synthetic(), &FitOptions { curvatures, ..FitOptions::default() }, |_, _| true);
    println!("{fit}");
    let law = fit.displacement.known().unwrap();
    let interval = law.interval.known().unwrap();
    assert!(
        interval.curvatures == From::Given
            && interval.low < interval.expected
            && interval.expected < interval.high
    );
    let [low, high] = law.prefactor_interval.unwrap();
    assert!(low < law.prefactor.unwrap() && law.prefactor.unwrap() < high);
    assert!((fit.projected_share.unwrap() - 1.0).abs() < 1e-9);
    let lags = fit.lags.known().unwrap();
    assert!(lags.local.len() > 3 && lags.exponent.value < 1.0);
    // sigma^2 tr(H) = 12.5; eq. 12 leaves out what the learning rate adds, up to 10% in the
    // sharpest mode.
    let noise = fit.gradient_noise.known().unwrap();
    assert!(
        (11.5..15.0).contains(&noise.noise_scale_times_trace),
        "{}",
        noise.noise_scale_times_trace
    );
    assert!(noise.interval.known().is_some());
    assert_eq!(fit.stationarity.beginning.known().unwrap().first_step, Some(1));
    assert!(fit.stationarity.fluctuation_dissipation.known().unwrap().holds);
    let predicted = fit.predicted.known().unwrap();
    assert!((predicted.noise_scale / 2.0 - 1.0).abs() < 0.1, "{}", predicted.noise_scale);
    let stability = fit.advice.stability.known().unwrap();
    assert!((stability.share - 0.1 * 4.0001 / 3.8).abs() < 1e-9);
    assert!(fit.advice.learning_rate.known().unwrap().stationary);
    assert!(fit.advice.averaging.known().is_some());
    assert_eq!(fit.notes, [""; 0]);
}

#[test]
fn without_eigenvalues_they_are_fitted_and_a_window_can_be_chosen() {
    let options =
        FitOptions { first_step: Some(1000), last_step: Some(5000), ..FitOptions::default() };
    let fit = fit(&synthetic(), &options, |_, _| true);
    let law = fit.displacement.known().unwrap();
    assert_eq!((law.first_step, law.last_step, fit.last_step, fit.rows), (1000, 5000, 5000, 5000));
    assert_eq!(law.interval.known().unwrap().curvatures, From::Fitted);
    assert!(fit.predicted.reason().unwrap().contains("no eigenvalues"));
    let stability = fit.advice.stability.known().unwrap();
    assert!(
        (stability.largest_curvature / 4.0 - 1.0).abs() < 0.1,
        "{}",
        stability.largest_curvature
    );
}

#[test]
fn a_stationary_part_that_is_given_moves_the_modes_and_a_window_that_was_not_chosen() {
    let at = |first_step: Option<u64>, stationary_from: u64| {
        let options = FitOptions {
            first_step,
            stationary_from: Some(stationary_from),
            ..FitOptions::default()
        };
        fit(&synthetic(), &options, |_, _| true)
    };
    let begins = |fit: &RunFit| {
        let beginning = fit.stationarity.beginning.known().unwrap();
        assert!(beginning.given && beginning.is_stationary());
        let modes = fit.modes.window.known().unwrap().first_step;
        (beginning.first_step.unwrap(), modes, fit.displacement.known().unwrap().first_step)
    };
    assert_eq!(begins(&at(None, 3000)), (3000, 3000, 3000));
    // The last two thirds begin later.
    assert_eq!(begins(&at(None, 500)), (500, 500, 2001));
    assert_eq!(begins(&at(Some(1000), 3000)), (3000, 3000, 1000));
    let late = at(None, 10_000);
    assert_eq!(late.displacement.reason(), Some("there are no rows"));
}

#[test]
fn what_is_not_stationary_is_said() {
    // The learning rate falls by half in mid-run, and the steps with it.
    let changing = fit(&synthetic(), &FitOptions::default(), |row, _| {
        if row.step > 3500 {
            row.hyperparameters.learning_rate = Some(0.05);
            row.local_displacement_squared =
                row.local_displacement_squared.map(|squared| squared / 4.0);
        }
        true
    });
    let reason = changing.displacement.known().unwrap().interval.reason().unwrap().to_owned();
    assert!(reason.contains("changed at step 3501"), "{reason}");
    assert!(changing.gradient_noise.reason().unwrap().contains("changed at step 3501"));
    assert!(changing.speed.known().unwrap().trend.known().unwrap().p_value < 1e-3);
    let stationarity = changing.finding(Question::Stationarity).unwrap();
    assert_eq!(stationarity.verdict, Verdict::Fails);
    assert!(
        stationarity.sentence.starts_with("nowhere: local displacement falls by "),
        "{stationarity:?}"
    );
    assert!(!changing.advice.learning_rate.known().unwrap().lower_now);
}

#[test]
fn gaps_are_borne_and_unknown_settings_are_said() {
    let gaps = fit(&synthetic(), &FitOptions::default(), |row, _| {
        row.step % 50 != 0 && !(2000..2300).contains(&row.step)
    });
    assert!(gaps.displacement.known().unwrap().interval.known().is_some());
    let unknown = fit(&synthetic(), &FitOptions::default(), |row, _| {
        row.hyperparameters.learning_rate = None;
        true
    });
    assert_eq!(unknown.displacement.known().unwrap().interval.reason(), Some(NOT_KNOWN));
    assert_eq!(unknown.advice.stability.reason(), Some(NOT_KNOWN));
    assert!(unknown.lags.known().is_some(), "lags need no settings");
}

#[test]
fn degenerate_runs_have_answers_without_nan() {
    type Change = fn(&mut StepRecord, &mut [Option<f64>]);
    fn all(row: &mut StepRecord, projections: &mut [Option<f64>], value: Option<f64>) {
        (row.local_displacement_squared, row.global_displacement_squared, row.loss) =
            (value, value, value);
        projections.fill(value);
    }
    let changes: [(&str, Change); 7] = [
        ("unknown", |row, projections| all(row, projections, None)),
        ("zero", |row, projections| all(row, projections, Some(0.0))),
        ("constant", |row, projections| all(row, projections, Some(2.5))),
        ("nan", |row, projections| all(row, projections, Some(f64::NAN))),
        ("huge", |row, projections| {
            all(row, projections, Some(1e300 * (1.0 + (row.step % 7) as f64)))
        }),
        ("tiny", |row, projections| all(row, projections, Some(f64::from_bits(row.step)))),
        ("diverging", |row, projections| {
            all(row, projections, Some(1.2_f64.powi(row.step as i32)))
        }),
    ];
    for (name, change) in changes {
        for rows in [1, 2, 5, 60, 4100] {
            let run = SyntheticRun { rows, ..synthetic() };
            let fit = fit(&run, &FitOptions::default(), |row, projections| {
                change(row, projections);
                true
            });
            assert_eq!(fit.rows, rows, "{name}");
        }
    }
}

#[test]
fn a_repelling_mode_and_a_negative_eigenvalue_are_said() {
    let curvatures =
        Some(Curvatures { eigenvalues: vec![4.0, 1.5, 0.5, 0.2, -0.05], ..Curvatures::default() });
    let negative =
        fit(&synthetic(), &FitOptions { curvatures, ..FitOptions::default() }, |_, _| true);
    assert!(negative.predicted.reason().unwrap().contains("negative"));
    assert!(negative.displacement.known().unwrap().interval.reason().unwrap().contains("negative"));
    // Anti-damped by hand: the last mode runs away from its mean, (1 - beta) per step being its
    // time.
    let mut state = [1e-3, 0.0];
    let repelled = fit(&synthetic(), &FitOptions::default(), |_, projections| {
        state[1] = 0.9 * state[1] + 0.005 * state[0];
        state[0] += 0.1 * state[1];
        (projections[4], projections[9]) = (Some(state[0]), Some(state[1] * (1.0 + 1e-9)));
        true
    });
    let interval = &repelled.displacement_projected.known().unwrap().interval;
    assert!(
        interval.reason().unwrap().contains("mode 5: its curvature is negative"),
        "{interval:?}"
    );
}

#[test]
fn an_empty_window_is_an_error_or_a_reason() {
    let directory = tempfile::tempdir().unwrap();
    SyntheticRun { rows: 50, ..synthetic() }.write(directory.path());
    let run = Run::open(directory.path()).unwrap();
    assert!(
        RunFit::with(&run, &FitOptions { last_step: Some(0), ..FitOptions::default() }).is_err()
    );
    let late =
        RunFit::with(&run, &FitOptions { first_step: Some(100), ..FitOptions::default() }).unwrap();
    assert_eq!(late.displacement.reason(), Some("there are no rows"));
    assert_no_null(&late);
}
