//! What is asked of a fit: [`FitOptions`].

use super::curvatures::Curvatures;

/// What to fit, and what is known besides the log.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FitOptions {
    /// The window begins at this step; without it, after a third of the rows.
    pub first_step: Option<u64>,
    /// The stationary part begins at this step; without it, where the tests say. The modes are
    /// fitted from there on, and the window begins there if nothing else is said and that is later
    /// than a third of the rows.
    pub stationary_from: Option<u64>,
    /// The window, and all else, ends at this step; without it, at the last row.
    pub last_step: Option<u64>,
    /// What is known of the Hessian. Without it what the run's folder has is taken; with it nothing
    /// of that.
    pub curvatures: Option<Curvatures>,
}
