//! The products of some cache lines, tile by tile, whatever the processor.

use std::array;
use std::ops::Range;

use crate::linalg::rows::{LINE, Rows};

/// Rows of the left and of the right set multiplied at once: twelve sums and four factors fill
/// sixteen registers.
const LEFT_TILE: usize = 4;
const RIGHT_TILE: usize = 3;

/// What is multiplied at a time: some cache lines of the first rows of either set.
pub(super) struct Piece<'a> {
    pub(super) left: &'a Rows,
    pub(super) left_count: usize,
    pub(super) right: &'a Rows,
    pub(super) right_count: usize,
    pub(super) lines: Range<usize>,
}

/// What a processor does with a register of `LANES` elements.
pub(super) struct Kernel<Register, Load, MultiplyAdd, Sum, Prefetch> {
    pub(super) zero: Register,
    pub(super) load: Load,
    pub(super) multiply_add: MultiplyAdd,
    pub(super) sum: Sum,
    /// Asks for the cache line at an address, which need not be one of ours.
    pub(super) prefetch: Prefetch,
}

/// Adds the products over some cache lines, tile by tile. A tile at the edge takes the last row
/// again instead of those that are not there.
#[inline(always)]
pub(super) fn tiles<const LANES: usize, Register: Copy>(
    piece: &Piece,
    products: &mut [f64],
    kernel: Kernel<
        Register,
        impl Fn(&[f32; LANES]) -> Register + Copy,
        impl Fn(Register, Register, Register) -> Register + Copy,
        impl Fn(Register) -> f32 + Copy,
        impl Fn(*const f32) + Copy,
    >,
) {
    let &Piece { left, left_count, right, right_count, ref lines } = piece;
    let length = lines.len();
    let (left_tiles, right_tiles) =
        (left_count.div_ceil(LEFT_TILE), right_count.div_ceil(RIGHT_TILE));
    // The share of the next slice that a tile asks for.
    let share = |number: usize, of: usize| length * number / of..length * (number + 1) / of;
    for (left_tile, products) in products.chunks_mut(LEFT_TILE * right_count).enumerate() {
        let left_rows: [_; LEFT_TILE] = array::from_fn(|i| {
            left.lines((left_tile * LEFT_TILE + i).min(left_count - 1), lines.clone())
        });
        for right_tile in 0..right_tiles {
            let first = right_tile * RIGHT_TILE;
            let right_rows: [_; RIGHT_TILE] =
                array::from_fn(|i| right.lines((first + i).min(right_count - 1), lines.clone()));
            for row in left_rows {
                share(right_tile, right_tiles).for_each(|line| (kernel.prefetch)(next(row, line)));
            }
            for row in right_rows {
                share(left_tile, left_tiles).for_each(|line| (kernel.prefetch)(next(row, line)));
            }
            let sums =
                multiply_tile(left_rows, right_rows, kernel.zero, kernel.load, kernel.multiply_add);
            for (products, sums) in products.chunks_exact_mut(right_count).zip(sums) {
                for (product, sum) in products[first..].iter_mut().zip(sums) {
                    *product += f64::from((kernel.sum)(sum));
                }
            }
        }
    }
}

/// Where a row's next slice has its cache line `line`.
fn next(row: &[[f32; LINE]], line: usize) -> *const f32 {
    row.as_ptr().wrapping_add(row.len() + line).cast()
}

#[inline(always)]
fn multiply_tile<const LANES: usize, Register: Copy>(
    left: [&[[f32; LINE]]; LEFT_TILE],
    right: [&[[f32; LINE]]; RIGHT_TILE],
    zero: Register,
    load: impl Fn(&[f32; LANES]) -> Register + Copy,
    multiply_add: impl Fn(Register, Register, Register) -> Register + Copy,
) -> [[Register; RIGHT_TILE]; LEFT_TILE] {
    let registers = left[0].len() * (LINE / LANES);
    // Equal lengths, seen by the compiler, spare a bounds check a load.
    let left = left.map(|row| &row.as_flattened().as_chunks::<LANES>().0[..registers]);
    let right = right.map(|row| &row.as_flattened().as_chunks::<LANES>().0[..registers]);
    let mut sums = [[zero; RIGHT_TILE]; LEFT_TILE];
    for index in 0..registers {
        let factors: [Register; RIGHT_TILE] = array::from_fn(|r| load(&right[r][index]));
        for (sums, row) in sums.iter_mut().zip(left) {
            let factor = load(&row[index]);
            for (sum, other) in sums.iter_mut().zip(factors) {
                *sum = multiply_add(other, factor, *sum);
            }
        }
    }
    sums
}
