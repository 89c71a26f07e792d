//! Frozen, unused, scalar and chosen parameters; losses that have no Hessian.

use nalgebra::DMatrix;
use perrin::Error;
use perrin::curvature::{LossHessian, top_eigenpairs};
use perrin::linalg::lanczos::LanczosOptions;
use perrin::linalg::operator::SymmetricOperator;
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

use crate::support::{EXAMPLES, Problem, assert_agree, irregular, matrix};

/// L = 2 s^2 a . a + c . a (a of 2 elements, s and the unused u 0-dim, c of 2), in f64.
struct Polynomial {
    store: VarStore,
    s: Tensor,
    a: Tensor,
    c: Tensor,
}

impl Polynomial {
    fn new() -> Polynomial {
        let store = VarStore::new(Device::Cpu);
        let mut root = store.root();
        let s = root.ones("s", &[]);
        let _ = root.ones("u", &[]);
        let a = root.ones("a", &[2]);
        let c = root.ones("c", &[2]);
        root.set_kind(Kind::Double);
        Polynomial { store, s, a, c }
    }

    fn loss(&self) -> Tensor {
        self.s.square() * self.a.square().sum(Kind::Double) * 2
            + (&self.a * &self.c).sum(Kind::Double)
    }

    /// At s = 1, a = c = (1, 1), in the order s, u, a, c.
    fn hessian() -> DMatrix<f64> {
        DMatrix::from_row_slice(
            6,
            6,
            &[
                8., 0., 8., 8., 0., 0., //
                0., 0., 0., 0., 0., 0., //
                8., 0., 4., 0., 1., 0., //
                8., 0., 0., 4., 0., 1., //
                0., 0., 1., 0., 0., 0., //
                0., 0., 0., 1., 0., 0.,
            ],
        )
    }
}

#[test]
fn scalars_and_unused_parameters_have_their_place() {
    let polynomial = Polynomial::new();
    let mut hessian = LossHessian::new(&polynomial.store, &[1], |_| polynomial.loss()).unwrap();
    assert_agree(&matrix(&mut hessian), &Polynomial::hessian(), 1e-7);
    assert_eq!(hessian.batch_gradient(0).unwrap(), [8., 0., 5., 5., 1., 1.]);
    let mut hessian = hessian.weight_decay(0.5);
    assert_agree(
        &matrix(&mut hessian),
        &(Polynomial::hessian() + DMatrix::identity(6, 6) * 0.5),
        1e-7,
    );
}

#[test]
fn frozen_parameters_are_constants() {
    let polynomial = Polynomial::new();
    let mut hessian =
        LossHessian::new(&polynomial.store, &[1], |_| polynomial.loss()).unwrap().weight_decay(0.5);
    let _ = polynomial.a.set_requires_grad(false);
    let mut expected = DMatrix::identity(6, 6) * 0.5;
    expected[(0, 0)] = 8.5;
    expected[(2, 2)] = 0.0;
    expected[(3, 3)] = 0.0;
    assert_agree(&matrix(&mut hessian), &expected, 1e-7);
    assert!(!polynomial.a.requires_grad());

    let _ = polynomial.a.set_requires_grad(true);
    expected = Polynomial::hessian() + DMatrix::identity(6, 6) * 0.5;
    assert_agree(&matrix(&mut hessian), &expected, 1e-7);

    for mut tensor in polynomial.store.trainable_variables() {
        let _ = tensor.requires_grad_(false);
    }
    assert_eq!(matrix(&mut hessian).amax(), 0.0, "all frozen");
    assert_eq!(hessian.batch_gradient(0).unwrap(), [0.0; 6]);
}

#[test]
fn parameters_are_chosen_by_name() {
    let polynomial = Polynomial::new();
    let chosen = |name: &str| name == "s" || name == "a";
    let mut hessian =
        LossHessian::of(&polynomial.store, chosen, &[1], |_| polynomial.loss()).unwrap();
    let expected = Polynomial::hessian().select_rows(&[0, 2, 3]).select_columns(&[0, 2, 3]);
    assert_agree(&matrix(&mut hessian), &expected, 1e-7);

    // All that is chosen is frozen, the rest is not: nothing may end up in the others' gradients.
    let mut none_active =
        LossHessian::of(&polynomial.store, |name| name == "a", &[1], |_| polynomial.loss())
            .unwrap();
    let _ = polynomial.a.set_requires_grad(false);
    assert_eq!(none_active.batch_gradient(0).unwrap(), [0.0; 2]);
    assert_eq!(matrix(&mut none_active).amax(), 0.0);
    assert!(!polynomial.s.grad().defined());
    let _ = polynomial.a.set_requires_grad(true);

    // Linear in c: no product reaches it, and none is made.
    let mut linear =
        LossHessian::of(&polynomial.store, |name| name == "c", &[1], |_| polynomial.loss())
            .unwrap();
    assert_eq!(matrix(&mut linear).amax(), 0.0);

    let none = LossHessian::of(&polynomial.store, |_| false, &[1], |_| polynomial.loss());
    assert!(matches!(none.err(), Some(Error::Parameters { .. })));
}

#[test]
fn parameters_may_be_of_several_kinds() {
    let store = VarStore::new(Device::Cpu);
    let (x, mut y) = (store.root().ones("x", &[2]), store.root().ones("y", &[2]));
    y.set_data(&y.to_kind(Kind::Double));
    let loss = |_| (&x * &x * &y * &y).sum(Kind::Double);
    let mut hessian = LossHessian::new(&store, &[1], loss).unwrap();
    let expected = DMatrix::from_fn(4, 4, |i, j| match i.abs_diff(j) {
        0 => 2.0,
        2 => 4.0,
        _ => 0.0,
    });
    assert_agree(&matrix(&mut hessian), &expected, 1e-6);
}

#[test]
fn a_loss_that_is_not_finite_is_named() {
    let problem = Problem::new(Kind::Float);
    let loss = |batch: usize| problem.mean(0, 4) * if batch == 1 { f64::NAN } else { 1.0 };
    let mut hessian = LossHessian::new(&problem.variables, &[4, 4], loss).unwrap();
    let error = top_eigenpairs(&mut hessian, &LanczosOptions::largest(2)).unwrap_err();
    assert!(matches!(error, Error::NonFiniteLoss { batch: 1, loss } if loss.is_nan()), "{error}");
    assert!(matches!(hessian.batch_gradient(1), Err(Error::NonFiniteLoss { batch: 1, .. })));
    assert!(hessian.batch_gradient(0).is_ok());
    assert!(matches!(hessian.batch_gradient(2), Err(Error::InvalidValue { .. })));
}

/// sqrt(|x|) at 0: the loss is finite, its derivatives are not.
#[test]
fn products_that_are_not_finite_are_found() {
    let store = VarStore::new(Device::Cpu);
    let x = store.root().zeros("x", &[3]);
    let mut hessian =
        LossHessian::new(&store, &[1], |_| x.square().sum(Kind::Float).sqrt()).unwrap();
    let error = top_eigenpairs(&mut hessian, &LanczosOptions::largest(1)).unwrap_err();
    assert!(matches!(error, Error::NonFiniteProduct { product: 1 }), "{error}");
}

#[test]
fn dropout_left_on_is_found() {
    let problem = Problem::new(Kind::Float);
    let loss = |_| {
        let mask = Tensor::ones([], (Kind::Float, Device::Cpu)).dropout(0.5, true);
        problem.mean(0, EXAMPLES) * (mask + 0.1)
    };
    let mut hessian = LossHessian::new(&problem.variables, &[EXAMPLES], loss).unwrap();
    let error = top_eigenpairs(&mut hessian, &LanczosOptions::largest(5)).unwrap_err();
    assert!(matches!(error, Error::NotSymmetric { .. }), "{error}");
}

#[test]
fn what_cannot_be_differentiated_is_said() {
    let problem = Problem::new(Kind::Float);
    let product = |loss: &dyn Fn() -> Tensor| {
        let mut hessian = LossHessian::new(&problem.variables, &[EXAMPLES], |_| loss()).unwrap();
        hessian.multiply(&[1.0; 26], &mut [0.0; 26]).unwrap_err()
    };
    let detached = product(&|| problem.mean(0, EXAMPLES).detach());
    assert!(matches!(detached, Error::Parameters { .. }), "{detached}");
    let without_graph = product(&|| tch::no_grad(|| problem.mean(0, EXAMPLES)));
    assert!(matches!(without_graph, Error::Parameters { .. }), "{without_graph}");
    let vector = product(&|| problem.mean(0, EXAMPLES) * irregular(&[2], 1.0, 1.0));
    assert!(matches!(vector, Error::ShapeMismatch { .. }), "{vector}");
    for sizes in [&[][..], &[3, 0][..]] {
        let refused = LossHessian::new(&problem.variables, sizes, |_| problem.mean(0, 3));
        assert!(matches!(refused.err(), Some(Error::InvalidValue { .. })));
    }
    let one_element =
        LossHessian::new(&problem.variables, &[3], |_| problem.mean(0, 3).reshape([1, 1]));
    assert!(one_element.unwrap().multiply(&[1.0; 26], &mut [0.0; 26]).is_ok());
}

/// A sparse variable is refused where it is trained (by its position: it has no address to be named
/// by) and passed over where it is not; tied weights are one parameter, under the observer's name
/// for it.
#[test]
fn sparse_and_tied_variables() {
    let sparse =
        || Tensor::eye(3, (Kind::Float, Device::Cpu)).to_sparse(None, None::<&[i64]>, None);
    let variables = VarStore::new(Device::Cpu);
    let tied = variables.root().ones("encoder", &[3]);
    let _ = variables.root().add("decoder", tied.shallow_clone(), true);
    let _ = variables.root().add("constant", sparse(), false);
    let loss = |_: usize| tied.square().sum(Kind::Float);
    let hessian = LossHessian::new(&variables, &[1], loss).unwrap();
    let names: Vec<_> = hessian.parameters().into_iter().map(|parameter| parameter.name).collect();
    let folder = tempfile::tempdir().unwrap();
    perrin::Options::new().observe(&variables, folder.path()).unwrap().finish().unwrap();
    let run = perrin::run::Run::open(folder.path()).unwrap();
    assert!(run.info().parameters.iter().map(|parameter| &parameter.name).eq(&names));
    assert_eq!(names, ["decoder"]);
    let _ = variables.root().add("trained", sparse(), true);
    let error = LossHessian::new(&variables, &[1], loss).err().unwrap().to_string();
    assert!(error.contains("parameter_2") && error.contains("not a dense tensor"), "{error}");
}
