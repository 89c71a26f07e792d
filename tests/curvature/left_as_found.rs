//! What products must not change.

use perrin::Error;
use perrin::curvature::LossHessian;
use perrin::linalg::operator::SymmetricOperator;
use tch::nn::{self, ModuleT, VarStore};
use tch::{Device, Kind, Tensor};

use crate::support::{flat, irregular, matrix};

/// Everything that must stay.
#[derive(Debug, PartialEq)]
pub struct State {
    /// Of all variables, by name.
    values: Vec<(String, Vec<f64>)>,
    gradients: Vec<Vec<f64>>,
    /// Which require gradients.
    trained: Vec<bool>,
}

pub struct Normalised {
    pub variables: VarStore,
    network: nn::SequentialT,
    inputs: Tensor,
}

impl Normalised {
    pub fn new() -> Normalised {
        let variables = VarStore::new(Device::Cpu);
        let root = variables.root();
        let network = nn::seq_t()
            .add(nn::linear(&root / "linear", 3, 4, Default::default()))
            .add(nn::batch_norm1d(&root / "norm", 4, Default::default()))
            .add_fn(|x| x.tanh());
        Normalised {
            variables,
            network,
            inputs: irregular(&[16, 3], 1.0, 1.0).to_kind(Kind::Float),
        }
    }

    pub fn loss(&self, train: bool) -> Tensor {
        self.network.forward_t(&self.inputs, train).square().sum(Kind::Float) / 16.0
    }

    pub fn state(&self) -> State {
        let mut named: Vec<_> = self.variables.variables().into_iter().collect();
        named.sort_by(|a, b| a.0.cmp(&b.0));
        let trainable = self.variables.trainable_variables();
        State {
            values: named
                .iter()
                .map(|(name, tensor)| (name.clone(), flat(&[tensor.shallow_clone()])))
                .collect(),
            gradients: trainable.iter().map(|tensor| flat(&[tensor.grad()])).collect(),
            trained: named.iter().map(|(_, tensor)| tensor.requires_grad()).collect(),
        }
    }
}

#[test]
fn parameters_gradients_and_running_statistics_stay() {
    let problem = Normalised::new();
    problem.loss(true).backward();
    let before = problem.state();
    assert_eq!(before.values.iter().filter(|(name, _)| name.contains("running")).count(), 2);

    for train in [true, false] {
        let mut hessian =
            LossHessian::new(&problem.variables, &[16], |_| problem.loss(train)).unwrap();
        let matrix = matrix(&mut hessian);
        assert!(matrix.amax() > 0.01);
        assert!(
            (&matrix - matrix.transpose()).amax() < 1e-5 * matrix.amax(),
            "training mode is symmetric too"
        );
        hessian.batch_gradient(0).unwrap();
        assert_eq!(problem.state(), before);
    }

    // The forward pass alone would have changed them.
    let _ = problem.loss(true);
    assert_ne!(problem.state().values, before.values);
}

#[test]
fn also_after_an_error() {
    let problem = Normalised::new();
    problem.loss(true).backward();
    let before = problem.state();
    let loss = |batch: usize| problem.loss(true) / if batch == 1 { 0.0 } else { 1.0 };
    let mut hessian = LossHessian::new(&problem.variables, &[16, 16], loss).unwrap();
    let dimension = hessian.dimension();
    let error = hessian.multiply(&vec![1.0; dimension], &mut vec![0.0; dimension]);
    assert!(matches!(error, Err(Error::NonFiniteLoss { batch: 1, .. })));
    assert_eq!(problem.state(), before);
}

#[test]
fn gradients_need_not_be_enabled_and_stay_disabled() {
    let problem = Normalised::new();
    let mut hessian = LossHessian::new(&problem.variables, &[16], |_| problem.loss(false)).unwrap();
    let enabled = matrix(&mut hessian);
    let disabled = tch::no_grad(|| {
        let found = matrix(&mut hessian);
        assert!(!problem.loss(false).requires_grad());
        found
    });
    assert_eq!(enabled, disabled);
}

#[test]
fn a_loss_that_panics_changes_nothing() {
    let problem = Normalised::new();
    problem.loss(true).backward();
    let before = problem.state();
    let panicking = std::panic::AssertUnwindSafe(|| {
        let mut hessian = LossHessian::new(&problem.variables, &[8, 8], |batch| {
            let loss = problem.loss(true);
            assert!(batch == 0, "the second batch fails");
            loss
        })
        .unwrap();
        matrix(&mut hessian)
    });
    assert!(std::panic::catch_unwind(panicking).is_err());
    assert_eq!(problem.state(), before);
}
