//! Displacements of contiguous f32 parameters on the CPU, by the fused pass of [`super::kernel`].
//!
//! The parameters are cut into chunks that do not depend on the number of threads, and the chunks' sums are added in
//! order: the same run gives the same rows on any machine. After the first step nothing is allocated.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::kernel::{self, Displacement};
use super::threads::run_on_pool;

/// Elements in a chunk: long enough to hide its overhead, short enough to share the work evenly.
const CHUNK: usize = 32_768;
/// Fewer elements than this are measured sooner than another thread starts.
const PARALLEL_FROM: usize = 131_072;

/// A piece of one parameter with what it is compared to. The mutex is never contended: each chunk is taken by one
/// thread; it lets several threads write their chunks without unsafe code.
#[derive(Debug)]
struct Chunk {
    /// Index into the addresses given to each pass.
    parameter: usize,
    start: usize,
    previous: Box<[f32]>,
    reference: Box<[f32]>,
    found: Displacement,
}

/// The parameters of the fused pass.
#[derive(Debug, Default)]
pub(super) struct HostTracker {
    chunks: Vec<Mutex<Chunk>>,
    elements: usize,
    parameters: usize,
}

impl HostTracker {
    /// Adds a parameter with its values before the first step and its reference point (equal lengths); parameters
    /// are numbered in the order they are added.
    pub fn add(&mut self, previous: &[f32], reference: &[f32]) {
        let pieces = previous.chunks(CHUNK).zip(reference.chunks(CHUNK)).enumerate();
        self.chunks.extend(pieces.map(|(number, (previous, reference))| {
            Mutex::new(Chunk {
                parameter: self.parameters,
                start: number * CHUNK,
                previous: previous.into(),
                reference: reference.into(),
                found: Displacement::default(),
            })
        }));
        self.elements += previous.len();
        self.parameters += 1;
    }

    pub fn is_empty(&self) -> bool {
        self.parameters == 0
    }

    /// Values of parameter `number` at the last pass, and its reference point.
    pub fn state_of(&self, number: usize) -> (Vec<f32>, Vec<f32>) {
        let mut state = (Vec::new(), Vec::new());
        for chunk in &self.chunks {
            let chunk = chunk.lock().unwrap_or_else(PoisonError::into_inner);
            if chunk.parameter == number {
                state.0.extend_from_slice(&chunk.previous);
                state.1.extend_from_slice(&chunk.reference);
            }
        }
        state
    }

    /// Measures every parameter and remembers its values.
    ///
    /// `addresses` holds, for each parameter in the order added, where its elements are now.
    ///
    /// # Safety
    /// Each address must point to as many initialised f32 as the parameter had when added, valid and written by nobody
    /// during the call.
    #[allow(unsafe_code)]
    pub unsafe fn measure(&mut self, addresses: &[usize], threads: usize) -> Displacement {
        // SAFETY: the caller's promise.
        self.pass(threads, |chunk| chunk.found = unsafe { chunk.measure(addresses) });
        let mut total = Displacement::default();
        for chunk in &mut self.chunks {
            total += chunk.get_mut().unwrap_or_else(PoisonError::into_inner).found;
        }
        total
    }

    /// Remembers every parameter's values without measuring.
    ///
    /// # Safety
    /// As [`measure`](Self::measure).
    #[allow(unsafe_code)]
    pub unsafe fn snapshot(&mut self, addresses: &[usize], threads: usize) {
        // SAFETY: the caller's promise.
        self.pass(threads, |chunk| chunk.previous.copy_from_slice(unsafe { chunk.theta(addresses) }));
    }

    /// Does `work` on each chunk, on libtorch's threads when there is enough of it.
    fn pass(&self, threads: usize, work: impl Fn(&mut Chunk) + Sync) {
        let next = AtomicUsize::new(0);
        let threads = if self.elements < PARALLEL_FROM { 1 } else { threads };
        run_on_pool(threads, &|| {
            while let Some(chunk) = self.chunks.get(next.fetch_add(1, Ordering::Relaxed)) {
                work(&mut chunk.lock().unwrap_or_else(PoisonError::into_inner));
            }
        });
    }
}

#[allow(unsafe_code)]
impl Chunk {
    /// # Safety
    /// As [`HostTracker::measure`].
    unsafe fn theta<'a>(&self, addresses: &[usize]) -> &'a [f32] {
        let address = addresses.get(self.parameter).map_or(0, |address| *address);
        let first = std::ptr::with_exposed_provenance::<f32>(address).wrapping_add(self.start);
        // SAFETY: the caller's promise, and a chunk lies within its parameter.
        unsafe { std::slice::from_raw_parts(first, self.previous.len()) }
    }

    /// # Safety
    /// As [`HostTracker::measure`].
    unsafe fn measure(&mut self, addresses: &[usize]) -> Displacement {
        // SAFETY: the caller's promise.
        let theta = unsafe { self.theta(addresses) };
        kernel::measure(theta, &mut self.previous, &self.reference)
    }
}

#[cfg(test)]
#[allow(unsafe_code)]
mod tests {
    use super::*;

    /// Several parameters, longer and shorter than a chunk, on one and on two threads: the same bits.
    #[test]
    fn does_not_depend_on_the_number_of_threads() {
        let lengths = [10, 3 * CHUNK + 17, 1, 2 * CHUNK, 0];
        let values: Vec<Vec<f32>> =
            lengths.iter().map(|length| (0..*length).map(|i| (i as f32 * 0.618).sin()).collect()).collect();
        let results = [1, 2].map(|threads| {
            let mut tracker = HostTracker::default();
            for theta in &values {
                tracker.add(&vec![0.5; theta.len()], &vec![0.25; theta.len()]);
            }
            let addresses: Vec<usize> = values.iter().map(|theta| theta.as_ptr().expose_provenance()).collect();
            // SAFETY: `values` outlives the call and has the lengths added.
            let first = unsafe { tracker.measure(&addresses, threads) };
            assert_eq!(tracker.state_of(1).0, values[1]);
            // SAFETY: as above.
            let second = unsafe { tracker.measure(&addresses, threads) };
            assert_eq!(second.local_squared, 0.0);
            assert_eq!(second.global_squared, first.global_squared);
            first
        });
        assert_eq!(results[0], results[1]);
        let expected: f64 = values.iter().flatten().map(|x| f64::from(x - 0.5).powi(2)).sum();
        assert!((results[0].local_squared - expected).abs() < 1e-12 * expected);
    }
}
