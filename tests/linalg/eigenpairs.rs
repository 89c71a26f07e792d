//! Eigenpairs of operators with known spectra: accuracy, certificates, what is refused.

use crate::spectra;
use crate::spectra::Rotated;
use nalgebra::{DMatrix, SymmetricEigen};
use perrin::Error;
use perrin::linalg::eigenpairs::{Eigenpair, Eigenpairs, align_signs, subspace_overlap};
use perrin::linalg::lanczos::{LanczosOptions, eigenpairs};
use perrin::linalg::operator::{DiagonalOperator, SymmetricOperator};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// Of an eigenvalue, relative to the largest: vectors and products are rounded to f32, 6e-8 of each
/// element.
const VALUE_TOLERANCE: f64 = 2e-7;

fn solve(operator: &mut dyn SymmetricOperator, options: &LanczosOptions) -> Eigenpairs {
    eigenpairs(operator, options, &[], &mut |_| ()).unwrap()
}

fn tight(count: usize) -> LanczosOptions {
    LanczosOptions {
        residual_tolerance: 1e-6,
        max_products: 2000,
        ..LanczosOptions::largest(count)
    }
}

/// ||H q - rho q|| by one more product, in double precision where the operator allows.
fn true_residual(operator: &mut dyn SymmetricOperator, pair: &Eigenpair) -> f64 {
    let mut product = vec![0.0; operator.dimension()];
    operator.multiply(&pair.eigenvector, &mut product).unwrap();
    let square = |(h, q): (&f32, &f32)| (f64::from(*h) - pair.eigenvalue * f64::from(*q)).powi(2);
    product.iter().zip(&pair.eigenvector).map(square).sum::<f64>().sqrt()
}

fn vectors(pairs: &[Eigenpair]) -> Vec<Vec<f32>> {
    pairs.iter().map(|pair| pair.eigenvector.clone()).collect()
}

fn values(pairs: &[Eigenpair]) -> Vec<f64> {
    pairs.iter().map(|pair| pair.eigenvalue).collect()
}

fn assert_values(pairs: &[Eigenpair], expected: &[f64], tolerance: f64) {
    assert_eq!(pairs.len(), expected.len());
    for (value, expected) in values(pairs).iter().zip(expected) {
        assert!((value - expected).abs() <= tolerance, "{value} is not {expected}");
    }
}

/// A symmetric matrix with Gaussian elements of variance 1 / dimension: a dense spectrum from -2 to
/// 2.
fn random_symmetric(dimension: usize, seed: u64) -> DMatrix<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let scale = (2.0 * dimension as f64).sqrt();
    let half = DMatrix::from_fn(dimension, dimension, |_, _| {
        let element: f64 = StandardNormal.sample(&mut random);
        element / scale
    });
    &half + half.transpose()
}

#[test]
fn both_ends_agree_with_a_dense_decomposition() {
    let mut matrix = random_symmetric(150, 1);
    let eigen = SymmetricEigen::new(matrix.clone());
    let mut exact: Vec<f64> = eigen.eigenvalues.iter().copied().collect();
    exact.sort_by(|a, b| b.total_cmp(a));
    let found = solve(&mut matrix, &LanczosOptions { smallest: 4, ..tight(6) });
    assert!(found.all_converged());
    assert_values(&found.largest, &exact[..6], 2.0 * VALUE_TOLERANCE);
    exact.reverse();
    assert_values(&found.smallest, &exact[..4], 2.0 * VALUE_TOLERANCE);
    assert!(found.asymmetry < 1e-6);
}

#[test]
fn reported_residuals_are_the_true_ones_with_and_without_restarts() {
    for max_basis in [40, 300] {
        let mut matrix = random_symmetric(400, 2);
        let options =
            LanczosOptions { residual_tolerance: 1e-4, max_basis, max_products: 150, ..tight(12) };
        let found = solve(&mut matrix, &options);
        assert_eq!(found.restarts > 0, max_basis == 40);
        for pair in &found.largest {
            let truth = true_residual(&mut matrix, pair);
            // Never too small, but for rounding of the product that measures it; too large by what
            // rounding the basis may have done.
            assert!(truth <= pair.residual + 2e-7, "{truth} but said {}", pair.residual);
            assert!(pair.residual <= 1.001 * truth + 1e-6, "{} though only {truth}", pair.residual);
            assert_eq!(
                pair.converged,
                pair.residual <= 1e-4 * found.largest[0].eigenvalue.abs().max(2.0),
                "{pair:?}"
            );
        }
        let columns = vectors(&found.largest);
        assert!((subspace_overlap(&columns, &columns).unwrap() - 1.0).abs() < 1e-6, "orthonormal");
    }
}

#[test]
fn products_that_run_out_leave_pairs_marked() {
    let mut operator = spectra::network_spectrum(5000);
    let found =
        solve(&mut operator, &LanczosOptions { max_products: 60, ..LanczosOptions::largest(30) });
    assert_eq!(
        (found.products, found.products_to_convergence, found.largest.len()),
        (60, None, 30)
    );
    assert!(found.largest[0].converged && !found.largest[29].converged);
}

#[test]
fn restarts_within_a_small_basis_reach_the_same_eigenvalues() {
    let mut operator = spectra::network_spectrum(5000);
    let options = LanczosOptions { max_basis: 48, residual_tolerance: 1e-4, ..tight(20) };
    let found = solve(&mut operator, &options);
    assert!(found.all_converged() && found.restarts > 3, "{} restarts", found.restarts);
    // The error is of the order residual^2 / gap: (4.5e-4)^2 / 1e-3.
    assert_values(&found.largest, &spectra::TOP[..20], 2e-4);
}

#[test]
fn every_copy_of_a_repeated_eigenvalue_in_a_small_space() {
    let mut operator = DiagonalOperator { diagonal: vec![1.0, 3.0, 2.0, 3.0, 2.0, 3.0, -1.0, 2.0] };
    let found = solve(&mut operator, &tight(5));
    assert_values(&found.largest, &[3.0, 3.0, 3.0, 2.0, 2.0], 1e-6);
    assert!(found.all_converged());
}

#[test]
fn the_probe_finds_the_copies_that_convergence_hides() {
    // 400 eigenvalues on [0, 1] and three at 2: from one start vector, Lanczos sees one of the
    // three.
    let mut diagonal: Vec<f64> = (0..400).map(|i| f64::from(i) / 400.0).collect();
    diagonal.extend([2.0, 2.0, 2.0, 1.5]);
    let mut operator = DiagonalOperator { diagonal };
    let blind = LanczosOptions::largest(2);
    let found = solve(&mut operator, &blind);
    assert!(found.all_converged());
    assert_values(&found.largest, &[2.0, 1.5], 1e-4);
    let found = solve(&mut operator, &LanczosOptions { probe_products: 8, ..blind.clone() });
    assert_values(&found.largest, &[2.0, 2.0], 1e-4);
    assert!(
        found.products_to_convergence.unwrap() + 8 < found.products,
        "the first convergence was not the last"
    );
    let found =
        solve(&mut operator, &LanczosOptions { probe_products: 8, ..LanczosOptions::largest(4) });
    assert_values(&found.largest, &[2.0, 2.0, 2.0, 1.5], 1e-4);
}

#[test]
fn many_probes_and_restarts_within_the_smallest_basis() {
    // Twelve copies: each probe finds one more, and widens the frontier, until there is no room for
    // another.
    let mut diagonal: Vec<f64> = (0..300).map(|i| f64::from(i) / 300.0).collect();
    diagonal.extend([2.0; 12]);
    let mut operator = DiagonalOperator { diagonal };
    let options = LanczosOptions {
        probe_products: 6,
        max_basis: 20,
        max_products: 600,
        ..LanczosOptions::largest(6)
    };
    let found = solve(&mut operator, &options);
    assert!(found.all_converged() && found.restarts > 0);
    assert_values(&found.largest[..3], &[2.0; 3], 1e-4);
}

#[test]
fn more_pairs_than_rank_and_more_than_dimensions() {
    let mut low_rank = DiagonalOperator { diagonal: vec![0.0; 300] };
    low_rank.diagonal[..4].copy_from_slice(&[5.0, 4.0, -3.0, 1.0]);
    let found = solve(&mut low_rank, &tight(7));
    assert_values(&found.largest, &[5.0, 4.0, 1.0, 0.0, 0.0, 0.0, 0.0], 1e-6);
    assert!(found.all_converged() && found.products < 20, "{} products", found.products);

    let mut tiny = DiagonalOperator { diagonal: vec![2.0, -1.0, 0.5] };
    let found = solve(&mut tiny, &LanczosOptions { smallest: 2, ..tight(10) });
    assert_values(&found.largest, &[2.0, 0.5, -1.0], 1e-6);
    assert_values(&found.smallest, &[-1.0, 0.5], 1e-6);
    assert_eq!(found.products, 3);

    let mut zero = DiagonalOperator { diagonal: vec![0.0; 50] };
    let found = solve(&mut zero, &tight(3));
    assert!(found.all_converged());
    assert_eq!(values(&found.largest), [0.0; 3]);
}

#[test]
fn negative_eigenvalues_do_not_come_up_among_the_largest() {
    let mut operator =
        DiagonalOperator { diagonal: (0..200).map(|i| f64::from(i) / 100.0 - 5.0).collect() };
    operator.diagonal.extend([1.0, 0.5]);
    let found = solve(&mut operator, &LanczosOptions { smallest: 1, ..tight(2) });
    assert_values(&found.largest, &[1.0, 0.5], 1e-6);
    assert_values(&found.smallest, &[-5.0], 1e-6);
}

#[test]
fn a_warm_start_from_exact_vectors_costs_one_product_each() {
    let mut operator = spectra::network_spectrum(3500);
    let cold = solve(&mut operator, &LanczosOptions::largest(10));
    let start = vectors(&cold.largest);
    let warm =
        eigenpairs(&mut operator, &LanczosOptions::largest(10), &start, &mut |_| ()).unwrap();
    assert_eq!(warm.products, 10);
    assert!(warm.all_converged());
    assert_values(&warm.largest, &values(&cold.largest), 1e-6);
}

#[test]
fn a_warm_start_recovers_from_dependent_and_irrelevant_vectors() {
    let mut operator = spectra::network_spectrum(3500);
    let unit = |i: usize| (0..3500).map(|j| f32::from(u8::from(i == j))).collect::<Vec<f32>>();
    // Exact eigenvectors that are not among the largest, one of them twice: an invariant subspace
    // that holds nothing of what is sought.
    let start =
        [unit(2000), unit(2000), unit(1500), vec![0.0; 3500], unit(700), unit(701), unit(900)];
    let found =
        eigenpairs(&mut operator, &LanczosOptions::largest(5), &start, &mut |_| ()).unwrap();
    assert!(found.all_converged());
    assert_values(&found.largest, &spectra::TOP[..5], 1e-3);
}

#[test]
fn signs_and_subspaces_are_followed_through_a_rotation() {
    let mut random = ChaCha8Rng::seed_from_u64(9);
    let mut operator = spectra::network_spectrum(3500);
    let before = vectors(&solve(&mut operator, &LanczosOptions::largest(5)).largest);
    let mut moved = Rotated::leading(operator, 5, 0.1, || StandardNormal.sample(&mut random));
    let mut after =
        eigenpairs(&mut moved, &LanczosOptions::largest(5), &before, &mut |_| ()).unwrap().largest;
    align_signs(&mut after, &before).unwrap();
    let overlap = subspace_overlap(&vectors(&after), &before).unwrap();
    assert!(
        (overlap - 0.1_f64.cos().powi(2)).abs() < 2e-3,
        "each vector was turned by 0.1, out of the space: {overlap}"
    );
    for (pair, before) in after.iter().zip(&before) {
        let cosine: f32 = pair.eigenvector.iter().zip(before).map(|(a, b)| a * b).sum();
        assert!(cosine > 0.99, "{cosine}");
    }
}

/// A product that is not a symmetric operator's.
struct Broken<F: FnMut(usize, &mut [f32])> {
    inner: DiagonalOperator,
    products: usize,
    damage: F,
}

impl<F: FnMut(usize, &mut [f32])> SymmetricOperator for Broken<F> {
    fn dimension(&self) -> usize {
        self.inner.dimension()
    }

    fn multiply(&mut self, vectors: &[f32], products: &mut [f32]) -> perrin::Result<()> {
        self.inner.multiply(vectors, products)?;
        self.products += 1;
        (self.damage)(self.products, products);
        Ok(())
    }
}

fn broken(damage: impl FnMut(usize, &mut [f32])) -> Result<Eigenpairs, Error> {
    let mut operator = Broken { inner: spectra::network_spectrum(4000), products: 0, damage };
    eigenpairs(&mut operator, &LanczosOptions::largest(5), &[], &mut |_| ())
}

#[test]
fn a_product_that_is_not_finite_is_told_by_its_number() {
    let error = broken(|count, product| {
        if count == 7 {
            product[123] = f32::NAN;
        }
    });
    assert!(matches!(error, Err(Error::NonFiniteProduct { product: 7 })), "{error:?}");
}

#[test]
fn an_operator_that_is_not_symmetric_or_not_the_same_twice_is_refused() {
    // Dropout: each product scales every element by 0 or 2, at random.
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let mut products = 0;
    let dropout = broken(|count, product| {
        products = count;
        for element in product {
            let coin: f64 = StandardNormal.sample(&mut random);
            *element *= if coin > 0.0 { 2.0 } else { 0.0 };
        }
    });
    assert!(matches!(dropout, Err(Error::NotSymmetric { .. })), "{dropout:?}");
    assert!(products <= 5, "{products} products until it was noticed");

    let skew = broken(|_, product| product[0] += 0.5 * product[1]);
    assert!(matches!(skew, Err(Error::NotSymmetric { .. })), "{skew:?}");

    // Rounding as of TensorFloat-32, 10 bits, is no asymmetry.
    let coarse = broken(|_, product| {
        product
            .iter_mut()
            .for_each(|element| *element = f32::from_bits(element.to_bits() & 0xffff_e000));
    });
    assert!(coarse.unwrap().asymmetry < 2e-3);
}

#[test]
fn senseless_options_and_vectors_are_refused() {
    let mut operator = DiagonalOperator { diagonal: vec![1.0; 100] };
    let base = LanczosOptions::largest(5);
    for options in [
        LanczosOptions { largest: 0, ..base.clone() },
        LanczosOptions { residual_tolerance: 1e-8, ..base.clone() },
        LanczosOptions { residual_tolerance: f64::NAN, ..base.clone() },
        LanczosOptions { max_basis: 17, ..base.clone() },
        LanczosOptions { block_size: 0, ..base.clone() },
        LanczosOptions { max_products: 0, ..base.clone() },
        LanczosOptions { symmetry_tolerance: f64::NAN, ..base.clone() },
    ] {
        let result = eigenpairs(&mut operator, &options, &[], &mut |_| ());
        assert!(matches!(result, Err(Error::InvalidValue { .. })), "{options:?}");
    }
    let mut with = |start: &[Vec<f32>]| eigenpairs(&mut operator, &base, start, &mut |_| ());
    assert!(matches!(with(&[vec![1.0; 99]]), Err(Error::ShapeMismatch { .. })));
    assert!(matches!(with(&[vec![f32::INFINITY; 100]]), Err(Error::InvalidValue { .. })));
}

#[test]
fn progress_counts_every_product_and_ends_with_all_converged() {
    let mut operator = spectra::network_spectrum(3500);
    let mut seen = Vec::new();
    let found = eigenpairs(&mut operator, &LanczosOptions::largest(6), &[], &mut |progress| {
        seen.push(progress)
    })
    .unwrap();
    assert!(seen.windows(2).all(|pair| pair[1].products - pair[0].products <= 1));
    let last = seen.last().unwrap();
    assert_eq!((last.products, last.converged, last.wanted), (found.products, Some(6), 6));
    assert!(last.worst_residual.unwrap() <= 1e-3);
}
