//! A run that is taken up again by another observer, as another process would.

use perrin::Error;
use perrin::analysis::project;
use perrin::record::EventKind;
use perrin::run::{ResumeFrom, Run};
use tch::nn::{self, VarStore};
use tch::{Device, Kind, Tensor, no_grad};

use crate::projections::directions;
use crate::support::{Problem, events, rows};

const LEARNING_RATE: f64 = 5e-2;

/// Without momentum, so that a new optimizer goes on as the old one would have.
fn sgd() -> nn::Sgd {
    nn::sgd(0., 0., 0., false)
}

fn options(problem: &Problem) -> perrin::Options {
    perrin::Options::new()
        .batch_size(16)
        .steps_per_epoch(4)
        .project_onto(directions(3, problem.theta().len()))
}

fn steps(optimizer: &mut perrin::Optimizer, problem: &Problem, numbers: std::ops::Range<i64>) {
    numbers.for_each(|number| optimizer.backward_step(&problem.loss(number)));
}

/// Each value of a row but the time.
fn timeless(folder: &std::path::Path) -> Vec<String> {
    let all = rows(folder);
    let values = all.records.iter().zip(all.projections.chunks_exact(6));
    values
        .map(|(row, projections)| {
            let row = perrin::record::StepRecord { elapsed_seconds: 0.0, ..*row };
            // Sums of f32 products in blocks cut otherwise: good to seven digits of vectors up to 1
            // long.
            let rounded: Vec<String> =
                projections.iter().map(|value| format!("{:.5}", value.unwrap() + 1.0)).collect();
            format!("{row:?} {rounded:?}")
        })
        .collect()
}

#[test]
fn a_resumed_run_goes_on_as_if_nothing_had_happened() {
    // Measured by the fused pass, by tensor operations, and every fifth step.
    [(Kind::Float, 1), (Kind::Double, 1), (Kind::Float, 5)]
        .into_iter()
        .for_each(|(kind, every)| go_on(kind, every));
}

fn go_on(kind: Kind, every: u64) {
    let options = |problem: &Problem| options(problem).every_steps(every);
    let folder = tempfile::tempdir().unwrap();
    let (whole, parted) = (folder.path().join("whole"), folder.path().join("parted"));
    let problem = Problem::new(kind);
    let mut optimizer =
        options(&problem).build(sgd(), &problem.variables, LEARNING_RATE, &whole).unwrap();
    steps(&mut optimizer, &problem, 0..200);
    optimizer.finish().unwrap();

    let problem = Problem::new(kind);
    let mut optimizer =
        options(&problem).build(sgd(), &problem.variables, LEARNING_RATE, &parted).unwrap();
    steps(&mut optimizer, &problem, 0..120);
    drop(optimizer);
    // Nothing is said of the directions, the batch size or the epochs: they are the run's.
    let mut optimizer = perrin::Options::new()
        .resume(ResumeFrom::default())
        .build(sgd(), &problem.variables, LEARNING_RATE, &parted)
        .unwrap();
    assert_eq!(optimizer.step_count(), 120);
    steps(&mut optimizer, &problem, 120..200);
    let summary = optimizer.finish().unwrap();
    assert_eq!((summary.steps, summary.rows), (200, 200 / every));

    let (whole, parted_rows) = (timeless(&whole), timeless(&parted));
    for (whole, parted) in whole.iter().zip(&parted_rows) {
        assert_eq!(whole, parted);
    }
    let seconds: Vec<f64> = rows(&parted).records.iter().map(|row| row.elapsed_seconds).collect();
    assert!(seconds.is_sorted(), "seconds count on");
    assert_eq!(Run::open(&parted).unwrap().bases().unwrap(), 0..1);
    assert!(
        events(&parted)
            .iter()
            .any(|event| matches!(event.kind, EventKind::Resumed { .. }) && event.step == 121)
    );
}

#[test]
fn from_a_checkpoint_before_the_last_row() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let problem = Problem::new(Kind::Float);
    let with_deltas = || options(&problem).deltas(1, |_| true);
    let mut optimizer =
        with_deltas().build(sgd(), &problem.variables, LEARNING_RATE, &run).unwrap();
    steps(&mut optimizer, &problem, 0..50);
    let checkpoint: Vec<Tensor> = problem
        .variables
        .trainable_variables()
        .iter()
        .map(|tensor| tensor.detach().copy())
        .collect();
    steps(&mut optimizer, &problem, 50..70);
    drop(optimizer);
    for (mut tensor, saved) in problem.variables.trainable_variables().into_iter().zip(&checkpoint)
    {
        no_grad(|| tensor.copy_(saved));
    }

    let resume = |from| with_deltas().resume(from).build(sgd(), &problem.variables, 2e-2, &run);
    let at_fifty = ResumeFrom { step: Some(50), ..ResumeFrom::default() };
    let refused = resume(at_fifty).err().unwrap();
    assert!(matches!(refused, Error::RowsAfterResume { step: 50, last_step: 70, .. }), "{refused}");
    let mut optimizer = resume(ResumeFrom { discard_later_rows: true, ..at_fifty }).unwrap();
    let other: Vec<i64> = (50..90).map(|number| number + 1).collect();
    other.iter().for_each(|number| optimizer.backward_step(&problem.loss(*number)));
    optimizer.finish().unwrap();

    drop(resume(ResumeFrom::default()).unwrap());
    let others =
        options(&problem).deltas(1, |name| name.starts_with("first")).resume(ResumeFrom::default());
    let refused = others.observe(&problem.variables, &run).err().unwrap();
    assert!(matches!(refused, Error::ResumeMismatch { .. }), "{refused}");

    let found = rows(&run);
    let numbers: Vec<u64> = found.records.iter().map(|row| row.step).collect();
    assert_eq!(numbers, (1..91).collect::<Vec<_>>());
    assert!(found.records.iter().all(|row| row.hyperparameters.learning_rate
        == Some(if row.step > 50 { 2e-2 } else { LEARNING_RATE })));
    // The displacements kept are those of the steps that count: projected afterwards they are the
    // positions logged.
    let open = Run::open(&run).unwrap();
    let afterwards = folder.path().join("afterwards");
    let done = project(&open, &open.eigenvectors(0).unwrap(), &afterwards, &mut |_| {}).unwrap();
    assert_eq!((done.rows, done.projected), (90, 90));
    for (online, offline) in found.projections.iter().zip(&rows(&afterwards).projections) {
        assert!((online.unwrap() - offline.unwrap()).abs() < 1e-5, "{online:?} {offline:?}");
    }
}

#[test]
fn another_network_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let problem = Problem::new(Kind::Float);
    perrin::Options::new().observe(&problem.variables, folder.path()).unwrap().finish().unwrap();
    let variables = VarStore::new(Device::Cpu);
    let _ = nn::linear(variables.root() / "first", 13, 30, Default::default());
    let resume = |options: perrin::Options, variables| {
        options
            .resume(ResumeFrom::default())
            .observe(variables, folder.path())
            .err()
            .unwrap()
            .to_string()
    };
    let refused = resume(perrin::Options::new(), &variables);
    for part in
        ["first.weight (was f32 [29, 13], is f32 [30, 13])", "missing: second.bias, second.weight"]
    {
        assert!(refused.contains(part), "{refused}");
    }
    assert!(
        resume(perrin::Options::new().every_steps(5), &problem.variables)
            .contains("every_steps was 1 and is 5")
    );
    let reference =
        vec![("first.bias".to_owned(), Tensor::zeros([29], (Kind::Float, Device::Cpu)))];
    assert!(
        resume(perrin::Options::new().reference(reference), &problem.variables)
            .contains("has its reference point")
    );
    let refused = perrin::Options::new().observe(&problem.variables, folder.path()).err().unwrap();
    assert!(refused.to_string().contains("Options::resume"), "{refused}");
}
