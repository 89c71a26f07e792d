//! What observing costs a training step: bare steps, observed steps, and the same two numbers by
//! plain tensor operations, interleaved in one process, so that whatever else the machine does
//! falls on all of them alike.
//!
//! Beside them, at the same place in the loop (the caches full of the step's data), a plain copy
//! that moves as many bytes as the fused pass (16 a parameter: theta, previous and reference read,
//! previous written).
//!
//! What projections cost is in `projection_overhead`.
//!
//! `cargo bench --bench observer_overhead [-- linear mlp cnn]`

#[path = "support/contestants.rs"]
mod contestants;

use std::path::Path;

use contestants::networks::{self, Network, Shape};
use contestants::{ByHand, Contestant, PlainTensorOperations, processor, quantile, timed};
use tch::{Device, Kind, Tensor, no_grad};

/// Steps of each sort, after a tenth as many that are not counted.
fn rounds(shape: Shape) -> usize {
    match shape {
        Shape::Linear => 20_000,
        Shape::Mlp => 600,
        Shape::Cnn => 100,
    }
}

fn main() {
    let chosen: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    println!("machine: {}", processor());
    println!(
        "cores {}, libtorch threads {}, batch {}, SGD with momentum 0.9, medians over steps\n",
        std::thread::available_parallelism().map_or(0, usize::from),
        tch::get_num_threads(),
        networks::BATCH,
    );
    println!(
        "{:<7}{:>11}{:>11}{:>12}{:>12}{:>16}{:>16}{:>13}{:>13}",
        "network",
        "parameters",
        "bare ms",
        "observed",
        "quartiles",
        "tensor ops",
        "observer ms",
        "GB/s",
        "of a copy"
    );
    for shape in [Shape::Linear, Shape::Mlp, Shape::Cnn] {
        if chosen.is_empty() || chosen.iter().any(|name| name == shape.name()) {
            measure(shape);
        }
    }
    println!(
        "\nobserved, tensor ops: time of a step over that of a bare step (tensor ops: the obvious code, by hand)"
    );
    println!(
        "observer ms: the observer's own time in a step, timed by itself; GB/s: 16 bytes a parameter over it"
    );
}

fn measure(shape: Shape) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut bare = Contestant::new(shape);
    let mut observed = Observed::new(shape, folder.path());
    let mut by_hand = ByHand::new(shape, folder.path(), perrin::Options::new());
    let mut plain = PlainTensorOperations::new(shape);
    let parameters: usize =
        bare.network.variables.trainable_variables().iter().map(Tensor::numel).sum();
    let mut copy = Copy::new(parameters);
    let rounds = rounds(shape);
    let mut times: [Vec<f64>; 5] = Default::default();
    for round in 0..rounds + rounds / 10 {
        let bare_time = timed(|| bare.step());
        let copy_time = timed(|| copy.run());
        let observed_time = timed(|| observed.step());
        let observer_time = by_hand.step();
        let plain_time = timed(|| plain.step());
        if round >= rounds / 10 {
            for (times, time) in times.iter_mut().zip([
                bare_time,
                observed_time,
                plain_time,
                observer_time,
                copy_time,
            ]) {
                times.push(time);
            }
        }
    }
    let mut ratios: Vec<f64> =
        times[0].iter().zip(&times[1]).map(|(bare, observed)| observed / bare).collect();
    let [bare, observed, plain, observer, copy] = times.map(|mut times| quantile(&mut times, 0.5));
    let bandwidth = 16.0 * parameters as f64 / observer;
    println!(
        "{:<7}{:>11}{:>11.3}{:>12.3}{:>12}{:>16.3}{:>16.4}{:>13.1}{:>13.2}",
        shape.name(),
        parameters,
        bare * 1e3,
        observed / bare,
        format!("{:.2}-{:.2}", quantile(&mut ratios, 0.25), quantile(&mut ratios, 0.75)),
        plain / bare,
        observer * 1e3,
        bandwidth / 1e9,
        copy / observer,
    );
}

/// The same with the one added line.
struct Observed {
    network: Network,
    optimizer: perrin::Optimizer,
}

impl Observed {
    fn new(shape: Shape, folder: &Path) -> Self {
        let Contestant { network, optimizer } = Contestant::new(shape);
        let optimizer = perrin::attach(optimizer, folder.join("observed")).expect("a new run");
        Observed { network, optimizer }
    }

    fn step(&mut self) {
        self.optimizer.backward_step(&self.network.loss());
    }
}

/// libtorch's copy, on its threads, of half as many bytes as the fused pass touches: read once,
/// written once.
struct Copy {
    from: Tensor,
    to: Tensor,
}

impl Copy {
    fn new(parameters: usize) -> Self {
        let ones = || Tensor::ones([2 * parameters as i64], (Kind::Float, Device::Cpu));
        Copy { from: ones(), to: ones() }
    }

    fn run(&mut self) {
        no_grad(|| self.to.copy_(&self.from));
    }
}
