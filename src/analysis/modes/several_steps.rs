//! Several steps of the recursion as one: its map and the covariance of its noise.
//!
//! With s = eta v, a step is (x, s)' = M (x, s) + e (1, 1), M = [[1 - p, beta], [-p, beta]]; over n
//! steps z' = M^n z + noise of covariance Var(e) C_n, C_n = sum over j < n of M^j J M^jT, J all
//! ones.

use nalgebra::Matrix2;

/// M^n - I, and C_n.
#[derive(Clone, Copy)]
pub(super) struct Steps {
    pub(super) map: Matrix2<f64>,
    pub(super) noise: Matrix2<f64>,
}

impl Steps {
    pub(super) fn new(momentum: f64, pull: f64, count: u64) -> Steps {
        let mut power = Steps {
            map: Matrix2::new(-pull, momentum, -pull, momentum - 1.0),
            noise: Matrix2::repeat(1.0),
        };
        let mut all = Steps { map: Matrix2::zeros(), noise: Matrix2::zeros() };
        let mut left = count;
        while left > 0 {
            if left % 2 == 1 {
                all = all.then(&power);
            }
            power = power.then(&power);
            left /= 2;
        }
        all
    }

    /// M^n - I is kept, and not M^n, so that slow modes lose no digits.
    fn then(&self, next: &Steps) -> Steps {
        let whole = next.map + Matrix2::identity();
        Steps {
            map: self.map * next.map + self.map + next.map,
            noise: whole * self.noise * whole.transpose() + next.noise,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_products() {
        for (momentum, pull) in [(0.9, 0.3), (0.0, 1.2), (0.99, 1e-9), (0.9, -1e-4)] {
            let one = Steps::new(momentum, pull, 1);
            let mut product = one;
            for count in 2..40 {
                product = product.then(&one);
                let found = Steps::new(momentum, pull, count);
                assert!(
                    (found.map - product.map).amax() < 1e-12 * product.map.amax(),
                    "{momentum} {pull} {count}"
                );
                assert!((found.noise - product.noise).amax() < 1e-12 * product.noise.amax());
            }
        }
    }

    /// Of rows of every step the likelihood of two steps, two at a time, is that of steps one by
    /// one.
    #[test]
    fn the_covariance_of_two_steps_is_written_out() {
        let (beta, p) = (0.8, 0.3);
        let found = Steps::new(beta, p, 2).noise;
        // s'' = beta s' - p x' + e', x'' = x' + s'', with s' = x' = e.
        let (s, x) = (beta - p, 1.0 + beta - p);
        let expected = Matrix2::new(x * x + 1.0, x * s + 1.0, x * s + 1.0, s * s + 1.0);
        assert!((found - expected).amax() < 1e-14, "{found}");
    }
}
