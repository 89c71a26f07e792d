//! How the learning rate went: what advice has to know of a schedule.

use serde::Serialize;

/// Learning rates of the first parameter group.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LearningRates {
    /// At the first row.
    pub first: f64,
    /// The highest of any row.
    pub highest: f64,
    /// At the first row of the window.
    pub window_first: f64,
    /// At the last row.
    pub present: f64,
    /// The first step at the present rate.
    pub present_since: u64,
    /// Whether it changed within the window.
    pub changes_in_window: bool,
}

/// Collects the rates of rows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RateFit {
    rates: Option<LearningRates>,
    window_began: bool,
    unknown: bool,
}

impl RateFit {
    /// Takes a row's rate.
    pub(crate) fn push(&mut self, step: u64, rate: Option<f64>, in_window: bool) {
        let Some(rate) = rate.filter(|rate| rate.is_finite()) else {
            self.unknown = true;
            return;
        };
        let rates = self.rates.get_or_insert(LearningRates {
            first: rate,
            highest: rate,
            window_first: rate,
            present: rate,
            present_since: step,
            changes_in_window: false,
        });
        rates.highest = rates.highest.max(rate);
        let changed = rate != rates.present;
        if changed {
            (rates.present, rates.present_since) = (rate, step);
        }
        if in_window {
            if self.window_began {
                rates.changes_in_window |= changed;
            } else {
                rates.window_first = rate;
            }
            self.window_began = true;
        }
    }

    /// `None` where the rate of a row is not known.
    pub(crate) fn answer(&self) -> Option<LearningRates> {
        self.rates.filter(|_| !self.unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(of: impl IntoIterator<Item = f64>, window_first: u64) -> Option<LearningRates> {
        let mut fit = RateFit::default();
        (1..).zip(of).for_each(|(step, rate)| fit.push(step, Some(rate), step >= window_first));
        fit.answer()
    }

    #[test]
    fn a_schedule_is_told_from_a_drop_before_the_window() {
        let dropped = rates([0.1, 0.1, 0.01, 0.01, 0.01], 3).unwrap();
        assert!(!dropped.changes_in_window);
        assert_eq!(
            (dropped.first, dropped.highest, dropped.window_first, dropped.present),
            (0.1, 0.1, 0.01, 0.01)
        );
        assert_eq!(dropped.present_since, 3);
        let falling = rates([0.1, 0.05, 0.02, 0.01], 2).unwrap();
        assert!(
            falling.changes_in_window && falling.window_first == 0.05 && falling.present == 0.01
        );
        assert_eq!(rates([0.1, f64::NAN], 1), None);
        assert_eq!(rates([], 1), None);
    }
}
