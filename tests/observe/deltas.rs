//! Whole displacements kept on request, and projections made of them afterwards.

use perrin::analysis::{Projected, project};
use perrin::run::Eigenvectors;
use perrin::run::Run;
use tch::nn;
use tch::{Kind, no_grad};

use crate::projections::directions;
use crate::support::{Problem, rows};

const LEARNING_RATE: f64 = 5e-2;

fn sgd() -> nn::Sgd {
    nn::sgd(0.9, 0., 0., false)
}

/// Kinds that the fused pass measures, and one that it does not.
#[test]
fn projecting_afterwards_equals_projecting_at_once() {
    for kind in [Kind::Float, Kind::Double] {
        let problem = Problem::new(kind);
        let origin = problem.theta();
        let along = directions(4, origin.len());
        let folder = tempfile::tempdir().unwrap();
        let (online, afterwards) = (folder.path().join("online"), folder.path().join("afterwards"));
        let mut optimizer = perrin::Options::new()
            .every_steps(2)
            .project_onto(along.clone())
            .deltas(6, |_| true)
            .build(sgd(), &problem.variables, LEARNING_RATE, &online)
            .unwrap();
        for number in 0..60 {
            if number == 30 {
                // What was no step is part of the position, and of no delta.
                let _ = no_grad(|| problem.variables.trainable_variables()[1].g_add_scalar_(0.01));
            }
            optimizer.backward_step(&problem.loss(number));
        }
        let summary = optimizer.finish().unwrap();
        assert_eq!((summary.rows, summary.deltas, summary.deltas_dropped), (30, 10, 0));

        let run = Run::open(&online).unwrap();
        let mut told = Vec::new();
        let basis = run.eigenvectors(0).unwrap();
        let done = project(&run, &basis, &afterwards, &mut |rows| told.push(rows)).unwrap();
        assert_eq!(done, Projected { rows: 30, projected: 10 });
        assert_eq!(told.last(), Some(&30));
        let (before, after) = (rows(&online), rows(&afterwards));
        for (index, row) in after.records.iter().enumerate() {
            let kept = row.step.is_multiple_of(6);
            assert_eq!(row.basis, kept.then_some(0));
            assert_eq!(
                perrin::record::StepRecord { basis: Some(0), ..*row },
                before.records[index]
            );
            let range = index * 8..index * 8 + 8;
            for (found, online) in
                after.projections[range.clone()].iter().zip(&before.projections[range])
            {
                assert_eq!(found.is_some(), kept, "step {}", row.step);
                // Online products are summed from f32 ones, of vectors some 10 long.
                assert!(
                    found.is_none_or(|found| (found - online.unwrap()).abs() < 1e-5),
                    "{found:?} {online:?}"
                );
            }
        }
        assert_eq!(
            Run::open(&afterwards).unwrap().eigenvectors(0).unwrap().eigenvectors,
            basis.eigenvectors
        );
        assert_eq!(Run::open(&afterwards).unwrap().events().unwrap(), run.events().unwrap());
        assert_eq!(perrin::run::check(&afterwards).unwrap().damage, []);
    }
}

#[test]
fn chosen_parameters_bit_by_bit() {
    let problem = Problem::new(Kind::Float);
    let parts: Vec<usize> =
        problem.variables.trainable_variables().iter().map(tch::Tensor::numel).collect();
    let folder = tempfile::tempdir().unwrap();
    let mut optimizer = perrin::Options::new()
        .deltas(1, |name| name.starts_with("second"))
        .build(sgd(), &problem.variables, LEARNING_RATE, folder.path())
        .unwrap();
    let mut saved = vec![problem.theta()];
    for number in 0..5 {
        optimizer.backward_step(&problem.loss(number));
        saved.push(problem.theta());
    }
    optimizer.finish().unwrap();
    let run = Run::open(folder.path()).unwrap();
    let deltas = run.deltas().unwrap();
    let names: Vec<String> =
        deltas.parameters().iter().map(|parameter| parameter.name.clone()).collect();
    assert_eq!(names, ["second.bias", "second.weight"]);
    let infos = run.info().parameters.clone();
    let mut count = 0;
    for (index, delta) in deltas.enumerate() {
        count += 1;
        let delta = delta.unwrap();
        assert_eq!((delta.step, delta.learning_rate), (index as u64 + 1, Some(LEARNING_RATE)));
        let part = |from: &[f64]| -> Vec<f32> {
            let mut end = 0;
            let mut values = Vec::new();
            for (parameter, length) in infos.iter().zip(&parts) {
                let range = end..end + length;
                end = range.end;
                if names.contains(&parameter.name) {
                    values.extend(
                        saved[index + 1][range.clone()]
                            .iter()
                            .zip(&from[range])
                            .map(|(a, b)| *a as f32 - *b as f32),
                    );
                }
            }
            values
        };
        assert_eq!(delta.delta, part(&saved[index]));
        assert_eq!(delta.displacement, part(&saved[0]));
    }
    assert_eq!(count, 5);
    // Directions of all parameters need all parameters' displacements.
    let all = Eigenvectors { parameters: infos, ..directions(1, saved[0].len()).into() };
    let refused =
        project(&run, &all, folder.path().join("never"), &mut |_| {}).unwrap_err().to_string();
    assert!(refused.contains("first."), "{refused}");
    assert!(!folder.path().join("never").exists());
}

#[test]
fn what_cannot_be_kept_is_said_before_the_run_begins() {
    let problem = Problem::new(Kind::Float);
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let refused = |options: perrin::Options| {
        options.observe(&problem.variables, &run).err().unwrap().to_string()
    };
    assert!(refused(perrin::Options::new().deltas(1, |_| false)).contains("second.weight"));
    assert!(
        refused(perrin::Options::new().every_steps(10).deltas(15, |_| true)).contains("multiple")
    );
    assert!(refused(perrin::Options::new().deltas(0, |_| true)).contains("multiple"));
    assert!(!run.exists());
    // A run without deltas has nothing to project.
    perrin::Options::new().observe(&problem.variables, &run).unwrap().finish().unwrap();
    let directions: Eigenvectors = directions(1, problem.theta().len()).into();
    let refused =
        project(&Run::open(&run).unwrap(), &directions, folder.path().join("never"), &mut |_| {});
    assert!(refused.unwrap_err().to_string().contains("not asked to keep"));
}
