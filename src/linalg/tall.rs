//! Kernels for a few long `f32` columns: inner products, subtraction, recombination, all summed in
//! `f64`.
//!
//! Such a basis does not fit into a cache, so what counts is how often it is read. Rows are taken
//! in blocks that stay in the cache, and four columns at a time share each load of the `f64`
//! vector. Everything runs on the calling thread: libtorch's threads spin between two products and
//! would fight with others.

use std::array;

use nalgebra::DMatrix;

/// Rows in a block: 16 KiB of the `f64` vector, so that it stays in the first-level cache.
const BLOCK_ROWS: usize = 2048;
/// Rows in a block of [`recombine`], where every column's part of the block is held at once, as
/// `f64`.
const RECOMBINE_ROWS: usize = 256;
/// Elements summed side by side, so that additions need not wait for each other.
const LANES: usize = 4;

/// Writes the inner product of each column with `vector` into `products`.
///
/// # Panics
/// If the lengths differ.
pub fn inner_products(columns: &[&[f32]], vector: &[f64], products: &mut [f64]) {
    assert_eq!(columns.len(), products.len(), "one product for each column");
    products.fill(0.0);
    for (block, part) in vector.chunks(BLOCK_ROWS).enumerate() {
        let rows = block * BLOCK_ROWS..block * BLOCK_ROWS + part.len();
        let mut groups = columns.chunks_exact(4);
        let mut sums = products.chunks_exact_mut(4);
        for (group, sums) in groups.by_ref().zip(sums.by_ref()) {
            let group = array::from_fn::<_, 4, _>(|j| &group[j][rows.clone()]);
            for (sum, more) in sums.iter_mut().zip(dot_group(group, part)) {
                *sum += more;
            }
        }
        for (column, sum) in groups.remainder().iter().zip(sums.into_remainder()) {
            *sum += dot_group([&column[rows.clone()]], part)[0];
        }
    }
}

fn dot_group<const N: usize>(columns: [&[f32]; N], vector: &[f64]) -> [f64; N] {
    let mut sums = [[0.0; LANES]; N];
    let (chunks, rest) = vector.as_chunks::<LANES>();
    let lanes = columns.map(|column| column.as_chunks::<LANES>().0);
    for (row, chunk) in chunks.iter().enumerate() {
        for (sums, column) in sums.iter_mut().zip(&lanes) {
            for lane in 0..LANES {
                sums[lane] += f64::from(column[row][lane]) * chunk[lane];
            }
        }
    }
    let whole = vector.len() - rest.len();
    array::from_fn(|j| {
        let tail: f64 = columns[j][whole..].iter().zip(rest).map(|(&a, b)| f64::from(a) * b).sum();
        sums[j].iter().sum::<f64>() + tail
    })
}

/// Subtracts from `vector` the combination of the columns with `coefficients`.
///
/// # Panics
/// If the lengths differ.
pub fn subtract_combination(columns: &[&[f32]], coefficients: &[f64], vector: &mut [f64]) {
    assert_eq!(columns.len(), coefficients.len(), "one coefficient for each column");
    for (block, part) in vector.chunks_mut(BLOCK_ROWS).enumerate() {
        let rows = block * BLOCK_ROWS..block * BLOCK_ROWS + part.len();
        let (groups, rest) = columns.as_chunks::<4>();
        let (factors, rest_factors) = coefficients.as_chunks::<4>();
        for (group, factors) in groups.iter().zip(factors) {
            subtract_group(group.map(|column| &column[rows.clone()]), *factors, part);
        }
        for (column, &factor) in rest.iter().zip(rest_factors) {
            subtract_group([&column[rows.clone()]], [factor], part);
        }
    }
}

fn subtract_group<const N: usize>(columns: [&[f32]; N], factors: [f64; N], vector: &mut [f64]) {
    // Equal lengths, seen by the compiler, spare a bounds check an element.
    let columns = columns.map(|column| &column[..vector.len()]);
    for (row, element) in vector.iter_mut().enumerate() {
        let mut sum = 0.0;
        for j in 0..N {
            sum += factors[j] * f64::from(columns[j][row]);
        }
        *element -= sum;
    }
}

/// Replaces the n columns by the k <= n combinations columns * `coefficients` (n x k), in place.
/// Returns for each new column the norm of what rounding to `f32` took from it.
///
/// # Panics
/// If `coefficients` has not one row for each column, or has more columns than rows.
pub fn recombine(columns: &mut Vec<Vec<f32>>, coefficients: &DMatrix<f64>) -> Vec<f64> {
    let (count, kept) = coefficients.shape();
    assert!(
        columns.len() == count && kept <= count,
        "{count} x {kept} coefficients for {} columns",
        columns.len()
    );
    let length = columns.first().map_or(0, Vec::len);
    let mut old = vec![0.0; count * RECOMBINE_ROWS];
    let mut new = vec![0.0; RECOMBINE_ROWS];
    let mut rounding = vec![0.0; kept];
    for start in (0..length).step_by(RECOMBINE_ROWS) {
        let rows = RECOMBINE_ROWS.min(length - start);
        for (column, old) in columns.iter().zip(old.chunks_exact_mut(RECOMBINE_ROWS)) {
            for (old, &element) in old.iter_mut().zip(&column[start..start + rows]) {
                *old = f64::from(element);
            }
        }
        for k in 0..kept {
            new.fill(0.0);
            for (part, &factor) in
                old.chunks_exact(RECOMBINE_ROWS).zip(coefficients.column(k).iter())
            {
                for (new, element) in new.iter_mut().zip(part) {
                    *new += factor * element;
                }
            }
            for (stored, &exact) in columns[k][start..start + rows].iter_mut().zip(&new) {
                *stored = exact as f32;
                rounding[k] += (exact - f64::from(*stored)).powi(2);
            }
        }
    }
    columns.truncate(kept);
    rounding.into_iter().map(f64::sqrt).collect()
}

/// Replaces the columns V by V (I - 2 u u^T), u = `normal` of norm 1. Returns for each column the
/// norm of what rounding to `f32` took from it.
///
/// # Panics
/// If `normal` has not one element for each column.
pub fn reflect(columns: &mut [Vec<f32>], normal: &[f64]) -> Vec<f64> {
    assert_eq!(columns.len(), normal.len(), "one element for each column");
    let length = columns.first().map_or(0, Vec::len);
    let mut rounding = vec![0.0; columns.len()];
    let mut combination = [0.0; BLOCK_ROWS];
    for start in (0..length).step_by(BLOCK_ROWS) {
        let rows = start..length.min(start + BLOCK_ROWS);
        let combination = &mut combination[..rows.len()];
        combination.fill(0.0);
        for (column, factor) in columns.iter().zip(normal) {
            for (sum, &element) in combination.iter_mut().zip(&column[rows.clone()]) {
                *sum += factor * f64::from(element);
            }
        }
        for ((column, factor), rounding) in columns.iter_mut().zip(normal).zip(&mut rounding) {
            for (stored, sum) in column[rows.clone()].iter_mut().zip(&*combination) {
                let exact = f64::from(*stored) - 2.0 * factor * sum;
                *stored = exact as f32;
                *rounding += (exact - f64::from(*stored)).powi(2);
            }
        }
    }
    rounding.into_iter().map(f64::sqrt).collect()
}

/// ||vector||.
pub fn norm(vector: &[f64]) -> f64 {
    vector.iter().map(|element| element * element).sum::<f64>().sqrt()
}

/// <a, b>, summed in `f64`.
///
/// # Panics
/// If the lengths differ.
pub fn inner_product(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len(), "vectors of equal length");
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

/// Makes the columns orthonormal, from the first to the last (Gram-Schmidt, twice). A column that
/// depends on those before it to six digits is removed. Returns how many are left.
pub fn orthonormalize(columns: &mut Vec<Vec<f32>>) -> usize {
    let candidates = std::mem::take(columns);
    for mut column in candidates {
        if normalize_against(columns, &mut column) {
            columns.push(column);
        }
    }
    columns.len()
}

/// Makes `column` orthogonal to the orthonormal `basis` and of norm 1. False, and `column`
/// untouched, if it depends on them to six digits.
pub(crate) fn normalize_against(basis: &[Vec<f32>], column: &mut [f32]) -> bool {
    let columns: Vec<&[f32]> = basis.iter().map(Vec::as_slice).collect();
    let mut exact: Vec<f64> = column.iter().map(|&element| f64::from(element)).collect();
    let before = norm(&exact);
    let mut products = vec![0.0; columns.len()];
    for _ in 0..2 {
        inner_products(&columns, &exact, &mut products);
        subtract_combination(&columns, &products, &mut exact);
    }
    let after = norm(&exact);
    // Not `after <= ...`: a NaN must be refused too.
    let independent = after > 1e-6 * before;
    if independent {
        for (stored, exact) in column.iter_mut().zip(&exact) {
            *stored = (exact / after) as f32;
        }
    }
    independent
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Odd lengths and counts, so that the remainders of lanes, groups and blocks are all visited.
    fn columns(count: usize, length: usize) -> Vec<Vec<f32>> {
        let element =
            |i: usize, j: usize| (((i * 7919 + j * 104_729 + 13) % 1009) as f32 - 504.0) / 512.0;
        (0..count).map(|j| (0..length).map(|i| element(i, j)).collect()).collect()
    }

    fn slices(columns: &[Vec<f32>]) -> Vec<&[f32]> {
        columns.iter().map(Vec::as_slice).collect()
    }

    #[test]
    fn kernels_agree_with_plain_sums_at_odd_sizes() {
        for (count, length) in
            [(0, 5), (1, 1), (3, 7), (6, 2 * BLOCK_ROWS + 3), (9, BLOCK_ROWS - 1)]
        {
            let basis = columns(count, length);
            let vector: Vec<f64> = (0..length).map(|i| (i as f64 * 0.37).sin()).collect();
            let mut products = vec![f64::NAN; count];
            inner_products(&slices(&basis), &vector, &mut products);
            let mut left = vector.clone();
            subtract_combination(&slices(&basis), &products, &mut left);
            for (column, product) in basis.iter().zip(&products) {
                let plain: f64 = column.iter().zip(&vector).map(|(&a, b)| f64::from(a) * b).sum();
                assert!((plain - product).abs() <= 1e-13 * length as f64);
            }
            for i in 0..length {
                let plain: f64 = vector[i]
                    - (0..count).map(|j| products[j] * f64::from(basis[j][i])).sum::<f64>();
                assert!((plain - left[i]).abs() <= 1e-10, "{count} columns, row {i}");
            }
        }
    }

    #[test]
    fn recombination_rounds_once_and_says_how_much() {
        let mut basis = columns(5, 2 * RECOMBINE_ROWS + 11);
        let before = basis.clone();
        let coefficients = DMatrix::from_fn(5, 3, |i, j| ((i + 2 * j) as f64).cos());
        let rounding = recombine(&mut basis, &coefficients);
        assert_eq!(basis.len(), 3);
        for k in 0..3 {
            let exact = |i: usize| {
                (0..5).map(|j| coefficients[(j, k)] * f64::from(before[j][i])).sum::<f64>()
            };
            let errors: Vec<f64> =
                (0..before[0].len()).map(|i| exact(i) - f64::from(basis[k][i])).collect();
            assert!((norm(&errors) - rounding[k]).abs() <= 1e-12);
            assert!(
                errors.iter().all(|error| error.abs() <= 2e-7),
                "half a unit in the last place of numbers up to 4"
            );
        }
    }

    #[test]
    fn a_reflection_is_the_recombination_with_its_matrix() {
        let mut reflected = columns(5, BLOCK_ROWS + 9);
        let mut recombined = reflected.clone();
        let normal = nalgebra::DVector::from_fn(5, |i, _| (i as f64 + 0.3).sin()).normalize();
        let matrix = DMatrix::identity(5, 5) - &normal * normal.transpose() * 2.0;
        let rounding =
            (reflect(&mut reflected, normal.as_slice()), recombine(&mut recombined, &matrix));
        for (a, b) in reflected.iter().flatten().zip(recombined.iter().flatten()) {
            assert!((a - b).abs() <= 3e-7, "one unit in the last place of numbers up to 4");
        }
        for (a, b) in rounding.0.iter().zip(&rounding.1) {
            assert!((a / b - 1.0).abs() < 1e-2, "{a} {b}");
        }
    }

    #[test]
    fn orthonormal_to_rounding_even_from_nearly_parallel_columns() {
        let mut basis = columns(8, 5000);
        basis[5] = basis[4].iter().zip(&basis[5]).map(|(a, b)| a + 1e-4 * b).collect();
        basis[7] = basis[6].iter().zip(&basis[0]).map(|(a, b)| a - 3.0 * b).collect();
        assert_eq!(orthonormalize(&mut basis), 7, "the dependent column is gone");
        for (i, a) in basis.iter().enumerate() {
            for (j, b) in basis.iter().enumerate() {
                // Rounding of each element to f32 is at most 6e-8 of it, and errors of random sign
                // average out.
                assert!(
                    (inner_product(a, b) - f64::from(u8::from(i == j))).abs() < 6e-8,
                    "{i} {j}"
                );
            }
        }
    }
}
