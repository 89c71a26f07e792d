//! How a stationary mode forgets where it was, as a recursion from lag to lag.

use super::propagator::Propagator;

/// A stationary mode's correlation with its start: (limit - d_k, s_k) is carried on by `step` from
/// `first` = (d_1, s_1), s being the position's last step (or its velocity). With `limit` 1, d is
/// the decorrelation that times 2 `variance` is the displacement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Autocorrelation {
    pub(crate) variance: f64,
    pub(crate) step: Propagator,
    pub(crate) first: [f64; 2],
    pub(crate) limit: f64,
}
