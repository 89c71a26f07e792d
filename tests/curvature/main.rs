//! The Hessian of a loss: against dense linear algebra, on awkward networks, and what it leaves
//! alone.
#![cfg(feature = "torch")]

mod awkward;
mod dense;
mod landscape;
mod left_as_found;
mod memory;
mod noise;
mod operations;
mod second_derivatives;
mod solvers;
mod sparse;
mod summary;
mod support;
mod tied;
