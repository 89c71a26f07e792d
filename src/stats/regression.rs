//! Least squares: a line through points, and a power law as a line through their logarithms.
//!
//! Points are given one by one and not kept. The sums are centred on the running means (Welford
//! 1962, extended to products by Chan, Golub and LeVeque 1983), since sums of raw squares cancel
//! when the points lie far from the origin.
//!
//! The standard error of a slope is the least-squares one, for independent residuals. A
//! trajectory's points are strongly correlated: on them it is too small by factors, and is only
//! there to show that.

use super::joint_sums::JointSums;
use crate::error::{Error, Result};

/// The line y = intercept + slope x that minimises the squared vertical distances.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// y at x = 0.
    pub intercept: f64,
    /// Change of y a unit of x.
    pub slope: f64,
    /// Share of the variance of y that the line explains, 0 to 1; none where y does not vary.
    pub r_squared: Option<f64>,
    /// Variance of the residuals, divided by two less than the points; none with fewer than three.
    pub residual_variance: Option<f64>,
    /// Least-squares standard error of the slope, for independent residuals; none with fewer than
    /// three points.
    pub slope_standard_error: Option<f64>,
    /// Points used.
    pub points: u64,
}

/// Sums for a line through points.
#[derive(Debug, Clone, Copy, Default)]
pub struct LineFit {
    points: u64,
    mean_x: f64,
    mean_y: f64,
    /// Sums of products of deviations from the means.
    xx: f64,
    xy: f64,
    yy: f64,
}

impl LineFit {
    /// Takes a point.
    pub fn push(&mut self, x: f64, y: f64) {
        self.points += 1;
        let (before_x, before_y) = (x - self.mean_x, y - self.mean_y);
        self.mean_x += before_x / self.points as f64;
        self.mean_y += before_y / self.points as f64;
        self.xx += before_x * (x - self.mean_x);
        self.xy += before_x * (y - self.mean_y);
        self.yy += before_y * (y - self.mean_y);
    }

    /// Takes points, given by their coordinates.
    pub fn extend(&mut self, x: &[f64], y: &[f64]) {
        let mut more = JointSums::<2>::default();
        more.add([x, y]);
        if more.count == 0.0 {
            return;
        }
        let (before, count) = (self.points as f64, self.points as f64 + more.count);
        let (apart_x, apart_y) = (more.means[0] - self.mean_x, more.means[1] - self.mean_y);
        let weight = before * more.count / count;
        self.xx += more.products[0][0] + weight * apart_x * apart_x;
        self.xy += more.products[0][1] + weight * apart_x * apart_y;
        self.yy += more.products[1][1] + weight * apart_y * apart_y;
        self.mean_x += apart_x * more.count / count;
        self.mean_y += apart_y * more.count / count;
        self.points += more.count as u64;
    }

    /// The line through the points so far.
    ///
    /// # Errors
    /// [`Error::NotEnoughData`] with fewer than two different x, or when a point is not finite.
    pub fn line(&self) -> Result<Line> {
        let cannot = |reason: &str| Error::NotEnoughData {
            question: "fit a line",
            reason: reason.to_owned(),
        };
        if ![self.xx, self.xy, self.yy].iter().all(|sum| sum.is_finite()) {
            return Err(cannot("a point is not finite"));
        }
        if self.points < 2 || self.xx <= 0.0 {
            return Err(cannot("it takes points at two different places"));
        }
        let slope = self.xy / self.xx;
        // Rounding may take it over 1 by a little.
        let r_squared = (self.yy > 0.0).then(|| (slope * (self.xy / self.yy)).clamp(0.0, 1.0));
        let residual_variance = (self.points > 2)
            .then(|| (self.yy - slope * self.xy).max(0.0) / (self.points - 2) as f64);
        Ok(Line {
            intercept: self.mean_y - slope * self.mean_x,
            slope,
            r_squared,
            residual_variance,
            slope_standard_error: residual_variance.map(|variance| (variance / self.xx).sqrt()),
            points: self.points,
        })
    }
}

/// The power law y = prefactor x^exponent whose logarithm is the least-squares line of ln y on ln
/// x.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PowerLaw {
    /// Power of x.
    pub exponent: f64,
    /// Natural logarithm of the prefactor. The prefactor itself may be too large or too small for a
    /// number when the points lie far from x = 1.
    pub ln_prefactor: f64,
    /// R^2 of the line of logarithms; none where y does not vary.
    pub r_squared: Option<f64>,
    /// Least-squares standard error of the exponent, for independent residuals; none with fewer
    /// than three points.
    pub exponent_standard_error: Option<f64>,
    /// Points used.
    pub points: u64,
}

/// Sums for a power law through points.
#[derive(Debug, Clone, Copy, Default)]
pub struct PowerLawFit {
    line: LineFit,
}

impl PowerLawFit {
    /// Takes a point, unless it has no logarithm (x or y zero, negative, infinite or NaN); says
    /// whether it did.
    pub fn push(&mut self, x: f64, y: f64) -> bool {
        let has_logarithm = |value: f64| value > 0.0 && value.is_finite();
        let takes = has_logarithm(x) && has_logarithm(y);
        if takes {
            self.line.push(x.ln(), y.ln());
        }
        takes
    }

    /// The power law of the points so far.
    ///
    /// # Errors
    /// [`Error::NotEnoughData`] with fewer than two different x among the points taken.
    pub fn power_law(&self) -> Result<PowerLaw> {
        let line = self.line.line()?;
        Ok(PowerLaw {
            exponent: line.slope,
            ln_prefactor: line.intercept,
            r_squared: line.r_squared,
            exponent_standard_error: line.slope_standard_error,
            points: line.points,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(points: impl IntoIterator<Item = (f64, f64)>) -> Result<Line> {
        let mut fit = LineFit::default();
        points.into_iter().for_each(|(x, y)| fit.push(x, y));
        fit.line()
    }

    /// Norris, of NIST's Statistical Reference Datasets: certified to 15 digits.
    /// <https://www.itl.nist.gov/div898/strd/lls/data/Norris.shtml>
    #[test]
    fn nist_norris() {
        let points = include_str!("../../tests/data/nist_norris.txt");
        let line = line(points.lines().filter(|line| !line.starts_with('#')).map(|line| {
            let (y, x) = line.trim().split_once(char::is_whitespace).unwrap();
            (x.trim().parse().unwrap(), y.parse().unwrap())
        }))
        .unwrap();
        // Certified values have 15 digits; the sums of 36 products lose a few.
        assert_close(line.intercept, -0.262323073774029, 1e-11);
        assert_close(line.slope, 1.00211681802045, 1e-13);
        assert_close(line.r_squared.unwrap(), 0.999993745883712, 1e-13);
        assert_close(line.residual_variance.unwrap().sqrt(), 0.884796396144373, 1e-10);
        assert_close(line.slope_standard_error.unwrap(), 0.429796848199937e-3, 1e-10);
        assert_eq!(line.points, 36);
    }

    #[test]
    fn points_that_make_no_line() {
        for points in
            [vec![], vec![(1.0, 2.0)], vec![(3.0, 2.0); 5], vec![(1.0, 2.0), (2.0, f64::NAN)]]
        {
            assert!(matches!(line(points), Err(Error::NotEnoughData { .. })));
        }
        let level = line([(1.0, 2.0), (2.0, 2.0), (3.0, 2.0)]).unwrap();
        assert_eq!((level.slope, level.intercept, level.r_squared), (0.0, 2.0, None));
    }

    #[test]
    fn a_power_law_passes_over_what_has_no_logarithm() {
        let mut fit = PowerLawFit::default();
        for (x, y) in [(0.0, 1.0), (1.0, 0.0), (1.0, -1.0), (f64::INFINITY, 1.0), (1.0, f64::NAN)] {
            assert!(!fit.push(x, y));
        }
        assert!(fit.power_law().is_err());
        for k in 1..=100 {
            assert!(fit.push(f64::from(k), 3e-5 * f64::from(k).powf(1.25)));
        }
        let law = fit.power_law().unwrap();
        assert_close(law.exponent, 1.25, 1e-13);
        assert_close(law.ln_prefactor, 3e-5_f64.ln(), 1e-13);
        assert_eq!(law.points, 100);
    }

    proptest! {
        /// The residuals of a least-squares line sum to zero, weighted by 1 and by x, also far from
        /// the origin.
        #[test]
        fn residuals_are_orthogonal(
            values in prop::collection::vec(-1.0..1.0f64, 3..50), slope in -3.0..3.0f64, offset in -1e6..1e6f64,
        ) {
            let points: Vec<_> = values.iter().enumerate()
                .map(|(index, noise)| (offset + index as f64, slope * index as f64 + noise)).collect();
            let fit = line(points.clone()).unwrap();
            let residual = |&(x, y): &(f64, f64)| y - fit.intercept - fit.slope * x;
            let count = points.len() as f64;
            let sum: f64 = points.iter().map(residual).sum();
            let moment: f64 = points.iter().map(|point| residual(point) * (point.0 - offset)).sum();
            // intercept + slope x is known to about 1e-16 of 1e6 x slope.
            prop_assert!(sum.abs() < 1e-8 * count, "{sum}");
            prop_assert!(moment.abs() < 1e-8 * count * count, "{moment}");
        }
    }

    fn assert_close(found: f64, expected: f64, relative: f64) {
        assert!((found - expected).abs() <= relative * expected.abs(), "{found} is not {expected}");
    }
}
