//! By how much a sequence changed: the size that stands before a test's p-value.

use serde::Serialize;

use super::render_text::{number, percent};
use crate::stats::moments::Moments;
use crate::stats::regression::LineFit;

/// A rise or fall by more than this factor is told as a factor.
const LARGEST_RATIO: f64 = 10.0;

/// A quantity earlier and later in its rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Change {
    /// The earlier value, in the quantity's unit.
    pub from: f64,
    /// The later one.
    pub to: f64,
    /// Standard deviation of a row, in the same unit.
    pub deviation: f64,
    /// Which two values they are.
    pub course: Course,
}

/// What a change is between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Course {
    /// The mean of the first tenth of the rows and that of the last half.
    FirstTenthToLastHalf,
    /// The ends of the least-squares line.
    AlongLine,
    /// The means of the first and of the last tenth of the rows.
    FirstTenthToLast,
}

impl Change {
    /// By that course; `None` where there are too few values.
    pub(crate) fn by(course: Course, values: &[f64], deviation: f64) -> Option<Change> {
        let tenth = values.len() / 10;
        match course {
            Course::FirstTenthToLastHalf => {
                Change::between(values, tenth, values.len() / 2, deviation)
            }
            Course::FirstTenthToLast => Change::between(values, tenth, tenth, deviation),
            Course::AlongLine => Change::along_line(values, deviation),
        }
        .map(|change| Change { course, ..change })
    }

    /// Of a quantity that is above 0, along the line; where that falls below 0, between the first
    /// and the last tenth.
    pub(crate) fn of_positive(values: &[f64], deviation: f64) -> Option<Change> {
        let line = Change::by(Course::AlongLine, values, deviation);
        let tenths = || Change::by(Course::FirstTenthToLast, values, deviation);
        line.filter(|line| line.ratio().is_some()).or_else(tenths).or(line)
    }

    /// From the mean of the first values to that of the last ones.
    fn between(values: &[f64], first: usize, last: usize, deviation: f64) -> Option<Change> {
        if first == 0 || last == 0 || first.max(last) > values.len() {
            return None;
        }
        let mean = |values: &[f64]| Moments::of(values).mean();
        let (from, to) = (mean(&values[..first]), mean(&values[values.len() - last..]));
        Change { from, to, deviation, course: Course::FirstTenthToLastHalf }.finite()
    }

    /// From end to end of the line through the values; `None` for fewer than two.
    fn along_line(values: &[f64], deviation: f64) -> Option<Change> {
        let mut fit = LineFit::default();
        (0..).zip(values).for_each(|(index, value)| fit.push(f64::from(index), *value));
        let line = fit.line().ok()?;
        let to = line.intercept + line.slope * (values.len() - 1) as f64;
        Change { from: line.intercept, to, deviation, course: Course::AlongLine }.finite()
    }

    fn finite(self) -> Option<Change> {
        [self.from, self.to, self.deviation].iter().all(|number| number.is_finite()).then_some(self)
    }

    /// The later value over the earlier one, of a quantity that is above 0 at both.
    pub fn ratio(&self) -> Option<f64> {
        let ratio = self.to / self.from;
        (self.from > 0.0 && self.to > 0.0 && ratio.is_finite() && ratio > 0.0).then_some(ratio)
    }

    /// The change over the standard deviation of a row; `None` where rows do not vary.
    pub fn deviations(&self) -> Option<f64> {
        Some((self.to - self.from) / self.deviation).filter(|deviations| deviations.is_finite())
    }

    /// "falls by 12%", "shifts by 0.41 standard deviations": of a position in deviations, as its 0
    /// is arbitrary.
    pub fn in_words(&self, is_position: bool) -> String {
        match self.ratio().filter(|_| !is_position) {
            Some(ratio) if ratio > LARGEST_RATIO => format!("rises by a factor {}", number(ratio)),
            Some(ratio) if ratio >= 1.0 => format!("rises by {}", percent(ratio - 1.0)),
            Some(ratio) if ratio < 1.0 / LARGEST_RATIO => {
                format!("falls by a factor {}", number(1.0 / ratio))
            }
            Some(ratio) => format!("falls by {}", percent(1.0 - ratio)),
            None => match self.deviations() {
                Some(deviations) => {
                    format!("shifts by {:.2} standard deviations", deviations.abs())
                }
                None => format!("goes from {} to {}", number(self.from), number(self.to)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_in_a_unit_one_knows() {
        let change =
            |from, to, deviation| Change { from, to, deviation, course: Course::AlongLine };
        assert_eq!(change(2.0, 1.76, 0.1).in_words(false), "falls by 12%");
        assert_eq!(change(2.0, 2.03, 0.1).in_words(false), "rises by 1.5%");
        assert_eq!(change(1e-9, 2.0, 0.1).in_words(false), "rises by a factor 2.000e9");
        assert_eq!(change(2.0, 1e-9, 0.1).in_words(false), "falls by a factor 2.000e9");
        assert_eq!(change(2.0, 1.0, 0.5).in_words(true), "shifts by 2.00 standard deviations");
        assert_eq!(change(-1.0, 1.0, 0.5).in_words(false), "shifts by 4.00 standard deviations");
    }

    #[test]
    fn values_are_means_and_ends_of_a_line() {
        let values: Vec<f64> = (0..20).map(f64::from).collect();
        let between = Change::between(&values, 2, 10, 1.0).unwrap();
        assert_eq!((between.from, between.to), (0.5, 14.5));
        let line = Change::along_line(&values, 1.0).unwrap();
        assert!(line.from.abs() < 1e-12 && (line.to - 19.0).abs() < 1e-12);
        assert!(
            Change::between(&values, 0, 10, 1.0).is_none()
                && Change::along_line(&[1.0], 1.0).is_none()
        );
        assert!(Change::along_line(&[1.0, f64::NAN], 1.0).is_none());
        // A line through these falls below 0.
        let falling: Vec<f64> = (0..100).map(|index| (-f64::from(index) / 10.0).exp()).collect();
        let change = Change::of_positive(&falling, 1.0).unwrap();
        assert_eq!(change.course, Course::FirstTenthToLast);
        assert!((change.ratio().unwrap() / (-9.0_f64).exp() - 1.0).abs() < 1e-9);
    }
}
