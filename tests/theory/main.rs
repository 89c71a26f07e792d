//! The theory against published values and simulations.

mod process_reference;
mod reference;
mod simulation;
