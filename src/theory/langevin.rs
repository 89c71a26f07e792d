//! SGD as a Langevin process (eq. 3, 4; sections 5 and 6; appendices F and G), mode by mode.
//!
//! Time is `t = learning_rate * step`. Velocities are
//! `v_k = (theta_k - theta_{k-1}) / learning_rate`, positions are measured from the minimum `mu` of
//! loss and weight decay together. The noise is `Sigma = sigma^2 H` (assumption 5). All of it is
//! the limit of small `learning_rate * eigenvalue`; [`discrete`](super::discrete) has the same
//! quantities without that limit. [`phase_space`](super::phase_space) has the process in all
//! directions at once, as matrices.

use super::autocorrelation::Autocorrelation;
use super::double_double::DoubleDouble;
use super::oscillator::{DampedOscillator, Regime};
use super::parameters::{
    SgdParameters, require_finite, require_finite_mean, require_not_negative, require_positive,
};
use crate::error::Result;

/// Along one eigenvector of the Hessian: a damped oscillator driven by white noise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LangevinMode {
    learning_rate: f64,
    oscillator: DampedOscillator,
    position_variance: f64,
    velocity_variance: f64,
}

impl LangevinMode {
    /// The mode with Hessian eigenvalue rho = `eigenvalue`.
    ///
    /// # Errors
    /// [`Error::InvalidValue`](crate::Error::InvalidValue) for parameters out of range, rho < 0 or
    /// rho + lambda <= 0.
    pub fn new(parameters: &SgdParameters, eigenvalue: f64) -> Result<LangevinMode> {
        parameters.validate()?;
        let curvature = parameters.curvature(eigenvalue)?;
        let SgdParameters { learning_rate, momentum, batch_size, noise_scale, .. } = *parameters;
        let friction = DoubleDouble::sum(1.0, -momentum);
        let mass = DoubleDouble::sum(1.0, momentum) * learning_rate.into();
        let noise = noise_scale * eigenvalue / batch_size;
        let oscillator = DampedOscillator::from_rates(friction / mass, curvature.scale(2.0) / mass);
        // Out of the range of `f64` only for absurd learning rates and eigenvalues.
        require_positive("decay rate per time", oscillator.decay_rate())?;
        require_positive("natural frequency per time", oscillator.natural_frequency())?;
        Ok(LangevinMode {
            learning_rate,
            oscillator,
            position_variance: learning_rate * noise
                / (2.0 * (1.0 - momentum) * curvature.to_f64()),
            velocity_variance: noise / ((1.0 - momentum) * (1.0 + momentum)),
        })
    }

    /// The oscillator behind it: gamma = (1-beta)/(eta(1+beta)), omega^2 =
    /// 2(rho+lambda)/(eta(1+beta)), per time `learning_rate * step`. Times eta they are per step.
    pub fn oscillator(&self) -> &DampedOscillator {
        &self.oscillator
    }

    /// zeta = (1-beta) / sqrt(2 eta (1+beta) (rho+lambda)).
    pub fn damping_ratio(&self) -> f64 {
        self.oscillator.damping_ratio()
    }

    /// Whether the mode swings or creeps.
    pub fn regime(&self) -> Regime {
        self.oscillator.regime()
    }

    /// eta alpha / 2 pi, cycles per step of a free oscillation; none unless under-damped.
    pub fn cycles_per_step(&self) -> Option<f64> {
        self.oscillator
            .ringing_frequency()
            .map(|alpha| self.learning_rate * alpha / std::f64::consts::TAU)
    }

    /// Var(position) = eta sigma^2/(2S(1-beta)) rho/(rho+lambda), the same in every mode when
    /// lambda ~ 0.
    pub fn position_variance(&self) -> f64 {
        self.position_variance
    }

    /// Var(velocity) = sigma^2 rho/(S(1-beta^2)).
    pub fn velocity_variance(&self) -> f64 {
        self.velocity_variance
    }

    /// Stationary covariance of (position, velocity) (appendix F, G): diagonal.
    pub fn stationary_covariance(&self) -> [[f64; 2]; 2] {
        [[self.position_variance, 0.0], [0.0, self.velocity_variance]]
    }

    /// Mean (position, velocity) `steps` after a start at that position and velocity (eq. 5).
    ///
    /// # Errors
    /// [`Error::InvalidValue`](crate::Error::InvalidValue) unless both, and the mean, are finite.
    pub fn mean(&self, position: f64, velocity: f64, steps: u64) -> Result<[f64; 2]> {
        require_finite("position", position)?;
        require_finite("velocity", velocity)?;
        require_finite_mean(self.oscillator.trajectory_after(position, velocity, self.time(steps)))
    }

    /// Covariance of (position, velocity) `steps` after a start from a point (eq. 6).
    pub fn covariance_from_point(&self, steps: u64) -> [[f64; 2]; 2] {
        self.oscillator.covariance_after(self.position_variance, self.time(steps))
    }

    /// E (x_k - x_0)^2 from a stationary position at velocity 0, as where an optimizer has just
    /// been made.
    ///
    /// # Errors
    /// [`Error::InvalidValue`](crate::Error::InvalidValue) where the mean is out of range.
    pub fn mean_squared_displacement_from_rest(&self, steps: u64) -> Result<f64> {
        let [kept, _] = self.mean(1.0, 0.0, steps)?;
        Ok((kept - 1.0).powi(2) * self.position_variance()
            + self.covariance_from_point(steps)[0][0])
    }

    /// C(eta k), the stationary autocorrelation of the velocity at a lag of k = `steps`.
    pub fn velocity_autocorrelation(&self, steps: u64) -> f64 {
        self.oscillator.velocity_autocorrelation_after(self.time(steps))
    }

    /// E (position_k - position_0)^2 of the stationary process, 2 [Var - Cov(eta k)], to full
    /// relative precision down to the first step of the slowest mode.
    pub fn mean_squared_displacement(&self, steps: u64) -> f64 {
        2.0 * self.position_variance
            * self.oscillator.after(self.time(steps)).deviation[0][0].to_f64()
    }

    /// E delta^2 = eta^2 Var(velocity), the mode's part of eq. 12. (The displacement after one step
    /// is a little less, since the continuous velocity turns within a step.)
    pub fn local_displacement(&self) -> f64 {
        self.learning_rate * self.learning_rate * self.velocity_variance
    }

    pub(crate) fn autocorrelation(&self) -> Autocorrelation {
        let step = self.oscillator.after(self.time(1));
        Autocorrelation {
            variance: self.position_variance,
            step,
            first: [step.deviation[0][0].to_f64(), step.map[1][0].to_f64()],
            limit: 1.0,
        }
    }

    /// t = eta k, exact to 32 digits: at 10^9 steps a rounded time would be a wrong phase.
    fn time(&self, steps: u64) -> DoubleDouble {
        // Steps beyond 2^53 are rounded; no run has them.
        DoubleDouble::product(self.learning_rate, steps as f64)
    }
}

/// Eq. 12: E||delta||^2 = eta^2 sigma^2 tr(H) / (S (1 - beta^2)), the squared speed per step.
///
/// # Errors
/// [`Error::InvalidValue`](crate::Error::InvalidValue) for parameters out of range or a negative
/// trace.
pub fn local_displacement(parameters: &SgdParameters, hessian_trace: f64) -> Result<f64> {
    parameters.validate()?;
    require_not_negative("hessian_trace", hessian_trace)?;
    Ok(parameters.noise_scale * hessian_trace * speed_factor(parameters))
}

/// The inverse of eq. 12: sigma^2 tr(H) from a measured mean of ||delta||^2. `noise_scale` is not
/// used.
///
/// # Errors
/// [`Error::InvalidValue`](crate::Error::InvalidValue) for parameters out of range or a negative
/// displacement.
pub fn noise_trace(parameters: &SgdParameters, local_displacement: f64) -> Result<f64> {
    parameters.validate()?;
    require_not_negative("local_displacement", local_displacement)?;
    Ok(local_displacement / speed_factor(parameters))
}

/// Equipartition (appendix G.3): `E[K] = eta sigma^2 tr(H) / (4 S (1 - beta))`, which is also the
/// excess loss `E[L_lambda] - lambda/2 ||mu||^2`. K = m ||v||^2 / 2 with mass m = eta (1 + beta) /
/// 2.
///
/// # Errors
/// [`Error::InvalidValue`](crate::Error::InvalidValue) for parameters out of range or a negative
/// trace.
pub fn kinetic_energy(parameters: &SgdParameters, hessian_trace: f64) -> Result<f64> {
    parameters.validate()?;
    require_not_negative("hessian_trace", hessian_trace)?;
    let SgdParameters { learning_rate, momentum, batch_size, noise_scale, .. } = *parameters;
    Ok(learning_rate * noise_scale * hessian_trace / (4.0 * batch_size * (1.0 - momentum)))
}

fn speed_factor(parameters: &SgdParameters) -> f64 {
    let SgdParameters { learning_rate, momentum, batch_size, .. } = *parameters;
    learning_rate * learning_rate / (batch_size * (1.0 - momentum) * (1.0 + momentum))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PARAMETERS: SgdParameters = SgdParameters {
        learning_rate: 0.01,
        momentum: 0.9,
        weight_decay: 1e-3,
        batch_size: 32.0,
        noise_scale: 2.0,
    };

    #[test]
    fn equipartition_holds_mode_by_mode_and_in_total() {
        let eigenvalues = [5.0, 1.0, 0.2, 0.02];
        let mass = PARAMETERS.learning_rate * (1.0 + PARAMETERS.momentum) / 2.0;
        let mut kinetic = 0.0;
        for rho in eigenvalues {
            let mode = LangevinMode::new(&PARAMETERS, rho).unwrap();
            let potential = 0.5 * (rho + PARAMETERS.weight_decay) * mode.position_variance();
            assert!((potential / (0.5 * mass * mode.velocity_variance()) - 1.0).abs() < 1e-14);
            kinetic += potential;
        }
        let total = kinetic_energy(&PARAMETERS, eigenvalues.iter().sum()).unwrap();
        assert!((kinetic / total - 1.0).abs() < 1e-14);
    }

    #[test]
    fn a_mode_without_curvature_but_with_decay_has_no_noise() {
        let mode = LangevinMode::new(&PARAMETERS, 0.0).unwrap();
        assert_eq!(mode.stationary_covariance(), [[0.0; 2]; 2]);
        assert_eq!(mode.mean_squared_displacement(1000), 0.0);
        assert!(mode.damping_ratio().is_finite());
    }

    proptest! {
        #[test]
        fn speed_scales_as_equation_12(factor in 0.1..10.0f64, momentum in 0.0..0.99f64, trace in 1e-3..1e5f64) {
            let at = |p: SgdParameters| local_displacement(&p, trace).unwrap();
            let base = SgdParameters { momentum, ..PARAMETERS };
            let speed = at(base);
            let close = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-13;
            let faster = at(SgdParameters { learning_rate: base.learning_rate * factor, ..base });
            let quieter = at(SgdParameters { batch_size: base.batch_size * factor, ..base });
            let without_momentum = at(SgdParameters { momentum: 0.0, ..base });
            prop_assert!(close(faster, speed * factor * factor));
            prop_assert!(close(quieter, speed / factor));
            prop_assert!(close(without_momentum, speed * (1.0 - momentum * momentum)));
            prop_assert!(close(noise_trace(&base, speed).unwrap(), base.noise_scale * trace));
        }
    }
}
