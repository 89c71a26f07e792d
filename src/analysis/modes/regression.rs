//! Maximum likelihood of the linear recursion: v' - beta v = intercept - curvature (x - centre) +
//! noise.
//!
//! Positions and velocities are seen exactly, so that the noise is one number a step, and given the
//! first row the likelihood of Gaussian noise is that of a regression: greatest at the
//! least-squares solution, in closed form. A gap costs the transitions across it and nothing else.
//! A momentum that is not known is one regressor more.

use nalgebra::{Matrix2, Vector2};

use super::series::Transition;
use super::sums::ModeSums;
use super::sums::quantity::{NEXT_VELOCITY, POSITION, VELOCITY};
use crate::analysis::settings::not_known;
use crate::stats::joint_sums::JointSums;

/// Fewer transitions than this are not fitted.
pub(crate) const FEWEST_TRANSITIONS: usize = 30;

/// The fitted recursion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Regression {
    /// beta, given or fitted.
    pub(super) momentum: f64,
    /// Its standard error; none where it was given.
    pub(super) momentum_error: Option<f64>,
    /// rho + lambda.
    pub(super) curvature: f64,
    pub(super) curvature_error: f64,
    /// Mean of v' - beta v.
    pub(super) intercept: f64,
    /// Mean of the positions from which there is a transition.
    pub(super) centre: f64,
    /// Their variance, over n.
    pub(super) position_variance: f64,
    /// The first of them.
    pub(super) first_position: f64,
    /// Mean of the velocities there, where the momentum is fitted; else 0.
    pub(super) velocity_centre: f64,
    pub(super) intercept_error: f64,
    /// Of the noise, unbiased.
    pub(super) noise_variance: f64,
    pub(super) transitions: usize,
}

impl Regression {
    /// By the sums of the first reading. The noise takes the rows themselves, since the difference
    /// of the sums cancels where there is little of it: until [`with_noise`](Self::with_noise) its
    /// variance is 1, and errors are those of such noise.
    pub(super) fn new(sums: &ModeSums, momentum: Option<f64>) -> Result<Regression, String> {
        let transitions = sums.count_transitions();
        if transitions < FEWEST_TRANSITIONS {
            return Err(format!(
                "{transitions} pairs of rows one step apart have known positions and velocities; a fit takes \
                 {FEWEST_TRANSITIONS}"
            ));
        }
        let count = transitions as f64;
        let JointSums { means, products, .. } = &sums.transitions;
        let [x_mean, v_mean, next_mean] =
            [POSITION, VELOCITY, NEXT_VELOCITY].map(|quantity| means[quantity]);
        let [xx, xv, vv] = [[POSITION, POSITION], [POSITION, VELOCITY], [VELOCITY, VELOCITY]]
            .map(|[i, j]| products[i][j]);
        let [xn, vn, nn] =
            [POSITION, VELOCITY, NEXT_VELOCITY].map(|quantity| products[quantity][NEXT_VELOCITY]);
        if ![xx, xv, vv, xn, vn, nn].iter().all(|sum| sum.is_finite()) {
            return Err("positions or velocities are too large to be squared".to_owned());
        }
        // Below this a mean's rounding error is all there is.
        if xx <= count * (1e-15 * x_mean).powi(2) || vv <= 0.0 {
            return Err("the mode does not move".to_owned());
        }
        let (slope, fitted, errors) = match momentum {
            Some(momentum) => {
                let slope = (xn - momentum * xv) / xx;
                (slope, momentum, Matrix2::new(1.0 / xx, 0.0, 0.0, 0.0))
            }
            None => {
                // Scaled, so that the determinant says how nearly parallel the two are.
                let (x, v) = (xx.sqrt(), vv.sqrt());
                let cross = xv / (x * v);
                let determinant = 1.0 - cross * cross;
                if determinant < 1e-12 {
                    return Err(format!(
                        "positions and velocities go together, and {}",
                        not_known("momentum")
                    ));
                }
                let inverse = Matrix2::new(1.0 / xx, -cross / (x * v), -cross / (x * v), 1.0 / vv)
                    / determinant;
                let solution = inverse * Vector2::new(xn, vn);
                (solution[0], solution[1], inverse)
            }
        };
        let regression = Regression {
            momentum: fitted,
            momentum_error: momentum.is_none().then_some(errors[(1, 1)].sqrt()),
            curvature: -slope,
            curvature_error: errors[(0, 0)].sqrt(),
            intercept: next_mean - fitted * v_mean,
            intercept_error: count.sqrt().recip(),
            centre: x_mean,
            position_variance: xx / count,
            first_position: sums.first_position.unwrap_or(x_mean),
            velocity_centre: v_mean,
            noise_variance: 1.0,
            transitions,
        };
        let finite = regression.curvature.is_finite();
        if finite { Ok(regression) } else { Err("positions are too small to be fitted".to_owned()) }
    }

    /// With the variance of the noise, from the sum of its squares over the rows.
    pub(super) fn with_noise(self, squares: f64) -> Result<Regression, String> {
        let regressors = if self.momentum_error.is_some() { 3.0 } else { 2.0 };
        let noise_variance = squares / (self.transitions as f64 - regressors);
        let deviation = noise_variance.sqrt();
        let finite = noise_variance.is_finite();
        let regression = Regression {
            noise_variance,
            momentum_error: self.momentum_error.map(|error| deviation * error),
            curvature_error: deviation * self.curvature_error,
            intercept_error: deviation * self.intercept_error,
            ..self
        };
        if finite { Ok(regression) } else { Err("positions are too small to be fitted".to_owned()) }
    }

    /// The noise of a transition, by the fit.
    pub(super) fn innovation(&self, transition: &Transition) -> f64 {
        let expected = self.momentum * (transition.velocity - self.velocity_centre)
            - self.curvature * (transition.position - self.centre);
        transition.next_velocity - self.momentum * self.velocity_centre - self.intercept - expected
    }

    /// The mean mu with an interval by Fieller's (1940) method; none where a flat mode leaves it
    /// open.
    pub(super) fn mean(&self, normal: f64) -> Option<[f64; 3]> {
        let [a, b] = [self.curvature, self.intercept];
        let width = normal * self.curvature_error;
        let leading = a * a - width * width;
        let constant = b * b - (normal * self.intercept_error).powi(2);
        let discriminant = a * a * b * b - leading * constant;
        if a <= width || discriminant < 0.0 {
            return None;
        }
        let root = discriminant.sqrt();
        let at = |sign: f64| self.centre + (a * b + sign * root) / leading;
        Some([self.centre + b / a, at(-1.0), at(1.0)])
            .filter(|ends| ends.iter().all(|end| end.is_finite()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::series::ModeSeries;
    use super::*;

    fn regression(series: &ModeSeries, momentum: Option<f64>) -> Result<Regression, String> {
        let mut sums = ModeSums::new(1, None, None);
        series.for_each_part(100, |part| sums.add(part));
        let fit = Regression::new(&sums, momentum)?;
        let mut squares = 0.0;
        series.for_each_part(100, |part| {
            squares += part.transitions().map(|step| fit.innovation(&step).powi(2)).sum::<f64>();
        });
        fit.with_noise(squares)
    }

    /// Noise that any generator can repeat; the rows of one stretch per 50 steps, so that there are
    /// gaps.
    fn series(momentum: f64, curvature: f64, mean: f64, gaps: bool) -> (ModeSeries, Vec<f64>) {
        let (mut x, mut v, learning_rate) = (0.0, 0.0, 0.1);
        let mut series = ModeSeries::default();
        let mut noises = Vec::new();
        for step in 1..=400_u64 {
            let noise = ((step * step) as f64 * 0.7).sin();
            v = momentum * v - curvature * (x - mean) + noise;
            x += learning_rate * v;
            if !(gaps && step.is_multiple_of(50)) {
                series.push(step, Some(x), Some(v));
                noises.push(noise);
            }
        }
        (series, noises)
    }

    #[test]
    fn residuals_are_orthogonal_to_the_regressors_and_gaps_are_passed_over() {
        for momentum in [Some(0.8), None] {
            for gaps in [false, true] {
                let (series, _) = series(0.8, 0.5, 1e3, gaps);
                let fit = regression(&series, momentum).unwrap();
                assert_eq!(fit.transitions, if gaps { 400 - 8 - 8 } else { 399 });
                let [mut sum, mut with_x, mut with_v] = [0.0; 3];
                series.for_each_part(100, |part| {
                    for transition in part.transitions() {
                        let noise = fit.innovation(&transition);
                        sum += noise;
                        with_x += noise * (transition.position - fit.centre);
                        with_v += noise * transition.velocity;
                    }
                });
                assert!(sum.abs() < 1e-8 && with_x.abs() < 1e-7, "{sum} {with_x}");
                assert!(momentum.is_some() || with_v.abs() < 1e-7);
                assert!((fit.curvature - 0.5).abs() < 4.0 * fit.curvature_error);
                assert!((fit.noise_variance - 0.5).abs() < 0.1);
                let [mean, low, high] = fit.mean(1.96).unwrap();
                assert!(low < 1e3 && 1e3 < high && low < mean && mean < high);
            }
        }
    }

    #[test]
    fn what_cannot_be_fitted_has_a_reason() {
        let of = |rows: &[(f64, f64)]| {
            let mut series = ModeSeries::default();
            (1..).zip(rows).for_each(|(step, &(x, v))| series.push(step, Some(x), Some(v)));
            regression(&series, Some(0.9)).unwrap_err()
        };
        assert!(of(&[]).contains("0 pairs"));
        assert!(of(&[(1.0, 1.0); 30]).contains("29 pairs"));
        assert!(of(&[(3.3, 0.0); 50]).contains("does not move"));
        assert!(of(&[(3.3, 1.0); 50]).contains("does not move"));
        let huge: Vec<_> = (0..50).map(|k| (1e300 * f64::from(k), 1.0)).collect();
        assert!(of(&huge).contains("too large"));
    }
}
