//! A few long rows of `f32`, as the products of [`row_products`](super::row_products) want them.

use std::ops::Range;

/// Elements of a cache line, what rows are aligned to and filled up with zeros to.
pub(super) const LINE: usize = 16;

/// Rows of equal length, each beginning with a cache line: one that begins elsewhere is read two
/// thirds as fast.
#[derive(Debug, Default)]
pub struct Rows {
    memory: Vec<f32>,
    /// Where in `memory` the first row begins.
    first: usize,
    /// From one row to the next.
    stride: usize,
    elements: usize,
}

impl Rows {
    /// `count` rows of `elements` zeros.
    pub fn zeros(count: usize, elements: usize) -> Rows {
        let stride = elements.next_multiple_of(LINE);
        let memory = vec![0.0f32; count * stride + LINE - 1];
        let first = memory.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE - 1);
        Rows { memory, first, stride, elements }
    }

    /// Elements of a row.
    pub fn elements(&self) -> usize {
        self.elements
    }

    /// Row `number`, from 0.
    ///
    /// # Panics
    /// If there are not that many.
    pub fn row(&self, number: usize) -> &[f32] {
        &self.memory[self.first + number * self.stride..][..self.elements]
    }

    /// The same, to be written.
    ///
    /// # Panics
    /// If there are not that many.
    pub fn row_mut(&mut self, number: usize) -> &mut [f32] {
        &mut self.memory[self.first + number * self.stride..][..self.elements]
    }

    /// Copies row `from` over row `to`.
    ///
    /// # Panics
    /// If there are not that many.
    pub fn copy_row(&mut self, from: usize, to: usize) {
        let start = self.first + from * self.stride;
        self.memory.copy_within(start..start + self.elements, self.first + to * self.stride);
    }

    /// Some of a row's cache lines.
    pub(super) fn lines(&self, number: usize, lines: Range<usize>) -> &[[f32; LINE]] {
        let row = &self.memory[self.first + number * self.stride..][..self.stride];
        &row.as_chunks().0[lines]
    }

    /// Cache lines of a row.
    pub(super) fn line_count(&self) -> usize {
        self.stride / LINE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_begin_with_a_cache_line() {
        let mut rows = Rows::zeros(3, 21);
        for number in 0..3 {
            assert!(rows.row(number).as_ptr().addr().is_multiple_of(64));
            rows.row_mut(number).fill(number as f32);
        }
        rows.copy_row(1, 2);
        assert_eq!(
            (rows.row(0), rows.row(1), rows.row(2)),
            (&[0.0; 21][..], &[1.0; 21][..], &[1.0; 21][..])
        );
        assert_eq!(rows.lines(1, 1..2)[0][4..6], [1.0, 0.0], "filled up with zeros");
    }
}
