//! The general Ornstein-Uhlenbeck process against independent dense linear algebra,
//! `tests/data/ornstein_uhlenbeck.json`.

use nalgebra::{DMatrix, DVector};
use perrin::theory::fokker_planck::{FokkerPlanck, skew_of_symmetric_drift};
use perrin::theory::ornstein_uhlenbeck::OrnsteinUhlenbeck;
use serde_json::Value;

/// Relative to the largest entry of each matrix or vector; the reference itself is ordinary `f64`
/// linear algebra.
const PROCESS: f64 = 1e-8;
/// A little above what is seen (7e-14).
const PROCESS_SEEN: f64 = 1e-12;

fn vector(value: &Value) -> DVector<f64> {
    DVector::from_iterator(
        value.as_array().unwrap().len(),
        value.as_array().unwrap().iter().map(|entry| entry.as_f64().unwrap()),
    )
}

fn matrix(value: &Value) -> DMatrix<f64> {
    let rows: Vec<DVector<f64>> = value.as_array().unwrap().iter().map(vector).collect();
    DMatrix::from_fn(rows.len(), rows[0].len(), |row, column| rows[row][column])
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

#[test]
fn general_process_agrees_with_the_reference() {
    compare(include_str!("../data/ornstein_uhlenbeck.json"), true);
}

#[test]
fn asymmetric_and_degenerate_processes_agree_with_60_digits() {
    compare(include_str!("../data/ornstein_uhlenbeck_asymmetric.json"), false);
}

fn compare(text: &str, symmetric_drift: bool) {
    let reference: Value = serde_json::from_str(text).unwrap();
    let mut worst = (0.0f64, String::new());
    for (index, case) in reference["cases"].as_array().unwrap().iter().enumerate() {
        let mut note = |name: &str, error: f64| {
            assert!(error.is_finite(), "case {index} {name}");
            if error > worst.0 {
                worst = (error, format!("case {index} {name}"));
            }
        };
        let difference = |ours: &DMatrix<f64>, name: &str| {
            let theirs = matrix(&case[name]);
            (ours - &theirs).amax() / theirs.amax()
        };
        let process = OrnsteinUhlenbeck::new(
            matrix(&case["drift"]),
            matrix(&case["diffusion"]),
            number(&case["kappa"]),
            vector(&case["mean"]),
        )
        .unwrap();
        let theory = FokkerPlanck::new(&process).unwrap();
        let (earlier, later) = (number(&case["T"]), number(&case["S"]));
        note("lyapunov", difference(process.lyapunov(), "lyapunov"));
        note("U", difference(theory.curvature(), "modified_curvature_U"));
        note("Q", difference(theory.skew(), "skew_Q"));
        match skew_of_symmetric_drift(&process) {
            Ok(skew) => note("Q by eigenvalues", difference(&skew, "skew_Q")),
            Err(_) => assert!(!symmetric_drift),
        }
        note(
            "variance",
            difference(&process.covariance_from_point(earlier).unwrap(), "variance_T"),
        );
        let cross = process.cross_covariance(earlier, later).unwrap();
        note("cross-covariance", difference(&cross, "cross_covariance_TS"));
        let start = vector(&case["start"]);
        let (mean, expected) =
            (process.mean_after(&start, earlier).unwrap(), vector(&case["mean_T"]));
        note("mean", (&mean - &expected).amax() / expected.amax());
        let point = vector(&case["point"]);
        note(
            "Psi",
            (theory.modified_loss(&point).unwrap() / number(&case["modified_loss_at_point"]) - 1.0)
                .abs(),
        );
        let (force, expected) = (theory.force(&point).unwrap(), vector(&case["force_j_at_point"]));
        note("force", (&force - &expected).amax() / expected.amax());
        assert!(!theory.has_detailed_balance());
        for pair in case["kl_to_stationary"].as_array().unwrap() {
            let (time, expected) = (number(&pair[0]), number(&pair[1]));
            let direct = theory.kullback_leibler_after(&start, time).unwrap();
            note("KL", (direct / expected - 1.0).abs());
            let (mean, covariance) = (
                process.mean_after(&start, time).unwrap(),
                process.covariance_from_point(time).unwrap(),
            );
            note(
                "KL of a Gaussian",
                (theory.kullback_leibler(&mean, &covariance).unwrap() / expected - 1.0).abs(),
            );
        }
    }
    let (error, place) = worst;
    assert!(error < PROCESS, "{error:e} at {place}");
    assert!(error < PROCESS_SEEN, "{error:e} at {place}");
}
