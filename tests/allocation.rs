//! The training thread allocates nothing once it is in its stride: a counting allocator, asked per thread.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use tch::nn::{self, Init, VarStore};
use tch::{Device, Tensor};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: everything is passed on to the system's allocator; counting touches a thread-local integer that needs no
// allocation and no destructor.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Allocations of this thread during `count` observed steps.
fn allocations_in(observer: &mut perrin::Observer, loss: &Tensor, count: usize) -> u64 {
    let before = ALLOCATIONS.get();
    for _ in 0..count {
        observer.before_step();
        observer.after_step(Some(loss));
    }
    ALLOCATIONS.get() - before
}

#[test]
fn a_steady_observer_does_not_allocate() {
    let variables = VarStore::new(Device::Cpu);
    // Enough for several threads, and some that are smaller than a vector register.
    let _ = variables.root().var("large", &[300, 1000], Init::Const(0.5));
    let _ = variables.root().var("small", &[3], Init::Const(0.5));
    let _ = variables.root().var("scalar", &[], Init::Const(0.5));
    let folder = tempfile::tempdir().unwrap();
    let mut observer = perrin::Options::new().observe(&variables, folder.path()).unwrap();
    let loss = Tensor::from(0.5f32);
    allocations_in(&mut observer, &loss, 10);
    assert_eq!(allocations_in(&mut observer, &loss, 300), 0);
    assert_eq!(observer.finish().unwrap().rows, 310);
}

/// The counter counts: what a wrapped optimizer's bare list costs is an allocation a parameter and one for the list.
#[test]
fn the_counter_counts() {
    let variables = VarStore::new(Device::Cpu);
    let _ = variables.root().var("a", &[3], Init::Const(0.5));
    let before = ALLOCATIONS.get();
    let list = nn::VarStore::trainable_variables(&variables);
    assert!(ALLOCATIONS.get() > before && list.len() == 1);
}
