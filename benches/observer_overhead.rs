//! What observing costs a training step: bare steps, observed steps, and the same two numbers by plain tensor operations,
//! interleaved in one process, so that whatever else the machine does falls on all of them alike.
//!
//! Beside them, at the same place in the loop (the caches full of the step's data), a plain copy that moves as many
//! bytes as the fused pass (16 a parameter: theta, previous and reference read, previous written).
//!
//! The second table adds projections on 30 directions at every step. Their cost falls on one step in a block, so whole
//! groups of steps are compared.
//!
//! `cargo bench --bench observer_overhead [-- linear mlp cnn]`

#[path = "support/networks.rs"]
mod networks;

use std::path::Path;
use std::time::Instant;

use networks::{Network, Shape};
use tch::nn::{self, Optimizer, OptimizerConfig};
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
    let chosen: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    println!("machine: {}", processor());
    println!(
        "cores {}, libtorch threads {}, batch {}, SGD with momentum 0.9, medians over steps\n",
        std::thread::available_parallelism().map_or(0, usize::from),
        tch::get_num_threads(),
        networks::BATCH,
    );
    println!(
        "{:<7}{:>11}{:>11}{:>12}{:>12}{:>16}{:>16}{:>13}{:>13}",
        "network", "parameters", "bare ms", "observed", "quartiles", "tensor ops", "observer ms", "GB/s", "of a copy"
    );
    for shape in [Shape::Linear, Shape::Mlp, Shape::Cnn] {
        if chosen.is_empty() || chosen.iter().any(|name| name == shape.name()) {
            measure(shape);
        }
    }
    println!("\nobserved, tensor ops: time of a step over that of a bare step (tensor ops: the obvious code, by hand)");
    println!("observer ms: the observer's own time in a step, timed by itself; GB/s: 16 bytes a parameter over it");

    println!("\nwith projections on {DIRECTIONS} directions, medians over groups of {GROUP} steps");
    println!(
        "{:<7}{:>11}{:>11}{:>12}{:>12}{:>16}{:>16}",
        "network", "parameters", "bare ms", "projected", "quartiles", "tensor ops", "observer ms"
    );
    for shape in [Shape::Linear, Shape::Mlp, Shape::Cnn] {
        if chosen.is_empty() || chosen.iter().any(|name| name == shape.name()) {
            measure_projections(shape);
        }
    }
}

/// Directions projected on.
const DIRECTIONS: usize = 30;
/// Steps compared together: as many as the longest block.
const GROUP: usize = 64;

fn groups(shape: Shape) -> usize {
    match shape {
        Shape::Linear => 200,
        Shape::Mlp => 15,
        Shape::Cnn => 3,
    }
}

fn measure_projections(shape: Shape) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut bare = Contestant::new(shape);
    let parameters: usize = bare.network.variables.trainable_variables().iter().map(Tensor::numel).sum();
    let directions = Tensor::randn([DIRECTIONS as i64, parameters as i64], (Kind::Float, Device::Cpu));
    let vectors = (0..DIRECTIONS as i64).map(|k| Vec::<f32>::try_from(directions.get(k)).expect("a vector"));
    let mut projected =
        ByHand::new(shape, folder.path(), perrin::Options::new().project_onto(vectors.collect::<Vec<_>>()));
    let mut plain = PlainTensorOperations::new(shape);
    plain.directions = Some(directions);
    let mut times: [Vec<f64>; 4] = Default::default();
    for group in 0..groups(shape) + 1 {
        let mut sums = [0.0; 4];
        // One after the other and not in turn, because a block is also finished by the clock.
        (0..GROUP).for_each(|_| sums[0] += timed(|| bare.step()));
        for _ in 0..GROUP {
            let mut observer = 0.0;
            sums[1] += timed(|| observer = projected.step());
            sums[3] += observer;
        }
        (0..GROUP).for_each(|_| sums[2] += timed(|| plain.step()));
        if group > 0 {
            times.iter_mut().zip(sums).for_each(|(times, sum)| times.push(sum / GROUP as f64));
        }
    }
    let mut ratios: Vec<f64> = times[0].iter().zip(&times[1]).map(|(bare, projected)| projected / bare).collect();
    let [bare, projected, plain, observer] = times.map(|mut times| quantile(&mut times, 0.5));
    println!(
        "{:<7}{:>11}{:>11.3}{:>12.3}{:>12}{:>16.3}{:>16.4}",
        shape.name(),
        parameters,
        bare * 1e3,
        projected / bare,
        format!("{:.2}-{:.2}", quantile(&mut ratios, 0.25), quantile(&mut ratios, 0.75)),
        plain / bare,
        observer * 1e3,
    );
}

fn measure(shape: Shape) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut bare = Contestant::new(shape);
    let mut observed = Observed::new(shape, folder.path());
    let mut by_hand = ByHand::new(shape, folder.path(), perrin::Options::new());
    let mut plain = PlainTensorOperations::new(shape);
    let parameters: usize = bare.network.variables.trainable_variables().iter().map(Tensor::numel).sum();
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
            for (times, time) in times.iter_mut().zip([bare_time, observed_time, plain_time, observer_time, copy_time])
            {
                times.push(time);
            }
        }
    }
    let mut ratios: Vec<f64> = times[0].iter().zip(&times[1]).map(|(bare, observed)| observed / bare).collect();
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

fn timed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

fn quantile(values: &mut [f64], fraction: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * fraction) as usize]
}

const LEARNING_RATE: f64 = 1e-3;

/// A network trained as it is.
struct Contestant {
    network: Network,
    optimizer: Optimizer,
}

impl Contestant {
    fn new(shape: Shape) -> Self {
        let network = Network::new(shape);
        let optimizer = nn::sgd(0.9, 0., 1e-4, false).build(&network.variables, LEARNING_RATE).expect("an optimizer");
        Contestant { network, optimizer }
    }

    fn step(&mut self) {
        self.optimizer.backward_step(&self.network.loss());
    }
}

/// The same with the one added line.
struct Observed {
    network: Network,
    optimizer: perrin::ObservedOptimizer,
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

/// The same with the observer held by hand, whose two calls are timed by themselves.
struct ByHand {
    contestant: Contestant,
    observer: perrin::Observer,
}

impl ByHand {
    fn new(shape: Shape, folder: &Path, options: perrin::Options) -> Self {
        let contestant = Contestant::new(shape);
        let observer = options.observe(&contestant.network.variables, folder.join("by-hand"));
        ByHand { contestant, observer: observer.expect("a new run") }
    }

    /// Takes a step; returns the observer's seconds.
    fn step(&mut self) -> f64 {
        let loss = self.contestant.network.loss();
        let before = timed(|| self.observer.before_step());
        self.contestant.optimizer.backward_step(&loss);
        before + timed(|| self.observer.after_step(Some(&loss)))
    }
}

/// The same numbers as one would write them.
struct PlainTensorOperations {
    contestant: Contestant,
    reference: Vec<Tensor>,
    previous: Vec<Tensor>,
    rows: Vec<(f64, f64)>,
    directions: Option<Tensor>,
    projections: Vec<(Vec<f32>, Vec<f32>)>,
}

impl PlainTensorOperations {
    fn new(shape: Shape) -> Self {
        let contestant = Contestant::new(shape);
        let copy = || contestant.network.variables.trainable_variables().iter().map(|x| x.detach().copy()).collect();
        let (reference, previous) = (copy(), copy());
        PlainTensorOperations {
            contestant,
            reference,
            previous,
            rows: Vec::new(),
            directions: None,
            projections: Vec::new(),
        }
    }

    fn step(&mut self) {
        self.contestant.step();
        let (mut local, mut global) = (0.0, 0.0);
        no_grad(|| {
            let (mut moved, mut distance) = (Vec::new(), Vec::new());
            for (index, theta) in self.contestant.network.variables.trainable_variables().iter().enumerate() {
                moved.push(theta - &self.previous[index]);
                distance.push(theta - &self.reference[index]);
                local += moved[index].square().sum(Kind::Float).double_value(&[]);
                global += distance[index].square().sum(Kind::Float).double_value(&[]);
                self.previous[index].copy_(theta);
            }
            if let Some(directions) = &self.directions {
                let project = |parts: &[Tensor]| {
                    let flat: Vec<Tensor> = parts.iter().map(|part| part.reshape([-1])).collect();
                    Vec::<f32>::try_from(directions.mv(&Tensor::cat(&flat, 0))).expect("a vector")
                };
                self.projections.push((project(&distance), project(&moved)));
            }
        });
        self.rows.push((local, global));
    }
}

/// libtorch's copy, on its threads, of half as many bytes as the fused pass touches: read once, written once.
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

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name"));
    name.map_or("unknown processor", |name| name.trim_start_matches([' ', '\t', ':'])).to_owned()
}
