//! A small network, its data, and a reader of what was logged.

use std::path::Path;

use perrin::record::{Event, EventKind, RowBuffer};
use perrin::run::{Run, rows_from_batch};
use tch::nn::{self, Module, VarStore};
use tch::{Device, Kind, Tensor, no_grad};

/// A network of `kind` with its data, always the same. Sizes are odd so that vector loops have
/// remainders.
pub struct Problem {
    pub variables: VarStore,
    network: nn::Sequential,
    inputs: Tensor,
    targets: Tensor,
}

pub const BATCH: i64 = 16;

impl Problem {
    pub fn new(kind: Kind) -> Problem {
        let variables = VarStore::new(Device::Cpu);
        let root = variables.root();
        let network = nn::seq()
            .add(nn::linear(&root / "first", 13, 29, Default::default()))
            .add_fn(|x| x.tanh())
            .add(nn::linear(&root / "second", 29, 5, Default::default()));
        variables.root().set_kind(kind);
        for (number, mut tensor) in variables.trainable_variables().into_iter().enumerate() {
            let values = irregular(&tensor.size(), number as f64, 0.3).to_kind(kind);
            no_grad(|| tensor.copy_(&values));
        }
        let inputs = irregular(&[64, 13], 10., 1.5).to_kind(kind);
        let targets = irregular(&[64, 5], 20., 1.5).to_kind(kind);
        Problem { variables, network, inputs, targets }
    }

    /// Mean squared error of mini-batch `number`.
    pub fn loss(&self, number: i64) -> Tensor {
        let start = (number * BATCH) % 64;
        let output = self.network.forward(&self.inputs.narrow(0, start, BATCH));
        (output - self.targets.narrow(0, start, BATCH)).square().mean(self.inputs.kind())
    }

    /// All parameters, one after the other, in f64.
    pub fn theta(&self) -> Vec<f64> {
        flat(&self.variables.trainable_variables())
    }
}

/// Values without a pattern; libtorch's random numbers are shared by all tests of the process.
pub fn irregular(shape: &[i64], start: f64, scale: f64) -> Tensor {
    let count: i64 = shape.iter().product();
    let values: Vec<f64> =
        (0..count).map(|i| scale * (start + 12.9898 * i as f64 * i as f64).sin()).collect();
    Tensor::from_slice(&values).reshape(shape)
}

pub fn flat(tensors: &[Tensor]) -> Vec<f64> {
    let values = |tensor: &Tensor| {
        Vec::<f64>::try_from(tensor.detach().to_kind(Kind::Double).reshape([-1])).unwrap()
    };
    tensors.iter().flat_map(values).collect()
}

pub fn distance_squared(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

/// Every row of a run.
pub fn rows(folder: &Path) -> RowBuffer {
    let run = Run::open(folder).unwrap();
    let names: Vec<String> = run.columns().map(str::to_owned).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut all = RowBuffer::default();
    for batch in run.steps(&names).unwrap() {
        let rows = rows_from_batch(run.info().layout, &batch.unwrap()).unwrap();
        all.records.extend(rows.records);
        all.group_hyperparameters.extend(rows.group_hyperparameters);
        all.projections.extend(rows.projections);
    }
    all
}

pub fn events(folder: &Path) -> Vec<Event> {
    Run::open(folder).unwrap().events().unwrap()
}

/// The outside writes told, as (step, count, displacement squared).
pub fn outside_writes(folder: &Path) -> Vec<(u64, u64, Option<f64>)> {
    let told = |event: Event| match event.kind {
        EventKind::OutsideWrite { count, displacement_squared, .. } => {
            Some((event.step, count, displacement_squared))
        }
        _ => None,
    };
    events(folder).into_iter().filter_map(told).collect()
}

/// `found` is `expected` to five digits, the promise made for every norm.
#[track_caller]
pub fn assert_close(found: Option<f64>, expected: f64, what: &str) {
    let found = found.unwrap_or_else(|| panic!("{what}: null, expected {expected}"));
    assert!(
        (found - expected).abs() <= 1e-5 * expected.abs(),
        "{what}: {found}, expected {expected}"
    );
}
