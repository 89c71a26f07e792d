//! Norms of gradients, by tensor operations wherever they are.

use tch::{TchError, Tensor, no_grad};

use super::device::norm;
use super::parameters::Parameter;
use crate::variables::sum_kind;

/// A norm for each parameter that has a gradient; nothing waits for a device.
pub(super) fn norms(parameters: &[Parameter]) -> Result<Vec<Tensor>, TchError> {
    no_grad(|| {
        let mut norms = Vec::new();
        for parameter in parameters {
            if let Some(gradient) = parameter.gradient()? {
                norms.push(norm_of(&gradient)?);
            }
        }
        Ok(norms)
    })
}

fn norm_of(gradient: &Tensor) -> Result<Tensor, TchError> {
    let sum_kind = sum_kind(gradient.device());
    // An embedding's gradient may be sparse; coalesced, its values are all there is to it.
    if gradient.is_sparse() {
        norm(&gradient.f_coalesce()?.f_values()?, sum_kind)
    } else {
        norm(gradient, sum_kind)
    }
}
