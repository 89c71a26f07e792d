//! What else is known of a run, and which of its steps to fit.

/// Input besides the log. `ModesOptions::default()` is the log alone.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ModesOptions<'a> {
    /// rho_i of the Hessian (without weight decay), one a direction, in their order.
    pub eigenvalues: Option<&'a [f64]>,
    /// tr(H) over all parameters.
    pub hessian_trace: Option<f64>,
    /// q_i^T Sigma q_i of the covariance of one example's gradient, one a direction.
    pub gradient_variances: Option<&'a [MeasuredVariance]>,
    /// Steps before are not used.
    pub first_step: Option<u64>,
    /// Steps after are not used.
    pub last_step: Option<u64>,
}

/// A measured variance and its standard error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeasuredVariance {
    /// The variance.
    pub variance: f64,
    /// Its standard error.
    pub standard_error: f64,
}
