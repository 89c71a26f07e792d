//! sigma^2 from the speed of all parameters, where the trace of the Hessian is given.

use super::estimate::{BatchSums, Estimate, standard_normal_quantile};
use super::mode::ModeFit;
use super::window::Window;
use crate::run::Measured;

const BATCHES: usize = 30;
/// Fewer rows make batches too short to be independent.
const FEWEST_ROWS: usize = 300;

/// sigma^2 from the speed.
#[derive(Debug, Clone, Copy)]
pub(super) struct SpeedNoiseScale {
    /// With the error of tr(H).
    pub(super) value: Estimate,
    /// With that of the speed alone: for what is divided by the same tr(H).
    pub(super) given_trace: Estimate,
}

/// For the squared local displacements of a window, `count` of them finite; `None` for too few.
pub(super) fn speed_sums(count: usize) -> Option<BatchSums> {
    BatchSums::new(count, BATCHES, 0.0).filter(|_| count >= FEWEST_ROWS)
}

/// S (1 - beta^2) E||delta||^2 / (eta^2 tr(H)), eq. 12 inverted; the trace counts the modes that
/// are known with the factor that discrete time gives them, 1 / (1 - eta (rho + lambda) / (2 (1 +
/// beta))).
pub(super) fn noise_scale_from_speed(
    squares: &BatchSums,
    window: &Window,
    modes: &[ModeFit],
    trace: Measured,
) -> Option<SpeedNoiseScale> {
    let (rate, momentum, batch) = (window.learning_rate?, window.momentum?, window.batch_size?);
    let sharper: f64 = modes
        .iter()
        .filter_map(|mode| {
            let rho = mode.hessian_eigenvalue.filter(|rho| *rho > 0.0)?;
            let stiffness = rate * (rho + window.weight_decay?) / (2.0 * (1.0 + momentum));
            (stiffness < 1.0).then(|| rho * stiffness / (1.0 - stiffness))
        })
        .sum();
    let factor =
        batch as f64 * (1.0 - momentum * momentum) / (rate * rate * (trace.value + sharper));
    squares
        .mean()
        .and_then(|mean| mean.estimate())
        .and_then(|speed| speed.map(|speed| factor * speed))
        .and_then(|given_trace| {
            let scale = given_trace.value;
            let of_trace =
                standard_normal_quantile(0.975) * scale * trace.standard_error / trace.value;
            let value = given_trace.combined_with(&Estimate::new(
                scale,
                scale - of_trace,
                scale + of_trace,
            )?)?;
            Some(SpeedNoiseScale { value, given_trace })
        })
        .filter(|scale| scale.value.value > 0.0)
}
