//! What drives an Ornstein-Uhlenbeck process: modified loss and probability current (section 6;
//! appendices D and E).
//!
//! `A = (D + Q) U` with Q skew and U positive definite. The stationary density is exp(-kappa Psi)
//! with the modified loss `Psi(x) = (x - mu)^T U (x - mu) / 2`; what is left of the force,
//! `j(x) = -Q U (x - mu)`, carries a current along its level sets. Detailed balance holds if Q = 0.

use nalgebra::linalg::Cholesky;
use nalgebra::{DMatrix, DVector, Dyn, SymmetricEigen};

use super::matrix::{conjugate, require_square, require_symmetric, require_vector, symmetrize};
use super::ornstein_uhlenbeck::OrnsteinUhlenbeck;
use super::parameters::require;
use crate::error::{Error, Result};

/// The decomposition of a process and what follows from it.
#[derive(Debug, Clone)]
pub struct FokkerPlanck {
    process: OrnsteinUhlenbeck,
    skew: DMatrix<f64>,
    curvature: DMatrix<f64>,
    /// Of B = U^{-1}.
    factor: Cholesky<f64, Dyn>,
}

impl FokkerPlanck {
    /// Decomposes the process: U = B^{-1}, Q = A B - D (eq. 22).
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if B is singular: some direction has no noise, and the modified loss
    /// is infinite off it.
    pub fn new(process: &OrnsteinUhlenbeck) -> Result<FokkerPlanck> {
        let b = process.lyapunov();
        let singular = || Error::InvalidValue {
            name: "smallest eigenvalue of the stationary covariance",
            value: SymmetricEigen::new(b.clone()).eigenvalues.min() / process.kappa(),
            requirement: "positive: noise must reach every direction",
        };
        let factor = Cholesky::new(b.clone()).ok_or_else(singular)?;
        let mut curvature = factor.inverse();
        symmetrize(&mut curvature);
        let current = process.drift() * b - process.diffusion();
        let skew = (&current - current.transpose()) * 0.5;
        Ok(FokkerPlanck { process: process.clone(), skew, curvature, factor })
    }

    /// Q.
    pub fn skew(&self) -> &DMatrix<f64> {
        &self.skew
    }

    /// U.
    pub fn curvature(&self) -> &DMatrix<f64> {
        &self.curvature
    }

    /// Whether Q = 0 to rounding (1e-10 of D's largest entry): no current flows in the stationary
    /// state.
    pub fn has_detailed_balance(&self) -> bool {
        self.skew.amax() <= 1e-10 * self.process.diffusion().amax()
    }

    /// Psi(x) (eq. 39).
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] or [`Error::InvalidValue`] for a point of another size or not
    /// finite, here and below.
    pub fn modified_loss(&self, point: &DVector<f64>) -> Result<f64> {
        let deviation = self.deviation(point)?;
        Ok(0.5 * deviation.dot(&self.factor.solve(&deviation)))
    }

    /// grad Psi(x) = U (x - mu).
    pub fn modified_loss_gradient(&self, point: &DVector<f64>) -> Result<DVector<f64>> {
        Ok(self.factor.solve(&self.deviation(point)?))
    }

    /// The conservative force j(x) = -Q U (x - mu) (eq. 40), orthogonal to grad Psi and without
    /// divergence.
    pub fn force(&self, point: &DVector<f64>) -> Result<DVector<f64>> {
        Ok(-(&self.skew * self.modified_loss_gradient(point)?))
    }

    /// div j = -tr(Q U): zero to rounding.
    pub fn force_divergence(&self) -> f64 {
        -self.skew.component_mul(&self.curvature.transpose()).sum()
    }

    /// ln p_ss(x) of N(mu, U^{-1} / kappa) (eq. 27).
    pub fn log_stationary_density(&self, point: &DVector<f64>) -> Result<f64> {
        Ok(-self.process.kappa() * self.modified_loss(point)? - self.log_partition())
    }

    /// p_ss(x).
    pub fn stationary_density(&self, point: &DVector<f64>) -> Result<f64> {
        Ok(self.log_stationary_density(point)?.exp())
    }

    /// The stationary probability current J(x) = j(x) p_ss(x) (eq. 8, 11).
    pub fn probability_current(&self, point: &DVector<f64>) -> Result<DVector<f64>> {
        Ok(self.force(point)? * self.stationary_density(point)?)
    }

    /// `F(p) = E[Psi] - H(p) / kappa` (eq. 34) of the Gaussian p = N(mean, covariance), H in nats.
    /// +infinity if the covariance is singular.
    pub fn free_energy(&self, mean: &DVector<f64>, covariance: &DMatrix<f64>) -> Result<f64> {
        Ok((self.kullback_leibler(mean, covariance)? - self.log_partition()) / self.process.kappa())
    }

    /// KL(p || p_ss) = kappa (F(p) - F(p_ss)), in nats, of the Gaussian p = N(mean, covariance):
    /// +infinity if the covariance is singular, as it is at time zero of a start from a point.
    /// Along the process it never increases.
    pub fn kullback_leibler(&self, mean: &DVector<f64>, covariance: &DMatrix<f64>) -> Result<f64> {
        require_square("covariance", covariance, self.process.mean().len())?;
        require_symmetric("covariance", covariance)?;
        let excess = covariance - self.process.stationary_covariance();
        self.divergence(&self.deviation(mean)?, &excess, covariance.clone())
    }

    /// KL(p_t || p_ss) `elapsed_time` after a start at the point `start`.
    ///
    /// # Errors
    /// As above, and for a time that is negative or not finite.
    pub fn kullback_leibler_after(&self, start: &DVector<f64>, elapsed_time: f64) -> Result<f64> {
        let transition = self.process.transition(elapsed_time)?;
        let deviation = &transition.decay * self.deviation(start)?;
        // C_t - C_ss = -e^{-At} C_ss e^{-A^T t}: at late times far smaller than the rounding of
        // C_t.
        let excess = -conjugate(&transition.decay, self.process.lyapunov()) / self.process.kappa();
        self.divergence(&deviation, &excess, transition.noise / self.process.kappa())
    }

    /// (tr X - ln det(I + X) + kappa d^T U d) / 2, X the covariance's excess over the stationary
    /// one, relative to it.
    fn divergence(
        &self,
        deviation: &DVector<f64>,
        excess: &DMatrix<f64>,
        covariance: DMatrix<f64>,
    ) -> Result<f64> {
        let kappa = self.process.kappa();
        let excesses = self.whitened_eigenvalues(excess);
        let smallest = excesses.min();
        require(
            "smallest relative variance",
            1.0 + smallest,
            smallest > -1.0 - 1e-10,
            "zero or positive",
        )?;
        let of_covariance = if excesses.amax() < 0.5 {
            excesses.iter().map(|&excess| relative_entropy(excess)).sum()
        } else {
            // Cholesky's determinant is right for entries of very different size, as after a short
            // time.
            match Cholesky::new(covariance * kappa) {
                Some(factor) => {
                    excesses.sum() - (log_determinant(&factor) - log_determinant(&self.factor))
                }
                None => f64::INFINITY,
            }
        };
        Ok(0.5 * (of_covariance + kappa * deviation.dot(&self.factor.solve(deviation))))
    }

    /// Of kappa L^{-1} m L^{-T}, B = L L^T.
    fn whitened_eigenvalues(&self, m: &DMatrix<f64>) -> DVector<f64> {
        let solve = |m: &DMatrix<f64>| {
            self.factor
                .l_dirty()
                .solve_lower_triangular(m)
                .expect("a Cholesky factor has no zero pivot")
        };
        let mut whitened = solve(&solve(m).transpose()) * self.process.kappa();
        symmetrize(&mut whitened);
        SymmetricEigen::new(whitened).eigenvalues
    }

    fn deviation(&self, point: &DVector<f64>) -> Result<DVector<f64>> {
        require_vector("point", point, self.process.mean().len())?;
        Ok(point - self.process.mean())
    }

    /// ln of the integral of exp(-kappa Psi) = -kappa F(p_ss).
    fn log_partition(&self) -> f64 {
        let normalisation =
            self.process.mean().len() as f64 * (std::f64::consts::TAU / self.process.kappa()).ln();
        0.5 * (normalisation + log_determinant(&self.factor))
    }
}

/// ln det(L L^T).
fn log_determinant(factor: &Cholesky<f64, Dyn>) -> f64 {
    2.0 * factor.l_dirty().diagonal().iter().map(|pivot| pivot.ln()).sum::<f64>()
}

/// x - ln(1 + x) for |x| < 1/2, without cancellation.
fn relative_entropy(x: f64) -> f64 {
    if x.abs() > 0.05 {
        return x - x.ln_1p();
    }
    // x^2/2 - x^3/3 + ...: term 14 is below 1e-17 of the first.
    let mut sum = 0.0;
    for n in (2..=15).rev() {
        sum = 1.0 / f64::from(n) - x * sum;
    }
    x * x * sum
}

/// Q of a process with a symmetric drift A = V diag(l) V^T, straight from eigenvalues (appendix
/// D.2, eq. 25): in V's basis Q_ij = (l_i - l_j) / (l_i + l_j) D_ij.
///
/// # Errors
/// [`Error::InvalidValue`] if the drift is not symmetric.
pub fn skew_of_symmetric_drift(process: &OrnsteinUhlenbeck) -> Result<DMatrix<f64>> {
    let drift = process.drift();
    require_symmetric("drift", drift)?;
    let SymmetricEigen { eigenvectors, eigenvalues } = SymmetricEigen::new(drift.clone());
    let rotated = conjugate(&eigenvectors.transpose(), process.diffusion());
    let skew = DMatrix::from_fn(rotated.nrows(), rotated.ncols(), |i, j| {
        (eigenvalues[i] - eigenvalues[j]) / (eigenvalues[i] + eigenvalues[j]) * rotated[(i, j)]
    });
    Ok(conjugate(&eigenvectors, &skew))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A stable 3 x 3 drift (symmetric part positive definite) and a full-rank diffusion, from 18
    /// numbers.
    fn process(numbers: &[f64]) -> OrnsteinUhlenbeck {
        let root = DMatrix::from_row_slice(3, 3, &numbers[..9]);
        let other = DMatrix::from_row_slice(3, 3, &numbers[9..18]);
        let drift =
            &root * root.transpose() + DMatrix::identity(3, 3) * 0.2 + (&other - other.transpose());
        let diffusion = &other * other.transpose() + DMatrix::identity(3, 3) * 0.1;
        OrnsteinUhlenbeck::new(drift, diffusion, 1.7, DVector::from_vec(vec![0.3, -1.0, 0.5]))
            .unwrap()
    }

    #[test]
    fn balance_is_detailed_if_drift_and_diffusion_share_their_axes() {
        let drift = DMatrix::from_diagonal(&DVector::from_vec(vec![1.0, 3.0]));
        let along = DMatrix::from_diagonal(&DVector::from_vec(vec![2.0, 0.5]));
        let across = DMatrix::from_row_slice(2, 2, &[2.0, 0.5, 0.5, 0.5]);
        let balanced = |diffusion| {
            let process =
                OrnsteinUhlenbeck::new(drift.clone(), diffusion, 1.0, DVector::zeros(2)).unwrap();
            FokkerPlanck::new(&process).unwrap().has_detailed_balance()
        };
        assert!(balanced(along));
        assert!(!balanced(across));
    }

    #[test]
    fn a_direction_without_noise_has_no_modified_loss() {
        let diffusion = DMatrix::from_diagonal(&DVector::from_vec(vec![1.0, 0.0]));
        let process =
            OrnsteinUhlenbeck::new(DMatrix::identity(2, 2), diffusion, 1.0, DVector::zeros(2))
                .unwrap();
        assert!(matches!(FokkerPlanck::new(&process), Err(Error::InvalidValue { .. })));
    }

    #[test]
    fn the_divergence_of_a_point_is_infinite_and_of_the_stationary_state_zero() {
        let process = process(&[
            0.5, 0.1, -0.3, 0.2, 1.0, 0.4, -0.6, 0.3, 0.8, 1.0, 0.3, 0.2, -0.5, 0.4, 0.9, 0.1, 0.7,
            0.2,
        ]);
        let theory = FokkerPlanck::new(&process).unwrap();
        let start = DVector::from_vec(vec![1.0, 1.0, 1.0]);
        assert_eq!(theory.kullback_leibler_after(&start, 0.0).unwrap(), f64::INFINITY);
        let stationary =
            theory.kullback_leibler(process.mean(), &process.stationary_covariance()).unwrap();
        assert!(stationary.abs() < 1e-25, "{stationary:e}");
    }

    proptest! {
        #[test]
        fn identities_of_the_decomposition(numbers in prop::collection::vec(-1.0..1.0f64, 21)) {
            let process = process(&numbers);
            let theory = FokkerPlanck::new(&process).unwrap();
            let rebuilt = (process.diffusion() + theory.skew()) * theory.curvature();
            prop_assert!((rebuilt - process.drift()).amax() < 1e-11 * process.drift().amax());
            prop_assert_eq!(theory.skew() + theory.skew().transpose(), DMatrix::zeros(3, 3));
            let point = DVector::from_column_slice(&numbers[18..]);
            let (force, gradient) = (theory.force(&point).unwrap(), theory.modified_loss_gradient(&point).unwrap());
            prop_assert!(force.dot(&gradient).abs() <= 1e-13 * force.norm() * gradient.norm() + 1e-300);
            let scale = theory.skew().norm() * theory.curvature().norm();
            prop_assert!(theory.force_divergence().abs() < 1e-12 * (scale + 1.0));
        }

        #[test]
        fn divergence_and_free_energy_never_increase(numbers in prop::collection::vec(-1.0..1.0f64, 21)) {
            let process = process(&numbers);
            let theory = FokkerPlanck::new(&process).unwrap();
            let start = DVector::from_column_slice(&numbers[18..]);
            let mut before = f64::INFINITY;
            for exponent in -20..6 {
                let t = 2.0f64.powi(exponent);
                let now = theory.kullback_leibler_after(&start, t).unwrap();
                prop_assert!(now >= 0.0 && now <= before, "{} after {}", now, before);
                before = now;
                if exponent > -8 {
                    let (mean, covariance) =
                        (process.mean_after(&start, t).unwrap(), process.covariance_from_point(t).unwrap());
                    let free_energy = theory.free_energy(&mean, &covariance).unwrap();
                    let stationary = theory.free_energy(process.mean(), &process.stationary_covariance()).unwrap();
                    prop_assert!((free_energy - stationary - now / process.kappa()).abs() < 1e-10 * (1.0 + now));
                }
            }
        }
    }
}
