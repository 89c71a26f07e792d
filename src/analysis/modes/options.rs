//! What else is known of a run, and which of its steps to fit.

use crate::log::Measured;

/// Input besides the log. `ModesOptions::default()` is the log alone.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ModesOptions<'a> {
    /// rho_i of the Hessian (without weight decay), one a direction, in their order.
    pub eigenvalues: Option<&'a [f64]>,
    /// tr(H) over all parameters.
    pub hessian_trace: Option<Measured>,
    /// q_i^T Sigma q_i of the covariance of one example's gradient, one a direction.
    pub gradient_variances: Option<&'a [Measured]>,
    /// tr(Sigma) over all parameters.
    pub gradient_trace: Option<Measured>,
    /// Steps before are not used.
    pub first_step: Option<u64>,
    /// Steps after are not used.
    pub last_step: Option<u64>,
}
