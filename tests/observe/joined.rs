//! Parameters that join a run after it has begun, and belong to it when it is taken up again.

use std::path::Path;

use perrin::Error;
use perrin::record::{EventKind, ParameterInfo};
use perrin::run::Eigenvectors;
use perrin::run::{ResumeFrom, Run, check};
use tch::nn::{self, Init, VarStore};
use tch::{Device, Kind, Tensor, no_grad};

use crate::projections::{assert_projection, difference, directions};
use crate::support::{assert_close, distance_squared, events, flat, rows};

const LEARNING_RATE: f64 = 1e-2;

fn sgd() -> nn::Sgd {
    nn::sgd(0., 0., 0., false)
}

fn squares(variables: &VarStore) -> Tensor {
    let square = |tensor: &Tensor| (tensor.to_kind(Kind::Float) - 3.).square().sum(Kind::Float);
    variables
        .trainable_variables()
        .iter()
        .map(square)
        .fold(Tensor::from(0f32), |sum, term| sum + term)
}

/// Every parameter by name, in f64.
fn named(variables: &VarStore, names: &[&str]) -> Vec<f64> {
    let all = variables.variables();
    names.iter().flat_map(|name| flat(&[all[*name].shallow_clone()])).collect()
}

fn body(variables: &VarStore) {
    let _ = variables.root().var("body", &[5], Init::Const(1.));
}

fn head(variables: &VarStore, value: f64) {
    // In a group of its own, of which the run's rows have no columns.
    let _ = variables.root().set_group(1).var("head", &[3], Init::Const(value));
    let _ =
        variables.root().add("wide", Tensor::ones([2], (Kind::Double, Device::Cpu)) * value, true);
}

fn added(folder: &Path) -> Vec<(u64, Vec<String>)> {
    let added = |event: perrin::record::Event| match event.kind {
        EventKind::ParametersAdded { parameters } => Some((event.step, parameters)),
        _ => None,
    };
    events(folder).into_iter().filter_map(added).collect()
}

fn head_added_at(step: u64) -> (u64, Vec<String>) {
    (step, vec!["head".to_owned(), "wide".to_owned()])
}

/// Trains 20 steps with the body, and 20 with the head; returns body and head at each step, and
/// where they began.
fn begun(run: &Path, options: perrin::Options) -> (VarStore, Vec<Vec<f64>>) {
    let variables = VarStore::new(Device::Cpu);
    body(&variables);
    let mut optimizer = options.build(sgd(), &variables, LEARNING_RATE, run).unwrap();
    (0..20).for_each(|_| optimizer.backward_step(&squares(&variables)));
    head(&variables, 7.);
    let mut saved = vec![named(&variables, &["body", "head", "wide"])];
    for _ in 0..20 {
        optimizer.backward_step(&squares(&variables));
        saved.push(named(&variables, &["body", "head", "wide"]));
    }
    (variables, saved)
}

/// The whole network in another process, at a checkpoint: made in another order.
fn rebuilt(like: &VarStore) -> VarStore {
    let variables = VarStore::new(Device::Cpu);
    head(&variables, 0.);
    body(&variables);
    for (name, tensor) in like.variables() {
        no_grad(|| variables.variables()[&name].shallow_clone().copy_(&tensor));
    }
    variables
}

fn resumed(from: ResumeFrom) -> perrin::Options {
    perrin::Options::new().resume(from)
}

#[test]
fn a_layer_that_joined_belongs_to_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path();
    let along = directions(2, 5);
    let options = || perrin::Options::new().project_onto(along.clone()).deltas(1, |_| true);
    let (variables, saved) = begun(run, options());
    assert_eq!(added(run), [head_added_at(21)]);
    let kept = Run::open(run).unwrap().joined().unwrap();
    let kept: Vec<_> =
        kept.tensors().map(|tensor| (tensor.name.to_owned(), tensor.kind.to_owned())).collect();
    assert_eq!(
        kept,
        [("head".to_owned(), "f32".to_owned()), ("wide".to_owned(), "f64".to_owned())]
    );

    let again = rebuilt(&variables);
    let options = perrin::Options::new().deltas(1, |_| true).resume(ResumeFrom::default());
    let mut optimizer = options.build(sgd(), &again, LEARNING_RATE, run).unwrap();
    assert_eq!(optimizer.step_count(), 40);
    let mut theta = saved[20].clone();
    let mut after = Vec::new();
    for _ in 0..10 {
        let before = theta;
        optimizer.backward_step(&squares(&again));
        theta = named(&again, &["body", "head", "wide"]);
        after.push((theta.clone(), distance_squared(&theta, &before)));
    }
    optimizer.finish().unwrap();

    // Where each began: the body at 1 before the first step, the head at 7 before step 21.
    let origin = [vec![1.; 5], vec![7.; 5]].concat();
    let rows = rows(run);
    for (index, (theta, local)) in after.iter().enumerate() {
        let row = &rows.records[40 + index];
        assert_close(row.local_displacement_squared, *local, "local");
        assert_close(row.global_displacement_squared, distance_squared(theta, &origin), "global");
        // The directions are in force again; the head has no part in them.
        assert_eq!(row.basis, Some(0));
        let position = difference(&theta[..5], &origin[..5]);
        assert_projection(
            &rows.projections[4 * (40 + index)..][..2],
            &along,
            &position,
            "position",
        );
    }
    assert_eq!(added(run), [head_added_at(21)]);
    assert_eq!(Run::open(run).unwrap().deltas().unwrap().count(), 50);
    assert_eq!(check(run).unwrap().damage, []);
}

/// From a checkpoint before the layer joined: what is there of it joins anew, where it is now.
#[test]
fn a_layer_whose_joining_was_discarded() {
    let before_it_joined = ResumeFrom { step: Some(20), discard_later_rows: true };
    for present in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path();
        let (_, saved) = begun(run, perrin::Options::new());
        let again = VarStore::new(Device::Cpu);
        body(&again);
        no_grad(|| {
            again.variables()["body"].shallow_clone().copy_(&Tensor::from_slice(&saved[0][..5]))
        });
        if present {
            head(&again, 5.);
        }
        let mut optimizer =
            resumed(before_it_joined).build(sgd(), &again, LEARNING_RATE, run).unwrap();
        optimizer.backward_step(&squares(&again));
        if !present {
            head(&again, 5.);
        }
        optimizer.backward_step(&squares(&again));
        optimizer.finish().unwrap();
        let origin = [vec![1.; 5], vec![5.; 5]].concat();
        let distance = distance_squared(&named(&again, &["body", "head", "wide"]), &origin);
        assert_close(rows(run).records[21].global_displacement_squared, distance, "global");
        let step = if present { 21 } else { 22 };
        assert_eq!(added(run), [head_added_at(21), head_added_at(step)]);

        // The next process finds the second beginning, not the first.
        let mut optimizer =
            resumed(ResumeFrom::default()).build(sgd(), &again, LEARNING_RATE, run).unwrap();
        optimizer.backward_step(&squares(&again));
        optimizer.finish().unwrap();
        let distance = distance_squared(&named(&again, &["body", "head", "wide"]), &origin);
        assert_close(rows(run).records[22].global_displacement_squared, distance, "global");
        assert_eq!(added(run).len(), 2);
    }
}

#[test]
fn what_is_not_the_runs_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path();
    let (variables, _) = begun(run, perrin::Options::new());
    let refused = |variables: &VarStore| {
        let error = resumed(ResumeFrom::default()).observe(variables, run).err().unwrap();
        assert!(matches!(error, Error::ResumeMismatch { .. }), "{error}");
        error.to_string()
    };
    let without = VarStore::new(Device::Cpu);
    body(&without);
    assert!(refused(&without).contains("parameters are missing: head, wide"));
    let _ = without.root().ones("head", &[4]);
    let _ = without.root().ones("wide", &[2]);
    let text = refused(&without);
    assert!(
        text.contains("head (was f32 [3], is f32 [4]), wide (was f64 [2], is f32 [2])"),
        "{text}"
    );
    let more = rebuilt(&variables);
    let _ = more.root().ones("adapter", &[1]);
    let text = refused(&more);
    assert!(
        text.contains(
            "parameters are not the run's: adapter (what is made after resuming joins it)"
        ),
        "{text}"
    );

    // It does.
    let more = rebuilt(&variables);
    let mut optimizer =
        resumed(ResumeFrom::default()).build(sgd(), &more, LEARNING_RATE, run).unwrap();
    let _ = more.root().ones("adapter", &[1]);
    optimizer.backward_step(&squares(&more));
    optimizer.finish().unwrap();
    assert_eq!(added(run), [head_added_at(21), (41, vec!["adapter".to_owned()])]);
}

/// Logs from before reference points were kept: counted from the resumption.
#[test]
fn a_layer_whose_beginning_was_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path();
    let (variables, saved) = begun(run, perrin::Options::new());
    std::fs::remove_dir_all(run.join("joined")).unwrap();
    let again = rebuilt(&variables);
    let mut optimizer =
        resumed(ResumeFrom::default()).build(sgd(), &again, LEARNING_RATE, run).unwrap();
    optimizer.backward_step(&squares(&again));
    optimizer.finish().unwrap();
    let origin = [vec![1.; 5], saved[20][5..].to_vec()].concat();
    let distance = distance_squared(&named(&again, &["body", "head", "wide"]), &origin);
    assert_close(rows(run).records[40].global_displacement_squared, distance, "global");
}

#[test]
fn damage_to_a_beginning_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path();
    let (variables, _) = begun(run, perrin::Options::new());
    let path = run.join("joined/000000.safetensors");
    let whole = std::fs::read(&path).unwrap();
    let again = rebuilt(&variables);
    for position in 8..whole.len() {
        let mut damaged = whole.clone();
        damaged[position] ^= 4;
        std::fs::write(&path, &damaged).unwrap();
        match Run::open(run).unwrap().joined() {
            Err(Error::Damaged { .. }) => assert_eq!(check(run).unwrap().damage.len(), 1),
            Err(error) => panic!("byte {position}: {error}"),
            // A space among the header's.
            Ok(found) => {
                assert_eq!(found.tensors().map(|tensor| tensor.bytes.len()).sum::<usize>(), 28)
            }
        }
    }
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let refused = resumed(ResumeFrom::default()).observe(&again, run).err().unwrap();
    assert!(matches!(refused, Error::Damaged { .. }), "{refused}");
}

/// Variables that cannot be observed join: told once each, passed over, and the log goes on, in the
/// next process too.
#[test]
fn variables_that_cannot_be_observed_are_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path();
    let variables = VarStore::new(Device::Cpu);
    body(&variables);
    let complex = || Tensor::zeros([2], (Kind::ComplexFloat, Device::Cpu));
    let sparse =
        || Tensor::eye(3, (Kind::Float, Device::Cpu)).to_sparse(None, None::<&[i64]>, None);
    let later = |variables: &VarStore| {
        let whole = variables.variables()["body"].shallow_clone();
        let _ = variables.root().add("complex", complex(), true);
        let _ = variables.root().add("also_complex", complex(), true);
        if !variables.variables().contains_key("sparse") {
            let _ = variables.root().add("sparse", sparse(), true);
        }
        let _ = variables.root().add("view", whole.detach().narrow(0, 1, 2), true);
        let _ = variables.root().ones("plain", &[1]);
    };
    let loss = |variables: &VarStore| {
        let all = variables.variables();
        let seen = ["body", "plain"].iter().filter_map(|name| all.get(*name));
        seen.map(|tensor| (tensor - 3.).square().sum(Kind::Float))
            .fold(Tensor::from(0f32), |sum, term| sum + term)
    };
    let mut optimizer =
        perrin::Options::new().build(sgd(), &variables, LEARNING_RATE, run).unwrap();
    optimizer.backward_step(&loss(&variables));
    later(&variables);
    (0..3).for_each(|_| optimizer.backward_step(&loss(&variables)));
    assert_eq!(optimizer.finish().unwrap().rows, 4);
    let told = || -> Vec<_> {
        let told = |event: perrin::record::Event| match event.kind {
            EventKind::ParametersNotObserved { parameters, reason } => {
                Some((event.step, parameters.join(" "), reason))
            }
            _ => None,
        };
        events(run).into_iter().filter_map(told).collect()
    };
    let what = |step, names: &str, reason: &str| (step, names.to_owned(), reason.to_owned());
    let expected = [
        what(2, "complex also_complex", "its elements are ComplexFloat, not f32, f64, bf16 or f16"),
        // The store's table of names does not tell which one a sparse tensor is.
        what(2, "parameter_3", "it is not a dense tensor"),
        what(2, "view", "it shares some of its elements with body"),
    ];
    assert_eq!(told(), expected.as_slice());
    assert_eq!(added(run), [(2, vec!["plain".to_owned()])]);
    let notes = perrin::analysis::Health::of(&events(run)).notes();
    assert!(
        notes.iter().any(|note| note.starts_with(
            "4 parameters joined that cannot be observed, first complex: its elements"
        )),
        "{notes:?}"
    );

    let again = VarStore::new(Device::Cpu);
    let _ = again.root().add("sparse", sparse(), true);
    body(&again);
    later(&again);
    let mut optimizer =
        resumed(ResumeFrom::default()).build(sgd(), &again, LEARNING_RATE, run).unwrap();
    optimizer.backward_step(&loss(&again));
    assert_eq!(optimizer.finish().unwrap().rows, 5);
    // Its number is all that is known of it, and that is another one now.
    let once_more = what(5, "parameter_0", "it is not a dense tensor");
    assert_eq!(told(), [&expected[..], &[once_more]].concat());
}

/// Directions found before a layer joined, or after, are taken; those of fewer parameters than the
/// run began with are not.
#[test]
fn directions_with_and_without_what_joined() {
    let folder = tempfile::tempdir().unwrap();
    let variables = VarStore::new(Device::Cpu);
    body(&variables);
    let _ = variables.root().ones("scale", &[1]);
    let options = perrin::Options::new().directions(2);
    let mut optimizer = options.build(sgd(), &variables, LEARNING_RATE, folder.path()).unwrap();
    optimizer.backward_step(&squares(&variables));
    let _ = variables.root().var("head", &[3], Init::Const(7.));
    let of_first = |count: usize, elements: usize| {
        let parameter = |name: &str, extent: i64| ParameterInfo {
            name: name.to_owned(),
            shape: vec![extent],
            kind: "f32".to_owned(),
            ..ParameterInfo::default()
        };
        let parameters = [parameter("body", 5), parameter("scale", 1), parameter("head", 3)];
        let parameters = parameters[..count].to_vec();
        Eigenvectors { parameters, ..Eigenvectors::from(directions(2, elements)) }
    };
    let mut expected = Vec::new();
    let origin = [vec![1.; 6], vec![7.; 3]].concat();
    optimizer.backward_step(&squares(&variables));
    for (count, elements) in [(2, 6), (3, 9)] {
        optimizer.project_onto(of_first(count, elements)).unwrap();
        optimizer.backward_step(&squares(&variables));
        let theta = named(&variables, &["body", "scale", "head"]);
        expected.push(difference(&theta[..elements], &origin[..elements]));
    }
    let refused = optimizer.project_onto(of_first(1, 5)).unwrap_err().to_string();
    assert!(refused.contains("they have 1, 3 are observed"), "{refused}");
    optimizer.finish().unwrap();
    let rows = rows(folder.path());
    for (index, position) in expected.iter().enumerate() {
        let found = &rows.projections[4 * (2 + index)..][..2];
        assert_projection(found, &directions(2, position.len()), position, "position");
    }
}
