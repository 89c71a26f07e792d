//! The Ornstein-Uhlenbeck process `dX = A (mu - X) dt + sqrt(2 D / kappa) dW` with any stable drift
//! and any semi-definite diffusion (eq. 6; appendix D): means, covariances, and exact sample paths.
//! Its modified loss, currents and free energy are in [`fokker_planck`](super::fokker_planck).
//!
//! Times are in the unit of which A's entries are per. Matrices are n x n, vectors of length n.

use nalgebra::{DMatrix, DVector, SymmetricEigen};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use super::lyapunov::{Transition, solve};
use super::matrix::{
    ROUNDING, conjugate, require_square, require_symmetric, require_vector, symmetrize,
};
use super::parameters::{require, require_not_negative, require_positive};
use crate::error::Result;

/// A stable Ornstein-Uhlenbeck process.
#[derive(Debug, Clone, PartialEq)]
pub struct OrnsteinUhlenbeck {
    drift: DMatrix<f64>,
    diffusion: DMatrix<f64>,
    kappa: f64,
    mean: DVector<f64>,
    lyapunov: DMatrix<f64>,
}

impl OrnsteinUhlenbeck {
    /// From A, D, kappa and mu.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) for sizes that do not fit;
    /// [`Error::InvalidValue`](crate::Error::InvalidValue) for entries that are not finite, a drift
    /// with an eigenvalue of non-positive real part, a diffusion that is not symmetric or not
    /// positive semi-definite, and kappa <= 0.
    pub fn new(
        drift: DMatrix<f64>,
        diffusion: DMatrix<f64>,
        kappa: f64,
        mean: DVector<f64>,
    ) -> Result<Self> {
        let n = mean.len();
        require_square("drift", &drift, n)?;
        let diffusion = semidefinite("diffusion", diffusion, n)?;
        require_positive("kappa", kappa)?;
        require_vector("mean", &mean, n)?;
        let lyapunov = solve(&drift, &diffusion)?;
        Ok(OrnsteinUhlenbeck { drift, diffusion, kappa, mean, lyapunov })
    }

    /// A, per time.
    pub fn drift(&self) -> &DMatrix<f64> {
        &self.drift
    }

    /// D.
    pub fn diffusion(&self) -> &DMatrix<f64> {
        &self.diffusion
    }

    /// kappa, the inverse temperature.
    pub fn kappa(&self) -> f64 {
        self.kappa
    }

    /// mu.
    pub fn mean(&self) -> &DVector<f64> {
        &self.mean
    }

    /// B of `A B + B A^T = 2 D` (eq. 19).
    pub fn lyapunov(&self) -> &DMatrix<f64> {
        &self.lyapunov
    }

    /// Stationary covariance B / kappa (eq. 27).
    pub fn stationary_covariance(&self) -> DMatrix<f64> {
        &self.lyapunov / self.kappa
    }

    /// e^{-At}.
    ///
    /// # Errors
    /// [`Error::InvalidValue`](crate::Error::InvalidValue) for a time that is negative or not
    /// finite, here and below.
    pub fn decay(&self, elapsed_time: f64) -> Result<DMatrix<f64>> {
        Ok(self.transition(elapsed_time)?.decay)
    }

    /// Mean of X_t: e^{-At} x_0 + (I - e^{-At}) mu (appendix D).
    pub fn mean_after(&self, start: &DVector<f64>, elapsed_time: f64) -> Result<DVector<f64>> {
        require_vector("start", start, self.mean.len())?;
        Ok(&self.mean + self.decay(elapsed_time)? * (start - &self.mean))
    }

    /// Covariance of X_t from a point: (B - e^{-At} B e^{-A^T t}) / kappa (eq. 20), without the
    /// subtraction.
    pub fn covariance_from_point(&self, elapsed_time: f64) -> Result<DMatrix<f64>> {
        Ok(self.transition(elapsed_time)?.noise / self.kappa)
    }

    /// Covariance of X_t where X_0 has covariance `initial`.
    ///
    /// # Errors
    /// As above, and if `initial` is not symmetric, positive semi-definite and n x n.
    pub fn covariance_after(
        &self,
        initial: &DMatrix<f64>,
        elapsed_time: f64,
    ) -> Result<DMatrix<f64>> {
        let initial = semidefinite("initial", initial.clone(), self.mean.len())?;
        let Transition { decay, noise } = self.transition(elapsed_time)?;
        let mut covariance = conjugate(&decay, &initial) + noise / self.kappa;
        symmetrize(&mut covariance);
        Ok(covariance)
    }

    /// Cov(X_T, X_S) from a point, Var(X_T) e^{-A^T (S - T)} for T = `earlier` <= S = `later` (eq.
    /// 21).
    pub fn cross_covariance(&self, earlier: f64, later: f64) -> Result<DMatrix<f64>> {
        require("later - earlier", later - earlier, later >= earlier, "zero or positive")?;
        Ok(self.covariance_from_point(earlier)? * self.decay(later - earlier)?.transpose())
    }

    /// Cov(X_t, X_{t + lag}) in the stationary state, (1/kappa) B e^{-A^T lag} (eq. 28).
    pub fn stationary_cross_covariance(&self, lag_time: f64) -> Result<DMatrix<f64>> {
        Ok(self.stationary_covariance() * self.decay(lag_time)?.transpose())
    }

    /// A path X_0 = `start`, X_h, X_2h, ... of `points` points, column by column, h =
    /// `spacing_time`. Exact at any spacing: each point is drawn from its Gaussian given the one
    /// before.
    pub fn sample_path(
        &self,
        start: &DVector<f64>,
        spacing_time: f64,
        points: usize,
        random: &mut impl Rng,
    ) -> Result<DMatrix<f64>> {
        let n = self.mean.len();
        require_vector("start", start, n)?;
        let Transition { decay, noise } = self.transition(spacing_time)?;
        let factor = semidefinite_factor(&(noise / self.kappa));
        let mut path = DMatrix::zeros(n, points);
        let mut deviation = start - &self.mean;
        for mut column in path.column_iter_mut() {
            column.copy_from(&(&self.mean + &deviation));
            let normal = DVector::from_fn(n, |_, _| StandardNormal.sample(random));
            deviation = &decay * deviation + &factor * normal;
        }
        Ok(path)
    }

    pub(crate) fn transition(&self, elapsed_time: f64) -> Result<Transition> {
        require_not_negative("elapsed_time", elapsed_time)?;
        Ok(Transition::new(&self.drift, &self.diffusion, elapsed_time))
    }
}

/// Lower triangular L with L L^T = m, m positive semi-definite. A pivot that is rounding beside the
/// diagonal entry it is left of belongs to a direction without noise: its column is zero, where a
/// Cholesky factorisation would stop.
fn semidefinite_factor(m: &DMatrix<f64>) -> DMatrix<f64> {
    let n = m.nrows();
    let mut factor = DMatrix::zeros(n, n);
    for column in 0..n {
        let explained = |row: usize, factor: &DMatrix<f64>| {
            (0..column).map(|k| factor[(row, k)] * factor[(column, k)]).sum::<f64>()
        };
        let pivot = m[(column, column)] - explained(column, &factor);
        if pivot <= n as f64 * f64::EPSILON * m[(column, column)] {
            continue;
        }
        let root = pivot.sqrt();
        factor[(column, column)] = root;
        for row in column + 1..n {
            factor[(row, column)] = (m[(row, column)] - explained(row, &factor)) / root;
        }
    }
    factor
}

/// The matrix made exactly symmetric, or an error if it is not symmetric and semi-definite to
/// rounding.
fn semidefinite(name: &'static str, mut m: DMatrix<f64>, n: usize) -> Result<DMatrix<f64>> {
    require_square(name, &m, n)?;
    require_symmetric(name, &m)?;
    symmetrize(&mut m);
    let eigenvalues = SymmetricEigen::new(m.clone()).eigenvalues;
    let smallest = eigenvalues.min();
    let allowed = -ROUNDING * eigenvalues.amax();
    require(
        name,
        smallest,
        smallest >= allowed,
        "positive semi-definite (the value is its smallest eigenvalue)",
    )?;
    Ok(m)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::error::Error;

    fn oscillator() -> OrnsteinUhlenbeck {
        let drift = DMatrix::from_row_slice(2, 2, &[0.0, -1.0, 2.0, 0.5]);
        let diffusion = DMatrix::from_row_slice(2, 2, &[0.0, 0.0, 0.0, 0.7]);
        OrnsteinUhlenbeck::new(drift, diffusion, 3.0, DVector::from_vec(vec![1.0, 0.0])).unwrap()
    }

    #[test]
    fn the_stationary_covariance_is_a_fixed_point() {
        let process = oscillator();
        let stationary = process.stationary_covariance();
        for t in [1e-6, 0.1, 3.0, 1e4] {
            let later = process.covariance_after(&stationary, t).unwrap();
            // A few units in the last place for each of the doublings.
            assert!((later - &stationary).amax() < 1e-14 * stationary.amax(), "{t}");
        }
        let expected =
            DMatrix::from_row_slice(2, 2, &[0.7 / 0.5 / 2.0 / 3.0, 0.0, 0.0, 0.7 / 0.5 / 3.0]);
        assert!((stationary - expected).amax() < 1e-14);
    }

    #[test]
    fn bad_processes_are_errors() {
        let good = || DMatrix::identity(2, 2);
        let new = OrnsteinUhlenbeck::new;
        assert!(new(-good(), good(), 1.0, DVector::zeros(2)).is_err());
        assert!(new(good(), -good(), 1.0, DVector::zeros(2)).is_err());
        assert!(
            new(
                good(),
                DMatrix::from_row_slice(2, 2, &[1.0, 0.1, 0.0, 1.0]),
                1.0,
                DVector::zeros(2)
            )
            .is_err()
        );
        assert!(new(good(), good(), 0.0, DVector::zeros(2)).is_err());
        assert!(matches!(
            new(good(), good(), 1.0, DVector::zeros(3)),
            Err(Error::ShapeMismatch { .. })
        ));
        let process = oscillator();
        assert!(process.covariance_from_point(-1.0).is_err());
        assert!(process.cross_covariance(2.0, 1.0).is_err());
        assert!(process.mean_after(&DVector::zeros(1), 1.0).is_err());
    }

    #[test]
    fn sampled_paths_have_the_covariances_of_the_process() {
        let process = oscillator();
        let mut random = ChaCha8Rng::seed_from_u64(1);
        // 20,000 points a relaxation time (4) apart: nearly independent. Correlation 0.3 makes the
        // effective number no less than half, so the standard error of a variance is below sqrt(2 /
        // 10,000) = 1.4%: four of them.
        let path = process.sample_path(process.mean(), 4.0, 20_000, &mut random).unwrap();
        let stationary = process.stationary_covariance();
        let lagged = process.stationary_cross_covariance(4.0).unwrap();
        let deviations = path.map_with_location(|row, _, value| value - process.mean()[row]);
        let count = deviations.ncols() - 1;
        let (head, tail) = (deviations.columns(0, count), deviations.columns(1, count));
        let scale = |i: usize, j: usize| (stationary[(i, i)] * stationary[(j, j)]).sqrt();
        let (covariance, cross) =
            (head * head.transpose() / count as f64, head * tail.transpose() / count as f64);
        for i in 0..2 {
            for j in 0..2 {
                assert!((covariance[(i, j)] - stationary[(i, j)]).abs() < 0.057 * scale(i, j));
                assert!((cross[(i, j)] - lagged[(i, j)]).abs() < 0.057 * scale(i, j));
            }
        }
    }

    #[test]
    fn a_direction_without_noise_is_sampled_without_noise() {
        let drift = DMatrix::from_row_slice(2, 2, &[1.0, 0.0, 0.0, 2.0]);
        let diffusion = DMatrix::from_row_slice(2, 2, &[1.0, 1.0, 1.0, 1.0]);
        let process =
            OrnsteinUhlenbeck::new(drift, diffusion * 0.0, 1.0, DVector::zeros(2)).unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let start = DVector::from_vec(vec![1.0, 1.0]);
        let path = process.sample_path(&start, 0.5, 3, &mut random).unwrap();
        assert!(
            (path[(0, 2)] - (-1.0f64).exp()).abs() < 1e-15
                && (path[(1, 2)] - (-2.0f64).exp()).abs() < 1e-15
        );
    }
}
