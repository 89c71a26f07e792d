//! Matrix exponential, noise integral and Lyapunov equation `A B + B A^T = 2 D` of a linear
//! process, by doubling.
//!
//! `W(t) = int_0^t 2 e^{-As} D e^{-A^T s} ds` obeys `W(2t) = W(t) + e^{-At} W(t) e^{-A^T t}`, and B
//! is its limit. A sum of positive semi-definite terms loses no digits: W(t) is as accurate for the
//! smallest t, where the textbook form `B - e^{-At} B e^{-A^T t}` cancels, as for the largest.
//! Against a Schur (Bartels-Stewart) solution: no eigenvalue iteration that might not converge, no
//! difference between real, complex and defective drifts; against a Kronecker system: O(n^3) a
//! doubling, not O(n^6). The relative error of B is about 1e-16 times the ratio of the largest to
//! the smallest relaxation rate, as for any backward stable method.

use nalgebra::DMatrix;

use super::matrix::{conjugate, require_square, require_symmetric, symmetrize};
use crate::error::{Error, Result};

/// Each doubling doubles the rounding of e^{-At}, so that after 53 of them a drift that does not
/// decay could not be told from one that does. 50 are enough for rates down to 3e-13 of the drift's
/// largest row sum.
const MOST_DOUBLINGS: u32 = 50;

/// `decay` = e^{-At} and `noise` = W(t).
pub(crate) struct Transition {
    pub(crate) decay: DMatrix<f64>,
    pub(crate) noise: DMatrix<f64>,
}

impl Transition {
    /// Over `elapsed_time` >= 0. `diffusion` must be symmetric.
    pub(crate) fn new(
        drift: &DMatrix<f64>,
        diffusion: &DMatrix<f64>,
        elapsed_time: f64,
    ) -> Transition {
        let span = 8.0 * largest_row_sum(drift) * elapsed_time;
        let doublings = if span > 1.0 { span.log2().ceil() as i32 } else { 0 };
        let mut transition =
            Transition::short(drift, diffusion, elapsed_time * 0.5f64.powi(doublings));
        for _ in 0..doublings {
            transition.double();
        }
        transition
    }

    /// By Taylor series, for |A| t <= 1/8: 18 terms are more than 16 digits, relative to the first
    /// that does not vanish.
    fn short(drift: &DMatrix<f64>, diffusion: &DMatrix<f64>, elapsed_time: f64) -> Transition {
        const TERMS: usize = 18;
        let n = drift.nrows();
        let scaled = drift * elapsed_time;
        let mut decay = DMatrix::identity(n, n);
        let mut decay_term = decay.clone();
        let mut noise_term = diffusion * (2.0 * elapsed_time);
        let mut noise = noise_term.clone();
        for order in 1..=TERMS {
            decay_term = &scaled * decay_term * (-1.0 / order as f64);
            decay += &decay_term;
            let product = &scaled * &noise_term;
            noise_term = (&product + product.transpose()) * (-1.0 / (order + 1) as f64);
            noise += &noise_term;
        }
        Transition { decay, noise }
    }

    /// To twice the time.
    fn double(&mut self) {
        self.noise += conjugate(&self.decay, &self.noise);
        symmetrize(&mut self.noise);
        self.decay = &self.decay * &self.decay;
    }
}

/// B of `A B + B A^T = 2 D`, for a stable A (all eigenvalues with positive real part) and a
/// symmetric D.
///
/// # Errors
/// [`Error::ShapeMismatch`] unless both are square and of one size; [`Error::InvalidValue`] for
/// entries that are not finite, a diffusion that is not symmetric and a drift that is not stable.
pub fn solve(drift: &DMatrix<f64>, diffusion: &DMatrix<f64>) -> Result<DMatrix<f64>> {
    let n = drift.nrows();
    require_square("drift", drift, n)?;
    require_square("diffusion", diffusion, n)?;
    require_symmetric("diffusion", diffusion)?;
    require_stable(drift)?;
    let mut transition = Transition::short(drift, diffusion, 0.125 / largest_row_sum(drift));
    for _ in 0..MOST_DOUBLINGS {
        transition.double();
        let remainder = transition.decay.norm();
        if remainder < 1e-20 {
            return Ok(transition.noise);
        }
        if !remainder.is_finite() {
            break;
        }
    }
    Err(unstable(drift))
}

/// [`Error::InvalidValue`] unless every eigenvalue has a positive real part.
fn require_stable(drift: &DMatrix<f64>) -> Result<()> {
    let smallest = smallest_real_part(drift);
    if smallest.is_some_and(|value| value <= 0.0) { Err(unstable(drift)) } else { Ok(()) }
}

fn unstable(drift: &DMatrix<f64>) -> Error {
    Error::InvalidValue {
        name: "smallest real part of the drift's eigenvalues",
        value: smallest_real_part(drift).unwrap_or(f64::NAN),
        requirement: "positive, and above 3e-13 of the drift's largest row sum: the process is not stable",
    }
}

/// None if the eigenvalue iteration does not converge; the doubling then decides alone.
fn smallest_real_part(drift: &DMatrix<f64>) -> Option<f64> {
    let schur =
        nalgebra::linalg::Schur::try_new(drift.clone(), f64::EPSILON, 1000 * drift.nrows())?;
    schur.complex_eigenvalues().iter().map(|eigenvalue| eigenvalue.re).reduce(f64::min)
}

fn largest_row_sum(m: &DMatrix<f64>) -> f64 {
    m.row_iter().map(|row| row.iter().map(|entry| entry.abs()).sum()).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (I x A + A x I) vec(B) = vec(2D), solved densely.
    fn by_kronecker(drift: &DMatrix<f64>, diffusion: &DMatrix<f64>) -> DMatrix<f64> {
        let n = drift.nrows();
        let identity = DMatrix::identity(n, n);
        let system = identity.kronecker(drift) + drift.kronecker(&identity);
        let right = DMatrix::from_iterator(n * n, 1, (diffusion * 2.0).iter().copied());
        DMatrix::from_iterator(n, n, system.lu().solve(&right).unwrap().iter().copied())
    }

    #[test]
    fn agrees_with_a_dense_solution_for_real_complex_and_defective_drifts() {
        let drifts = [
            DMatrix::from_row_slice(3, 3, &[2.0, 0.3, 0.1, -0.4, 1.0, 0.7, 0.2, -0.5, 0.4]),
            DMatrix::from_row_slice(3, 3, &[0.1, -5.0, 0.0, 5.0, 0.1, 1.0, 0.0, 0.0, 30.0]),
            DMatrix::from_row_slice(3, 3, &[1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0]),
        ];
        let diffusion =
            DMatrix::from_row_slice(3, 3, &[1.0, 0.2, 0.0, 0.2, 0.5, 0.1, 0.0, 0.1, 2.0]);
        for drift in drifts {
            let ours = solve(&drift, &diffusion).unwrap();
            let theirs = by_kronecker(&drift, &diffusion);
            assert!((&ours - &theirs).amax() < 1e-13 * theirs.amax(), "{ours} {theirs}");
        }
    }

    #[test]
    fn rates_far_apart_cost_as_many_digits_as_their_ratio_has() {
        // Slow and fast in one matrix, mixed by a rotation; exact solution D_ij 2 / (l_i + l_j) in
        // its axes.
        let (rates, noise) = ([1e6, 1e-2], [1.0, 3.0]);
        let rotation = DMatrix::from_row_slice(2, 2, &[0.6, -0.8, 0.8, 0.6]);
        let rotate = |entries: [f64; 2]| {
            conjugate(
                &rotation,
                &DMatrix::from_diagonal(&nalgebra::DVector::from_column_slice(&entries)),
            )
        };
        let ours = solve(&rotate(rates), &rotate(noise)).unwrap();
        let exact = rotate([noise[0] / rates[0], noise[1] / rates[1]]);
        assert!((ours - &exact).amax() < 1e-7 * exact.amax());
        let one = DMatrix::from_element(1, 1, 2.0);
        assert!((solve(&one, &one).unwrap()[(0, 0)] - 1.0).abs() < 1e-14);
    }

    #[test]
    fn unstable_and_neutral_drifts_are_errors() {
        let diffusion = DMatrix::identity(2, 2);
        let neutral = [1e-17, -1.0, 1.0, 1e-17];
        for entries in
            [[1.0, 0.0, 0.0, -0.1], [0.0, -1.0, 1.0, 0.0], neutral, [0.0, 0.0, 0.0, 1.0], [0.0; 4]]
        {
            let drift = DMatrix::from_row_slice(2, 2, &entries);
            assert!(
                matches!(solve(&drift, &diffusion), Err(Error::InvalidValue { .. })),
                "{drift}"
            );
        }
        assert!(solve(&DMatrix::zeros(2, 3), &diffusion).is_err());
        assert!(solve(&diffusion, &DMatrix::from_row_slice(2, 2, &[1.0, 0.5, 0.0, 1.0])).is_err());
        assert!(solve(&DMatrix::from_element(2, 2, f64::NAN), &diffusion).is_err());
    }

    #[test]
    fn short_times_keep_relative_precision() {
        // x'' = -2 x' - x + noise: Var x = 2/3 D t^3 (1 - ...) after a short time t.
        let drift = DMatrix::from_row_slice(2, 2, &[0.0, -1.0, 1.0, 2.0]);
        let diffusion = DMatrix::from_row_slice(2, 2, &[0.0, 0.0, 0.0, 1.5]);
        let t = 1e-6;
        let variance = Transition::new(&drift, &diffusion, t).noise[(0, 0)];
        let series = 1.5 * 2.0 * t.powi(3) / 3.0 * (1.0 - 1.5 * t);
        assert!((variance / series - 1.0).abs() < 1e-11, "{variance:e} {series:e}");
    }
}
