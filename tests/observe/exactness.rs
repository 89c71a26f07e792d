//! Every norm against a recomputation in f64 from saved parameters.

use tch::nn::{self, OptimizerConfig};
use tch::{Kind, Tensor};

use crate::support::{Problem, assert_close, distance_squared, rows};

/// 1,000 steps, each row checked against the parameters saved after each step.
fn check(
    name: &str,
    kind: Kind,
    learning_rate: f64,
    config: impl OptimizerConfig,
    reference_distance: Option<f64>,
) {
    let problem = Problem::new(kind);
    let folder = tempfile::tempdir().unwrap();
    let start = problem.theta();
    let norm = start.iter().map(|x| x * x).sum::<f64>().sqrt();
    // A reference point so far away (times the parameters' norm), or the start.
    let reference: Vec<(String, Tensor)> = match reference_distance {
        None => Vec::new(),
        Some(distance) => {
            let count = start.len() as f64;
            let shifted = |tensor: Tensor| tensor.detach().copy() + distance * norm / count.sqrt();
            let named = problem.variables.variables().into_iter();
            named.map(|(name, tensor)| (name, shifted(tensor).to_kind(kind))).collect()
        }
    };
    let origin = if reference.is_empty() {
        start.clone()
    } else {
        let ordered = problem.variables.trainable_variables();
        let named = problem.variables.variables();
        let place = |tensor: &Tensor| {
            named.iter().find(|(_, other)| other.data_ptr() == tensor.data_ptr()).unwrap().0
        };
        let of = |name: &String| {
            reference.iter().find(|(other, _)| other == name).unwrap().1.shallow_clone()
        };
        crate::support::flat(&ordered.iter().map(|tensor| of(place(tensor))).collect::<Vec<_>>())
    };
    let optimizer = config.build(&problem.variables, learning_rate).unwrap();
    let mut optimizer = perrin::Options::new()
        .variables(&problem.variables)
        .reference(reference)
        .attach(optimizer, folder.path().join("run"))
        .unwrap();
    let mut saved = vec![start];
    for step in 0..1_000 {
        optimizer.backward_step(&problem.loss(step));
        saved.push(problem.theta());
    }
    assert_eq!(optimizer.finish().unwrap().rows, 1_000);
    let rows = rows(&folder.path().join("run")).records;
    assert_eq!(rows.len(), 1_000);
    for (index, row) in rows.iter().enumerate() {
        assert_eq!(row.step, index as u64 + 1);
        let local = distance_squared(&saved[index + 1], &saved[index]);
        let global = distance_squared(&saved[index + 1], &origin);
        assert_close(
            row.local_displacement_squared,
            local,
            &format!("{name}, local, step {}", row.step),
        );
        assert_close(
            row.global_displacement_squared,
            global,
            &format!("{name}, global, step {}", row.step),
        );
    }
}

#[test]
fn sgd() {
    check("sgd", Kind::Float, 1e-2, nn::sgd(0.9, 0., 1e-4, false), None);
}

#[test]
fn adam() {
    check("adam", Kind::Float, 1e-3, nn::adam(0.9, 0.999, 1e-4), None);
}

#[test]
fn adamw() {
    check("adamw", Kind::Float, 1e-3, nn::adamw(0.9, 0.999, 1e-2), None);
}

#[test]
fn rms_prop() {
    check("rms_prop", Kind::Float, 1e-3, nn::rms_prop(0.99, 1e-8, 0., 0.9, true), None);
}

#[test]
fn tensor_operations_on_other_kinds() {
    check("f64", Kind::Double, 1e-2, nn::sgd(0.9, 0., 1e-4, false), None);
    check("bf16", Kind::BFloat16, 1e-1, nn::sgd(0.9, 0., 1e-4, false), None);
    check("f16", Kind::Half, 1e-1, nn::sgd(0.9, 0., 1e-4, false), None);
}

/// Global displacements from 1e-8 to 1e3 times the norm of the parameters. At 1e-8 an f32 parameter
/// does not move at all, or by an ulp; the f64 network does.
#[test]
fn displacements_of_every_size() {
    for distance in [1e-7, 1e-4, 1.0, 1e3] {
        check("f32 far", Kind::Float, 1e-6, nn::sgd(0.9, 0., 0., false), Some(distance));
    }
    for distance in [1e-8, 1e3] {
        check("f64 far", Kind::Double, 1e-12, nn::sgd(0.9, 0., 0., false), Some(distance));
    }
    for learning_rate in [1e-9, 1e-8] {
        check("f32 hardly moving", Kind::Float, learning_rate, nn::sgd(0.9, 0., 0., false), None);
    }
}
