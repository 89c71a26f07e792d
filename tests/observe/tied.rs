//! Tied weights: one tensor that the store has several times is one parameter. And views of one
//! tensor.

use std::path::Path;

use perrin::Optimizer;
use perrin::curvature::{LossHessian, eigenvectors, top_eigenpairs};
use perrin::linalg::lanczos::LanczosOptions;
use perrin::record::EventKind;
use perrin::run::{ResumeFrom, Run};
use tch::nn::{self, OptimizerConfig, VarStore};
use tch::{Device, Kind, Tensor};

use crate::support::{assert_close, distance_squared, events, flat, rows};

/// A store with the weight `encoder`, tied as `decoder` too if asked, and another variable.
struct Tied {
    variables: VarStore,
    weight: Tensor,
    other: Tensor,
}

impl Tied {
    fn new(tied: bool) -> Tied {
        let variables = VarStore::new(Device::Cpu);
        let weight = variables.root().ones("encoder", &[5]);
        let tied_store = Tied { other: variables.root().ones("head", &[3]), variables, weight };
        if tied {
            tied_store.tie();
        }
        tied_store
    }

    fn tie(&self) {
        let _ = self.variables.root().add("decoder", self.weight.shallow_clone(), true);
    }

    fn theta(&self) -> Vec<f64> {
        flat(&[self.weight.shallow_clone(), self.other.shallow_clone()])
    }

    fn loss(&self) -> Tensor {
        (self.weight.square() * 0.5).sum(Kind::Float) + (&self.other - 2.).square().sum(Kind::Float)
    }

    /// All eight elements, each once, before and after each of three steps.
    fn train(&self, optimizer: &mut Optimizer) -> Vec<Vec<f64>> {
        let mut saved = vec![self.theta()];
        for _ in 0..3 {
            optimizer.backward_step(&self.loss());
            saved.push(self.theta());
        }
        saved
    }
}

fn sgd() -> nn::Sgd {
    nn::sgd(0.9, 0., 0., false)
}

fn names(folder: &Path) -> Vec<String> {
    Run::open(folder)
        .unwrap()
        .info()
        .parameters
        .iter()
        .map(|parameter| parameter.name.clone())
        .collect()
}

#[track_caller]
fn check(folder: &Path, first_step: usize, saved: &[Vec<f64>], origin: &[f64]) {
    let rows = rows(folder).records;
    for (index, pair) in saved.windows(2).enumerate() {
        let row = &rows[first_step - 1 + index];
        assert_close(row.local_displacement_squared, distance_squared(&pair[1], &pair[0]), "local");
        assert_close(row.global_displacement_squared, distance_squared(&pair[1], origin), "global");
    }
}

#[test]
fn are_measured_once_under_their_first_name() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let tied = Tied::new(true);
    let mut optimizer = perrin::Options::new()
        .gradient_norm(true)
        .build(sgd(), &tied.variables, 1e-2, &run)
        .unwrap();
    let saved = tied.train(&mut optimizer);
    optimizer.finish().unwrap();
    assert_eq!(names(&run), ["decoder", "head"]);
    check(&run, 1, &saved, &saved[0]);
    // The gradient before the first step: five ones, three twos.
    assert_close(rows(&run).records[0].gradient_norm_squared, 5. + 3. * 4., "gradient");
    // What docs/curvature.md says of libtorch: two steps with the gradient 1, the second with
    // momentum 0.9 of the first.
    assert!((saved[1][0] - (1. - 0.01 * (1. + 1.9))).abs() < 1e-6, "{}", saved[1][0]);

    // Without a store: by position.
    let list = folder.path().join("list");
    let mut optimizer = perrin::attach(sgd().build(&tied.variables, 1e-2).unwrap(), &list).unwrap();
    let saved = tied.train(&mut optimizer);
    optimizer.finish().unwrap();
    assert_eq!(names(&list), ["parameter_0", "parameter_1"]);
    check(&list, 1, &saved, &saved[0]);
}

#[test]
fn go_by_each_of_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let tied = Tied::new(true);
    let threes = || Tensor::ones([5], (Kind::Float, Device::Cpu)) * 3.;
    for name in ["encoder", "decoder"] {
        let run = folder.path().join(name);
        let observer = perrin::Options::new()
            .parameters(move |candidate| candidate == name)
            .reference(vec![(name.to_owned(), threes())])
            .observe(&tied.variables, &run);
        observer.unwrap().finish().unwrap();
        assert_eq!(names(&run), ["decoder"]);
        let reference = Tensor::read_safetensors(run.join("reference.safetensors")).unwrap();
        assert_eq!(
            (reference[0].0.as_str(), flat(&[reference[0].1.shallow_clone()])),
            ("decoder", vec![3.; 5])
        );
    }
    let both = |second: Tensor| {
        let reference = vec![("encoder".to_owned(), threes()), ("decoder".to_owned(), second)];
        perrin::Options::new()
            .reference(reference)
            .observe(&tied.variables, folder.path().join("both"))
    };
    let refused = both(threes() + 1.).err().unwrap().to_string();
    assert!(refused.contains("`decoder`") && refused.contains("`encoder`"), "{refused}");
    both(threes()).unwrap().finish().unwrap();
}

#[test]
fn may_be_tied_later() {
    for known_store in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let tied = Tied::new(false);
        let mut optimizer = match known_store {
            true => perrin::Options::new()
                .directions(2)
                .build(sgd(), &tied.variables, 1e-2, folder.path())
                .unwrap(),
            false => {
                perrin::attach(sgd().build(&tied.variables, 1e-2).unwrap(), folder.path()).unwrap()
            }
        };
        let origin = tied.theta();
        let first = tied.train(&mut optimizer);
        tied.tie();
        let second = tied.train(&mut optimizer);
        if known_store {
            // To a Hessian made now, the weight's first name is the new one.
            let mut hessian = LossHessian::new(&tied.variables, &[1], |_| tied.loss()).unwrap();
            assert_eq!(hessian.parameters()[0].name, "decoder");
            let found = top_eigenpairs(&mut hessian, &LanczosOptions::largest(2)).unwrap();
            optimizer.project_onto(eigenvectors(&hessian, &found.largest)).unwrap();
        }
        optimizer.finish().unwrap();
        check(folder.path(), 1, &first, &origin);
        check(folder.path(), 4, &second, &origin);
        let added =
            |event: &perrin::record::Event| matches!(event.kind, EventKind::ParametersAdded { .. });
        assert!(!events(folder.path()).iter().any(added), "nothing new to observe");
        assert_eq!(names(folder.path())[0], if known_store { "encoder" } else { "parameter_0" });
    }
}

#[test]
fn may_be_tied_when_a_run_is_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let tied = Tied::new(false);
    let origin = tied.theta();
    let mut optimizer =
        perrin::Options::new().build(sgd(), &tied.variables, 1e-2, folder.path()).unwrap();
    tied.train(&mut optimizer);
    optimizer.finish().unwrap();
    tied.tie();
    let resumed = perrin::Options::new().resume(ResumeFrom::default());
    let mut optimizer = resumed.build(sgd(), &tied.variables, 1e-2, folder.path()).unwrap();
    let saved = tied.train(&mut optimizer);
    optimizer.finish().unwrap();
    check(folder.path(), 4, &saved, &origin);
    assert_eq!(names(folder.path()), ["encoder", "head"]);
}

/// `detach` makes another variable of autograd over the same memory: libtorch gives each its own
/// gradient.
#[test]
fn two_variables_over_one_memory_have_the_sum_of_their_gradients() {
    let folder = tempfile::tempdir().unwrap();
    let variables = VarStore::new(Device::Cpu);
    let weight = variables.root().ones("encoder", &[2]);
    let twin = variables.root().add("decoder", weight.detach(), true);
    let mut optimizer = perrin::Options::new()
        .gradient_norm(true)
        .build(nn::sgd(0., 0., 0., false), &variables, 0.1, folder.path())
        .unwrap();
    optimizer.backward_step(&(&weight * &twin * 3. + &weight).sum(Kind::Float));
    optimizer.finish().unwrap();
    let row = rows(folder.path()).records[0];
    // Gradients 4 and 3 of each element: it moves by 0.7.
    assert_close(row.gradient_norm_squared, 2. * 49., "gradient");
    assert_close(row.local_displacement_squared, 2. * 0.49, "displacement");
}

#[test]
fn views_that_overlap_are_refused_and_others_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let whole = Tensor::ones([4, 6], (Kind::Float, Device::Cpu));
    let observe = |views: [Tensor; 2], run: &str, wanted: fn(&str) -> bool| {
        let variables = VarStore::new(Device::Cpu);
        for (name, view) in ["a", "b"].into_iter().zip(views) {
            let _ = variables.root().add(name, view.detach(), true);
        }
        perrin::Options::new()
            .parameters(wanted)
            .observe(&variables, folder.path().join(run))
            .map(drop)
    };
    // Columns of one matrix: their memory interleaves, they have no element in common.
    observe([whole.narrow(1, 0, 3), whole.narrow(1, 3, 3)], "columns", |_| true).unwrap();
    let views = [
        [whole.narrow(1, 0, 4), whole.narrow(1, 3, 3)],
        [whole.narrow(0, 0, 3), whole.narrow(0, 2, 2)],
        [whole.shallow_clone(), whole.tr()],
        [whole.shallow_clone(), whole.reshape([24])],
    ];
    for (number, views) in views.into_iter().enumerate() {
        let again = [views[0].shallow_clone(), views[1].shallow_clone()];
        let refused =
            observe(views, &format!("refused-{number}"), |_| true).unwrap_err().to_string();
        assert!(
            refused.contains("`a`") && refused.contains("`b`") && refused.contains("twice"),
            "{refused}"
        );
        observe(again, &format!("one-{number}"), |name| name == "a").unwrap();
    }
}
