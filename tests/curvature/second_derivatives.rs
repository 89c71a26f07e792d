//! Which of libtorch's operations have a second derivative: docs/curvature.md lists those that have
//! not, and is held to it here. `cargo test --test curvature second_derivatives -- --nocapture`
//! prints the table.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use perrin::Error;
use perrin::curvature::{LossHessian, top_eigenpairs};
use perrin::linalg::lanczos::LanczosOptions;
use perrin::linalg::operator::SymmetricOperator;
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

use crate::operations::{self, Operation};
use crate::support::{flat, irregular};

const NUMBERS: usize = 24;

/// What comes of a product with the Hessian of sum sin(f(x)).
enum Outcome {
    Product(Vec<f64>),
    /// What the error says.
    Refused(String),
    Failed(String),
}

/// An operation on x, which the store holds.
struct Problem {
    store: VarStore,
    x: Tensor,
    operation: fn(&Tensor) -> Tensor,
}

impl Problem {
    fn new(shape: &[i64], (_, operation): Operation, kind: Kind) -> Problem {
        let store = VarStore::new(Device::Cpu);
        let x = store.root().add("x", irregular(shape, 0.4, 1.1).to_kind(kind), true);
        Problem { store, x, operation }
    }

    fn loss(&self) -> Tensor {
        // In f64, so that sums of f32 results lose nothing.
        (self.operation)(&self.x).to_kind(Kind::Double).sin().sum(Kind::Double)
    }

    fn hessian(&self) -> LossHessian<'_> {
        LossHessian::new(&self.store, &[1], |_| self.loss()).unwrap()
    }

    fn product(&self) -> Outcome {
        let mut product = vec![0.0; NUMBERS];
        let work = || self.hessian().multiply(&direction(), &mut product);
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(())) => Outcome::Product(product.into_iter().map(f64::from).collect()),
            Ok(Err(error @ Error::NoSecondDerivative { .. })) => {
                Outcome::Refused(error.to_string())
            }
            Ok(Err(error)) => Outcome::Failed(error.to_string()),
            Err(_) => Outcome::Failed("panicked".to_owned()),
        }
    }

    /// The product by central differences of the gradient, in f64.
    fn difference(&self) -> Vec<f64> {
        const STEP: f64 = 1e-6;
        let here = self.x.detach().copy();
        let direction = Tensor::from_slice(&direction()).to_kind(Kind::Double).reshape(here.size());
        let gradient = |step: f64| {
            let place = &here + &direction * step;
            tch::no_grad(|| self.x.shallow_clone().copy_(&place));
            let gradient = Tensor::run_backward(&[self.loss()], &[&self.x], false, false).remove(0);
            if gradient.defined() {
                flat(&[gradient.to_dense(None, true)])
            } else {
                vec![0.0; NUMBERS]
            }
        };
        let (above, below) = (gradient(STEP), gradient(-STEP));
        above.iter().zip(&below).map(|(above, below)| (above - below) / (2.0 * STEP)).collect()
    }
}

fn direction() -> Vec<f32> {
    (0..NUMBERS).map(|i| (1.7 * i as f32 + 0.3).cos()).collect()
}

/// The largest difference, relative to the largest element.
fn distance(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let scale = expected.iter().fold(1e-3, |largest: f64, element| largest.max(element.abs()));
    found
        .iter()
        .zip(expected)
        .fold(0.0, |largest: f64, (found, expected)| largest.max((found - expected).abs()))
        / scale
}

/// The operations that docs/curvature.md names in its tables of those without a second derivative.
fn documented() -> BTreeSet<String> {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/curvature.md")).unwrap();
    let section = text
        .split("## Operations without a second derivative")
        .nth(1)
        .expect("the section is there");
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let names = rows.flat_map(|row| row.split('|').nth(1).unwrap().split(';'));
    names.map(|name| name.trim().replace('`', "")).collect()
}

#[test]
fn those_without_are_the_documented_ones_and_the_others_are_right() {
    let (mut without, mut wrong, mut failed) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for (shape, operation) in operations::all() {
        let name = operation.0.to_owned();
        let exact = Problem::new(shape, operation, Kind::Double);
        let narrow = Problem::new(shape, operation, Kind::Float).product();
        let said = match (exact.product(), narrow) {
            (Outcome::Product(product), Outcome::Product(narrow)) => {
                let distance =
                    [distance(&product, &exact.difference()), distance(&narrow, &product)];
                if distance[0] > 1e-4 {
                    wrong.insert(name.clone());
                } else if distance[1] > 1e-2 {
                    failed.push(format!("{name}: f32 and f64 differ by {:.0e}", distance[1]));
                }
                format!(
                    "f64 differs from differences by {:.0e}, f32 from f64 by {:.0e}",
                    distance[0], distance[1]
                )
            }
            (Outcome::Refused(said), Outcome::Refused(_)) => {
                without.insert(name.clone());
                said
            }
            (Outcome::Failed(said), _)
            | (_, Outcome::Failed(said))
            | (Outcome::Refused(said), _)
            | (_, Outcome::Refused(said)) => {
                failed.push(format!("{name}: {said}"));
                said
            }
        };
        println!("{name:50}: {said}");
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert_eq!(wrong, BTreeSet::from(["internal_weight_norm".to_owned()]));
    assert_eq!(without.union(&wrong).cloned().collect::<BTreeSet<_>>(), documented());
}

/// Where libtorch has a second derivative that is wrong, the matrix it gives is not symmetric.
#[test]
fn a_wrong_one_is_found_by_the_search_for_eigenpairs() {
    let (shape, operation) =
        operations::all().find(|(_, (name, _))| *name == "internal_weight_norm").unwrap();
    let problem = Problem::new(shape, operation, Kind::Double);
    let found = top_eigenpairs(&mut problem.hessian(), &LanczosOptions::largest(3));
    assert!(matches!(found, Err(Error::NotSymmetric { .. })), "{found:?}");
}
