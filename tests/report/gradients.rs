//! What the report predicts by the noise of measured gradients, mode by mode.

use std::path::Path;

use perrin::run::{CurvatureSummary, GradientNoiseSummary, Measured};
use perrin::theory::discrete::DiscreteMode;
use perrin::theory::parameters::SgdParameters;

use crate::support::{report, synthetic};
use crate::synthetic::USUAL_SGD;

const EIGENVALUES: [f64; 3] = [4.0, 1.5, 0.5];
/// q^T Sigma q over that of one sigma^2 for all: the noise is not proportional to the eigenvalue.
const OVER: [f64; 3] = [1.0, 2.0, 0.5];

/// The page of a run with these variances of gradients, and its figures in `figures` beside it.
fn page(directory: &Path, gradients: Option<[f64; 3]>) -> String {
    let run = directory.join("run");
    synthetic(3_000, &EIGENVALUES).write_along(&run, 3);
    if let Some(variances) = gradients {
        let exact = |value| Measured { value, standard_error: 0.01 * value };
        let noise = GradientNoiseSummary {
            variances: variances.map(exact).to_vec(),
            trace: exact(variances.iter().sum()),
            noise_scale: exact(2.0),
            correlation: None,
            off_diagonal: None,
            batches: 100,
            examples: 100,
        };
        CurvatureSummary { gradient_noise: Some(noise), ..CurvatureSummary::default() }
            .save(&run, 0)
            .unwrap();
    }
    report(&[&run], Some(&directory.join("figures"))).0
}

/// x and y of the points of a series, in the chart's order.
fn series(directory: &Path, chart: &str, name: &str) -> Vec<[f64; 2]> {
    let table =
        std::fs::read_to_string(directory.join("figures").join(format!("{chart}.csv"))).unwrap();
    let fields = table.lines().filter_map(|line| line.strip_prefix(&format!("{name},")));
    fields
        .map(|line| {
            line.split(',').take(2).map(|field| field.parse().unwrap()).collect::<Vec<f64>>()
        })
        .map(|row| [row[0], row[1]])
        .collect()
}

#[test]
fn each_mode_is_predicted_by_its_own_noise() {
    let directory = tempfile::tempdir().unwrap();
    let variances: [f64; 3] =
        std::array::from_fn(|mode| OVER[mode] * USUAL_SGD.noise_scale * EIGENVALUES[mode]);
    let page = page(directory.path(), Some(variances));
    assert!(
        page.contains("and the noise of gradients as it was measured beside them, mode by mode")
    );
    let crosses = ["position_variances", "velocity_variances", "noise_by_mode"]
        .map(|chart| series(directory.path(), chart, "by the gradients"));
    for (mode, rho) in EIGENVALUES.into_iter().enumerate() {
        let own = SgdParameters { noise_scale: OVER[mode] * USUAL_SGD.noise_scale, ..USUAL_SGD };
        let covariance = DiscreteMode::new(&own, rho).unwrap().stationary_covariance();
        let expected = [covariance[0][0], covariance[1][1], variances[mode] / USUAL_SGD.batch_size];
        for (chart, expected) in crosses.iter().zip(expected) {
            let [x, y] = chart[mode];
            assert!(
                (x / rho - 1.0).abs() < 1e-9 && (y / expected - 1.0).abs() < 1e-9,
                "{x} {y} {expected}"
            );
        }
        // The ellipse that holds 95% reaches sqrt(6) standard deviations (5.991, chi-squared of
        // two).
        let outline =
            series(directory.path(), &format!("phase_portrait_{}", mode + 1), "\"predicted, 95%\"");
        let reach = outline.iter().fold(0.0_f64, |reach, [_, velocity]| reach.max(*velocity));
        assert!((reach / (5.991 * covariance[1][1]).sqrt() - 1.0).abs() < 2e-3, "{reach}");
    }
}

#[test]
fn without_measured_gradients_one_noise_scale_serves_all() {
    let directory = tempfile::tempdir().unwrap();
    let page = page(directory.path(), None);
    assert!(page.contains("and one σ² for all modes (assumption 5)") && !page.contains("Crosses:"));
    assert!(series(directory.path(), "position_variances", "by the gradients").is_empty());
}
