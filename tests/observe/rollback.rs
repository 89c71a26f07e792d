//! A run that diverged and was rolled back says what one says that never did.

use std::path::{Path, PathBuf};

use perrin::analysis::curvatures::Curvatures;
use perrin::analysis::{Health, RunFit};
use perrin::record::{Event, EventKind};
use perrin::run::Eigenvectors;
use perrin::run::{LossLandscape, ResumeFrom, Run};
use tch::{Kind, Tensor, nn, no_grad};

use crate::support::{Problem, irregular};

const CHECKPOINT: i64 = 200;

/// One direction with this eigenvalue.
fn direction(problem: &Problem, eigenvalue: f64) -> Eigenvectors {
    let elements = problem.theta().len();
    let axis = (0..elements).map(|element| f32::from(u8::from(element == 7))).collect();
    Eigenvectors {
        eigenvalues: vec![eigenvalue],
        residuals: vec![0.0],
        converged: vec![true],
        ..Eigenvectors::from(vec![axis])
    }
}

fn parameters(problem: &Problem) -> Vec<Tensor> {
    problem.variables.trainable_variables()
}

/// 200 steps, a branch that is discarded where it is asked for, and 400 steps from there at a lower
/// learning rate.
fn run(folder: &Path, name: &str, with_branch: bool) -> PathBuf {
    let run = folder.join(name);
    let problem = Problem::new(Kind::Float);
    let options = || perrin::Options::new().batch_size(16);
    let build = |options: perrin::Options, rate| {
        options.build(nn::sgd(0.9, 0., 0., false), &problem.variables, rate, &run).unwrap()
    };
    let write = |scale: f64| {
        let first = &mut parameters(&problem)[0];
        no_grad(|| first.copy_(&(first.copy() + irregular(&first.size(), 1., 1e-4 * scale))));
    };
    let mut optimizer =
        build(options().project_onto(direction(&problem, 2.0)).deltas(50, |_| true), 5e-2);
    (0..100).for_each(|number| optimizer.backward_step(&problem.loss(number)));
    write(1.0);
    (100..CHECKPOINT).for_each(|number| optimizer.backward_step(&problem.loss(number)));
    let checkpoint: Vec<Tensor> =
        parameters(&problem).iter().map(|tensor| tensor.detach().copy()).collect();
    landscape(150).write(&run).unwrap();
    if with_branch {
        (0..50).for_each(|number| optimizer.backward_step(&problem.loss(number)));
        optimizer.project_onto(direction(&problem, 1e6)).unwrap();
        write(2.0);
        landscape(CHECKPOINT as u64 + 50).write(&run).unwrap();
        optimizer.backward_step(&(problem.loss(0) * f64::NAN));
        (0..9).for_each(|number| optimizer.backward_step(&problem.loss(number)));
    }
    drop(optimizer);
    for (tensor, saved) in parameters(&problem).iter_mut().zip(&checkpoint) {
        no_grad(|| tensor.copy_(saved));
    }
    let from = ResumeFrom { step: Some(CHECKPOINT as u64), discard_later_rows: true };
    let mut optimizer = build(options().resume(from).deltas(50, |_| true), 1e-2);
    (0..200).for_each(|number| optimizer.backward_step(&problem.loss(number)));
    write(1.0);
    (200..400).for_each(|number| optimizer.backward_step(&problem.loss(number)));
    optimizer.finish().unwrap();
    run
}

fn landscape(step: u64) -> LossLandscape {
    LossLandscape {
        step,
        modes: [1, 1],
        coordinates: [vec![0.0, 1.0], vec![0.0, 1.0]],
        train_loss: vec![1.0; 4],
        ..LossLandscape::default()
    }
}

#[test]
fn what_was_discarded_is_gone_from_every_answer() {
    let folder = tempfile::tempdir().unwrap();
    let [straight, back] = [("straight", false), ("back", true)]
        .map(|(name, with_branch)| Run::open(run(folder.path(), name, with_branch)).unwrap());
    let branch = back.events().unwrap();
    assert!(
        branch.iter().any(|event| matches!(event.kind, EventKind::NonFinite { .. })),
        "{branch:?}"
    );
    assert!(
        branch
            .iter()
            .any(|event| matches!(event.kind, EventKind::StabilityCrossed { unstable: true, .. }))
    );
    assert_eq!((back.bases().unwrap(), back.landscapes().unwrap()), (0..2, vec![0, 1]));

    let health = |run: &Run| Health::of(&run.events().unwrap());
    assert_eq!(health(&back), health(&straight));
    assert_eq!(health(&back).outside_writes, 2, "one in either process");
    // The first process of the one ended later, at a step that is gone.
    let told = |events: Vec<Event>| -> Vec<(u64, String)> {
        let told = events.into_iter().map(|event| (event.step, name(&event.kind)));
        told.filter(|(_, name)| name != "finished").collect()
    };
    assert_eq!(told(back.kept_events().unwrap()), told(straight.kept_events().unwrap()));
    assert_eq!((back.kept_bases().unwrap(), back.kept_landscapes().unwrap()), (vec![0], vec![0]));
    let known = Curvatures::of_run(&back).unwrap().unwrap();
    assert_eq!((known.basis, &known.eigenvalues[..]), (Some(0), &[2.0][..]));

    let steps = |run: &Run| {
        let mut deltas = run.deltas().unwrap();
        (1..=600).filter(|step| deltas.at(*step).unwrap().is_some()).collect::<Vec<u64>>()
    };
    assert_eq!(steps(&back), steps(&straight));
    assert!(!steps(&back).is_empty());

    let [of_back, of_straight] = [&back, &straight].map(|run| RunFit::of(run).unwrap());
    assert_eq!(of_back.notes, of_straight.notes);
    assert_eq!(of_back.advice, of_straight.advice);
    let exponent = |fit: &RunFit| fit.displacement_all.known().unwrap().exponent;
    assert!((exponent(&of_back) / exponent(&of_straight) - 1.0).abs() < 1e-9);
    assert_eq!(of_back.modes.modes[0].hessian_eigenvalue, Some(2.0));
}

fn name(kind: &EventKind) -> String {
    serde_json::json!(kind)["event"].as_str().unwrap().to_owned()
}
