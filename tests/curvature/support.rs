//! A small network, and its Hessian by other means.

use nalgebra::DMatrix;
use perrin::linalg::operator::SymmetricOperator;
use tch::nn::{self, Module, VarStore};
use tch::{Device, Kind, Tensor, no_grad};

/// Examples there are.
pub const EXAMPLES: usize = 12;
/// A partition of them into batches of different sizes.
pub const BATCHES: [usize; 3] = [5, 3, 4];

/// A network 3-4-2 with tanh, and its data, always the same.
pub struct Problem {
    pub variables: VarStore,
    network: nn::Sequential,
    inputs: Tensor,
    targets: Tensor,
}

impl Problem {
    pub fn new(kind: Kind) -> Problem {
        let variables = VarStore::new(Device::Cpu);
        let root = variables.root();
        let network = nn::seq()
            .add(nn::linear(&root / "first", 3, 4, Default::default()))
            .add_fn(|x| x.tanh())
            .add(nn::linear(&root / "second", 4, 2, Default::default()));
        variables.root().set_kind(kind);
        for (number, mut tensor) in variables.trainable_variables().into_iter().enumerate() {
            let values = irregular(&tensor.size(), number as f64, 0.8).to_kind(kind);
            no_grad(|| tensor.copy_(&values));
        }
        let inputs = irregular(&[EXAMPLES as i64, 3], 10., 1.5).to_kind(kind);
        let targets = irregular(&[EXAMPLES as i64, 2], 20., 1.5).to_kind(kind);
        Problem { variables, network, inputs, targets }
    }

    /// Squared error, summed over outputs, of examples `start` to `start + count`.
    fn errors(&self, start: usize, count: usize) -> Tensor {
        let part = |tensor: &Tensor| tensor.narrow(0, start as i64, count as i64);
        let output = self.network.forward(&part(&self.inputs));
        (output - part(&self.targets)).square().sum_dim_intlist(
            [1].as_slice(),
            false,
            self.inputs.kind(),
        )
    }

    /// Mean squared error of examples `start` to `start + count`.
    pub fn mean(&self, start: usize, count: usize) -> Tensor {
        self.errors(start, count).mean(self.inputs.kind())
    }

    /// Summed squared error of examples `start` to `start + count`.
    pub fn sum(&self, start: usize, count: usize) -> Tensor {
        self.errors(start, count).sum(self.inputs.kind())
    }
}

/// First example of batch `batch`.
pub fn start_of(sizes: &[usize], batch: usize) -> usize {
    sizes[..batch].iter().sum()
}

/// Values without a pattern; libtorch's random numbers are shared by all tests of the process.
pub fn irregular(shape: &[i64], start: f64, scale: f64) -> Tensor {
    let count: i64 = shape.iter().product();
    let values: Vec<f64> =
        (0..count).map(|i| scale * (start + 12.9898 * i as f64 * i as f64).sin()).collect();
    Tensor::from_slice(&values).reshape(shape)
}

/// All the elements of tensors, in f64.
pub fn flat(tensors: &[Tensor]) -> Vec<f64> {
    let values = |tensor: &Tensor| {
        Vec::<f64>::try_from(tensor.detach().to_kind(Kind::Double).reshape([-1])).unwrap()
    };
    tensors.iter().flat_map(values).collect()
}

/// The operator's matrix, column by column.
pub fn matrix(operator: &mut dyn SymmetricOperator) -> DMatrix<f64> {
    let dimension = operator.dimension();
    let identity: Vec<f32> =
        DMatrix::<f32>::identity(dimension, dimension).iter().copied().collect();
    let mut products = vec![f32::NAN; dimension * dimension];
    operator.multiply(&identity, &mut products).unwrap();
    DMatrix::from_iterator(dimension, dimension, products.into_iter().map(f64::from))
}

/// The Hessian of `loss` by central differences of its gradient. In f64 good to some 1e-9.
pub fn finite_differences(variables: &VarStore, loss: impl Fn() -> Tensor) -> DMatrix<f64> {
    const STEP: f64 = 1e-5;
    let tensors = variables.trainable_variables();
    let gradient = || flat(&Tensor::run_backward(&[loss()], &tensors, false, false));
    let mut columns = Vec::new();
    for tensor in &tensors {
        let elements = tensor.detach().reshape([-1]);
        for i in 0..tensor.numel() as i64 {
            let mut element = elements.get(i);
            let value = element.double_value(&[]);
            let mut at = |value: f64| {
                let _ = element.fill_(value);
                gradient()
            };
            let (above, below) = (at(value + STEP), at(value - STEP));
            at(value);
            columns.extend(
                above.iter().zip(&below).map(|(above, below)| (above - below) / (2.0 * STEP)),
            );
        }
    }
    let dimension = columns.len().isqrt();
    DMatrix::from_vec(dimension, dimension, columns)
}

/// Every element of `found` is that of `expected` to `tolerance` of the largest.
#[track_caller]
pub fn assert_agree(found: &DMatrix<f64>, expected: &DMatrix<f64>, tolerance: f64) {
    let (difference, scale) = ((found - expected).amax(), expected.amax());
    assert!(difference <= tolerance * scale, "{difference:e} of {scale:e}");
}
