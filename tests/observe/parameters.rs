//! Parameters of every kind and shape; chosen, frozen, added, shared.

use std::path::Path;

use perrin::Optimizer;
use perrin::record::EventKind;
use tch::nn::{self, Init, OptimizerConfig, VarStore};
use tch::{Device, Kind, Tensor};

use crate::support::{assert_close, distance_squared, events, flat, outside_writes, rows};

/// A loss that moves every one of `tensors`.
fn squares(tensors: &[Tensor]) -> Tensor {
    let square = |tensor: &Tensor| (tensor.to_kind(Kind::Float) - 3.).square().sum(Kind::Float);
    tensors.iter().map(square).fold(Tensor::from(0f32), |sum, term| sum + term)
}

/// Takes `steps` steps on the squares of `tensors`; returns them in f64 before and after each.
fn train(optimizer: &mut Optimizer, tensors: &[Tensor], steps: usize) -> Vec<Vec<f64>> {
    let mut saved = vec![flat(tensors)];
    for _ in 0..steps {
        optimizer.backward_step(&squares(tensors));
        saved.push(flat(tensors));
    }
    saved
}

/// Rows from `first_step` on are the motion in `saved`, from `origin`.
fn check(folder: &Path, first_step: usize, saved: &[Vec<f64>], origin: &[f64]) {
    let rows = rows(folder).records;
    for (index, pair) in saved.windows(2).enumerate() {
        let row = &rows[first_step - 1 + index];
        let what = format!("step {}", row.step);
        assert_close(row.local_displacement_squared, distance_squared(&pair[1], &pair[0]), &what);
        assert_close(row.global_displacement_squared, distance_squared(&pair[1], origin), &what);
    }
}

fn observe(variables: &VarStore, folder: &Path) -> Optimizer {
    perrin::Options::new().build(nn::sgd(0.9, 0., 0., false), variables, 1e-2, folder).unwrap()
}

#[test]
fn shapes_strides_and_kinds_together() {
    let variables = VarStore::new(Device::Cpu);
    let root = variables.root();
    let _ = root.var("scalar", &[], Init::Const(0.5));
    let _ = root.var("empty", &[0, 4], Init::Const(0.));
    let _ = root.var("matrix", &[37, 11], Init::Randn { mean: 0., stdev: 1. });
    let random = |kind| Tensor::randn([11, 7], (Kind::Float, Device::Cpu)).to_kind(kind);
    let _ = root.add("transposed", random(Kind::Float).tr(), true);
    let _ = root.add("double", random(Kind::Double), true);
    let _ = root.add("bfloat16", random(Kind::BFloat16), true);
    let _ = root.add("half", random(Kind::Half).tr(), true);
    let tensors = variables.trainable_variables();
    assert!(tensors.iter().any(|tensor| !tensor.is_contiguous()));
    let folder = tempfile::tempdir().unwrap();
    let mut optimizer = observe(&variables, folder.path());
    let saved = train(&mut optimizer, &tensors, 20);
    optimizer.finish().unwrap();
    check(folder.path(), 1, &saved, &saved[0]);
    let run = perrin::run::Run::open(folder.path()).unwrap();
    let kinds: Vec<_> =
        run.info().parameters.iter().map(|parameter| parameter.kind.as_str()).collect();
    assert_eq!(kinds, ["f32", "f32", "f32", "f32", "f64", "bf16", "f16"]);
    assert_eq!(run.info().parameters[0].shape, [0i64; 0]);
    // The reference point opens as what it is.
    let reference = Tensor::read_safetensors(folder.path().join("reference.safetensors")).unwrap();
    assert_eq!(reference.len(), 7);
    for (name, tensor) in reference {
        let index =
            run.info().parameters.iter().position(|parameter| parameter.name == name).unwrap();
        let offset: usize = tensors[..index].iter().map(Tensor::numel).sum();
        assert_eq!(flat(&[tensor.shallow_clone()]), saved[0][offset..offset + tensor.numel()]);
    }
}

#[test]
fn more_elements_than_a_chunk_on_several_threads() {
    let variables = VarStore::new(Device::Cpu);
    let _ = variables.root().var("large", &[400, 1000], Init::Randn { mean: 0., stdev: 1. });
    let tensors = variables.trainable_variables();
    let folder = tempfile::tempdir().unwrap();
    let mut optimizer = observe(&variables, folder.path());
    let saved = train(&mut optimizer, &tensors, 5);
    optimizer.finish().unwrap();
    check(folder.path(), 1, &saved, &saved[0]);
}

#[test]
fn parameters_are_chosen_by_name() {
    let variables = VarStore::new(Device::Cpu);
    let generator = variables.root().sub("generator").ones("weight", &[5]);
    let critic = variables.root().sub("critic").ones("weight", &[9]);
    let folder = tempfile::tempdir().unwrap();
    let mut optimizer = perrin::Options::new()
        .parameters(|name| name.starts_with("critic"))
        .build(nn::sgd(0., 0., 0., false), &variables, 1e-2, folder.path())
        .unwrap();
    let before = flat(&[critic.shallow_clone()]);
    optimizer.backward_step(&squares(&[generator, critic.shallow_clone()]));
    optimizer.finish().unwrap();
    check(folder.path(), 1, &[before.clone(), flat(&[critic])], &before);

    let nothing = perrin::Options::new()
        .parameters(|_| false)
        .observe(&variables, folder.path().join("other"));
    let message = nothing.err().unwrap().to_string();
    assert!(message.contains("generator.weight") && message.contains("critic.weight"), "{message}");
    assert!(!folder.path().join("other").exists());
}

#[test]
fn frozen_variables_stay_and_thawed_ones_move() {
    let mut variables = VarStore::new(Device::Cpu);
    let _ = variables.root().ones("a", &[4]);
    let tensors = variables.trainable_variables();
    let free = Tensor::zeros([1], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    let folder = tempfile::tempdir().unwrap();
    let mut optimizer = observe(&variables, folder.path());
    let origin = flat(&tensors);
    let first = train(&mut optimizer, &tensors, 3);
    variables.freeze();
    optimizer.zero_grad();
    optimizer.set_momentum(0.);
    // tch's optimizer goes on with the variables' last gradients, zero now.
    optimizer.backward_step(&free.sum(Kind::Float));
    let frozen = flat(&tensors);
    variables.unfreeze();
    let second = train(&mut optimizer, &tensors, 3);
    optimizer.finish().unwrap();
    check(folder.path(), 1, &first, &origin);
    assert_eq!(
        rows(folder.path()).records[3].local_displacement_squared,
        Some(distance_squared(&frozen, &first[3]))
    );
    check(folder.path(), 5, &second, &origin);
}

/// A variable added later is measured from its first step on, from where it was added; with the
/// store known or not.
#[test]
fn variables_added_after_attaching() {
    for known_store in [true, false] {
        let variables = VarStore::new(Device::Cpu);
        let _ = variables.root().ones("a", &[4]);
        let folder = tempfile::tempdir().unwrap();
        let mut optimizer = if known_store {
            observe(&variables, folder.path())
        } else {
            let optimizer = nn::sgd(0.9, 0., 0., false).build(&variables, 1e-2).unwrap();
            perrin::attach(optimizer, folder.path()).unwrap()
        };
        let mut origin = flat(&variables.trainable_variables());
        let first = train(&mut optimizer, &variables.trainable_variables(), 3);
        let added = variables.root().var("b", &[3], Init::Const(7.));
        origin.extend(flat(&[added]));
        let second = train(&mut optimizer, &variables.trainable_variables(), 3);
        optimizer.finish().unwrap();
        check(folder.path(), 1, &first, &origin[..4]);
        check(folder.path(), 4, &second, &origin);
        let told: Vec<_> = events(folder.path())
            .into_iter()
            .filter_map(|event| match event.kind {
                EventKind::ParametersAdded { parameters } => Some((event.step, parameters)),
                _ => None,
            })
            .collect();
        let name = if known_store { "b" } else { "parameter_1" };
        assert_eq!(told, [(4, vec![name.to_owned()])]);
        assert_eq!(outside_writes(folder.path()), []);
    }
}

/// Names of empty tensors: each is given out once. Tied weights have one.
#[test]
fn variables_that_share_an_address() {
    let variables = VarStore::new(Device::Cpu);
    let _ = variables.root().var("empty", &[0], Init::Const(0.));
    let _ = variables.root().var("also_empty", &[0], Init::Const(0.));
    let tied = variables.root().ones("encoder", &[3]);
    let _ = variables.root().add("decoder", tied.shallow_clone(), true);
    let folder = tempfile::tempdir().unwrap();
    let observer = perrin::Options::new().observe(&variables, folder.path()).unwrap();
    observer.finish().unwrap();
    let run = perrin::run::Run::open(folder.path()).unwrap();
    let mut names: Vec<_> =
        run.info().parameters.iter().map(|parameter| parameter.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["also_empty", "decoder", "empty"]);
}

#[test]
fn sparse_tensors_are_refused_if_trained_and_passed_over_if_not() {
    let sparse =
        || Tensor::eye(3, (Kind::Float, Device::Cpu)).to_sparse(None, None::<&[i64]>, None);
    let folder = tempfile::tempdir().unwrap();
    let variables = VarStore::new(Device::Cpu);
    let _ = variables.root().ones("a", &[3]);
    let _ = variables.root().add("constant", sparse(), false);
    perrin::Options::new()
        .observe(&variables, folder.path().join("first"))
        .unwrap()
        .finish()
        .unwrap();
    let _ = variables.root().add("trained", sparse(), true);
    let error =
        perrin::Options::new().observe(&variables, folder.path().join("second")).err().unwrap();
    assert!(error.to_string().contains("not a dense tensor"), "{error}");
}

/// Gradients of an embedding may be sparse.
#[test]
fn the_norm_of_a_sparse_gradient() {
    let variables = VarStore::new(Device::Cpu);
    let weight = variables.root().ones("embedding", &[10, 2]);
    let folder = tempfile::tempdir().unwrap();
    let mut optimizer = perrin::Options::new()
        .gradient_norm(true)
        .build(nn::sgd(0., 0., 0., false), &variables, 1e-2, folder.path())
        .unwrap();
    let rows_used = Tensor::from_slice(&[3i64, 3, 7]);
    optimizer
        .backward_step(&Tensor::embedding(&weight, &rows_used, -1, false, true).sum(Kind::Float));
    optimizer.finish().unwrap();
    // Row 3 twice, row 7 once, two elements each: 2 (2^2 + 1^2).
    assert_close(rows(folder.path()).records[0].gradient_norm_squared, 10., "gradient");
}

/// Two optimizers over one store, each with its own run and its own parameters, as in a GAN.
#[test]
fn two_optimizers_over_one_store() {
    let variables = VarStore::new(Device::Cpu);
    let generator = [variables.root().sub("generator").ones("weight", &[5])];
    let critic = [variables.root().sub("critic").ones("weight", &[9])];
    let folder = tempfile::tempdir().unwrap();
    let observe = |name: &'static str| {
        perrin::Options::new()
            .parameters(move |parameter| parameter.starts_with(name))
            .build(nn::sgd(0., 0., 0., false), &variables, 1e-2, folder.path().join(name))
            .unwrap()
    };
    let (mut generator_optimizer, mut critic_optimizer) = (observe("generator"), observe("critic"));
    let (mut generator_saved, mut critic_saved) = (vec![flat(&generator)], vec![flat(&critic)]);
    for _ in 0..10 {
        critic_optimizer.backward_step(&squares(&critic));
        critic_saved.push(flat(&critic));
        generator_optimizer.backward_step(&squares(&generator));
        generator_saved.push(flat(&generator));
    }
    generator_optimizer.finish().unwrap();
    critic_optimizer.finish().unwrap();
    check(&folder.path().join("generator"), 1, &generator_saved, &generator_saved[0]);
    check(&folder.path().join("critic"), 1, &critic_saved, &critic_saved[0]);
    assert_eq!(outside_writes(&folder.path().join("critic")), []);
    assert_eq!(outside_writes(&folder.path().join("generator")), []);
}
