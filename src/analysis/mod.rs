//! What a run's log says, offline: one file a question.
//!
//! A run's files are read in one place (`inputs`), which keeps sums, so that a log of any length is
//! read in little memory. The questions are functions of these inputs. What the rows cannot answer
//! is answered so, with the reason: see [`Answer`].

pub mod advice;
pub mod answer;
pub mod change;
mod columns;
pub mod curvatures;
pub mod diffusion;
pub mod displacement;
pub mod displacement_noise;
mod effective_samples;
mod eigenvalue_file;
pub mod findings;
pub mod fit;
mod fit_options;
mod fitting;
mod gradient_noise;
pub mod health;
mod inputs;
mod intervals;
pub mod lags;
pub mod learning_rates;
pub mod mode_recursion;
pub mod modes;
mod not_finite;
mod notes;
mod parallel;
mod read_ahead;
mod render;
pub(crate) mod render_text;
mod reprojection;
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
