//! Projections on given directions, by blocks of steps.
//!
//! A step's displacement is written into one line of a block by the fused pass that measures it. A full block is
//! multiplied with all directions in one matrix product, so that the directions, K times as large as the parameters,
//! are read once a block and not once a step.
//!
//! A position is the running f64 sum of projected displacements, among them those that were no steps. Now and then it
//! is compared to a direct projection of theta - theta_* summed in f64, and goes on from there; how far they were apart
//! is told in the end.

use std::time::{Duration, Instant};

use tch::{Device, Kind, TchError, Tensor, no_grad};

use crate::error::{Error, Result};
use crate::numeric::tall::inner_products;

/// Memory for the block of displacements, unless the user says otherwise.
pub(super) const DEFAULT_MEMORY_BYTES: usize = 256 << 20;
/// More lines make the product no faster, and smaller ones stay in the caches.
const MOST_LINES: usize = 64;
/// A block older than this is finished, so that a reader lags a second at most.
const LONGEST: Duration = Duration::from_millis(450);
/// Elements multiplied together; the sums of these are added in f64. A product over all elements at once takes
/// 1.4 times as long, because a matrix product is made to be shared by its rows and columns, and these are few.
const SLICE: usize = 8_192;
/// Steps from one direct projection to the next.
const ANCHOR_STEPS: u64 = 10_000;

/// What a line of the block is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Line {
    /// A step that makes a row.
    Step,
    /// A change that was no step: moves the position, makes no row.
    Outside,
    /// theta - theta_*: says the position.
    Distance,
    /// A step that makes a row and whose position was said by the line before.
    StepAtDistance,
}

/// The directions, the block in hand, and the positions reached.
#[derive(Debug)]
pub(super) struct Projection {
    /// K vectors of as many elements as are tracked, one after the other, in the order of the tracked parameters.
    vectors: Vec<f32>,
    directions: usize,
    /// The part of `vectors` that the fused pass's parameters have, in its order; empty when it is all of them.
    host_part: Vec<f32>,
    /// Elements of the fused pass.
    elements: usize,
    memory_bytes: usize,
    moved: Vec<f32>,
    capacity: usize,
    lines: Vec<Line>,
    opened: Option<Instant>,
    product: Vec<f64>,
    positions: Vec<f64>,
    steps_since_anchor: u64,
    largest_correction: Option<f64>,
}

impl Projection {
    /// # Errors
    /// [`Error::ShapeMismatch`] for a direction that has not `elements` elements; [`Error::Parameters`] for none, and
    /// for one that is not finite.
    pub fn new(directions: &[Vec<f32>], elements: usize, memory_bytes: usize) -> Result<Projection> {
        if directions.is_empty() {
            return Err(Error::Parameters { reason: "there are no directions to project on".to_owned() });
        }
        let mut vectors = Vec::with_capacity(directions.len() * elements);
        for (number, direction) in directions.iter().enumerate() {
            if direction.len() != elements {
                let (found, expected) = (format!("[{}]", direction.len()), format!("[{elements}], the parameters'"));
                return Err(Error::ShapeMismatch { name: "a direction to project on", found, expected });
            }
            if !direction.iter().all(|element| element.is_finite()) {
                let reason = format!("direction {} to project on holds NaN or infinity", number + 1);
                return Err(Error::Parameters { reason });
            }
            vectors.extend_from_slice(direction);
        }
        let directions = directions.len();
        Ok(Projection {
            vectors,
            directions,
            host_part: Vec::new(),
            elements: 0,
            memory_bytes,
            moved: Vec::new(),
            capacity: 0,
            lines: Vec::new(),
            opened: None,
            product: Vec::new(),
            positions: vec![0.0; directions],
            steps_since_anchor: 0,
            largest_correction: None,
        })
    }

    /// The largest difference found between a running position and a direct projection, relative to the largest
    /// position then; `None` before the first comparison.
    pub fn largest_correction(&self) -> Option<f64> {
        self.largest_correction
    }

    /// Goes on from what `before` has found of its corrections.
    pub fn remember(&mut self, before: &Projection) {
        self.largest_correction = before.largest_correction;
    }

    /// Takes up a new arrangement of the parameters: the ranges of the tracked elements that the fused pass has, in its
    /// order. Elements tracked since the directions were given have no part in them. The block must be empty.
    pub fn arrange(&mut self, host_ranges: &[std::ops::Range<usize>]) {
        debug_assert!(self.lines.is_empty());
        let total = self.vectors.len() / self.directions;
        self.elements = host_ranges.iter().map(ExactSizeIterator::len).sum();
        self.host_part.clear();
        let mut tiled = 0;
        let in_order = host_ranges.iter().all(|range| std::mem::replace(&mut tiled, range.end) == range.start);
        if !(in_order && self.elements == total) {
            for vector in self.vectors.chunks_exact(total) {
                for range in host_ranges {
                    let known = range.start.min(total)..range.end.min(total);
                    self.host_part.extend_from_slice(&vector[known.clone()]);
                    self.host_part.resize(self.host_part.len() + range.len() - known.len(), 0.0);
                }
            }
        }
        // Two lines at least: a step after a gap takes them together.
        self.capacity = (self.memory_bytes / (4 * self.elements.max(1))).clamp(2, MOST_LINES);
        self.moved = vec![0.0; self.capacity * self.elements];
        self.lines.reserve(self.capacity);
    }

    /// The directions' part of a range of the tracked elements, [K, range], where it was given.
    pub fn part(&self, range: std::ops::Range<usize>) -> std::result::Result<Tensor, TchError> {
        let total = self.vectors.len() / self.directions;
        let known = range.start.min(total)..range.end.min(total);
        let mut part = Vec::with_capacity(self.directions * range.len());
        for vector in self.vectors.chunks_exact(total) {
            part.extend_from_slice(&vector[known.clone()]);
            part.resize(part.len() + range.len() - known.len(), 0.0);
        }
        Tensor::f_from_slice(&part)?.f_reshape([self.directions as i64, range.len() as i64])
    }

    /// The line for the next displacement; [`step`](Self::step) or [`outside`](Self::outside) says what it was.
    pub fn line(&mut self) -> &mut [f32] {
        let start = self.lines.len() * self.elements;
        &mut self.moved[start..start + self.elements]
    }

    /// The line was a step that makes a row.
    pub fn step(&mut self) {
        self.push(Line::Step);
        self.steps_since_anchor += 1;
    }

    /// The line was a change that was no step.
    pub fn outside(&mut self) {
        self.push(Line::Outside);
    }

    /// The line was a step that makes a row, after steps that made none and left no lines: `distance` is theta -
    /// theta_* after it.
    pub fn step_at(&mut self, distance: impl Iterator<Item = f32>) {
        let (step, length) = (self.lines.len() * self.elements, self.elements);
        self.push(Line::Distance);
        // The step's displacement is in the line that the distance takes; it goes one further.
        self.moved.copy_within(step..step + length, step + length);
        self.moved[step..step + length].iter_mut().zip(distance).for_each(|(element, value)| *element = value);
        self.push(Line::StepAtDistance);
    }

    fn push(&mut self, line: Line) {
        self.opened.get_or_insert_with(Instant::now);
        self.lines.push(line);
    }

    /// Whether the block has to be [`finish`](Self::finish)ed before anything more is measured.
    pub fn is_full(&self) -> bool {
        self.lines.len() + 2 > self.capacity
    }

    /// Whether the block should be finished now: it is full, or its rows have waited long enough.
    pub fn is_due(&self) -> bool {
        self.is_full() || self.opened.is_some_and(|opened| opened.elapsed() >= LONGEST)
    }

    /// Multiplies the block with the directions; appends, for each row, its positions and its projected displacements.
    pub fn finish(&mut self, values: &mut Vec<f64>) -> std::result::Result<(), TchError> {
        if self.lines.is_empty() {
            return Ok(());
        }
        self.multiply()?;
        for (line, projected) in self.lines.iter().zip(self.product.chunks_exact(self.directions)) {
            let projected = projected.iter().copied();
            match line {
                Line::Step | Line::Outside => {
                    self.positions.iter_mut().zip(projected.clone()).for_each(|(position, moved)| *position += moved);
                }
                Line::Distance => {
                    self.positions.clear();
                    self.positions.extend(projected.clone());
                }
                Line::StepAtDistance => {}
            }
            if matches!(line, Line::Step | Line::StepAtDistance) {
                values.extend_from_slice(&self.positions);
                values.extend(projected);
            }
        }
        self.lines.clear();
        self.opened = None;
        Ok(())
    }

    /// product = moved x vectors^T, in libtorch's sgemm, slice by slice of the elements. It is made as vectors x moved^T,
    /// which for 30 directions and 64 lines is half as fast again.
    fn multiply(&mut self) -> std::result::Result<(), TchError> {
        let (lines, directions, elements) = (self.lines.len(), self.directions, self.elements);
        self.product.clear();
        self.product.resize(lines * directions, 0.0);
        if elements == 0 {
            return Ok(());
        }
        let matrix = |values: &[f32], rows: usize| {
            debug_assert!(values.len() >= rows * elements);
            let shape = [rows as i64, elements as i64];
            let bytes = values.as_ptr().cast::<u8>();
            // SAFETY: `values` holds rows x elements f32 and outlives the tensor, which does not leave this function.
            #[allow(unsafe_code)]
            unsafe {
                Tensor::f_from_blob(bytes, &shape, &[elements as i64, 1], Kind::Float, Device::Cpu)
            }
        };
        no_grad(|| {
            let (moved, vectors) = (matrix(&self.moved, lines)?, matrix(self.host_vectors(), directions)?);
            let whole = elements - elements % SLICE;
            let rest = (elements - whole) as i64;
            let part = |matrix: &Tensor| matrix.f_narrow(1, whole as i64, rest);
            let mut product = part(&vectors)?.f_matmul(&part(&moved)?.f_tr()?)?.f_to_kind(Kind::Double)?;
            if whole > 0 {
                // [slices, rows, SLICE], over the same memory.
                let slices = |matrix: &Tensor, rows: usize| {
                    let (count, slice) = ((whole / SLICE) as i64, SLICE as i64);
                    matrix.f_as_strided([count, rows as i64, slice], [slice, elements as i64, 1], None)
                };
                let products = slices(&vectors, directions)?.f_bmm(&slices(&moved, lines)?.f_transpose(1, 2)?)?;
                product += products.f_sum_dim_intlist(&[0i64][..], false, Kind::Double)?;
            }
            product.f_tr()?.f_contiguous()?.f_copy_data(&mut self.product, lines * directions)
        })
    }

    fn host_vectors(&self) -> &[f32] {
        if self.host_part.is_empty() { &self.vectors } else { &self.host_part }
    }

    /// Says the positions: those of `distance`, theta - theta_* now. The block must be empty.
    pub fn begin_at(&mut self, distance: impl Iterator<Item = f32>) {
        debug_assert!(self.lines.is_empty());
        self.steps_since_anchor = 0;
        let distance: Vec<f64> = distance.map(f64::from).collect();
        self.positions.fill(0.0);
        if self.elements > 0 {
            let columns: Vec<&[f32]> = self.host_vectors().chunks_exact(self.elements).collect();
            let mut direct = vec![0.0; self.directions];
            inner_products(&columns, &distance, &mut direct);
            self.positions = direct;
        }
    }

    /// Now and then, when the block is empty, compares the positions with those of `distance` and goes on from them.
    pub fn anchor_if_due(&mut self, distance: impl Iterator<Item = f32>) {
        if self.steps_since_anchor < ANCHOR_STEPS || !self.lines.is_empty() {
            return;
        }
        let running = self.positions.clone();
        self.begin_at(distance);
        let largest = self.positions.iter().fold(f64::MIN_POSITIVE, |largest, position| largest.max(position.abs()));
        let differences = self.positions.iter().zip(&running).map(|(direct, running)| (direct - running).abs());
        let correction = differences.fold(0.0, f64::max) / largest;
        self.largest_correction = Some(self.largest_correction.map_or(correction, |before| before.max(correction)));
    }
}
