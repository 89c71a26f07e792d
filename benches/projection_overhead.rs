//! What projections on directions cost a training step.
//!
//! 1. Bare steps, steps observed with projections on 30 directions, and the same numbers by plain
//!    tensor operations, in one process. The cost falls on one step in a block, so whole groups of
//!    steps are compared.
//! 2. How the observer's own time grows with the number of directions K and of parameters m, over a
//!    step that only moves the parameters; and the rate of the blocks' products beside that of
//!    libtorch's product of two square matrices, measured in between: what the observer takes
//!    longer than without directions, against 2 K m operations a step.
//! 3. The blocks' product by itself, on one thread, beside libtorch's product of two square
//!    matrices on one thread and libtorch's product of the same block.
//!
//! `cargo bench --bench projection_overhead [-- linear mlp cnn sweep product]`

#[path = "support/contestants.rs"]
mod contestants;

use contestants::networks::{self, Shape};
use contestants::{ByHand, Contestant, PlainTensorOperations, processor, quantile, timed};
use perrin::linalg::row_products::{inner_products_part, parts};
use perrin::linalg::rows::Rows;
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor, no_grad};

fn main() {
    let chosen: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wanted = |name: &str| chosen.is_empty() || chosen.iter().any(|chosen| chosen == name);
    println!("machine: {}", processor());
    println!(
        "cores {}, libtorch threads {}, batch {}, SGD with momentum 0.9, {DIRECTIONS} directions, medians over groups of {GROUP} steps\n",
        std::thread::available_parallelism().map_or(0, usize::from),
        tch::get_num_threads(),
        networks::BATCH,
    );
    let shapes =
        [Shape::Linear, Shape::Mlp, Shape::Cnn].into_iter().filter(|shape| wanted(shape.name()));
    measure_networks(shapes.collect());
    if wanted("product") {
        product();
    }
    if wanted("sweep") {
        println!(
            "\n{:>11}{:>6}{:>14}{:>14}{:>12}{:>12}",
            "parameters", "K", "observer ms", "without ms", "GFLOP/s", "of sgemm"
        );
        for parameters in [10_000, 100_000, 1_000_000, 4_000_000] {
            for directions in [1, 10, 30, 100] {
                sweep(parameters, directions);
            }
        }
    }
}

fn measure_networks(shapes: Vec<Shape>) {
    if shapes.is_empty() {
        return;
    }
    println!(
        "{:<7}{:>11}{:>11}{:>12}{:>12}{:>16}{:>16}{:>12}",
        "network",
        "parameters",
        "bare ms",
        "projected",
        "quartiles",
        "tensor ops",
        "observer ms",
        "added, of"
    );
    shapes.into_iter().for_each(measure_projections);
    println!(
        "\nprojected, tensor ops: time of a step over that of a bare step; added, of: what projecting adds to a step, of"
    );
    println!(
        "what plain tensor operations add; observer ms: the observer's own time in a step, timed by itself"
    );
}

/// Multiplies blocks as [`perrin::Observer`] does, with 30 directions.
fn product() {
    let threads = tch::get_num_threads();
    tch::set_num_threads(1);
    println!(
        "\n{:>11}{:>7}{:>12}{:>12}{:>18}",
        "parameters", "lines", "GFLOP/s", "of sgemm", "libtorch's, of it"
    );
    let square = Tensor::randn([1_024, 1_024], (Kind::Float, Device::Cpu));
    for (elements, lines) in [(7_850, 64), (390_410, 64), (1_863_690, 36), (4_000_000, 16)] {
        let [moved, vectors] = [lines, DIRECTIONS].map(|count| {
            let mut rows = Rows::zeros(count, elements);
            for number in 0..count {
                let random = Tensor::randn([elements as i64], (Kind::Float, Device::Cpu));
                random.copy_data(rows.row_mut(number), elements);
            }
            rows
        });
        let tensor = |rows: &Rows, count: usize| {
            Tensor::stack(
                &(0..count).map(|row| Tensor::from_slice(rows.row(row))).collect::<Vec<_>>(),
                0,
            )
        };
        let (moved_tensor, vectors_tensor) = (tensor(&moved, lines), tensor(&vectors, DIRECTIONS));
        let mut products = vec![0.0; lines * DIRECTIONS];
        // Short products again and again, so that each takes long enough to be timed.
        let repeats = (2_000_000 / elements).max(1);
        let mut times: [Vec<f64>; 3] = Default::default();
        for round in 0..11 {
            let measured = [
                timed(|| drop(square.matmul(&square))),
                timed(|| {
                    for part in (0..parts(&moved)).cycle().take(repeats * parts(&moved)) {
                        inner_products_part(
                            (&moved, lines),
                            (&vectors, DIRECTIONS),
                            part,
                            &mut products,
                        );
                    }
                }) / repeats as f64,
                timed(|| {
                    (0..repeats).for_each(|_| drop(vectors_tensor.matmul(&moved_tensor.tr())))
                }) / repeats as f64,
            ];
            if round > 0 {
                times.iter_mut().zip(measured).for_each(|(times, time)| times.push(time));
            }
        }
        let [square, own, libtorch] = times.map(|mut times| quantile(&mut times, 0.5));
        let limit = 2.0 * 1_024f64.powi(3) / square;
        let work = 2.0 * (lines * DIRECTIONS * elements) as f64;
        println!(
            "{elements:>11}{lines:>7}{:>12.1}{:>12.2}{:>18.2}",
            work / own / 1e9,
            work / own / limit,
            own / libtorch
        );
    }
    println!("libtorch's, of it: our time over that of libtorch's product of the same block");
    tch::set_num_threads(threads);
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
    let parameters: usize =
        bare.network.variables.trainable_variables().iter().map(Tensor::numel).sum();
    let directions =
        Tensor::randn([DIRECTIONS as i64, parameters as i64], (Kind::Float, Device::Cpu));
    let vectors =
        (0..DIRECTIONS as i64).map(|k| Vec::<f32>::try_from(directions.get(k)).expect("a vector"));
    let mut projected = ByHand::new(
        shape,
        folder.path(),
        perrin::Options::new().project_onto(vectors.collect::<Vec<_>>()),
    );
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
    let mut ratios: Vec<f64> =
        times[0].iter().zip(&times[1]).map(|(bare, projected)| projected / bare).collect();
    let [bare, projected, plain, observer] = times.map(|mut times| quantile(&mut times, 0.5));
    println!(
        "{:<7}{:>11}{:>11.3}{:>12.3}{:>12}{:>16.3}{:>16.4}{:>12.3}",
        shape.name(),
        parameters,
        bare * 1e3,
        projected / bare,
        format!("{:.2}-{:.2}", quantile(&mut ratios, 0.25), quantile(&mut ratios, 0.75)),
        plain / bare,
        observer * 1e3,
        (projected - bare) / (plain - bare),
    );
}

/// Parameters that move by themselves, and their observer.
struct Walker {
    parameters: Tensor,
    kick: Tensor,
    observer: perrin::Observer,
    _variables: VarStore,
    _folder: tempfile::TempDir,
}

impl Walker {
    fn new(parameters: i64, directions: usize) -> Walker {
        let options = (Kind::Float, Device::Cpu);
        let variables = VarStore::new(Device::Cpu);
        let tensor = variables.root().add("walker", Tensor::randn([parameters], options), true);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut settings = perrin::Options::new().keep_eigenvectors(false);
        if directions > 0 {
            let direction =
                |_| Vec::<f32>::try_from(Tensor::randn([parameters], options)).expect("a vector");
            settings = settings.project_onto((0..directions).map(direction).collect::<Vec<_>>());
        }
        let observer = settings.observe(&variables, folder.path()).expect("a new run");
        let kick = Tensor::randn([parameters], options) * 1e-3;
        Walker { parameters: tensor, kick, observer, _variables: variables, _folder: folder }
    }

    /// A step; returns the observer's seconds.
    fn step(&mut self) -> f64 {
        no_grad(|| {
            let _ = self.parameters.g_add_(&self.kick);
        });
        timed(|| self.observer.after_step(None))
    }
}

fn sweep(parameters: i64, directions: usize) {
    let (mut with, mut without) = (Walker::new(parameters, directions), Walker::new(parameters, 0));
    let square = Tensor::randn([1_024, 1_024], (Kind::Float, Device::Cpu));
    let mut times: [Vec<f64>; 3] = Default::default();
    for group in 0..8 {
        let mean =
            |walker: &mut Walker| (0..GROUP).map(|_| walker.step()).sum::<f64>() / GROUP as f64;
        let measured =
            [mean(&mut with), mean(&mut without), timed(|| drop(square.matmul(&square)))];
        if group > 0 {
            times.iter_mut().zip(measured).for_each(|(times, time)| times.push(time));
        }
    }
    let [with, without, sgemm] = times.map(|mut times| quantile(&mut times, 0.5));
    let rate = 2.0 * directions as f64 * parameters as f64 / (with - without);
    let limit = 2.0 * 1_024f64.powi(3) / sgemm;
    println!(
        "{parameters:>11}{directions:>6}{:>14.4}{:>14.4}{:>12.1}{:>12.2}",
        with * 1e3,
        without * 1e3,
        rate / 1e9,
        rate / limit
    );
}
