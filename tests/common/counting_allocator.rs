//! The program's allocator, which counts: how much is held, the most that was, and the largest
//! request.
#![allow(unsafe_code, reason = "an allocator can be written no other way")]
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting {
    held: AtomicUsize,
    most: AtomicUsize,
    largest_request: AtomicUsize,
    refused_above: AtomicUsize,
}

impl Counting {
    /// Whether so many bytes more may be had.
    fn take(&self, bytes: usize) -> bool {
        self.largest_request.fetch_max(bytes, Ordering::Relaxed);
        let held = self.held.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        self.most.fetch_max(held, Ordering::Relaxed);
        let granted = held <= self.refused_above.load(Ordering::Relaxed);
        if !granted {
            self.give(bytes);
        }
        granted
    }

    fn give(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

// SAFETY: every call is passed to the system's allocator as it came, or refused with a null
// pointer.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !self.take(layout.size()) {
            return ptr::null_mut();
        }
        // SAFETY: the caller's promises are the ones needed.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        self.give(layout.size());
        // SAFETY: the caller's promises are the ones needed.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !self.take(layout.size()) {
            return ptr::null_mut();
        }
        // SAFETY: the caller's promises are the ones needed.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !self.take(size) {
            return ptr::null_mut();
        }
        self.give(layout.size());
        // SAFETY: the caller's promises are the ones needed.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting {
    held: AtomicUsize::new(0),
    most: AtomicUsize::new(0),
    largest_request: AtomicUsize::new(0),
    refused_above: AtomicUsize::new(usize::MAX),
};

/// The largest number of bytes asked for at once so far.
pub fn largest_request() -> usize {
    ALLOCATOR.largest_request.load(Ordering::Relaxed)
}

/// Does something; returns with its outcome how many bytes more than before were held at most.
pub fn most_held<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = ALLOCATOR.held.load(Ordering::Relaxed);
    ALLOCATOR.most.store(before, Ordering::Relaxed);
    let outcome = work();
    (outcome, ALLOCATOR.most.load(Ordering::Relaxed).saturating_sub(before))
}

/// A request that would bring what is held above this many bytes fails, and ends the process.
pub fn refuse_above(bytes: usize) {
    ALLOCATOR.refused_above.store(bytes, Ordering::Relaxed);
}
