//! What a run's log says, offline: one file a question.
//!
//! Each analysis is given rows one by one and keeps sums, so that a log of any length is read in little memory. What
//! the rows cannot answer is answered so, with the reason: see [`Answer`]. [`modes`] holds one direction's two columns at
//! a time instead.

pub mod advice;
pub mod answer;
pub mod change;
pub mod curvatures;
pub mod diffusion;
pub mod displacement;
pub mod displacement_noise;
mod effective_samples;
mod eigenvalue_file;
pub mod findings;
pub mod fit;
mod fitting;
mod gradient_noise;
pub mod health;
mod intervals;
pub mod lags;
pub mod learning_rates;
pub mod mode_recursion;
pub mod modes;
mod not_finite;
mod notes;
mod projections;
mod read_ahead;
mod render;
pub(crate) mod render_text;
mod reprojection;
mod row_sums;
pub mod settings;
pub mod speed;
pub mod stationarity;
pub mod sweep;
mod trajectories;
mod window_points;

pub use answer::Answer;
pub use findings::{Finding, Question, Verdict};
pub use fit::{FitOptions, RunFit};
pub use health::{Health, RunState};
pub use modes::ModesFit;
pub use reprojection::{Projected, project};
