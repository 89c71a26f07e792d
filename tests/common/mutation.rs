//! Damage done to a run's files, and an allocator that knows the largest request.
#![allow(unsafe_code, reason = "an allocator can be written no other way")]
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::common::{rows, writer};

struct LargestRequest(AtomicUsize);

// SAFETY: every call is passed to the system's allocator as it came.
unsafe impl GlobalAlloc for LargestRequest {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are the ones needed.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are the ones needed.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.0.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are the ones needed.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        self.0.fetch_max(size, Ordering::Relaxed);
        // SAFETY: the caller's promises are the ones needed.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: LargestRequest = LargestRequest(AtomicUsize::new(0));

/// The largest number of bytes asked for at once so far.
pub fn largest_request() -> usize {
    ALLOCATOR.0.load(Ordering::Relaxed)
}

/// How many mutations of each kind to try: `PERRIN_MUTATIONS`, or 500.
pub fn mutations() -> u64 {
    std::env::var("PERRIN_MUTATIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(500)
}

/// A finished segment and a journal of several blocks, 60 rows each.
pub fn run(directory: &Path) {
    let mut log = writer(directory);
    for block in 0..6 {
        log.append(&rows(block * 10 + 1..block * 10 + 11)).unwrap();
    }
    log.close().unwrap();
    let journals = directory.join("journals");
    let mut log = writer(&journals);
    for block in 6..12 {
        log.append(&rows(block * 10 + 1..block * 10 + 11)).unwrap();
    }
    drop(log);
    fs::create_dir_all(directory.join("open")).unwrap();
    fs::rename(journals.join("open/000000.arrows"), directory.join("open/000001.arrows")).unwrap();
    fs::remove_dir_all(journals).unwrap();
}

/// Some accident: bits flipped, bytes overwritten, cut off, left out, repeated, or zeroed.
pub fn damage(bytes: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut damaged = bytes.to_vec();
    let start = random.random_range(0..bytes.len());
    let end = (start + random.random_range(1..64)).min(bytes.len());
    match random.random_range(0..6) {
        0 => damaged[start] ^= 1 << random.random_range(0..8),
        1 => random.fill(&mut damaged[start..end]),
        2 => damaged.truncate(start),
        3 => drop(damaged.drain(start..end)),
        4 => drop(damaged.splice(start..start, bytes[start..end].to_vec())),
        _ => damaged[start..].fill(0),
    }
    damaged
}
