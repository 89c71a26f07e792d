//! An estimate of eigenpairs takes the memory that it says beforehand. By itself in its process,
//! whose peak is measured.
#![cfg(feature = "torch")]
#![cfg(target_os = "linux")]

use perrin::curvature::{EigenpairFollower, LossHessian};
use perrin::linalg::lanczos::LanczosOptions;
use tch::nn::{self, Module, VarStore};
use tch::{Device, Kind, Tensor};

/// Memory besides: a batch's graph, the allocator's own.
const ALLOWED: u64 = 32 << 20;

/// A line of the process's status, in bytes.
fn status(field: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn an_estimate_takes_what_it_says() {
    tch::set_num_threads(1);
    tch::manual_seed(0);
    let store = VarStore::new(Device::Cpu);
    let network = nn::seq()
        .add(nn::linear(store.root() / "first", 784, 256, Default::default()))
        .add_fn(Tensor::tanh)
        .add(nn::linear(store.root() / "second", 256, 10, Default::default()));
    let inputs = Tensor::randn([64, 784], (Kind::Float, Device::Cpu));
    let labels = Tensor::randint(10, [64], (Kind::Int64, Device::Cpu));
    let loss = |_| network.forward(&inputs).cross_entropy_for_logits(&labels);
    let peak = |max_basis: usize| {
        let hessian = LossHessian::new(&store, &[64], loss).unwrap();
        // So many products that the basis fills, and a tolerance that they do not reach.
        let options = LanczosOptions {
            max_basis,
            max_products: max_basis + 20,
            residual_tolerance: 1e-6,
            ..LanczosOptions::largest(20)
        };
        let mut follower = EigenpairFollower::new(hessian, options, 1).unwrap();
        let told = follower.memory_bytes();
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        let before = status("VmRSS");
        for _ in 0..2 {
            let found = follower.refresh().unwrap();
            assert_eq!(found.eigenvectors.len(), 20);
        }
        let measured = status("VmHWM") - before;
        println!("max_basis {max_basis}: told {} MiB, took {} MiB", told >> 20, measured >> 20);
        assert!(measured <= told + ALLOWED, "told {told}, took {measured}");
        (told, measured)
    };
    let (told, measured) = peak(150);
    assert!(measured as f64 > 0.6 * told as f64, "told {told}, took {measured}");
    // What the allocator keeps of the first search may serve the second.
    let (less, _) = peak(48);
    assert!((less as f64) < 0.6 * told as f64, "a smaller basis takes less: {less} of {told}");
}
