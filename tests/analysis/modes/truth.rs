//! Whole logs with a known truth.

use nalgebra::{DMatrix, DVector, SymmetricEigen};
use perrin::analysis::modes::{EigenvalueSource, Estimate, ModesFit, ModesOptions, NoiseSource};
use perrin::record::RunInfo;
use perrin::run::{Measured, Run};
use perrin::theory::oscillator::DampedOscillator;
use perrin::theory::parameters::SgdParameters;
use perrin::theory::sampler::{Batches, QuadraticSampler, RegressionSampler};
use perrin::theory::update_rule::UpdateRule;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::support::{PARAMETERS, Row, info, row, write};

const EIGENVALUES: [f64; 5] = [5.0, 1.0, 0.2, 0.026_234, 0.01];

fn rows(steps: u64, seed: u64) -> Vec<Row> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut sampler = QuadraticSampler::stationary(&PARAMETERS, &EIGENVALUES, &mut random).unwrap();
    let step = |step: u64| {
        sampler.step(&mut random);
        row(step, &PARAMETERS, sampler.positions(), sampler.velocities())
    };
    (1..=steps).map(step).collect()
}

fn options() -> ModesOptions<'static> {
    ModesOptions { eigenvalues: Some(&EIGENVALUES), ..ModesOptions::default() }
}

#[test]
fn all_questions_about_a_stationary_run() {
    let directory = tempfile::tempdir().unwrap();
    let run = write(directory.path(), &info(5), rows(20_000, 1));
    let measured = EIGENVALUES.map(|rho| Measured { value: 2.05 * rho, standard_error: 0.1 * rho });
    let options = ModesOptions {
        hessian_trace: Some(Measured { value: EIGENVALUES.iter().sum(), standard_error: 0.0 }),
        gradient_variances: Some(&measured),
        gradient_trace: Some(Measured { value: 2.05 * 6.236_234, standard_error: 0.1 }),
        ..options()
    };
    let fit = ModesFit::of(&run, &options).unwrap();
    assert_eq!(fit.modes.len(), 5);
    for (mode, rho) in fit.modes.iter().zip(EIGENVALUES) {
        let recursion = mode.recursion.known().unwrap();
        // Four standard errors: five modes and many questions, one seed.
        let reach = 2.0 * (recursion.curvature.high.unwrap() - recursion.curvature.value);
        assert!(
            (recursion.curvature.value - rho - 1e-4).abs() < reach,
            "{rho}: {:?}",
            recursion.curvature
        );
        let peak = mode.spectrum.known().unwrap();
        if rho > 0.1 {
            assert!(peak.against_noise.rejected, "{rho}");
            assert!(
                peak.agrees_with(recursion.velocity_peak_cycles_per_step.value),
                "{rho}: {peak:?}"
            );
            assert!(recursion.damping_ratio.high.unwrap() < 1.0);
        }
        assert!(mode.rotation.known().unwrap().against_detailed_balance.rejected);
        assert!(mode.transient.reason().unwrap().contains("no transient"));
    }
    assert!(fit.modes[4].recursion.known().unwrap().damping_ratio.low.unwrap() > 1.0);
    let isotropy = fit.isotropy.known().unwrap();
    assert_eq!((isotropy.eigenvalues, isotropy.modes.len()), (EigenvalueSource::Hessian, 5));
    let correlation = isotropy.correlation.known().unwrap();
    assert_eq!((correlation.rows, correlation.matrix.len()), (20_000, 5));
    assert!((correlation.matrix[2][2] - 1.0).abs() < 1e-12 && !correlation.against_none.rejected);
    let scales = fit.noise_scale.known().unwrap();
    let sources = [
        NoiseSource::Innovations,
        NoiseSource::VelocityVariances,
        NoiseSource::Speed,
        NoiseSource::GradientCovariance,
        NoiseSource::GradientTrace,
    ];
    for source in sources {
        let value = scales.value(source).unwrap().value;
        assert!((value - 2.0).abs() < 0.1, "{source:?}: {value}");
    }
    assert_eq!(scales.agreements.len(), 10);
    let against = fit.gradient_noise.known().unwrap();
    assert_eq!(against.modes.len(), 5);
    for pooled in [against.noise, against.positions, against.velocities].map(Option::unwrap) {
        assert!(pooled.ratio.covers(2.0 / 2.05) && !pooled.against_one.rejected, "{pooled:?}");
        // Errors of 10% in each of five modes.
        assert!(pooled.ratio.high.unwrap() / pooled.ratio.value < 1.12, "{pooled:?}");
    }

    let text = fit.to_string();
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let topics = [
        "curvature",
        "oscillation",
        "positions",
        "velocities",
        "energy",
        "currents",
        "noise scale",
    ];
    for topic in topics.into_iter().chain(["gradients", "noise"]) {
        assert!(text.contains(&format!("\n  {topic}")), "{text}");
    }
    println!("{text}");
}

#[test]
fn rows_missing_and_settings_changed() {
    let directory = tempfile::tempdir().unwrap();
    // Every seventh row missing, a hundred in the middle, and another learning rate for the last
    // 3,000.
    let thinned = rows(10_000, 2).into_iter().filter_map(|mut row| {
        let step = row.record.step;
        if step > 7_000 {
            row.record.hyperparameters.learning_rate = Some(0.05);
        }
        (!step.is_multiple_of(7) && !(3_000..3_100).contains(&step)).then_some(row)
    });
    let run = write(directory.path(), &info(5), thinned);
    let fit = ModesFit::of(&run, &options()).unwrap();
    let window = fit.window.known().unwrap();
    assert_eq!((window.first_step, window.last_step, window.stretches), (1, 6_999, 2));
    assert_eq!((window.rows, window.rows_left_out), (5_999 - 100 + 15, 3_000 - 428));
    for (mode, rho) in fit.modes.iter().zip(EIGENVALUES) {
        let recursion = mode.recursion.known().unwrap();
        let reach = 2.0 * (recursion.curvature.high.unwrap() - recursion.curvature.value);
        assert!((recursion.curvature.value - rho).abs() < reach);
        assert!(
            mode.spectrum.reason().unwrap().contains("longest stretch without a gap has 6 rows")
        );
    }
    // The other part, asked for.
    let last = ModesFit::of(&run, &ModesOptions { first_step: Some(7_001), ..options() }).unwrap();
    assert_eq!(last.window.known().unwrap().learning_rate, Some(0.05));
    assert!(fit.to_string().contains("the longest of 2 stretches"));
}

#[test]
fn rows_of_every_fifth_step() {
    let directory = tempfile::tempdir().unwrap();
    let fifth = rows(40_000, 5).into_iter().filter(|row| row.record.step.is_multiple_of(5));
    let run = write(directory.path(), &RunInfo { every_steps: 5, ..info(5) }, fifth);
    let fit = ModesFit::of(&run, &options()).unwrap();
    for (mode, rho) in fit.modes.iter().zip(EIGENVALUES) {
        let recursion = mode.recursion.known().unwrap();
        assert_eq!((recursion.transitions, recursion.every_steps), (7_999, 5));
        let reach = 2.0 * (recursion.curvature.high.unwrap() - recursion.curvature.value);
        assert!(
            (recursion.curvature.value - rho - 1e-4).abs() < reach,
            "{rho}: {:?}",
            recursion.curvature
        );
        assert!(reach < 0.35 * rho, "{rho}: {:?}", recursion.curvature);
        assert!(mode.equipartition.known().is_some() && mode.moments.known().is_some());
        for reason in [mode.noise.reason(), mode.rotation.reason(), mode.spectrum.reason()] {
            assert!(
                reason.unwrap().contains("rows of successive steps, and they are 5 steps apart"),
                "{reason:?}"
            );
        }
    }
    assert!(
        fit.isotropy
            .known()
            .unwrap()
            .against_discrete_theory
            .known()
            .is_some_and(|test| !test.rejected)
    );
    let scales = fit.noise_scale.known().unwrap();
    for source in [NoiseSource::Innovations, NoiseSource::VelocityVariances] {
        let value = scales.value(source).unwrap().value;
        assert!((value - 2.0).abs() < 0.15, "{source:?}: {value}");
    }
    // Rows that are asked for rarely, of which the log does not know the momentum.
    let directory = tempfile::tempdir().unwrap();
    let unknown = rows(2_000, 5).into_iter().filter(|row| row.record.step.is_multiple_of(5)).map(
        |mut row| {
            row.record.hyperparameters.momentum = None;
            row
        },
    );
    let run = write(directory.path(), &RunInfo { every_steps: 5, ..info(5) }, unknown);
    let reason =
        ModesFit::of(&run, &options()).unwrap().modes[0].recursion.reason().unwrap().to_owned();
    assert!(reason.contains("rows are 5 steps apart, and the momentum is not known"), "{reason}");
}

/// R^2 of eq. 5, with the true curvature, over the recursion without noise, from the first row on:
/// position and velocity.
fn equation_5_over_recursion(
    parameters: &SgdParameters,
    rho: f64,
    start: f64,
    steps: u64,
) -> [f64; 2] {
    let (rate, beta) = (parameters.learning_rate, parameters.momentum);
    let (curvature, inertia) = (rho + parameters.weight_decay, rate * (1.0 + beta));
    let oscillator =
        DampedOscillator::new((1.0 - beta) / inertia, 2.0 * curvature / inertia).unwrap();
    let mut state = [start, 0.0];
    let step = |[x, v]: [f64; 2]| {
        let v = beta * v - curvature * x;
        [x + rate * v, v]
    };
    state = step(state);
    let first = state;
    let (mut seen, mut expected) = (Vec::new(), Vec::new());
    for k in 1..=steps {
        state = step(state);
        seen.push(state);
        expected.push(oscillator.trajectory(first[0], first[1], rate * k as f64).unwrap());
    }
    [0, 1].map(|of| {
        let mean = seen.iter().map(|state| state[of]).sum::<f64>() / seen.len() as f64;
        let total: f64 = seen.iter().map(|state| (state[of] - mean).powi(2)).sum();
        let rest: f64 = seen
            .iter()
            .zip(&expected)
            .map(|(seen, expected)| (seen[of] - expected[of]).powi(2))
            .sum();
        1.0 - rest / total
    })
}

#[test]
fn a_transient_is_explained_by_equation_5() {
    let directory = tempfile::tempdir().unwrap();
    let quiet = SgdParameters { noise_scale: 1e-4, ..PARAMETERS };
    let start = [1.0, -2.0, 1.0, 3.0, 1.0];
    let mut sampler =
        QuadraticSampler::new(&quiet, UpdateRule::default(), &EIGENVALUES, &start).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let rows = (1..=2000).map(|step| {
        sampler.step(&mut random);
        row(step, &quiet, sampler.positions(), sampler.velocities())
    });
    let run = write(directory.path(), &info(5), rows.collect::<Vec<_>>());
    let fit = ModesFit::of(&run, &options()).unwrap();
    for ((mode, rho), start) in fit.modes.iter().zip(EIGENVALUES).zip(start).skip(1) {
        let transient = mode.transient.known().unwrap();
        let expected = equation_5_over_recursion(&quiet, rho, start, transient.steps);
        // What the fitted curvature and the noise, a thousandth of the start, make of it.
        for (found, expected) in
            [transient.position_r_squared, transient.velocity_r_squared].into_iter().zip(expected)
        {
            assert!((found - expected).abs() < 0.01, "{rho}: {found} is not {expected}");
        }
        assert!(transient.discrete_position_r_squared > 0.999);
    }
    // At eta rho = 0.5 continuous time is far from what SGD does.
    let sharp = fit.modes[0].transient.known().unwrap();
    assert!(
        sharp.discrete_position_r_squared > 0.999 && sharp.position_r_squared < 0.9,
        "{sharp:?}"
    );
}

/// Linear regression on 640 examples in batches of 32: an epoch is 20 steps.
fn regression(batches: Batches, directory: &std::path::Path) -> (Run, Vec<f64>) {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let mut normal = || -> f64 { StandardNormal.sample(&mut random) };
    let features = DMatrix::from_fn(640, 3, |_, column| normal() * [2.0, 1.0, 0.5][column]);
    let targets = DVector::from_fn(640, |_, _| normal());
    let parameters = SgdParameters { learning_rate: 0.02, ..PARAMETERS };
    let start = DVector::zeros(3);
    let rule = UpdateRule::default();
    let mut sampler =
        RegressionSampler::new(&parameters, rule, batches, features, targets, &start).unwrap();
    let SymmetricEigen { eigenvectors: vectors, eigenvalues } = sampler.hessian().symmetric_eigen();
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let rows: Vec<Row> = (1..=6000)
        .map(|step| {
            sampler.step(&mut random);
            let along = |values: &[f64]| {
                (vectors.transpose() * DVector::from_row_slice(values)).as_slice().to_vec()
            };
            row(step, &parameters, &along(sampler.position()), &along(sampler.velocity()))
        })
        .skip(1000)
        .collect();
    let info = RunInfo { steps_per_epoch: Some(20), ..info(3) };
    (write(directory, &info, rows), eigenvalues.as_slice().to_vec())
}

#[test]
fn sampling_without_replacement_leaves_its_mark() {
    let directory = tempfile::tempdir().unwrap();
    for (batches, name) in
        [(Batches::WithReplacement, "with"), (Batches::WithoutReplacement, "without")]
    {
        let (run, eigenvalues) = regression(batches, &directory.path().join(name));
        let fit = ModesFit::of(&run, &ModesOptions::default()).unwrap();
        for (mode, rho) in fit.modes.iter().zip(eigenvalues) {
            let recursion = mode.recursion.known().unwrap();
            assert_eq!(recursion.epoch_noise.is_some(), batches == Batches::WithoutReplacement);
            let Estimate { value, high, .. } = recursion.curvature;
            let reach = 2.0 * (high.unwrap() - value);
            assert!((value - rho).abs() < reach, "{name}, {rho}: {:?}", recursion.curvature);
            let mark = mode.noise.known().unwrap().epochs.unwrap();
            // Not quite 0 and -1/19: positions, and the noise with them, change within an epoch.
            if batches == Batches::WithoutReplacement {
                // As far below 1 as chance does not take it with replacement; tests/modes/epochs.rs
                // has noise that cancels altogether.
                assert!(
                    mark.against_independent.rejected && mark.variance_ratio < 0.65,
                    "{mark:?}"
                );
                assert!((mark.correlation_within + 1.0 / 19.0).abs() < 0.03, "{mark:?}");
            } else {
                // 249 epochs: the standard deviation is 0.09.
                assert!((mark.variance_ratio - 1.0).abs() < 0.35, "{mark:?}");
            }
        }
        let text = fit.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        let says = text.contains("cancels (drawn without replacement) in 3 of 3");
        assert_eq!(says, batches == Batches::WithoutReplacement, "{fit}");
    }
}
