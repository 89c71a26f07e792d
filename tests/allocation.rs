//! The training thread allocates nothing once it is in its stride: a counting allocator, asked per
//! thread. It counts what Rust allocates; libtorch's own allocations are its own.
#![cfg(feature = "torch")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use tch::nn::{self, Init, OptimizerConfig, VarStore};
use tch::{Device, Tensor};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: everything is passed on to the system's allocator; counting touches a thread-local
// integer that needs no allocation and no destructor.
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

/// With projections, rows travel in blocks whose memory comes back from the worker. This loop is a
/// thousand times faster than training, so some blocks are new; still far fewer than rows.
#[test]
fn projections_allocate_less_than_once_in_ten_steps() {
    let variables = VarStore::new(Device::Cpu);
    let _ = variables.root().var("a", &[1000], Init::Const(0.5));
    let folder = tempfile::tempdir().unwrap();
    let directions = vec![vec![0.5; 1000]; 10];
    let mut observer =
        perrin::Options::new().project_onto(directions).observe(&variables, folder.path()).unwrap();
    let loss = Tensor::from(0.5f32);
    allocations_in(&mut observer, &loss, 300);
    let allocations = allocations_in(&mut observer, &loss, 3_000);
    assert!(allocations <= 300, "{allocations}");
}

/// After `attach` without a variable store, the only way to notice an added variable is tch's list
/// of variables: one allocation a step, whatever the number of parameters (and one of libtorch's
/// for each of them).
#[test]
fn an_attached_optimizer_allocates_the_list_of_variables() {
    let variables = VarStore::new(Device::Cpu);
    let weight = variables.root().var("a", &[3], Init::Const(0.5));
    let _ = variables.root().var("b", &[3], Init::Const(0.5));
    let folder = tempfile::tempdir().unwrap();
    let optimizer = nn::sgd(0.9, 0., 0., false).build(&variables, 1e-3).unwrap();
    let mut optimizer = perrin::attach(optimizer, folder.path()).unwrap();
    let mut steps = |count: u64| {
        let loss = weight.sum(tch::Kind::Float);
        loss.backward();
        let before = ALLOCATIONS.get();
        (0..count).for_each(|_| optimizer.step());
        ALLOCATIONS.get() - before
    };
    steps(10);
    assert_eq!(steps(300), 300);
}
