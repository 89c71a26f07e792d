//! Displacements of contiguous f32 parameters on the CPU, by the fused pass of [`super::kernel`].
//!
//! The parameters are cut into chunks that do not depend on the number of threads, and the chunks'
//! sums are added in order: the same run gives the same rows on any machine. After the first step
//! nothing is allocated.

use std::sync::{Mutex, PoisonError};

use super::kernel::{self, Displacement};
use super::threads::run_on_pool;

/// Elements in a chunk: long enough to hide its overhead, short enough to share the work evenly.
const CHUNK: usize = 32_768;
/// Fewer elements than this are measured sooner than another thread starts.
const PARALLEL_FROM: usize = 131_072;

/// A piece of one parameter, at most [`CHUNK`] elements.
#[derive(Debug)]
struct Chunk {
    /// Index into the addresses given to each pass.
    parameter: usize,
    /// Where in the parameter it begins.
    start: usize,
    length: usize,
    found: Displacement,
}

/// The parameters of the fused pass. Their previous values and reference points lie one after the
/// other in two long allocations: reading short ones of their own takes a quarter longer.
#[derive(Debug, Default)]
pub(super) struct HostTracker {
    chunks: Vec<Chunk>,
    previous: Vec<f32>,
    reference: Vec<f32>,
    parameters: usize,
}

/// A chunk with its share of the memory, for one thread.
struct Share<'a> {
    chunk: &'a mut Chunk,
    previous: &'a mut [f32],
    reference: &'a [f32],
    /// Where to leave theta - previous, if that is wanted.
    moved: Option<&'a mut [f32]>,
}

impl HostTracker {
    /// Adds a parameter with its values before the first step and its reference point (equal
    /// lengths); parameters are numbered in the order they are added.
    pub fn add(&mut self, previous: &[f32], reference: &[f32]) {
        for (number, piece) in previous.chunks(CHUNK).enumerate() {
            self.chunks.push(Chunk {
                parameter: self.parameters,
                start: number * CHUNK,
                length: piece.len(),
                found: Displacement::default(),
            });
        }
        self.previous.extend_from_slice(previous);
        self.reference.extend_from_slice(reference);
        self.parameters += 1;
    }

    /// theta - theta_* at the last pass, all parameters one after the other.
    pub fn distance(&self) -> impl Iterator<Item = f32> {
        self.previous.iter().zip(&self.reference).map(|(theta, origin)| theta - origin)
    }

    /// Values of parameter `number` at the last pass, and its reference point.
    pub fn state_of(&self, number: usize) -> (Vec<f32>, Vec<f32>) {
        let length_of = |wanted: fn(usize, usize) -> bool| -> usize {
            self.chunks
                .iter()
                .filter(|chunk| wanted(chunk.parameter, number))
                .map(|chunk| chunk.length)
                .sum()
        };
        let first = length_of(|parameter, number| parameter < number);
        let range = first..first + length_of(|parameter, number| parameter == number);
        (self.previous[range.clone()].to_vec(), self.reference[range].to_vec())
    }

    /// Measures every parameter and remembers its values.
    ///
    /// `addresses` holds, for each parameter in the order added, where its elements are now.
    /// `moved` is left with theta - previous of all parameters, one after the other where that is
    /// wanted.
    ///
    /// # Safety
    /// Each address must point to as many initialised f32 as the parameter had when added, valid
    /// and written by nobody during the call.
    #[allow(unsafe_code)]
    pub unsafe fn measure(
        &mut self,
        addresses: &[usize],
        threads: usize,
        moved: Option<&mut [f32]>,
    ) -> Displacement {
        self.pass(threads, moved, |share| {
            // SAFETY: the caller's promise.
            let theta = unsafe { share.chunk.theta(addresses) };
            share.chunk.found =
                kernel::measure(theta, share.previous, share.reference, share.moved);
        });
        let mut total = Displacement::default();
        self.chunks.iter().for_each(|chunk| total += chunk.found);
        total
    }

    /// Remembers every parameter's values without measuring.
    ///
    /// # Safety
    /// As [`measure`](Self::measure).
    #[allow(unsafe_code)]
    pub unsafe fn snapshot(&mut self, addresses: &[usize], threads: usize) {
        // SAFETY: the caller's promise.
        self.pass(threads, None, |share| {
            share.previous.copy_from_slice(unsafe { share.chunk.theta(addresses) })
        });
    }

    /// Does `work` on each chunk, on libtorch's threads when there is enough of it.
    fn pass(&mut self, threads: usize, mut moved: Option<&mut [f32]>, work: impl Fn(Share) + Sync) {
        let threads = if self.previous.len() < PARALLEL_FROM { 1 } else { threads };
        let mut previous = &mut self.previous[..];
        let mut reference = &self.reference[..];
        let mut chunks = self.chunks.iter_mut();
        // The threads take their shares from one iterator: each is given out once, without unsafe
        // code.
        let shares = Mutex::new(std::iter::from_fn(move || {
            let chunk = chunks.next()?;
            let (mine, rest) = std::mem::take(&mut previous).split_at_mut(chunk.length);
            previous = rest;
            let (my_reference, rest) = reference.split_at(chunk.length);
            reference = rest;
            let my_moved = moved.take().map(|all| {
                let (mine, rest) = all.split_at_mut(chunk.length);
                moved = Some(rest);
                mine
            });
            Some(Share { chunk, previous: mine, reference: my_reference, moved: my_moved })
        }));
        let next = || shares.lock().unwrap_or_else(PoisonError::into_inner).next();
        run_on_pool(threads, &|| {
            while let Some(share) = next() {
                work(share);
            }
        });
    }
}

#[allow(unsafe_code)]
impl Chunk {
    /// # Safety
    /// As [`HostTracker::measure`].
    unsafe fn theta<'a>(&self, addresses: &[usize]) -> &'a [f32] {
        let first = std::ptr::with_exposed_provenance::<f32>(addresses[self.parameter])
            .wrapping_add(self.start);
        // SAFETY: the caller's promise, and a chunk lies within its parameter.
        unsafe { std::slice::from_raw_parts(first, self.length) }
    }
}

#[allow(unsafe_code)]
#[cfg(test)]
mod tests {
    use super::*;

    /// Several parameters, longer and shorter than a chunk, on one and on two threads: the same
    /// bits.
    #[test]
    fn does_not_depend_on_the_number_of_threads() {
        let lengths = [10, 3 * CHUNK + 17, 1, 2 * CHUNK, 0];
        let values: Vec<Vec<f32>> = lengths
            .iter()
            .map(|length| (0..*length).map(|i| (i as f32 * 0.618).sin()).collect())
            .collect();
        let results = [1, 2].map(|threads| {
            let mut tracker = HostTracker::default();
            for theta in &values {
                tracker.add(&vec![0.5; theta.len()], &vec![0.25; theta.len()]);
            }
            let addresses: Vec<usize> =
                values.iter().map(|theta| theta.as_ptr().expose_provenance()).collect();
            // SAFETY: `values` outlives the call and has the lengths added.
            let first = unsafe { tracker.measure(&addresses, threads, None) };
            assert_eq!(tracker.state_of(1).0, values[1]);
            // SAFETY: as above.
            let second = unsafe { tracker.measure(&addresses, threads, None) };
            assert_eq!(second.local_squared, 0.0);
            assert_eq!(second.global_squared, first.global_squared);
            first
        });
        assert_eq!(results[0], results[1]);
        let expected: f64 = values.iter().flatten().map(|x| f64::from(x - 0.5).powi(2)).sum();
        assert!((results[0].local_squared - expected).abs() < 1e-12 * expected);
    }
}
