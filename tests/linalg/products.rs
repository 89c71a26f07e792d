//! How many products eigenpairs cost on the spectrum of a real network
//! (`spectra::network_spectrum`). Counts are deterministic for a seed; assertions leave room for
//! another random stream, figures are printed (`--nocapture`).

use crate::spectra::{Rotated, TOP, network_spectrum};
use perrin::linalg::eigenpairs::{Eigenpair, Eigenpairs};
use perrin::linalg::lanczos::{LanczosOptions, eigenpairs};
use perrin::linalg::operator::SymmetricOperator;
use perrin::linalg::subspace_iteration::{SubspaceIterationOptions, subspace_iteration};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

const DIMENSION: usize = 10_000;
const COUNT: usize = 30;

fn solve(
    operator: &mut dyn SymmetricOperator,
    options: &LanczosOptions,
    start: &[Vec<f32>],
) -> Eigenpairs {
    eigenpairs(operator, options, start, &mut |_| ()).unwrap()
}

/// Largest residual, relative to the largest eigenvalue, and largest relative error of an
/// eigenvalue.
fn accuracy(pairs: &[Eigenpair]) -> (f64, f64) {
    assert!(pairs.len() >= COUNT);
    let pairs = &pairs[..COUNT];
    let residual = pairs.iter().map(|pair| pair.residual / TOP[0]).fold(0.0, f64::max);
    let error = pairs
        .iter()
        .zip(&TOP)
        .map(|(pair, exact)| (pair.eigenvalue / exact - 1.0).abs())
        .fold(0.0, f64::max);
    (residual, error)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[test]
fn thirty_pairs_within_130_products() {
    let mut operator = network_spectrum(DIMENSION);
    let mut accuracies = Vec::new();
    for seed in 0..8 {
        let base =
            LanczosOptions { seed, residual_tolerance: 1e-3, ..LanczosOptions::largest(COUNT) };
        let first = solve(&mut operator, &base, &[]);
        let options = LanczosOptions { residual_tolerance: 1e-4, max_products: 130, ..base };
        let found = solve(&mut operator, &options, &[]);
        let (residual, error) = accuracy(&found.largest);
        println!(
            "seed {seed}: residual 1e-3 at {} products (eigenvalues within {:.4}); at {}: residual {residual:.1e}, eigenvalues within {error:.4}",
            first.products,
            accuracy(&first.largest).1,
            found.products
        );
        assert!(
            first.all_converged() && first.products <= 120,
            "seed {seed}: {} products",
            first.products
        );
        accuracies.push((residual, error));
    }
    // Which seeds hold little of one of the 30 eigenvectors is chance; then the 31st passes for it
    // at first, 1% to 2% lower.
    let good =
        accuracies.iter().filter(|(residual, error)| *residual <= 1e-3 && *error <= 0.01).count();
    assert!(good >= 5, "{accuracies:?}");
    assert!(median(accuracies.iter().map(|&(residual, _)| residual).collect()) <= 6e-4);
    assert!(median(accuracies.iter().map(|&(_, error)| error).collect()) <= 0.005);
}

#[test]
fn subspace_iteration_spends_more_and_leaves_more() {
    let mut operator = network_spectrum(DIMENSION);
    let options = SubspaceIterationOptions {
        count: COUNT,
        iterations: 10,
        residual_tolerance: 1e-3,
        seed: 0,
    };
    let found = subspace_iteration(&mut operator, &options).unwrap();
    let mut pairs = found.pairs.clone();
    pairs.sort_by(|a, b| b.eigenvalue.total_cmp(&a.eigenvalue));
    let negative = pairs.iter().filter(|pair| pair.eigenvalue < 0.0).count();
    let (residual, _) = accuracy(&pairs);
    let converged = pairs.iter().filter(|pair| pair.converged).count();
    println!(
        "{} products: residual {residual:.1e}, {converged} converged, {negative} negative",
        found.products
    );
    assert_eq!((found.products, found.products_for_residuals), (300, 30));
    assert!(residual > 5e-3, "{residual}");
    assert!(negative >= 3, "the negative end comes up among the largest in magnitude");
}

#[test]
fn a_warm_start_takes_at_most_half_while_the_vectors_turn_slowly() {
    let operator = network_spectrum(DIMENSION);
    let mut random = ChaCha8Rng::seed_from_u64(5);
    for (tolerance, angles) in [(1e-3, [0.0, 0.003, 0.01, 0.03]), (3e-4, [0.0, 0.001, 0.003, 0.01])]
    {
        let options = LanczosOptions {
            residual_tolerance: tolerance,
            seed: 1,
            ..LanczosOptions::largest(COUNT)
        };
        let cold = solve(&mut operator.clone(), &options, &[]);
        let start: Vec<Vec<f32>> =
            cold.largest.iter().map(|pair| pair.eigenvector.clone()).collect();
        for angle in angles {
            let mut moved = Rotated::leading(operator.clone(), 40, angle, || {
                StandardNormal.sample(&mut random)
            });
            let warm = solve(&mut moved, &options, &start);
            println!(
                "tolerance {tolerance:.0e}, turned by {angle}: {} products, cold {}",
                warm.products, cold.products
            );
            assert!(warm.all_converged());
            assert!(
                2 * warm.products <= cold.products,
                "{angle}: {} against {}",
                warm.products,
                cold.products
            );
        }
    }
}

#[test]
fn a_smaller_basis_costs_products_and_not_accuracy() {
    let mut operator = network_spectrum(DIMENSION);
    let mut before = 0;
    for max_basis in [170, 100, 68] {
        let options = LanczosOptions {
            max_basis,
            seed: 1,
            residual_tolerance: 3e-4,
            ..LanczosOptions::largest(COUNT)
        };
        let found = solve(&mut operator, &options, &[]);
        let (residual, error) = accuracy(&found.largest);
        println!(
            "basis of {max_basis}: {} products, {} restarts, eigenvalues within {error:.4}",
            found.products, found.restarts
        );
        assert!(found.all_converged() && residual <= 3e-4);
        assert!(found.products >= before, "no cheaper than with more memory");
        before = found.products;
    }
    assert!(before <= 400, "{before} products with 68 vectors");
}
