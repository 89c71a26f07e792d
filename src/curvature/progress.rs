//! A line on the terminal for computations of minutes and hours.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use crate::linalg::lanczos::Progress;

/// A line on stderr that is written over; silent where that is not a terminal. It goes away when
/// this is dropped.
#[derive(Debug)]
pub(super) struct StatusLine {
    shown: bool,
    began: Instant,
}

impl StatusLine {
    pub fn new() -> Self {
        StatusLine { shown: stderr().is_terminal(), began: Instant::now() }
    }

    /// Shows what `text` makes of the time since the beginning.
    pub fn show(&mut self, text: impl FnOnce(Duration) -> String) {
        if self.shown {
            // A terminal that is gone is no reason to stop.
            let _ = write!(stderr(), "\r\x1b[K{}", text(self.began.elapsed()));
        }
    }
}

impl Drop for StatusLine {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}

/// How long `left` more of something take, `done` of which took `elapsed`.
pub(super) fn time_left(elapsed: Duration, done: usize, left: f64) -> humantime::FormattedDuration {
    let seconds = (left * elapsed.as_secs_f64() / done.max(1) as f64).round();
    humantime::format_duration(Duration::from_secs(seconds as u64))
}

/// Shows on stderr how far a search for eigenpairs has come, and how long it may still take. Silent
/// where stderr is not a terminal. The line goes away when this is dropped.
///
/// The time left is at most that of all products allowed. Once pairs converge, it is estimated from
/// the rate at which they do; before that nobody knows.
#[derive(Debug)]
pub struct ProgressLine {
    line: StatusLine,
    forecast: Forecast,
}

impl ProgressLine {
    /// For a search that stops at `max_products`.
    pub fn new(max_products: usize) -> Self {
        ProgressLine { line: StatusLine::new(), forecast: Forecast::new(max_products) }
    }

    /// Shows `progress`; the solver's callback.
    pub fn show(&mut self, progress: Progress) {
        let forecast = &mut self.forecast;
        self.line.show(|elapsed| forecast.line(&progress, elapsed));
    }
}

#[derive(Debug)]
struct Forecast {
    max_products: usize,
    /// Products and converged pairs when some pair was first seen to have converged.
    first: Option<(usize, usize)>,
    /// As last looked at: not after every product.
    converged: usize,
    worst_residual: Option<f64>,
}

impl Forecast {
    fn new(max_products: usize) -> Self {
        Forecast { max_products, first: None, converged: 0, worst_residual: None }
    }

    fn line(&mut self, progress: &Progress, elapsed: Duration) -> String {
        let Progress { products, wanted, .. } = *progress;
        self.converged = progress.converged.unwrap_or(self.converged);
        self.worst_residual = progress.worst_residual.or(self.worst_residual);
        let (converged, worst_residual) = (self.converged, self.worst_residual);
        let at_most = self.max_products.saturating_sub(products) as f64;
        if converged > 0 && self.first.is_none() {
            self.first = Some((products, converged));
        }
        let expected = self.first.filter(|&(_, first)| converged > first).map(|(since, first)| {
            let products_per_pair = (products - since) as f64 / (converged - first) as f64;
            (products_per_pair * wanted.saturating_sub(converged) as f64).min(at_most)
        });
        let time = |left: f64| time_left(elapsed, products, left);
        let residual = worst_residual
            .map_or(String::new(), |residual| format!(", worst residual {residual:.0e}"));
        let left = match expected {
            Some(expected) => format!("about {} left", time(expected)),
            None => format!("at most {} left", time(at_most)),
        };
        format!("{products} products, {converged} of {wanted} pairs converged{residual}, {left}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_follows_the_pairs_that_converge() {
        let mut forecast = Forecast::new(700);
        let mut at = |products, converged, residual| {
            let progress = Progress { products, wanted: 30, converged, worst_residual: residual };
            forecast.line(&progress, Duration::from_secs(2 * products as u64))
        };
        assert_eq!(at(1, None, None), "1 products, 0 of 30 pairs converged, at most 23m 18s left");
        assert_eq!(
            at(60, Some(5), Some(0.21)),
            "60 products, 5 of 30 pairs converged, worst residual 2e-1, at most 21m 20s left"
        );
        assert_eq!(
            at(61, None, None),
            "61 products, 5 of 30 pairs converged, worst residual 2e-1, at most 21m 18s left"
        );
        // 15 pairs in 30 products: 10 more in 20.
        assert_eq!(
            at(90, Some(20), Some(0.03)),
            "90 products, 20 of 30 pairs converged, worst residual 3e-2, about 40s left"
        );
        assert_eq!(
            at(110, Some(30), Some(9e-4)),
            "110 products, 30 of 30 pairs converged, worst residual 9e-4, about 0s left"
        );
    }
}
