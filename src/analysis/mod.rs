//! What a run's log says, offline: one file a question.
//!
//! Each analysis is given rows one by one and keeps sums, so that a log of any length is read in little memory. What
//! the rows cannot answer is answered so, with the reason: see [`Answer`]. [`modes`] holds one direction's two columns at
//! a time instead.

pub mod answer;
pub mod diffusion;
pub mod fit;
pub mod modes;
mod render;
pub mod speed;

pub use answer::Answer;
pub use fit::RunFit;
pub use modes::ModesFit;
