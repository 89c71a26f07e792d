//! Losses in a plane: exact where they are known, and nothing is left moved.

use perrin::Error;
use perrin::curvature::{LandscapePlane, LossHessian, Reduction, loss_landscape};
use perrin::record::EventKind;
use perrin::run::Eigenvectors;
use perrin::run::{LossLandscape, Run, check, recover};
use tch::nn::{self, VarStore};
use tch::{Device, Kind, Tensor, no_grad};

use crate::left_as_found::Normalised;

/// Curvatures along the axes of a loss in three dimensions, and its minimum.
const CURVATURES: [f64; 3] = [4.0, 1.0, 0.25];
const MINIMUM: [f64; 3] = [0.5, -1.0, 2.0];

/// f64, so that the parabola is exact to rounding: 1e-13 of values of about 1.
struct Quadratic {
    variables: VarStore,
    first: Tensor,
    second: Tensor,
}

impl Quadratic {
    fn new() -> Quadratic {
        let variables = VarStore::new(Device::Cpu);
        let (first, second) =
            (variables.root().zeros("first", &[2]), variables.root().zeros("second", &[1]));
        variables.root().set_kind(Kind::Double);
        no_grad(|| first.shallow_clone().copy_(&Tensor::from_slice(&[0.7, -0.9])));
        Quadratic { variables, first, second }
    }

    /// Of a batch: the minima of batches lie to both sides of that of all.
    fn loss(&self, offset: f64) -> Tensor {
        let theta = Tensor::cat(&[&self.first, &self.second], 0);
        let distance = theta - Tensor::from_slice(&MINIMUM) - offset;
        (Tensor::from_slice(&CURVATURES) * distance.square()).sum(Kind::Double) * 0.5
    }
}

fn loss_at(theta: [f64; 3], offset: f64) -> f64 {
    let terms = theta.iter().zip(MINIMUM).zip(CURVATURES);
    terms
        .map(|((theta, minimum), curvature)| 0.5 * curvature * (theta - minimum - offset).powi(2))
        .sum()
}

/// The axes as eigenvectors.
fn axes(hessian: &LossHessian) -> Eigenvectors {
    let axis =
        |number: usize| (0..3).map(|element| f32::from(u8::from(element == number))).collect();
    let mut axes = Eigenvectors::from((0..3).map(axis).collect::<Vec<Vec<f32>>>());
    (axes.parameters, axes.eigenvalues) = (hessian.parameters(), CURVATURES.to_vec());
    axes
}

#[track_caller]
fn assert_close(found: &[f64], expected: impl Iterator<Item = f64>) {
    let expected: Vec<f64> = expected.collect();
    assert_eq!(found.len(), expected.len());
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(
            (found - expected).abs() < 1e-13 * (1.0 + expected.abs()),
            "point {index}: {found} {expected}"
        );
    }
}

#[test]
fn a_quadratic_loss_is_its_own_approximation() {
    let problem = Quadratic::new();
    for (reduction, weight_decay) in
        [(Reduction::Mean, 0.0), (Reduction::Sum, 0.0), (Reduction::Mean, 0.5)]
    {
        // Sums of 3 and 1 examples: 3/4 and 1/4 of the mean.
        let scale = |batch: usize| match reduction {
            Reduction::Sum => [0.75, 0.25][batch],
            Reduction::Mean => 1.0,
        };
        let loss = |batch: usize| problem.loss([0.1, -0.3][batch]) * scale(batch);
        let mut train = LossHessian::new(&problem.variables, &[3, 1], loss).unwrap();
        train = train.reduction(reduction).weight_decay(weight_decay);
        let mut test = LossHessian::new(&problem.variables, &[1], |_| problem.loss(0.2)).unwrap();
        let plane = LandscapePlane::new(&axes(&train), [1, 3], [0.5, 2.0]).unwrap();
        let plane = plane.points([5, 4]).centre([0.25, 0.0]).basis(2);
        let found = loss_landscape(&mut train, Some(&mut test), &plane).unwrap();

        assert_eq!((found.step, found.basis, found.modes), (0, 2, [1, 3]));
        assert_eq!(found.coordinates[0], [-0.25, 0.0, 0.25, 0.5, 0.75]);
        assert_close(&found.coordinates[1], [-2.0, -2.0 / 3.0, 2.0 / 3.0, 2.0].into_iter());
        let theta = found.coordinates[1]
            .iter()
            .flat_map(|y| found.coordinates[0].iter().map(move |x| [0.7 + x, -0.9, *y]));
        let decay = |theta: [f64; 3]| {
            0.5 * weight_decay * theta.iter().map(|theta| theta * theta).sum::<f64>()
        };
        let expected =
            |theta| 0.75 * loss_at(theta, 0.1) + 0.25 * loss_at(theta, -0.3) + decay(theta);
        assert_close(&found.train_loss, theta.clone().map(expected));
        // Gradients come as f32: 1e-7 of slopes below 6, over distances below 3.
        for (exact, approximate) in
            found.train_loss.iter().zip(found.quadratic_loss.as_ref().unwrap())
        {
            assert!((exact - approximate).abs() < 2e-6, "{exact} {approximate}");
        }
        assert_close(found.test_loss.as_ref().unwrap(), theta.map(|theta| loss_at(theta, 0.2)));
        assert_eq!(Vec::<f64>::try_from(&problem.first).unwrap(), [0.7, -0.9]);
    }
}

#[test]
fn the_origin_may_be_a_reference_point_by_name() {
    let problem = Quadratic::new();
    let mut train = LossHessian::new(&problem.variables, &[1], |_| problem.loss(0.0)).unwrap();
    let mut directions = axes(&train);
    directions.eigenvalues[1] = f64::NAN;
    let plane = |origin| {
        LandscapePlane::new(&directions, [2, 1], [1.0; 2]).unwrap().points([3, 3]).around(origin)
    };
    let reference = || vec![("first".to_owned(), Tensor::from_slice(&[0.5, -1.0]))];
    let found = loss_landscape(&mut train, None, &plane(reference())).unwrap();
    let theta = found.coordinates[1]
        .iter()
        .flat_map(|y| found.coordinates[0].iter().map(move |x| [0.5 + y, -1.0 + x, 0.0]));
    assert_close(&found.train_loss, theta.map(|theta| loss_at(theta, 0.0)));
    assert!(
        found.test_loss.is_none() && found.quadratic_loss.is_none(),
        "an eigenvalue is not known"
    );
    assert_eq!(Vec::<f64>::try_from(&problem.first).unwrap(), [0.7, -0.9]);
    let other_shape = plane(vec![("first".to_owned(), Tensor::from_slice(&[0.5]))]);
    assert!(matches!(
        loss_landscape(&mut train, None, &other_shape),
        Err(Error::ShapeMismatch { .. })
    ));
}

/// Directions through a network with batch normalisation.
fn plane_of(problem: &Normalised, hessian: &LossHessian) -> LandscapePlane {
    let dimension =
        problem.variables.trainable_variables().iter().map(Tensor::numel).sum::<usize>();
    let direction =
        |turn: usize| (0..dimension).map(|element| ((element + turn) % 3) as f32 - 1.0).collect();
    let mut directions = Eigenvectors::from(vec![direction(0), direction(1)]);
    directions.parameters = hessian.parameters();
    directions.eigenvalues = vec![1.0; 2];
    LandscapePlane::new(&directions, [1, 2], [0.3, 0.3]).unwrap().points([3, 3])
}

#[test]
fn everything_is_left_as_found() {
    let problem = Normalised::new();
    problem.loss(true).backward();
    let before = problem.state();
    for train_mode in [true, false] {
        let mut train =
            LossHessian::new(&problem.variables, &[16], |_| problem.loss(train_mode)).unwrap();
        let plane = plane_of(&problem, &train);
        let found = loss_landscape(&mut train, None, &plane).unwrap();
        assert!(found.train_loss[0] != found.train_loss[8]);
        assert_eq!(problem.state(), before);
    }
}

#[test]
fn also_where_the_loss_is_no_number_after_an_error_and_after_a_panic() {
    let problem = Normalised::new();
    problem.loss(true).backward();
    let before = problem.state();
    // The first three calls are at the origin: its value, its gradient, and a first point.
    let after = |limit: usize, then: fn(Tensor) -> Tensor| {
        let mut calls = 0;
        let problem = &problem;
        let loss = move |_| {
            calls += 1;
            if calls > limit { then(problem.loss(true)) } else { problem.loss(true) }
        };
        let mut train = LossHessian::new(&problem.variables, &[16], loss).unwrap();
        let plane = plane_of(problem, &train);
        loss_landscape(&mut train, None, &plane)
    };
    let found = after(3, |loss| loss / 0.0).unwrap();
    assert!(
        found.train_loss[0].is_finite() && found.train_loss[1..].iter().all(|loss| loss.is_nan())
    );
    assert_eq!(problem.state(), before);
    let error = after(3, |loss| loss.reshape([1]).repeat([2]));
    assert!(
        matches!(error, Err(Error::ShapeMismatch { name: "loss of a batch", .. })),
        "{error:?}"
    );
    assert_eq!(problem.state(), before);
    let error = after(0, |loss| loss / 0.0);
    assert!(
        matches!(error, Err(Error::NonFiniteLoss { .. })),
        "at the origin there is no gradient: {error:?}"
    );
    let panicking = std::panic::AssertUnwindSafe(|| after(5, |_| panic!("the loss fails")));
    assert!(std::panic::catch_unwind(panicking).is_err());
    assert_eq!(problem.state(), before);
    assert!(problem.loss(true).requires_grad(), "autograd is on");
}

#[test]
fn an_observer_sees_nothing_of_it_and_the_run_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let problem = Normalised::new();
    let mut optimizer = perrin::Options::new()
        .build(nn::sgd(0.9, 0., 0., false), &problem.variables, 0.01, &path)
        .unwrap();
    optimizer.backward_step(&problem.loss(true));
    let mut train = LossHessian::new(&problem.variables, &[16], |_| problem.loss(false)).unwrap();
    let reference = Tensor::read_safetensors(path.join("reference.safetensors")).unwrap();
    let plane = plane_of(&problem, &train).around(reference);
    let mut landscape = loss_landscape(&mut train, None, &plane).unwrap();
    assert_eq!(landscape.write(&path).unwrap(), 0);
    optimizer.backward_step(&problem.loss(true));
    optimizer.finish().unwrap();

    landscape.train_loss[4] = f64::NAN;
    landscape.test_loss = Some(landscape.train_loss.iter().map(|loss| 2.0 * loss).collect());
    assert_eq!(landscape.write(&path).unwrap(), 1);
    let run = Run::open(&path).unwrap();
    let outside = run
        .events()
        .unwrap()
        .iter()
        .any(|event| matches!(event.kind, EventKind::OutsideWrite { .. }));
    assert!(!outside, "what is undone is no change");
    assert_eq!(run.landscapes().unwrap(), [0, 1]);
    // NaN is not equal to itself.
    assert_eq!(format!("{:?}", run.landscape(1).unwrap()), format!("{landscape:?}"));

    let unfinished = path.join("landscape/.000002.parquet.partial");
    std::fs::write(&unfinished, b"begun").unwrap();
    recover(&path).unwrap();
    assert!(!unfinished.exists() && run.landscapes().unwrap().len() == 2);

    let wrong = LossLandscape { train_loss: vec![1.0; 8], ..landscape };
    assert!(matches!(wrong.write(&path), Err(Error::ShapeMismatch { .. })));
    let file = path.join("landscape/000001.parquet");
    let mut bytes = std::fs::read(&file).unwrap();
    assert!(check(&path).unwrap().damage.is_empty());
    bytes[40] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    assert_eq!(check(&path).unwrap().damage[0].path, file);
}

#[test]
fn planes_that_do_not_fit_are_refused() {
    let problem = Quadratic::new();
    let mut train = LossHessian::new(&problem.variables, &[1], |_| problem.loss(0.0)).unwrap();
    let directions = axes(&train);
    let plane = |modes, widths| LandscapePlane::new(&directions, modes, widths);
    for (modes, widths) in
        [([0, 1], [1.0; 2]), ([1, 4], [1.0; 2]), ([2, 2], [1.0; 2]), ([1, 2], [0.0, 1.0])]
    {
        assert!(matches!(plane(modes, widths), Err(Error::InvalidValue { .. })));
    }
    let few = plane([1, 2], [1.0; 2]).unwrap().points([1, 5]);
    assert!(matches!(loss_landscape(&mut train, None, &few), Err(Error::InvalidValue { .. })));
    let other = Quadratic::new();
    let mut test = LossHessian::new(&other.variables, &[1], |_| other.loss(0.0)).unwrap();
    let plane = plane([1, 2], [1.0; 2]).unwrap();
    assert!(matches!(
        loss_landscape(&mut train, Some(&mut test), &plane),
        Err(Error::Parameters { .. })
    ));
}
