//! Positions and velocities along given directions, against a projection in f64 of saved
//! parameters.

use std::path::Path;

use tch::nn::{self, Init, OptimizerConfig, VarStore};
use tch::{Device, Kind, Tensor, no_grad};

use crate::support::{Problem, flat, rows};

/// Directions without a pattern, of norm 1.
pub fn directions(count: usize, elements: usize) -> Vec<Vec<f32>> {
    let element =
        |number: usize, index: usize| ((number * 7919 + index * 104_729) as f64 * 0.618).sin();
    (0..count)
        .map(|number| {
            let values: Vec<f64> = (0..elements).map(|index| element(number + 1, index)).collect();
            let norm = values.iter().map(|x| x * x).sum::<f64>().sqrt();
            values.into_iter().map(|x| (x / norm) as f32).collect()
        })
        .collect()
}

fn project(directions: &[Vec<f32>], vector: &[f64]) -> Vec<f64> {
    let product =
        |direction: &Vec<f32>| direction.iter().zip(vector).map(|(q, x)| f64::from(*q) * x).sum();
    directions.iter().map(product).collect()
}

pub fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// `found` is the projection of `vector`. Positions are promised to five digits; here all is held
/// to 1e-6 of the vector's length, which is what a product in f32 loses whatever becomes of the
/// sum.
#[track_caller]
pub fn assert_projection(
    found: &[Option<f64>],
    directions: &[Vec<f32>],
    vector: &[f64],
    what: &str,
) {
    let length = vector.iter().map(|x| x * x).sum::<f64>().sqrt().max(1e-12);
    for (found, expected) in found.iter().zip(project(directions, vector)) {
        let found = found.unwrap_or_else(|| panic!("{what}: null, expected {expected}"));
        assert!(
            (found - expected).abs() <= 1e-6 * length,
            "{what}: {found}, expected {expected}, length {length}"
        );
    }
}

pub fn divided(vector: &[f64], by: f64) -> Vec<f64> {
    vector.iter().map(|x| x / by).collect()
}

/// Every row against `saved` (the parameters after each step, from before the first on) and
/// `origin`.
fn check(
    folder: &Path,
    directions: &[Vec<f32>],
    saved: &[Vec<f64>],
    origin: &[f64],
    learning_rate: f64,
) {
    let rows = rows(folder);
    let count = directions.len();
    for (row, projections) in rows.records.iter().zip(rows.projections.chunks_exact(2 * count)) {
        let step = row.step as usize;
        let position = difference(&saved[step], origin);
        let velocity = divided(&difference(&saved[step], &saved[step - 1]), learning_rate);
        assert_projection(
            &projections[..count],
            directions,
            &position,
            &format!("position, step {step}"),
        );
        assert_projection(
            &projections[count..],
            directions,
            &velocity,
            &format!("velocity, step {step}"),
        );
    }
}

fn options() -> perrin::Options {
    perrin::Options::new()
}

#[test]
fn every_step_and_now_and_then() {
    for kind in [Kind::Float, Kind::Double, Kind::BFloat16] {
        for every in [1, 4] {
            let problem = Problem::new(kind);
            let mut saved = vec![problem.theta()];
            let directions = directions(5, saved[0].len());
            let folder = tempfile::tempdir().unwrap();
            let mut optimizer = options()
                .every_steps(every)
                .project_onto(directions.clone())
                .build(nn::sgd(0.9, 0., 0., false), &problem.variables, 5e-2, folder.path())
                .unwrap();
            for number in 0..300 {
                optimizer.backward_step(&problem.loss(number));
                saved.push(problem.theta());
            }
            let summary = optimizer.finish().unwrap();
            assert_eq!(summary.rows, 300 / every);
            check(folder.path(), &directions, &saved, &saved[0], 5e-2);
        }
    }
}

/// Parameters of several kinds and layouts: some of each direction belongs to the fused pass, some
/// to tensor operations.
#[test]
fn mixed_parameters_an_edit_and_an_addition() {
    let variables = VarStore::new(Device::Cpu);
    let root = variables.root();
    let values = |count: i64| Tensor::arange(count, (Kind::Float, Device::Cpu)).sin();
    let _ = root.add("double", values(6).to_kind(Kind::Double), true);
    let _ = root.add("plain", values(40), true);
    let _ = root.add("transposed", values(12).reshape([3, 4]).tr(), true);
    let _ = root.add("scalar", values(1).squeeze(), true);
    let tensors = variables.trainable_variables();
    let mut saved = vec![flat(&tensors)];
    let directions = directions(3, saved[0].len());
    let folder = tempfile::tempdir().unwrap();
    let mut optimizer = options()
        .project_onto(directions.clone())
        .build(nn::sgd(0., 0., 0., false), &variables, 1e-2, folder.path())
        .unwrap();
    let step = |optimizer: &mut perrin::Optimizer| {
        let square = |tensor: &Tensor| tensor.to_kind(Kind::Float).square().sum(Kind::Float);
        optimizer.backward_step(
            &tensors.iter().map(square).fold(Tensor::from(0f32), |sum, term| sum + term),
        );
    };
    let mut edits = Vec::new();
    for number in 1..=100 {
        if number == 30 || number == 31 || number == 70 {
            let before = flat(&tensors);
            let _ = no_grad(|| tensors[1].shallow_clone().g_add_scalar_(0.25));
            edits.push((number, difference(&flat(&tensors), &before)));
        }
        if number == 50 {
            let _ = root.var("added", &[7], Init::Const(1.));
        }
        step(&mut optimizer);
        saved.push(flat(&tensors));
    }
    optimizer.finish().unwrap();
    let rows = rows(folder.path());
    assert_eq!(rows.len(), 100);
    for (row, projections) in rows.records.iter().zip(rows.projections.chunks_exact(6)) {
        let step = row.step as usize;
        // What the edits moved is part of the position, and of no velocity.
        let mut moved = difference(&saved[step], &saved[step - 1]);
        for (_, edit) in edits.iter().filter(|(number, _)| *number == step) {
            moved = difference(&moved, edit);
        }
        let position = difference(&saved[step], &saved[0]);
        assert_projection(
            &projections[..3],
            &directions,
            &position,
            &format!("position, step {step}"),
        );
        assert_projection(
            &projections[3..],
            &directions,
            &divided(&moved, 1e-2),
            &format!("velocity, step {step}"),
        );
    }
}

/// A long walk of an f32 network: the running sum of projected steps does not drift from the direct
/// projection.
#[test]
fn positions_after_many_steps() {
    let variables = VarStore::new(Device::Cpu);
    let tensor =
        variables.root().add("walker", Tensor::ones([50], (Kind::Float, Device::Cpu)), true);
    let directions = directions(4, 50);
    let folder = tempfile::tempdir().unwrap();
    let mut observer = options()
        .hyperparameters(perrin::record::Hyperparameters {
            learning_rate: Some(0.5),
            ..Default::default()
        })
        .project_onto(directions.clone())
        .observe(&variables, folder.path())
        .unwrap();
    let origin = flat(&[tensor.shallow_clone()]);
    let kicks: Vec<Tensor> = (0..97)
        .map(|number| {
            (Tensor::arange(50, (Kind::Float, Device::Cpu)) * f64::from(number) + 1.).sin() * 1e-3
        })
        .collect();
    let mut checked = Vec::new();
    for step in 1..=100_000usize {
        no_grad(|| {
            let _ = tensor.shallow_clone().g_add_(&kicks[step * step % 97]);
        });
        observer.after_step(None);
        if step % 9_999 == 0 || step == 100_000 {
            checked.push((step, difference(&flat(&[tensor.shallow_clone()]), &origin)));
        }
    }
    let summary = observer.finish().unwrap();
    assert!(summary.position_correction.unwrap() < 1e-5, "{summary:?}");
    let rows = rows(folder.path());
    for (step, distance) in checked {
        let found = &rows.projections[8 * (step - 1)..8 * (step - 1) + 4];
        assert_projection(found, &directions, &distance, &format!("step {step}"));
        // The promise in its own terms: five digits of the positions.
        let expected = project(&directions, &distance);
        let largest = expected.iter().fold(0.0f64, |largest, position| largest.max(position.abs()));
        let worst =
            found.iter().zip(&expected).map(|(found, expected)| (found.unwrap() - expected).abs());
        assert!(
            worst.fold(0.0, f64::max) <= 1e-5 * largest,
            "step {step}: {found:?}, expected {expected:?}"
        );
    }
}

#[test]
fn a_reference_elsewhere_and_an_unknown_learning_rate() {
    let problem = Problem::new(Kind::Float);
    let start = problem.theta();
    let directions = directions(2, start.len());
    let reference: Vec<(String, Tensor)> = problem
        .variables
        .variables()
        .into_iter()
        .map(|(name, tensor)| (name, tensor.detach().zeros_like()))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let optimizer = nn::sgd(0., 0., 0., false).build(&problem.variables, 1e-2).unwrap();
    let mut optimizer = options()
        .variables(&problem.variables)
        .reference(reference)
        .project_onto(directions.clone())
        .attach(optimizer, folder.path())
        .unwrap();
    optimizer.backward_step(&problem.loss(0));
    let first = problem.theta();
    optimizer.set_lr(2e-2);
    optimizer.backward_step(&problem.loss(1));
    let second = problem.theta();
    drop(optimizer);
    let rows = rows(folder.path());
    assert_projection(&rows.projections[..2], &directions, &first, "position from zero");
    assert_eq!(rows.projections[2..4], [None, None]);
    let velocity = divided(&difference(&second, &first), 2e-2);
    assert_projection(&rows.projections[6..8], &directions, &velocity, "velocity");
}

#[test]
fn directions_that_do_not_fit_are_refused() {
    let problem = Problem::new(Kind::Float);
    let folder = tempfile::tempdir().unwrap();
    let try_with = |directions: Vec<Vec<f32>>| {
        options()
            .project_onto(directions)
            .observe(&problem.variables, folder.path().join("run"))
            .err()
            .unwrap()
    };
    assert!(try_with(vec![vec![1.0; 3]]).to_string().contains("[3]"));
    let mut holed = vec![0.0; problem.theta().len()];
    holed[5] = f32::NAN;
    assert!(try_with(vec![holed]).to_string().contains("NaN"));
    assert!(!folder.path().join("run").exists());
}

/// More elements than are multiplied together, and some left over.
#[test]
fn large_parameters() {
    let variables = VarStore::new(Device::Cpu);
    let start = Tensor::arange(20_003, (Kind::Float, Device::Cpu)).sin();
    let tensor = variables.root().add("large", start, true);
    let directions = directions(3, 20_003);
    let folder = tempfile::tempdir().unwrap();
    let mut optimizer = options()
        .project_onto(directions.clone())
        .build(nn::sgd(0.9, 0., 0., false), &variables, 1e-2, folder.path())
        .unwrap();
    let mut saved = vec![flat(&[tensor.shallow_clone()])];
    for _ in 0..10 {
        optimizer.backward_step(&(tensor.sin() + tensor.square()).sum(Kind::Float));
        saved.push(flat(&[tensor.shallow_clone()]));
    }
    optimizer.finish().unwrap();
    check(folder.path(), &directions, &saved, &saved[0], 1e-2);
}

/// A block as small as it can be, and one cut short by the end of the run.
#[test]
fn any_amount_of_memory_gives_the_same_rows() {
    let run = |bytes: usize| {
        let problem = Problem::new(Kind::Float);
        let folder = tempfile::tempdir().unwrap();
        let mut optimizer = options()
            .project_onto(directions(3, problem.theta().len()))
            .projection_memory(bytes)
            .build(nn::sgd(0.9, 0., 0., false), &problem.variables, 5e-2, folder.path())
            .unwrap();
        (0..101).for_each(|number| optimizer.backward_step(&problem.loss(number)));
        optimizer.finish().unwrap();
        rows(folder.path()).projections
    };
    let (small, large) = (run(0), run(1 << 30));
    assert_eq!(small.len(), 101 * 6);
    for (small, large) in small.iter().zip(&large) {
        let (small, large) = (small.unwrap(), large.unwrap());
        // Velocities up to 0.4 in f32 products of another order: ten units in the last place;
        // 1.1e-7 was seen.
        assert!((small - large).abs() <= 3e-7, "{small} and {large}");
    }
}
