//! Projections on given directions, by blocks of steps.
//!
//! A step's displacement is written into one line of a block by the fused pass that measures it. A
//! full block is multiplied with all directions at once, so that the directions, K times as large
//! as the parameters, are read once a block and not once a step.
//!
//! A position is the running f64 sum of projected displacements, among them those that were no
//! steps. Now and then it is compared to a direct projection of theta - theta_* summed in f64, and
//! goes on from there; how far they were apart is told in the end.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tch::{TchError, Tensor};

use super::threads::run_on_pool;
use crate::error::{Error, Result};
use crate::linalg::row_products::{inner_products_part, parts};
use crate::linalg::rows::Rows;
use crate::linalg::tall::inner_products;

/// Memory for the block of displacements, unless the user says otherwise.
pub(super) const DEFAULT_MEMORY_BYTES: usize = 256 << 20;
/// More lines make the product no faster, and smaller ones stay in the caches.
const MOST_LINES: usize = 64;
/// A block older than this is finished, so that a reader lags a second at most.
const LONGEST: Duration = Duration::from_millis(450);
/// Fewer multiplications than this are done sooner than another thread starts.
const PARALLEL_FROM: usize = 1 << 21;
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
    /// K vectors of as many elements as are tracked, in the order of the tracked parameters.
    vectors: Rows,
    directions: usize,
    /// The part of `vectors` that the fused pass's parameters have, in its order; none when it is
    /// all of them.
    host_part: Option<Rows>,
    memory_bytes: usize,
    moved: Rows,
    capacity: usize,
    lines: Vec<Line>,
    opened: Option<Instant>,
    /// Parts of the product, each lines x directions; the first becomes their sum.
    product: Vec<f64>,
    positions: Vec<f64>,
    steps_since_anchor: u64,
    largest_correction: Option<f64>,
}

impl Projection {
    /// # Errors
    /// [`Error::ShapeMismatch`] for a direction that has not `elements` elements;
    /// [`Error::Parameters`] for none, and for one that is not finite.
    pub fn check(directions: &[Vec<f32>], elements: usize) -> Result<()> {
        if directions.is_empty() {
            return Err(Error::Parameters {
                reason: "there are no directions to project on".to_owned(),
            });
        }
        for (number, direction) in directions.iter().enumerate() {
            if direction.len() != elements {
                let (found, expected) =
                    (format!("[{}]", direction.len()), format!("[{elements}], the parameters'"));
                return Err(Error::ShapeMismatch {
                    name: "a direction to project on",
                    found,
                    expected,
                });
            }
            if !direction.iter().all(|element| element.is_finite()) {
                let reason =
                    format!("direction {} to project on holds NaN or infinity", number + 1);
                return Err(Error::Parameters { reason });
            }
        }
        Ok(())
    }

    /// On directions that pass [`check`](Self::check).
    pub fn new(directions: &[Vec<f32>], elements: usize, memory_bytes: usize) -> Projection {
        let mut vectors = Rows::zeros(directions.len(), elements);
        for (number, direction) in directions.iter().enumerate() {
            vectors.row_mut(number).copy_from_slice(direction);
        }
        let directions = directions.len();
        Projection {
            vectors,
            directions,
            host_part: None,
            memory_bytes,
            moved: Rows::default(),
            capacity: 0,
            lines: Vec::new(),
            opened: None,
            product: Vec::new(),
            positions: vec![0.0; directions],
            steps_since_anchor: 0,
            largest_correction: None,
        }
    }

    /// The largest difference found between a running position and a direct projection, relative to
    /// the largest position then; `None` before the first comparison.
    pub fn largest_correction(&self) -> Option<f64> {
        self.largest_correction
    }

    /// Goes on from the largest correction that was found along earlier directions.
    pub fn remember(&mut self, correction: Option<f64>) {
        self.largest_correction = correction;
    }

    /// Takes up a new arrangement of the parameters: the ranges of the tracked elements that the
    /// fused pass has, in its order. Elements tracked since the directions were given have no part
    /// in them. The block must be empty.
    pub fn arrange(&mut self, host_ranges: &[std::ops::Range<usize>]) {
        debug_assert!(self.lines.is_empty());
        let elements = host_ranges.iter().map(ExactSizeIterator::len).sum();
        let mut tiled = 0;
        let in_order =
            host_ranges.iter().all(|range| std::mem::replace(&mut tiled, range.end) == range.start);
        self.host_part = (!in_order || elements != self.vectors.elements()).then(|| {
            let mut part = Rows::zeros(self.directions, elements);
            for direction in 0..self.directions {
                let mut rest = part.row_mut(direction);
                for range in host_ranges {
                    let known = self.known(direction, range);
                    rest[..known.len()].copy_from_slice(known);
                    rest = &mut rest[range.len()..];
                }
            }
            part
        });
        // Two lines at least: a step after a gap takes them together.
        self.capacity = (self.memory_bytes / (4 * elements.max(1))).clamp(2, MOST_LINES);
        self.moved = Rows::zeros(self.capacity, elements);
        self.lines.reserve(self.capacity);
        self.product.reserve(parts(&self.moved) * self.capacity * self.directions);
    }

    /// What a direction has of a range of the tracked elements: shorter where elements were added
    /// since it was given.
    fn known(&self, direction: usize, range: &std::ops::Range<usize>) -> &[f32] {
        let total = self.vectors.elements();
        &self.vectors.row(direction)[range.start.min(total)..range.end.min(total)]
    }

    /// The directions' part of a range of the tracked elements, [K, range], where it was given.
    pub fn part(&self, range: std::ops::Range<usize>) -> std::result::Result<Tensor, TchError> {
        let mut part = Vec::with_capacity(self.directions * range.len());
        for direction in 0..self.directions {
            part.extend_from_slice(self.known(direction, &range));
            part.resize((direction + 1) * range.len(), 0.0);
        }
        Tensor::f_from_slice(&part)?.f_reshape([self.directions as i64, range.len() as i64])
    }

    /// The line for the next displacement; [`step`](Self::step) or [`outside`](Self::outside) says
    /// what it was.
    pub fn line(&mut self) -> &mut [f32] {
        self.moved.row_mut(self.lines.len())
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

    /// The line was a step that makes a row, after steps that made none and left no lines:
    /// `distance` is theta - theta_* after it.
    pub fn step_at(&mut self, distance: impl Iterator<Item = f32>) {
        let line = self.lines.len();
        self.push(Line::Distance);
        // The step's displacement is in the line that the distance takes; it goes one further.
        self.moved.copy_row(line, line + 1);
        self.moved
            .row_mut(line)
            .iter_mut()
            .zip(distance)
            .for_each(|(element, value)| *element = value);
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

    /// Multiplies the block with the directions; appends, for each row, its positions and its
    /// projected displacements.
    pub fn finish(&mut self, threads: usize, values: &mut Vec<f64>) {
        if self.lines.is_empty() {
            return;
        }
        self.multiply(threads);
        for (line, projected) in self.lines.iter().zip(self.product.chunks_exact(self.directions)) {
            let projected = projected.iter().copied();
            match line {
                Line::Step | Line::Outside => {
                    self.positions
                        .iter_mut()
                        .zip(projected.clone())
                        .for_each(|(position, moved)| *position += moved);
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
    }

    /// product = moved x vectors^T, on libtorch's threads when there is enough of it.
    fn multiply(&mut self, threads: usize) {
        let (lines, directions) = (self.lines.len(), self.directions);
        let (count, length) = (parts(&self.moved), lines * directions);
        self.product.clear();
        self.product.resize(count * length, 0.0);
        let vectors = self.host_part.as_ref().unwrap_or(&self.vectors);
        let work = Mutex::new(self.product.chunks_exact_mut(length).enumerate());
        let next = || work.lock().unwrap_or_else(PoisonError::into_inner).next();
        let threads = if length * self.moved.elements() < PARALLEL_FROM { 1 } else { threads };
        run_on_pool(threads, &|| {
            while let Some((part, product)) = next() {
                inner_products_part((&self.moved, lines), (vectors, directions), part, product);
            }
        });
        let (sum, rest) = self.product.split_at_mut(length);
        for part in rest.chunks_exact(length) {
            sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
        self.product.truncate(length);
    }

    /// Says the positions: those of `distance`, theta - theta_* now. The block must be empty.
    pub fn begin_at(&mut self, distance: impl Iterator<Item = f32>) {
        debug_assert!(self.lines.is_empty());
        self.steps_since_anchor = 0;
        let distance: Vec<f64> = distance.map(f64::from).collect();
        let vectors = self.host_part.as_ref().unwrap_or(&self.vectors);
        let columns: Vec<&[f32]> =
            (0..self.directions).map(|direction| vectors.row(direction)).collect();
        inner_products(&columns, &distance, &mut self.positions);
    }

    /// Now and then, when the block is empty, compares the positions with those of `distance` and
    /// goes on from them.
    pub fn anchor_if_due(&mut self, distance: impl Iterator<Item = f32>) {
        if self.steps_since_anchor < ANCHOR_STEPS || !self.lines.is_empty() {
            return;
        }
        let running = self.positions.clone();
        self.begin_at(distance);
        let largest = self
            .positions
            .iter()
            .fold(f64::MIN_POSITIVE, |largest, position| largest.max(position.abs()));
        let differences =
            self.positions.iter().zip(&running).map(|(direct, running)| (direct - running).abs());
        let correction = differences.fold(0.0, f64::max) / largest;
        self.largest_correction =
            Some(self.largest_correction.map_or(correction, |before| before.max(correction)));
    }
}
