//! The 30 largest eigenpairs of the Hessian of a trained network (390,410 parameters, mean
//! cross-entropy of the first 300 MNIST training images): products, seconds, residuals and errors
//! of Lanczos and of the paper's subspace iteration, side by side.
//!
//! `cargo bench --bench eigenpairs -- --data DIR [--seeds N] [--lanczos-only]`

#[path = "support/mnist.rs"]
mod mnist;

use std::path::PathBuf;
use std::time::Instant;

use mnist::Problem;
use perrin::curvature::{LossHessian, ProgressLine, gradient_start};
use perrin::linalg::eigenpairs::Eigenpair;
use perrin::linalg::lanczos::{LanczosOptions, eigenpairs};
use perrin::linalg::subspace_iteration::{SubspaceIterationOptions, subspace_iteration};

const EXAMPLES: usize = 300;
const BATCH: usize = 100;
const COUNT: usize = 30;
const PRODUCTS: usize = 130;

/// Converged: those of 220 steps of Lanczos with full reorthogonalisation.
const CONVERGED: [f64; COUNT] = [
    4.46529, 1.33186, 0.72370, 0.37690, 0.30774, 0.27970, 0.25964, 0.24697, 0.23338, 0.21662,
    0.21023, 0.20103, 0.18524, 0.17821, 0.17223, 0.17041, 0.16238, 0.15797, 0.15545, 0.15059,
    0.14885, 0.14476, 0.14324, 0.14013, 0.13763, 0.13646, 0.13599, 0.13277, 0.13218, 0.13017,
];

/// What a method arrived at.
struct Outcome {
    products: String,
    seconds: f64,
    /// By falling eigenvalue.
    pairs: Vec<Eigenpair>,
}

impl Outcome {
    fn residual(&self, i: usize) -> f64 {
        self.pairs[i].residual / CONVERGED[0]
    }

    fn error(&self, i: usize) -> f64 {
        (self.pairs[i].eigenvalue / CONVERGED[i] - 1.0).abs()
    }

    fn summary(&self, method: &str) {
        let worst = |of: &dyn Fn(usize) -> f64| (0..self.pairs.len()).map(of).fold(0.0, f64::max);
        println!(
            "{method:<42}{:>10}{:>10.1}{:>20.1e}{:>20.4}",
            self.products,
            self.seconds,
            worst(&|i| self.residual(i)),
            worst(&|i| self.error(i))
        );
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let value_of = |name: &str| {
        arguments.iter().position(|found| found == name).and_then(|i| arguments.get(i + 1))
    };
    let Some(folder) = value_of("--data").map(PathBuf::from) else {
        println!("eigenpairs: no --data DIR; {}", mnist::HOW_TO_GET_IT);
        return Ok(());
    };
    let problem = match Problem::load(&folder, EXAMPLES as i64) {
        Ok(problem) => problem,
        Err(error) => {
            println!("eigenpairs: {error}; {}", mnist::HOW_TO_GET_IT);
            return Ok(());
        }
    };
    let seeds: u64 = value_of("--seeds").map_or(Ok(1), |seeds| seeds.parse())?;
    let lanczos_only = arguments.iter().any(|argument| argument == "--lanczos-only");
    let loss = |batch: usize| problem.loss(BATCH * batch, BATCH);
    let mut hessian = LossHessian::new(&problem.variables, &[BATCH; EXAMPLES / BATCH], loss)?;

    println!(
        "libtorch threads {}; residuals relative to the largest eigenvalue\n",
        tch::get_num_threads()
    );
    println!(
        "{:<42}{:>10}{:>10}{:>20}{:>20}",
        "", "products", "seconds", "largest residual", "worst eigenvalue"
    );
    let mut shown = None;
    for seed in 0..seeds {
        let to_tolerance =
            LanczosOptions { seed, residual_tolerance: 1e-3, ..LanczosOptions::largest(COUNT) };
        let all_products = LanczosOptions {
            residual_tolerance: 1e-5,
            max_products: PRODUCTS,
            ..to_tolerance.clone()
        };
        lanczos(&problem, &mut hessian, &to_tolerance, true)?
            .summary(&format!("Lanczos to 1e-3, seed {seed}"));
        let outcome = lanczos(&problem, &mut hessian, &all_products, true)?;
        outcome.summary(&format!("Lanczos, {PRODUCTS} products, seed {seed}"));
        shown.get_or_insert(outcome);
        let outcome = lanczos(&problem, &mut hessian, &all_products, false)?;
        outcome.summary(&format!("the same from a random start, seed {seed}"));
    }
    let (Some(lanczos), false) = (shown, lanczos_only) else { return Ok(()) };
    let subspace = paper(&mut hessian)?;
    subspace.summary("subspace iteration (the paper's)");

    println!("\n{:>3}{:>12}{:>36}{:>36}", "", "converged", "Lanczos", "subspace iteration");
    println!(
        "{:>3}{:>12}{1:>12}{2:>12}{3:>12}{1:>12}{2:>12}{3:>12}",
        "", "eigenvalue", "residual", "error"
    );
    for (i, converged) in CONVERGED.iter().enumerate() {
        print!("{:>3}{converged:>12.5}", i + 1);
        for outcome in [&lanczos, &subspace] {
            print!(
                "{:>12.5}{:>12.1e}{:>12.4}",
                outcome.pairs[i].eigenvalue,
                outcome.residual(i),
                outcome.error(i)
            );
        }
        println!();
    }
    Ok(())
}

/// From the gradients of single examples, or from a random start. The time includes these
/// gradients.
fn lanczos(
    problem: &Problem,
    hessian: &mut LossHessian,
    options: &LanczosOptions,
    from_gradients: bool,
) -> perrin::Result<Outcome> {
    let began = Instant::now();
    let mut start = Vec::new();
    if from_gradients {
        let mut examples = LossHessian::new(&problem.variables, &[1; EXAMPLES], |example| {
            problem.loss(example, 1)
        })?;
        start.push(gradient_start(&mut examples, options.seed)?);
    }
    let mut line = ProgressLine::new(options.max_products);
    let found = eigenpairs(hessian, options, &start, &mut |progress| line.show(progress))?;
    let seconds = began.elapsed().as_secs_f64();
    Ok(Outcome { products: found.products.to_string(), seconds, pairs: found.largest })
}

fn paper(hessian: &mut LossHessian) -> perrin::Result<Outcome> {
    let began = Instant::now();
    let options = SubspaceIterationOptions {
        count: COUNT,
        iterations: 10,
        residual_tolerance: 1e-3,
        seed: 0,
    };
    let mut found = subspace_iteration(hessian, &options)?;
    let seconds = began.elapsed().as_secs_f64();
    found.pairs.sort_by(|a, b| b.eigenvalue.total_cmp(&a.eigenvalue));
    let products = format!("{}+{}", found.products, found.products_for_residuals);
    Ok(Outcome { products, seconds, pairs: found.pairs })
}
