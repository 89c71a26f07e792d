//! SGD as one Ornstein-Uhlenbeck process of z = (theta, v), all directions at once (eq. 3, 4;
//! appendix F).
//!
//! ```text
//! A = [[0, -I], [2/(eta(1+beta)) (H + lambda I), 2(1-beta)/(eta(1+beta)) I]]
//! D = diag(0, 2(1-beta)/(eta(1+beta)) Sigma),   kappa = S (1 - beta^2),   mean (mu, 0)
//! ```
//!
//! Time is `learning_rate * step`. For one eigenvector at a time [`langevin`](super::langevin) is
//! cheaper and more accurate.

use nalgebra::{DMatrix, DVector};

use super::matrix::{require_square, require_symmetric, require_vector};
use super::ornstein_uhlenbeck::OrnsteinUhlenbeck;
use super::parameters::{SgdParameters, require_not_negative, require_positive};
use crate::error::Result;

/// The process in 2n dimensions, for a Hessian H, a covariance Sigma of one example's gradient, and
/// a minimum mu (of loss and decay together), n x n, n x n and n. Sigma need not be sigma^2 H:
/// `noise_scale` of the parameters is not used.
///
/// # Errors
/// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) for sizes that do not fit;
/// [`Error::InvalidValue`](crate::Error::InvalidValue) for parameters out of range, matrices that
/// are not symmetric, an H + lambda I that is not positive definite or a Sigma that is not positive
/// semi-definite.
pub fn process(
    parameters: &SgdParameters,
    hessian: &DMatrix<f64>,
    noise_covariance: &DMatrix<f64>,
    minimum: &DVector<f64>,
) -> Result<OrnsteinUhlenbeck> {
    parameters.validate()?;
    let n = minimum.len();
    require_square("hessian", hessian, n)?;
    require_square("noise_covariance", noise_covariance, n)?;
    require_vector("minimum", minimum, n)?;
    require_symmetric("hessian", hessian)?;
    let SgdParameters { learning_rate, momentum, weight_decay, batch_size, .. } = *parameters;
    let inverse_mass = 2.0 / (learning_rate * (1.0 + momentum));
    let friction = inverse_mass * (1.0 - momentum);
    let identity = DMatrix::<f64>::identity(n, n);
    let mut drift = DMatrix::zeros(2 * n, 2 * n);
    drift.view_mut((0, n), (n, n)).copy_from(&-&identity);
    drift
        .view_mut((n, 0), (n, n))
        .copy_from(&((hessian + &identity * weight_decay) * inverse_mass));
    drift.view_mut((n, n), (n, n)).copy_from(&(identity * friction));
    let mut diffusion = DMatrix::zeros(2 * n, 2 * n);
    diffusion.view_mut((n, n), (n, n)).copy_from(&(noise_covariance * friction));
    let mut mean = DVector::zeros(2 * n);
    mean.rows_mut(0, n).copy_from(minimum);
    OrnsteinUhlenbeck::new(drift, diffusion, batch_size * (1.0 - momentum) * (1.0 + momentum), mean)
}

/// (Psi_theta, Psi_v), the modified loss along one eigenvector (eq. 8, 10):
/// `x^2 (rho+lambda) / (rho eta (1+beta) sigma^2)` and `v^2 / (2 rho sigma^2)`, x the position from
/// the minimum. The first is isotropic when lambda ~ 0.
///
/// # Errors
/// [`Error::InvalidValue`](crate::Error::InvalidValue) for parameters out of range, and for rho or
/// sigma^2 that are not positive: without noise the modified loss is infinite.
pub fn modified_loss(
    parameters: &SgdParameters,
    eigenvalue: f64,
    position: f64,
    velocity: f64,
) -> Result<[f64; 2]> {
    parameters.validate()?;
    require_positive("eigenvalue", eigenvalue)?;
    require_positive("noise_scale", parameters.noise_scale)?;
    let SgdParameters { learning_rate, momentum, weight_decay, noise_scale, .. } = *parameters;
    let noise = eigenvalue * noise_scale;
    Ok([
        position * position * (eigenvalue + weight_decay)
            / (noise * learning_rate * (1.0 + momentum)),
        velocity * velocity / (2.0 * noise),
    ])
}

/// The conservative force j along one eigenvector, (v, -2/(eta(1+beta)) (rho+lambda) x) (eq. 11):
/// the current is j p_ss. It turns clockwise in the plane of x (right) and v (up).
///
/// # Errors
/// [`Error::InvalidValue`](crate::Error::InvalidValue) for parameters out of range or a negative
/// eigenvalue.
pub fn conservative_force(
    parameters: &SgdParameters,
    eigenvalue: f64,
    position: f64,
    velocity: f64,
) -> Result<[f64; 2]> {
    parameters.validate()?;
    require_not_negative("eigenvalue", eigenvalue)?;
    let SgdParameters { learning_rate, momentum, weight_decay, .. } = *parameters;
    Ok([
        velocity,
        -2.0 * (eigenvalue + weight_decay) * position / (learning_rate * (1.0 + momentum)),
    ])
}

/// mu - theta_* along one eigenvector, `-g_* / rho`, from the gradient's component there (section
/// 7). With weight decay, give the gradient of loss and decay together and rho + lambda.
///
/// # Errors
/// [`Error::InvalidValue`](crate::Error::InvalidValue) unless the curvature is positive.
pub fn minimum_offset(gradient: f64, curvature: f64) -> Result<f64> {
    require_positive("curvature", curvature)?;
    Ok(-gradient / curvature)
}

#[cfg(test)]
mod tests {
    use super::super::fokker_planck::FokkerPlanck;
    use super::super::langevin::LangevinMode;
    use super::*;

    const PARAMETERS: SgdParameters = SgdParameters {
        learning_rate: 0.05,
        momentum: 0.8,
        weight_decay: 0.01,
        batch_size: 16.0,
        noise_scale: 1.3,
    };

    /// A Hessian with eigenvalues 3, 1 and 0.1 off the axes, and its eigenvectors.
    fn hessian() -> (DMatrix<f64>, DMatrix<f64>, [f64; 3]) {
        let eigenvalues = [3.0, 1.0, 0.1];
        let rotation =
            DMatrix::from_row_slice(3, 3, &[1.0, 2.0, 2.0, 2.0, 1.0, -2.0, 2.0, -2.0, 1.0]) / 3.0;
        let diagonal = DMatrix::from_diagonal(&DVector::from_column_slice(&eigenvalues));
        (&rotation * diagonal * rotation.transpose(), rotation, eigenvalues)
    }

    #[test]
    fn the_modes_of_the_process_are_the_modes_of_the_hessian() {
        let (hessian, rotation, eigenvalues) = hessian();
        let noise = &hessian * PARAMETERS.noise_scale;
        let process = process(&PARAMETERS, &hessian, &noise, &DVector::zeros(3)).unwrap();
        let steps = 40;
        let later =
            process.covariance_from_point(PARAMETERS.learning_rate * f64::from(steps)).unwrap();
        let stationary = process.stationary_covariance();
        for (index, rho) in eigenvalues.into_iter().enumerate() {
            let mode = LangevinMode::new(&PARAMETERS, rho).unwrap();
            let axis = rotation.column(index);
            let project = |m: &DMatrix<f64>, row: usize, column: usize| {
                (axis.transpose() * m.view((3 * row, 3 * column), (3, 3)) * axis)[(0, 0)]
            };
            for row in 0..2 {
                for column in 0..2 {
                    let scale = (mode.stationary_covariance()[row][row]
                        * mode.stationary_covariance()[column][column])
                        .sqrt();
                    let expected = mode.stationary_covariance()[row][column];
                    assert!((project(&stationary, row, column) - expected).abs() < 1e-11 * scale);
                    let expected =
                        mode.covariance_from_point(steps.try_into().unwrap())[row][column];
                    assert!((project(&later, row, column) - expected).abs() < 1e-11 * scale);
                }
            }
        }
    }

    #[test]
    fn decomposition_is_equation_9() {
        let (hessian, _, _) = hessian();
        let noise = &hessian * PARAMETERS.noise_scale;
        let process = process(&PARAMETERS, &hessian, &noise, &DVector::zeros(3)).unwrap();
        let theory = FokkerPlanck::new(&process).unwrap();
        let mut skew = DMatrix::zeros(6, 6);
        skew.view_mut((0, 3), (3, 3)).copy_from(&-&noise);
        skew.view_mut((3, 0), (3, 3)).copy_from(&noise);
        assert!((theory.skew() - &skew).amax() < 1e-10 * noise.amax());
        let inverse = noise.try_inverse().unwrap();
        let with_decay = &hessian + DMatrix::identity(3, 3) * PARAMETERS.weight_decay;
        let mut curvature = DMatrix::zeros(6, 6);
        let inverse_mass = 2.0 / (PARAMETERS.learning_rate * (1.0 + PARAMETERS.momentum));
        curvature.view_mut((0, 0), (3, 3)).copy_from(&(&inverse * with_decay * inverse_mass));
        curvature.view_mut((3, 3), (3, 3)).copy_from(&inverse);
        assert!((theory.curvature() - &curvature).amax() < 1e-10 * curvature.amax());
    }

    #[test]
    fn one_mode_forms_agree_with_the_matrices() {
        let (rho, x, v) = (0.7, 0.3, -1.1);
        let of = |value: f64| DMatrix::from_element(1, 1, value);
        let process =
            process(&PARAMETERS, &of(rho), &of(rho * PARAMETERS.noise_scale), &DVector::zeros(1))
                .unwrap();
        let theory = FokkerPlanck::new(&process).unwrap();
        let point = DVector::from_vec(vec![x, v]);
        let [of_position, of_velocity] = modified_loss(&PARAMETERS, rho, x, v).unwrap();
        assert!(
            (theory.modified_loss(&point).unwrap() / (of_position + of_velocity) - 1.0).abs()
                < 1e-12
        );
        let force = theory.force(&point).unwrap();
        let expected = conservative_force(&PARAMETERS, rho, x, v).unwrap();
        assert!(
            (force[0] / expected[0] - 1.0).abs() < 1e-11
                && (force[1] / expected[1] - 1.0).abs() < 1e-11
        );
        assert_eq!(minimum_offset(1.5, 3.0).unwrap(), -0.5);
    }

    #[test]
    fn indefinite_matrices_are_errors() {
        let of = |value: f64| DMatrix::from_element(1, 1, value);
        let at = |hessian: f64, noise: f64| {
            process(&PARAMETERS, &of(hessian), &of(noise), &DVector::zeros(1))
        };
        assert!(at(-0.02, 1.0).is_err());
        assert!(at(1.0, -1.0).is_err());
        assert!(
            process(&PARAMETERS, &of(1.0), &DMatrix::identity(2, 2), &DVector::zeros(1)).is_err()
        );
        assert!(modified_loss(&PARAMETERS, 0.0, 1.0, 1.0).is_err());
    }
}
