//! `perrin fit` takes what was measured of the Hessian from the run's own folder: prediction of the
//! whole displacement with nothing fitted, and gradient noise against what the steps show.

use std::path::Path;

use crate::synthetic::{SyntheticRun, USUAL_SGD, table};
use perrin::Error;
use perrin::analysis::curvatures::Curvatures;
use perrin::analysis::displacement_noise::{Curvatures as ExponentCurvatures, Start};
use perrin::analysis::modes::NoiseSource;
use perrin::analysis::sweep::Sweep;
use perrin::analysis::{FitOptions, RunFit};
use perrin::run::{CurvatureSummary, GradientNoiseSummary, Measured, Run, RunWriter, SpectralBulk};
use perrin::stats::regression::PowerLawFit;
use perrin::theory::discrete::DiscreteMode;
use perrin::theory::displacement::exact_curve;
use perrin::theory::exponent::exponent;
use perrin::theory::spectrum::Spectrum;

/// Projected on; beside them are 30 of the bulk.
const LARGEST: [f64; 4] = [4.0, 1.5, 0.5, 0.2];
const STEPS: u64 = 6000;

fn bulk() -> Vec<f64> {
    (0..30).map(|mode| 0.1 * 0.75_f64.powi(mode)).collect()
}

fn eigenvalues() -> Vec<f64> {
    LARGEST.iter().copied().chain(bulk()).collect()
}

fn synthetic(seed: u64) -> SyntheticRun {
    SyntheticRun { parameters: USUAL_SGD, eigenvalues: eigenvalues(), rows: STEPS, seed }
}

/// Within its error of the truth, times `noise`.
fn summary(noise: f64) -> CurvatureSummary {
    let measured = |value: f64| Measured { value: 1.01 * value, standard_error: 0.02 * value };
    let trace: f64 = eigenvalues().iter().sum();
    let sum: f64 = LARGEST.iter().sum();
    CurvatureSummary {
        trace: Some(measured(trace)),
        density: Some(SpectralBulk { weights: vec![1.0; 30], nodes: bulk(), dimension: 30.0 }),
        gradient_noise: Some(GradientNoiseSummary {
            variances: LARGEST.iter().map(|rho| measured(2.0 * noise * rho)).collect(),
            trace: measured(2.0 * noise * trace),
            noise_scale: measured(2.0 * noise * sum / sum),
            correlation: None,
            off_diagonal: None,
            batches: 500,
            examples: 500,
        }),
    }
}

fn fit(directory: &Path) -> RunFit {
    let fit = RunFit::of(&Run::open(directory).unwrap()).unwrap();
    let text = fit.to_string();
    assert!(!text.contains("NaN"), "{text}");
    assert!(text.lines().skip(1).all(|line| line.chars().count() <= 80), "{text}");
    fit
}

#[test]
fn the_whole_displacement_is_predicted_without_being_told() {
    let directory = tempfile::tempdir().unwrap();
    synthetic(6).write_along(directory.path(), 4);
    let before = fit(directory.path());
    assert!(
        before.predicted.known().unwrap().projected_part,
        "eigenvalues alone are of the projections"
    );
    assert!(
        before
            .displacement
            .known()
            .unwrap()
            .interval
            .reason()
            .unwrap()
            .contains("the directions carry")
    );

    summary(1.0).save(directory.path(), 0).unwrap();
    let fit = fit(directory.path());
    println!("{fit}");
    let predicted = fit.predicted.known().unwrap();
    assert!(!predicted.projected_part && predicted.left_out.is_none());
    let curve = exact_curve(
        &USUAL_SGD,
        &Spectrum::from_eigenvalues(&eigenvalues()).unwrap(),
        STEPS as usize,
    )
    .unwrap();
    let law = fit.displacement.known().unwrap();
    let expected = exponent(&curve, law.first_step as usize, law.last_step as usize, 1).unwrap();
    assert!(
        (predicted.exact_exponent - expected).abs() < 2e-3,
        "{} {expected}",
        predicted.exact_exponent
    );
    let interval = predicted.interval.known().unwrap();
    assert!(interval.low < expected && expected < interval.high);
    let of_law = law.interval.known().unwrap();
    assert!((of_law.low - interval.low).abs() < 1e-9 && (of_law.high - interval.high).abs() < 1e-9);
    // Heights: sigma^2 by the speed is within its own interval of 2, and the curve's ranges hold
    // the truth.
    assert!((predicted.noise_scale / 2.0 - 1.0).abs() < 0.1, "{}", predicted.noise_scale);
    for point in &predicted.curve {
        let truth = curve[point.step as usize];
        assert!((point.exact / truth / (predicted.noise_scale / 2.0) - 1.0).abs() < 1e-9);
        assert!(point.range[0] < truth && truth < point.range[1], "{point:?} {truth}");
    }
    let [low, high] = law.prefactor_interval.unwrap();
    assert!(low < law.prefactor.unwrap() && law.prefactor.unwrap() < high);
    let of_gradients = predicted.noise_scale_of_gradients.unwrap();
    assert!((of_gradients.value / (2.0 * 1.01) - 1.0).abs() < 1e-9);
    let height = predicted.height_by_gradients.unwrap();
    assert!(height.low < 1.0 && 1.0 < height.high, "{height:?}");

    let scales = fit.modes.noise_scale.known().unwrap();
    for source in [NoiseSource::Speed, NoiseSource::GradientCovariance, NoiseSource::GradientTrace]
    {
        let value = scales.value(source).unwrap();
        assert!((value.value / 2.0 - 1.0).abs() < 0.1, "{source:?}: {value:?}");
    }
    assert!(scales.agreements.iter().all(|pair| !pair.test.rejected), "{:?}", scales.agreements);
    let against = fit.modes.gradient_noise.known().unwrap();
    for pooled in [against.noise, against.positions, against.velocities].map(Option::unwrap) {
        assert!(!pooled.against_one.rejected, "{pooled:?}");
    }
}

#[test]
fn noise_that_is_not_what_gradients_say_is_told() {
    let directory = tempfile::tempdir().unwrap();
    synthetic(2).write_along(directory.path(), 4);
    summary(1.5).save(directory.path(), 0).unwrap();
    let fit = fit(directory.path());
    let height = fit.predicted.known().unwrap().height_by_gradients.unwrap();
    assert!(height.low > 1.2, "{height:?}");
    let against = fit.modes.gradient_noise.known().unwrap();
    for pooled in [against.noise, against.positions, against.velocities].map(Option::unwrap) {
        assert!(
            pooled.against_one.rejected && (pooled.ratio.value - 1.0 / 1.5).abs() < 0.1,
            "{pooled:?}"
        );
    }
    let scales = fit.modes.noise_scale.known().unwrap();
    let apart = scales
        .agreements
        .iter()
        .find(|pair| (pair.first, pair.second) == (NoiseSource::Speed, NoiseSource::GradientTrace));
    assert!(apart.unwrap().test.rejected);
    assert!(fit.to_string().contains("(not as predicted, p"));
}

/// A real network's Hessian has negative eigenvalues.
#[test]
fn negative_curvature_is_left_out_and_said() {
    let directory = tempfile::tempdir().unwrap();
    synthetic(3).write_along(directory.path(), 4);
    let mut summary = summary(1.0);
    let density = summary.density.as_mut().unwrap();
    density.nodes.extend([0.0, -1e-3, -0.05]);
    density.weights.extend([900.0, 60.0, 10.0]);
    density.dimension = 1000.0;
    summary.save(directory.path(), 0).unwrap();
    let fit = fit(directory.path());
    let predicted = fit.predicted.known().unwrap();
    let left_out = predicted.left_out.unwrap();
    assert!((left_out.directions - 70.0).abs() < 1e-9);
    let positive: f64 = eigenvalues().iter().sum();
    assert!((left_out.share_of_trace - 0.56 / positive).abs() < 1e-9);
    assert!(fit.to_string().contains("70.00 directions of negative curvature"), "{fit}");
    assert!(fit.displacement.known().unwrap().interval.known().is_some());

    // Nothing but negative curvature: a reason.
    summary.density = Some(SpectralBulk { nodes: vec![-1.0], weights: vec![1.0], dimension: 40.0 });
    summary.trace = Some(Measured { value: -33.0, standard_error: 1.0 });
    summary.save(directory.path(), 0).unwrap();
    let fit = self::fit(directory.path());
    assert!(fit.modes.noise_scale.known().unwrap().value(NoiseSource::Speed).is_none());
    assert!(
        fit.predicted.reason().unwrap().contains("nothing of the density"),
        "{:?}",
        fit.predicted
    );
}

/// An eigenvalue of the projections that is negative leaves their interval to the fitted recursion.
#[test]
fn a_negative_eigenvalue_leaves_the_interval_of_the_projected_part() {
    let directory = tempfile::tempdir().unwrap();
    synthetic(7).write_along(directory.path(), 4);
    let run = Run::open(directory.path()).unwrap();
    let mut given = Curvatures { density: summary(1.0).density, ..Curvatures::default() };
    let mut interval = |last: f64| {
        given.eigenvalues = vec![4.0, 1.5, 0.5, last];
        let options = FitOptions { curvatures: Some(given.clone()), ..FitOptions::default() };
        let fit = RunFit::with(&run, &options).unwrap();
        fit.displacement_projected.known().unwrap().interval.clone()
    };
    assert_eq!(interval(0.2).known().unwrap().curvatures, ExponentCurvatures::Given);
    assert_eq!(interval(-1e-3).known().unwrap().curvatures, ExponentCurvatures::Fitted);
}

#[test]
fn curvatures_that_are_no_measurement_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    synthetic(8).write_along(directory.path(), 4);
    let run = Run::open(directory.path()).unwrap();
    let given = Curvatures { eigenvalues: LARGEST.to_vec(), ..Curvatures::default() };
    let weightless = SpectralBulk { nodes: vec![0.1], weights: vec![0.0], dimension: 30.0 };
    let wrong = [
        Curvatures { density: Some(SpectralBulk::default()), ..given.clone() },
        Curvatures { density: Some(weightless), ..given.clone() },
        Curvatures { trace: Some(Measured { value: f64::NAN, standard_error: 1.0 }), ..given },
        Curvatures { eigenvalues: vec![f64::INFINITY], ..Curvatures::default() },
    ];
    for curvatures in wrong {
        let options = FitOptions { curvatures: Some(curvatures), ..FitOptions::default() };
        let error = RunFit::with(&run, &options).unwrap_err();
        assert!(matches!(error, Error::InvalidInput { .. }), "{error}");
    }
}

#[test]
fn what_is_given_overrides_the_folder() {
    let directory = tempfile::tempdir().unwrap();
    synthetic(4).write_along(directory.path(), 4);
    summary(1.0).save(directory.path(), 0).unwrap();
    let run = Run::open(directory.path()).unwrap();
    let given = Curvatures { eigenvalues: LARGEST.to_vec(), ..Curvatures::default() };
    let fit = RunFit::with(&run, &FitOptions { curvatures: Some(given), ..FitOptions::default() })
        .unwrap();
    assert!(fit.predicted.known().unwrap().projected_part);
    assert!(fit.modes.gradient_noise.reason().unwrap().contains("was not measured"));
}

/// Directions are replaced, and the longer part of the run is along the first.
#[test]
fn modes_are_held_against_the_eigenvalues_of_their_own_basis() {
    let directory = tempfile::tempdir().unwrap();
    let run = synthetic(5);
    let mut writer = RunWriter::create(directory.path(), &run.info_along(4), Vec::new()).unwrap();
    writer.basis(0, 0, &table(&LARGEST), false).unwrap();
    writer.basis(1, 4000, &table(&LARGEST.map(|rho| 2.0 * rho)), false).unwrap();
    run.draw(writer, 4, |row, _| {
        row.basis = Some(u64::from(row.step > 4000));
        true
    });
    let mode = |of: &RunFit| of.modes.modes[0].clone();
    assert_eq!(mode(&fit(directory.path())).hessian_eigenvalue, Some(4.0));
    let options = FitOptions { first_step: Some(4001), ..FitOptions::default() };
    let late = RunFit::with(&Run::open(directory.path()).unwrap(), &options).unwrap();
    assert_eq!(mode(&late).hessian_eigenvalue, Some(8.0));
    // Gradient noise of the second says nothing of the first.
    summary(1.0).save(directory.path(), 1).unwrap();
    let fit = fit(directory.path());
    assert!(
        mode(&fit).hessian_eigenvalue == Some(4.0) && fit.modes.gradient_noise.reason().is_some()
    );
}

/// Forty directions alike, so that one step shows how a run began.
fn alike_eigenvalues() -> Vec<f64> {
    (0..40).map(|mode| 0.02 * 0.95_f64.powi(mode)).collect()
}

/// The fit of a run of theirs, by the first four eigenvalues and the others as a density.
fn alike(directory: &Path, from_rest: bool, keep: impl Fn(u64) -> bool) -> RunFit {
    let run = SyntheticRun {
        parameters: USUAL_SGD,
        eigenvalues: alike_eigenvalues(),
        rows: 2000,
        seed: 11,
    };
    if from_rest {
        run.write_from_rest(directory, 4);
    } else {
        let writer = RunWriter::create(directory, &run.info_along(4), Vec::new()).unwrap();
        run.draw(writer, 4, |row, _| keep(row.step));
    }
    let (largest, others) = run.eigenvalues.split_at(4);
    let density = SpectralBulk { weights: vec![1.0; 36], nodes: others.to_vec(), dimension: 36.0 };
    let curvatures = Curvatures {
        eigenvalues: largest.to_vec(),
        density: Some(density),
        ..Curvatures::default()
    };
    let options = FitOptions { curvatures: Some(curvatures), ..FitOptions::default() };
    RunFit::with(&Run::open(directory).unwrap(), &options).unwrap()
}

#[test]
fn all_rows_have_an_interval_that_knows_how_the_run_began() {
    let modes: Vec<DiscreteMode> = alike_eigenvalues()
        .iter()
        .map(|rho| DiscreteMode::new(&USUAL_SGD, *rho).unwrap())
        .collect();
    for (from_rest, start) in [(false, Start::Stationary), (true, Start::AtRest)] {
        let directory = tempfile::tempdir().unwrap();
        let fit = alike(directory.path(), from_rest, |_| true);
        assert_eq!(fit.predicted.known().unwrap().begins_at_rest, from_rest);
        let mut line = PowerLawFit::default();
        for step in 1..=2000 {
            let expected =
                modes.iter().map(|mode| start.mean_squared_displacement(mode, step).unwrap()).sum();
            assert!(line.push(step as f64, expected));
        }
        let truth = line.power_law().unwrap().exponent;
        let law = fit.displacement_all.known().unwrap();
        let interval = law.interval.known().unwrap();
        // 400 points stand for 2,000 rows.
        assert!((interval.expected - truth).abs() < 1e-3, "{} {truth}", interval.expected);
        assert!(interval.low < truth && truth < interval.high, "{interval:?} {truth}");
        let window = fit.displacement.known().unwrap().interval.known().unwrap();
        assert!(
            (interval.expected - window.expected).abs() > 0.1,
            "of the window it would be another"
        );
        let sweep = Sweep::of(std::slice::from_ref(&fit));
        assert_eq!(sweep.runs[0].exponent.known(), Some(&law.exponent));
        assert_eq!(sweep.runs[0].predicted_exponent.known(), Some(&interval.expected));
        assert!(fit.to_string().contains(&format!("by which it is {:.3}", interval.expected)));
    }
}

#[test]
fn rows_missing_early_leave_no_interval_over_all_rows() {
    let interval = |keep: &dyn Fn(u64) -> bool| {
        let directory = tempfile::tempdir().unwrap();
        alike(directory.path(), false, keep).displacement_all.known().unwrap().interval.clone()
    };
    assert!(interval(&|step| step != 50).reason().unwrap().contains("missing after step 49"));
    assert!(interval(&|step| step != 250).known().is_some());
}

/// What the run's rows say does not hang on it.
#[test]
fn a_summary_that_cannot_be_read_is_a_note() {
    let directory = tempfile::tempdir().unwrap();
    let run = synthetic(8);
    let mut writer = RunWriter::create(directory.path(), &run.info_along(4), Vec::new()).unwrap();
    writer.basis(0, 0, &table(&LARGEST), false).unwrap();
    writer.basis(1, 1, &table(&LARGEST), false).unwrap();
    run.draw(writer, 4, |row, _| {
        row.basis = Some(1);
        true
    });
    let of = |basis: u64| directory.path().join(format!("curvature_summaries/{basis:06}.json"));
    let noted = |fit: &RunFit| fit.notes.iter().filter(|note| note.contains("is left out")).count();
    summary(1.0).save(directory.path(), 1).unwrap();
    let whole = std::fs::read_to_string(of(1)).unwrap();
    let fit_of = || RunFit::of(&Run::open(directory.path()).unwrap()).unwrap();
    let exponent = |fit: &RunFit| fit.displacement_all.known().unwrap().exponent;
    let plain = fit_of();
    assert!(plain.modes.gradient_noise.known().is_some() && noted(&plain) == 0);

    let newer = whole.replace("\"schema_version\": 2", "\"schema_version\": 3");
    for text in [b"{}".to_vec(), newer.into_bytes(), vec![0xff]] {
        std::fs::write(of(1), text).unwrap();
        let fit = fit_of();
        assert_eq!(noted(&fit), 1, "{:?}", fit.notes);
        assert!(
            fit.modes.gradient_noise.reason().is_some()
                && fit.modes.modes[0].hessian_eigenvalue == Some(4.0)
        );
        assert_eq!((exponent(&fit), &fit.speed), (exponent(&plain), &plain.speed));
    }
    // A folder in its place cannot be read at all.
    std::fs::remove_file(of(1)).unwrap();
    std::fs::create_dir(of(1)).unwrap();
    assert_eq!(noted(&fit_of()), 1);
    // That of an earlier basis is taken instead.
    summary(1.0).save(directory.path(), 0).unwrap();
    let known = Curvatures::of_run(&Run::open(directory.path()).unwrap()).unwrap().unwrap();
    assert_eq!((known.basis, known.density.is_some()), (Some(0), true));
    // Nobody asked for it where another is given.
    let given = Curvatures { eigenvalues: LARGEST.to_vec(), ..Curvatures::default() };
    let options = FitOptions { curvatures: Some(given), ..FitOptions::default() };
    assert_eq!(noted(&RunFit::with(&Run::open(directory.path()).unwrap(), &options).unwrap()), 0);
}
