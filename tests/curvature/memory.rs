//! Products leave no memory behind.

use perrin::curvature::LossHessian;
use perrin::linalg::operator::SymmetricOperator;
use tch::nn::{self, Module, VarStore};
use tch::{Device, Kind};

use crate::support::irregular;

/// Resident memory of the process, bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// The graph of a batch is 64 x 256 activations, a few times, and gradients of 66,000 parameters:
/// 0.5 MB. 1,000 products that kept a tenth of theirs would take 50 MB. The other tests of this
/// process take some while this one runs.
#[cfg(target_os = "linux")]
#[test]
fn a_thousand_products_leave_nothing() {
    const ALLOWED: usize = 32 << 20;
    // Threads cost more than they bring in operations as short as these.
    tch::set_num_threads(1);
    let store = VarStore::new(Device::Cpu);
    let linear = nn::linear(store.root(), 256, 256, Default::default());
    let inputs = irregular(&[64, 256], 1.0, 1.0).to_kind(Kind::Float);
    let loss = |_| linear.forward(&inputs).tanh().square().mean(Kind::Float);
    let mut hessian = LossHessian::new(&store, &[64, 64], loss).unwrap();
    let dimension = hessian.dimension();
    let (vectors, mut products) = (vec![0.1; 2 * dimension], vec![0.0; 2 * dimension]);
    let mut products_made = |rounds: usize| {
        for _ in 0..rounds {
            hessian.multiply(&vectors, &mut products).unwrap();
        }
    };
    products_made(50);
    let before = resident();
    products_made(500);
    let grown = resident().saturating_sub(before);
    assert!(grown < ALLOWED, "{grown} bytes more after 1,000 products");
}
