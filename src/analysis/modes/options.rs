//! What else is known of a run, and which of its steps to fit.

use crate::analysis::curvatures::Curvatures;
use crate::run::Measured;

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
    /// The basis in the run's folder that these are of. Where the rows fitted are along another,
    /// what the folder knows of that one is taken instead.
    pub basis: Option<u64>,
    /// Steps before are not used.
    pub first_step: Option<u64>,
    /// Steps after are not used.
    pub last_step: Option<u64>,
}

impl<'a> ModesOptions<'a> {
    /// With what is known of the Hessian, of so many directions.
    pub(crate) fn with_curvatures(
        self,
        known: &'a Curvatures,
        directions: usize,
    ) -> ModesOptions<'a> {
        let noise = known.gradient_noise.as_ref();
        ModesOptions {
            eigenvalues: known.eigenvalues.get(..directions),
            hessian_trace: known.trace(),
            gradient_variances: noise.and_then(|noise| noise.variances.get(..directions)),
            gradient_trace: noise.map(|noise| noise.trace),
            basis: known.basis,
            ..self
        }
    }
}
