//! The theory.
pub mod discrete;
pub mod displacement;
mod double_double;
pub mod fokker_planck;
pub mod langevin;
pub mod lyapunov;
pub mod ornstein_uhlenbeck;
pub mod oscillator;
pub mod parameters;
pub mod prediction;
mod prediction_table;
mod propagator;
pub mod recursion;
pub mod spectrum;
