//! What theory says of what is shown: ellipses, spectra, contours and displacements, from a run's
//! settings.
//!
//! All of it is that of the recursion in discrete time, which SGD is on a quadratic loss; only the
//! modified loss (eq. 8, 10) is the paper's own.

use super::phase::Ellipse;
use crate::analysis::displacement_noise::Start;
use crate::analysis::modes::{ModeFit, ModesFit, NoiseSource, Window};
use crate::theory::discrete::DiscreteMode;
use crate::theory::parameters::SgdParameters;

/// The modes that are shown: all, or the first three and others evenly to the last.
pub fn shown_modes(modes: usize, most: usize) -> Vec<usize> {
    if modes <= most {
        return (1..=modes).collect();
    }
    let first = most / 2;
    let rest = most - first;
    let spread = |index: usize| {
        first + ((modes - first) as f64 * (index + 1) as f64 / rest as f64).round() as usize
    };
    (1..=first).chain((0..rest).map(spread)).collect()
}

/// One mode by theory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ModeTheory {
    /// Settings; the noise scale is the one behind the mode's noise.
    pub parameters: SgdParameters,
    /// rho.
    pub eigenvalue: f64,
    /// Mean position, as fitted.
    pub centre: f64,
}

/// sigma^2 of all modes together, from the steps' noise.
pub fn noise_scale(fit: &ModesFit) -> Option<f64> {
    Some(fit.noise_scale.known()?.value(NoiseSource::Innovations)?.value)
        .filter(|scale| *scale > 0.0)
}

/// The variance of a mini-batch's gradient along a mode, where gradients were measured.
pub fn measured_noise(fit: &ModesFit, mode: usize) -> Option<f64> {
    let found = fit.gradient_noise.known()?.modes.iter().find(|found| found.mode == mode)?;
    Some(found.predicted_noise).filter(|variance| *variance > 0.0)
}

/// Where the noise of a prediction [`with_measured_noise`](ModeTheory::with_measured_noise) is
/// from, as it continues "by theory".
pub fn noise_from(fit: &ModesFit) -> &'static str {
    if fit.modes.iter().any(|mode| measured_noise(fit, mode.mode).is_some()) {
        "and the noise of gradients as it was measured beside them, mode by mode"
    } else if noise_scale(fit).is_some() {
        "and one σ² for all modes (assumption 5)"
    } else {
        "and each mode's own noise"
    }
}

/// Where the curvatures of a prediction are from, as it continues "by theory".
pub fn curvatures_from(fit: &ModesFit) -> &'static str {
    if fit.modes.iter().any(|mode| mode.hessian_eigenvalue.is_some()) {
        "with the Hessian's eigenvalues"
    } else {
        "with curvatures fitted to the same rows, since the Hessian's are not known"
    }
}

/// The settings of a window; none where one of them is not known.
pub fn settings(window: &Window, noise_scale: f64) -> Option<SgdParameters> {
    let parameters = SgdParameters {
        learning_rate: window.learning_rate?,
        momentum: window.momentum?,
        weight_decay: window.weight_decay?,
        batch_size: window.batch_size? as f64,
        noise_scale,
    };
    parameters.validate().ok().map(|()| parameters)
}

impl ModeTheory {
    /// As [`of`](ModeTheory::of), driven by the noise of gradients where that was measured along
    /// this mode: with the Hessian's eigenvalue nothing is fitted then, and assumption 5 is not
    /// used.
    pub fn with_measured_noise(fit: &ModesFit, mode: &ModeFit) -> Option<ModeTheory> {
        let theory = ModeTheory::of(fit, mode)?;
        let Some(noise) = measured_noise(fit, mode.mode) else { return Some(theory) };
        let SgdParameters { batch_size, .. } = theory.parameters;
        let parameters = SgdParameters {
            noise_scale: noise * batch_size / theory.eigenvalue,
            ..theory.parameters
        };
        Some(ModeTheory { parameters, ..theory })
    }

    /// The Hessian's eigenvalue where it is given, else the fitted one; sigma^2 of all modes where
    /// it is known, else the noise of this mode. None where the mode has no fit.
    pub fn of(fit: &ModesFit, mode: &ModeFit) -> Option<ModeTheory> {
        let (window, recursion) = (fit.window.known()?, mode.recursion.known()?);
        let weight_decay = window.weight_decay.unwrap_or(0.0);
        let eigenvalue =
            mode.hessian_eigenvalue.unwrap_or(recursion.curvature.value - weight_decay);
        let common = noise_scale(fit).zip(window.batch_size.map(|size| size as f64));
        let (noise_scale, batch_size) =
            common.unwrap_or((recursion.noise_variance.value / eigenvalue, 1.0));
        let momentum = window.momentum.unwrap_or(recursion.momentum.value);
        let parameters = SgdParameters {
            learning_rate: window.learning_rate?,
            momentum,
            weight_decay,
            batch_size,
            noise_scale,
        };
        let centre = recursion
            .mean
            .map(|mean| mean.value)
            .or(mode.moments.known().map(|moments| moments.position_mean));
        // Whether the mode has a stationary state is asked here once.
        DiscreteMode::new(&parameters, eigenvalue).ok().filter(|_| eigenvalue > 0.0)?;
        Some(ModeTheory { parameters, eigenvalue, centre: centre? })
    }

    /// Where (position, velocity) is found.
    pub fn ellipse(&self) -> Option<Ellipse> {
        let covariance =
            DiscreteMode::new(&self.parameters, self.eigenvalue).ok()?.stationary_covariance();
        let determinant = covariance[0][0] * covariance[1][1] - covariance[0][1] * covariance[1][0];
        (determinant > 0.0).then_some(Ellipse { centre: [self.centre, 0.0], covariance })
    }

    /// One-sided power spectral density of the velocity, velocity squared a cycle per step.
    ///
    /// x'' = (1 + beta - p) x' - beta x + eta n, p = eta (rho + lambda), v' = (x' - x)/eta.
    pub fn velocity_spectrum(&self, cycles_per_step: f64) -> f64 {
        let SgdParameters { learning_rate, momentum, weight_decay, batch_size, noise_scale } =
            self.parameters;
        let pull = learning_rate * (self.eigenvalue + weight_decay);
        let (sine, cosine) = (std::f64::consts::TAU * cycles_per_step).sin_cos();
        let (sine_2, cosine_2) = (2.0 * sine * cosine, 2.0 * cosine * cosine - 1.0);
        let real = 1.0 - (1.0 + momentum - pull) * cosine + momentum * cosine_2;
        let imaginary = (1.0 + momentum - pull) * sine - momentum * sine_2;
        let noise = noise_scale * self.eigenvalue / batch_size;
        2.0 * noise * (2.0 - 2.0 * cosine) / (real * real + imaginary * imaginary)
    }
}

/// E||Delta_k||^2 of modes (eigenvalue and how many are like it) at some steps; none where one has
/// no stationary state.
pub fn displacement(
    parameters: &SgdParameters,
    modes: &[(f64, f64)],
    start: Start,
    steps: &[u64],
) -> Option<Vec<f64>> {
    let moving = modes.iter().filter(|(eigenvalue, _)| *eigenvalue > 0.0);
    let moving = moving
        .map(|(eigenvalue, count)| Some((DiscreteMode::new(parameters, *eigenvalue).ok()?, *count)))
        .collect::<Option<Vec<_>>>()?;
    let at = |step: &u64| {
        let of = |(mode, count): &(DiscreteMode, f64)| {
            Some(count * start.mean_squared_displacement(mode, *step).ok()?)
        };
        moving.iter().map(of).sum::<Option<f64>>()
    };
    steps.iter().map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spectrum_sums_to_the_variance_of_the_velocity() {
        let parameters = SgdParameters {
            learning_rate: 0.1,
            momentum: 0.9,
            weight_decay: 1e-4,
            batch_size: 32.0,
            noise_scale: 2.0,
        };
        for eigenvalue in [0.05, 0.7, 9.0] {
            let theory = ModeTheory { parameters, eigenvalue, centre: 0.0 };
            let count = 200_000;
            let spacing = 0.5 / f64::from(count);
            let sum: f64 = (0..count)
                .map(|j| spacing * theory.velocity_spectrum((f64::from(j) + 0.5) * spacing))
                .sum();
            let variance = theory.ellipse().unwrap().covariance[1][1];
            assert!((sum / variance - 1.0).abs() < 1e-6, "{sum} {variance}");
        }
    }

    #[test]
    fn few_modes_are_all_shown_and_of_many_the_first_and_the_last() {
        assert_eq!(shown_modes(4, 6), [1, 2, 3, 4]);
        assert_eq!(shown_modes(30, 6), [1, 2, 3, 12, 21, 30]);
        assert_eq!(shown_modes(7, 6), [1, 2, 3, 4, 6, 7]);
    }
}
