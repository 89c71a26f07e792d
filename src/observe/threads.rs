//! Running the fused pass on libtorch's own OpenMP threads.
//!
//! Between two operations libtorch's threads spin on their cores. A second pool (rayon's, say) has
//! to fight them for the cores, and waking it costs as much as the pass. So the pass runs as one
//! more parallel region of the pool that is already there: `GOMP_parallel` is what a C compiler
//! emits for `#pragma omp parallel`, and libgomp keeps one pool for each thread that opens such
//! regions, so that calling it from the training thread, with as many threads as libtorch uses,
//! finds libtorch's.

/// Calls `work` once on each of `threads` threads at the same time, the calling one among them, and
/// waits for all.
pub(super) fn run_on_pool<F: Fn() + Sync>(threads: usize, work: &F) {
    if threads <= 1 || !cfg!(target_os = "linux") {
        return work();
    }
    #[cfg(target_os = "linux")]
    gomp::parallel(threads, work);
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
mod gomp {
    use std::ffi::{c_uint, c_void};

    // torch-sys links libgomp on Linux, for libtorch itself.
    unsafe extern "C" {
        fn GOMP_parallel(
            function: extern "C" fn(*mut c_void),
            data: *mut c_void,
            threads: c_uint,
            flags: c_uint,
        );
    }

    pub fn parallel<F: Fn() + Sync>(threads: usize, work: &F) {
        // A panic must not unwind into C; `extern "C"` turns it into an abort, so `work` has to be
        // free of panics.
        extern "C" fn call<F: Fn() + Sync>(data: *mut c_void) {
            // SAFETY: `data` is the `&F` given below, which outlives the region because
            // GOMP_parallel returns only when every thread has left it; `F: Sync` lets the threads
            // share it.
            let work = unsafe { &*data.cast::<F>() };
            work();
        }
        let data = std::ptr::from_ref(work).cast_mut().cast::<c_void>();
        // SAFETY: `call::<F>` reads `data` as what it is, and 0 asks for no scheduling flags.
        unsafe { GOMP_parallel(call::<F>, data, c_uint::try_from(threads).unwrap_or(1), 0) }
    }
}
