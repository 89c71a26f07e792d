//! Inner products of every row of one set of a few long rows with every row of another.
//!
//! This is a matrix product of a shape that general libraries do not expect: a hundred million
//! multiplications for a thousand results. They cut it along rows and columns, of which there are
//! few, and copy the operands into an order of their own, which takes as long as the products. Here
//! the elements are cut into slices that stay in the second-level cache, four rows times three are
//! multiplied in registers as they lie in memory, and the next slice is fetched meanwhile. Each
//! slice's sums are added in `f64`.

mod tiles;

#[cfg(target_arch = "x86_64")]
mod x86;

use std::array;

use super::rows::{LINE, Rows};
use tiles::{Kernel, Piece, tiles};

/// Cache lines multiplied together: of 32 and 36 rows 1,024 elements take a quarter of a megabyte,
/// and as much again those fetched meanwhile.
const SLICE: usize = 1_024 / LINE;
/// Into how many parts [`inner_products_part`] may cut the work, at least one. It does not depend
/// on who shares it, so that the sums are the same for any number of threads.
pub fn parts(rows: &Rows) -> usize {
    const MOST: usize = 16;
    slices(rows).clamp(1, MOST)
}

/// Writes the part numbered `part` of [`parts`] of all inner products of the first `left_count`
/// rows of `left` with the first `right_count` of `right`: products[l * right_count + r]. The
/// products are the parts' sum.
///
/// # Panics
/// If rows differ in length or are not there, or `products` is not left_count x right_count long.
pub fn inner_products_part(
    (left, left_count): (&Rows, usize),
    (right, right_count): (&Rows, usize),
    part: usize,
    products: &mut [f64],
) {
    assert_eq!(left.elements(), right.elements(), "rows of one length");
    assert_eq!(products.len(), left_count * right_count, "one product for each pair");
    if products.is_empty() {
        return;
    }
    products.fill(0.0);
    let (slices, parts) = (slices(left), parts(left));
    for slice in slices * part / parts..slices * (part + 1) / parts {
        let lines = slice * SLICE..left.line_count().min((slice + 1) * SLICE);
        multiply(&Piece { left, left_count, right, right_count, lines }, products);
    }
}

fn slices(rows: &Rows) -> usize {
    rows.line_count().div_ceil(SLICE)
}

/// Chooses the build of the kernel that this processor runs fastest.
fn multiply(piece: &Piece, products: &mut [f64]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected;
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") {
            // SAFETY: the processor has the features, checked above.
            #[allow(unsafe_code)]
            return unsafe { x86::multiply_avx512(piece, products) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: as above.
            #[allow(unsafe_code)]
            return unsafe { x86::multiply_avx2(piece, products) };
        }
    }
    multiply_anywhere(piece, products);
}

fn multiply_anywhere(piece: &Piece, products: &mut [f64]) {
    tiles::<4, [f32; 4]>(
        piece,
        products,
        Kernel {
            zero: [0.0; 4],
            load: |elements: &[f32; 4]| *elements,
            multiply_add: |a: [f32; 4], b: [f32; 4], sum: [f32; 4]| {
                array::from_fn(|lane| a[lane] * b[lane] + sum[lane])
            },
            sum: |sums: [f32; 4]| sums.iter().sum(),
            prefetch: |_| (),
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(count: usize, elements: usize, seed: f32) -> Rows {
        let mut rows = Rows::zeros(count, elements);
        for number in 0..count {
            let start = (number * elements) as f32;
            let values = rows.row_mut(number).iter_mut().enumerate();
            values.for_each(|(index, value)| *value = ((start + index as f32) * seed).sin());
        }
        rows
    }

    type Build = fn(&Piece, &mut [f64]);

    /// The build chosen on this machine, and those that are not.
    fn builds() -> Vec<Build> {
        let mut builds: Vec<Build> = vec![multiply, multiply_anywhere];
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")
        {
            // SAFETY: the processor has the features, checked above.
            #[allow(unsafe_code)]
            builds.push(|piece, products| unsafe { x86::multiply_avx2(piece, products) });
        }
        builds
    }

    fn products(left: &Rows, left_count: usize, right: &Rows, right_count: usize) -> Vec<f64> {
        let mut sums = vec![0.0; left_count * right_count];
        for part in 0..parts(left) {
            let mut products = vec![f64::NAN; sums.len()];
            inner_products_part((left, left_count), (right, right_count), part, &mut products);
            sums.iter_mut().zip(products).for_each(|(sum, product)| *sum += product);
        }
        sums
    }

    /// Against plain f64 sums. Products of numbers at most 1 are rounded by 6e-8 at most, and so
    /// are their sums in f32 over 1,024 elements, four or more side by side: errors grow as the
    /// square root of their number, found 1e-7 sqrt(n) at most.
    fn assert_exact(found: &[f64], left: &Rows, right: &Rows, right_count: usize) {
        for (index, found) in found.iter().enumerate() {
            let (l, r) = (left.row(index / right_count), right.row(index % right_count));
            let exact: f64 = l.iter().zip(r).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            let tolerance = 2e-7 * (l.len() as f64).sqrt();
            assert!(
                (found - exact).abs() <= tolerance,
                "{} elements, {right_count}, {index}",
                l.len()
            );
        }
    }

    /// Every remainder of elements, of left and of right rows, by every build.
    #[test]
    fn agrees_with_f64() {
        for elements in [1, 15, 16, 17, 1_000, 1_024, 1_025, 40_003] {
            for (left_count, right_count) in [(1, 1), (2, 3), (3, 30), (4, 4), (5, 1), (9, 10)] {
                let (left, right) =
                    (filled(left_count + 1, elements, 0.37), filled(right_count, elements, 0.91));
                assert_exact(
                    &products(&left, left_count, &right, right_count),
                    &left,
                    &right,
                    right_count,
                );
                for build in builds().into_iter().filter(|_| left.line_count() <= SLICE) {
                    let mut found = vec![0.0; left_count * right_count];
                    let lines = 0..left.line_count();
                    build(
                        &Piece { left: &left, left_count, right: &right, right_count, lines },
                        &mut found,
                    );
                    assert_exact(&found, &left, &right, right_count);
                }
            }
        }
    }

    /// What is in rows that are not asked for does not matter, and NaN in those that are does.
    #[test]
    fn nan_shows_where_it_is() {
        let (mut left, right) = (filled(3, 100, 0.5), filled(2, 100, 0.3));
        left.row_mut(2)[7] = f32::NAN;
        assert!(products(&left, 2, &right, 2).iter().all(|product| product.is_finite()));
        let all = products(&left, 3, &right, 2);
        assert!(
            all[..4].iter().all(|product| product.is_finite())
                && all[4..].iter().all(|product| product.is_nan())
        );
    }

    #[test]
    fn no_elements_no_sums() {
        assert_eq!(products(&Rows::zeros(2, 0), 2, &Rows::zeros(1, 0), 1), [0.0; 2]);
    }
}
