//! What the overhead benches compare: bare training, training observed, and the same numbers by
//! plain tensor operations.
#![allow(dead_code, reason = "each bench uses a part of it")]

#[path = "networks.rs"]
pub mod networks;

use std::path::Path;
use std::time::Instant;

use networks::{Network, Shape};
use tch::nn::{self, Optimizer, OptimizerConfig};
use tch::{Kind, Tensor, no_grad};

pub fn timed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

pub fn quantile(values: &mut [f64], fraction: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * fraction) as usize]
}

pub const LEARNING_RATE: f64 = 1e-3;

/// A network trained as it is.
pub struct Contestant {
    pub network: Network,
    pub optimizer: Optimizer,
}

impl Contestant {
    pub fn new(shape: Shape) -> Self {
        let network = Network::new(shape);
        let optimizer = nn::sgd(0.9, 0., 1e-4, false)
            .build(&network.variables, LEARNING_RATE)
            .expect("an optimizer");
        Contestant { network, optimizer }
    }

    pub fn step(&mut self) {
        self.optimizer.backward_step(&self.network.loss());
    }
}

/// The same with the observer held by hand, whose two calls are timed by themselves.
pub struct ByHand {
    pub contestant: Contestant,
    pub observer: perrin::Observer,
}

impl ByHand {
    pub fn new(shape: Shape, folder: &Path, options: perrin::Options) -> Self {
        let contestant = Contestant::new(shape);
        let observer = options.observe(&contestant.network.variables, folder.join("by-hand"));
        ByHand { contestant, observer: observer.expect("a new run") }
    }

    /// Takes a step; returns the observer's seconds.
    pub fn step(&mut self) -> f64 {
        let loss = self.contestant.network.loss();
        let before = timed(|| self.observer.before_step());
        self.contestant.optimizer.backward_step(&loss);
        before + timed(|| self.observer.after_step(Some(&loss)))
    }
}

/// The same numbers as one would write them.
pub struct PlainTensorOperations {
    pub contestant: Contestant,
    reference: Vec<Tensor>,
    previous: Vec<Tensor>,
    rows: Vec<(f64, f64)>,
    pub directions: Option<Tensor>,
    projections: Vec<(Vec<f32>, Vec<f32>)>,
}

impl PlainTensorOperations {
    pub fn new(shape: Shape) -> Self {
        let contestant = Contestant::new(shape);
        let copy = || {
            contestant
                .network
                .variables
                .trainable_variables()
                .iter()
                .map(|x| x.detach().copy())
                .collect()
        };
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

    pub fn step(&mut self) {
        self.contestant.step();
        let (mut local, mut global) = (0.0, 0.0);
        no_grad(|| {
            let (mut moved, mut distance) = (Vec::new(), Vec::new());
            for (index, theta) in
                self.contestant.network.variables.trainable_variables().iter().enumerate()
            {
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

pub fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name"));
    name.map_or("unknown processor", |name| name.trim_start_matches([' ', '\t', ':'])).to_owned()
}
