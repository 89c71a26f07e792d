//! Tied weights are one parameter, and so have one Hessian.

use perrin::curvature::{
    LandscapePlane, LossHessian, eigenvectors, loss_landscape, top_eigenpairs,
};
use perrin::linalg::lanczos::LanczosOptions;
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

use crate::support::{assert_agree, finite_differences, flat, irregular, matrix};

/// An embedding whose matrix is the output layer's too: sum of (w a)^2 tanh(w b) over rows w.
fn loss(embedding: &Tensor, output: &Tensor) -> Tensor {
    let (a, b) = (irregular(&[2, 3], 1., 1.), irregular(&[2, 3], 2., 1.));
    (embedding.matmul(&a).square() * output.matmul(&b).tanh()).sum(Kind::Double)
}

fn weight() -> Tensor {
    irregular(&[4, 2], 3., 1.)
}

#[test]
fn are_one_parameter_of_the_hessian() {
    let alone = VarStore::new(Device::Cpu);
    let w = alone.root().add("w", weight(), true);
    let expected = finite_differences(&alone, || loss(&w, &w));
    let assert_same = |variables: &VarStore, loss: &dyn Fn() -> Tensor| {
        let mut hessian = LossHessian::new(variables, &[1], |_| loss()).unwrap();
        let names: Vec<_> =
            hessian.parameters().into_iter().map(|parameter| parameter.name).collect();
        assert_eq!(names, ["decoder"]);
        assert_agree(&matrix(&mut hessian), &expected, 2e-7);
        let gradient = hessian.batch_gradient(0).unwrap();
        let exact = flat(&Tensor::run_backward(&[super::tied::loss(&w, &w)], &[&w], false, false));
        assert!(
            gradient
                .iter()
                .zip(&exact)
                .all(|(found, exact)| (f64::from(*found) - exact).abs() < 1e-5)
        );
    };
    // The same variable under two names.
    let variables = VarStore::new(Device::Cpu);
    let encoder = variables.root().add("encoder", weight(), true);
    let _ = variables.root().add("decoder", encoder.shallow_clone(), true);
    assert_same(&variables, &|| loss(&encoder, &encoder));
    // Two variables of autograd over one memory, neither of which has the whole gradient.
    let variables = VarStore::new(Device::Cpu);
    let encoder = variables.root().add("encoder", weight(), true);
    let decoder = variables.root().add("decoder", encoder.detach(), true);
    assert_same(&variables, &|| loss(&encoder, &decoder));
    assert!(
        encoder.requires_grad() && decoder.requires_grad(),
        "looking at them leaves them as they were"
    );
}

#[test]
fn are_chosen_and_placed_by_each_of_their_names() {
    let variables = VarStore::new(Device::Cpu);
    let encoder = variables.root().add("encoder", weight(), true);
    let _ = variables.root().add("decoder", encoder.shallow_clone(), true);
    let loss = || loss(&encoder, &encoder);
    for name in ["encoder", "decoder"] {
        let mut hessian =
            LossHessian::of(&variables, |candidate| candidate == name, &[1], |_| loss()).unwrap();
        let found = top_eigenpairs(&mut hessian, &LanczosOptions::largest(2)).unwrap();
        let origin = weight() * 0.5;
        let plane =
            LandscapePlane::new(&eigenvectors(&hessian, &found.largest), [1, 2], [0.1, 0.1])
                .unwrap();
        let plane = plane.points([3, 3]).around(vec![(name.to_owned(), origin.shallow_clone())]);
        let landscape = loss_landscape(&mut hessian, None, &plane).unwrap();
        let expected = super::tied::loss(&origin, &origin).double_value(&[]);
        assert!(
            (landscape.train_loss[4] - expected).abs() < 1e-9,
            "{name}: {} {expected}",
            landscape.train_loss[4]
        );
    }
}

#[test]
fn overlapping_views_have_no_hessian_of_their_own() {
    let variables = VarStore::new(Device::Cpu);
    let whole = Tensor::ones([4], (Kind::Double, Device::Cpu));
    let head = variables.root().add("head", whole.narrow(0, 0, 3).detach(), true);
    let _ = variables.root().add("tail", whole.narrow(0, 2, 2).detach(), true);
    let refused = LossHessian::new(&variables, &[1], |_| head.square().sum(Kind::Double))
        .err()
        .unwrap()
        .to_string();
    assert!(refused.contains("`head`") && refused.contains("`tail`"), "{refused}");
}
