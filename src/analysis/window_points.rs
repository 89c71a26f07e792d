//! A window's rows by a few points: where they crowd on a logarithmic axis, one stands for many.
//!
//! A power law over a window is the least-squares line through all its rows on logarithmic axes.
//! Curves that are drawn or computed for comparison are known at a few hundred points, whose line
//! is the same if each counts as often as there are rows around it. Evenly spaced points would not
//! do from the first step on: of ten million rows, step 1 would weigh as much as the next ten
//! thousand.

/// The rows of a window: k = `first`, `first + every`, ..., up to `last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// At least 1.
    pub first: u64,
    /// At least `first`.
    pub last: u64,
    /// At least 1.
    pub every: u64,
}

/// Points of a window, and how many rows each stands for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WindowPoints {
    /// k, rising.
    pub(crate) steps: Vec<u64>,
    /// Share of the rows.
    shares: Vec<f64>,
    /// What ln y at each point is to be multiplied with to give the slope.
    slope_weights: Vec<f64>,
    /// Mean of ln k over the rows.
    middle: f64,
}

impl WindowPoints {
    /// At most `most` of them: all rows if there are no more than that.
    pub(crate) fn new(window: Window, most: usize) -> WindowPoints {
        let steps = spaced(window, most);
        let rows = rows_around(&steps, window);
        let count: f64 = rows.iter().sum();
        let shares: Vec<f64> = rows.iter().map(|rows| rows / count).collect();
        let logarithms: Vec<f64> = steps.iter().map(|&step| (step as f64).ln()).collect();
        let middle = logarithms.iter().zip(&shares).map(|(x, share)| share * x).sum::<f64>();
        let squares: f64 =
            logarithms.iter().zip(&shares).map(|(x, share)| share * (x - middle).powi(2)).sum();
        let slope_weights = logarithms
            .iter()
            .zip(&shares)
            .map(|(x, share)| share * (x - middle) / squares)
            .collect();
        WindowPoints { steps, shares, slope_weights, middle }
    }

    /// Slope and intercept of the least-squares line of ln y on ln k, through all rows.
    pub(crate) fn line(&self, curve: &[f64]) -> [f64; 2] {
        let (mut slope, mut mean) = (0.0, 0.0);
        for ((value, weight), share) in curve.iter().zip(&self.slope_weights).zip(&self.shares) {
            let logarithm = value.ln();
            slope += weight * logarithm;
            mean += share * logarithm;
        }
        [slope, mean - slope * self.middle]
    }
}

/// Rows whose distance grows with k, by powers of two: so few distances serve for all.
fn spaced(window: Window, most: usize) -> Vec<u64> {
    let every = window.every.max(1);
    let count = window.last.saturating_sub(window.first) / every + 1;
    if count <= most as u64 {
        return (window.first..=window.last).step_by(every as usize).collect();
    }
    // Distance over k that is not surpassed: finer where the window is short beside its first step.
    let mut resolution = (window.last as f64 / window.first as f64).ln().min(1.0) / most as f64;
    loop {
        let mut steps = Vec::with_capacity(most);
        let mut next = Some(window.first);
        while let Some(step) = next.filter(|step| *step <= window.last) {
            steps.push(step);
            let rows = (resolution * step as f64 / every as f64).max(1.0);
            let power_of_two = 1_u64.checked_shl(rows.log2() as u32);
            next = power_of_two.and_then(|power| step.checked_add(every.checked_mul(power)?));
        }
        if steps.len() <= most {
            return steps;
        }
        resolution *= 1.1;
    }
}

/// Rows nearer to each step than to the others.
fn rows_around(steps: &[u64], window: Window) -> Vec<f64> {
    let every = window.every.max(1) as f64;
    let half = |a: u64, b: u64| (b - a) as f64 / every / 2.0;
    (0..steps.len())
        .map(|index| {
            let before = if index == 0 { 0.5 } else { half(steps[index - 1], steps[index]) };
            let after = match steps.get(index + 1) {
                Some(&next) => half(steps[index], next),
                None => ((window.last - steps[index]) as f64 / every).floor() + 0.5,
            };
            before + after
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::regression::PowerLawFit;

    fn window(first: u64, last: u64, every: u64) -> Window {
        Window { first, last, every }
    }

    #[test]
    fn short_windows_are_taken_whole() {
        let points = WindowPoints::new(window(10, 101, 10), 20);
        assert_eq!(points.steps, [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
        assert!(points.shares.iter().all(|share| (share - 0.1).abs() < 1e-15));
    }

    #[test]
    fn points_stand_for_all_rows() {
        for (first, last, every, most) in [
            (1, 1_000_000, 1, 400),
            (5, 99_999, 5, 57),
            (3_333, 10_000, 1, 1000),
            (1_000_000, 1_002_000, 1, 400),
            (9_000_000, 10_000_000, 1, 1000),
            (70_000, 80_000, 10, 400),
        ] {
            let points = WindowPoints::new(window(first, last, every), most);
            let rows = (last - first) / every + 1;
            assert!(
                points.steps.len() <= most && points.steps.len() > most / 3,
                "{}",
                points.steps.len()
            );
            assert!(
                points.steps.is_sorted_by(|a, b| a < b) && *points.steps.last().unwrap() <= last
            );
            let counted: f64 = rows_around(&points.steps, window(first, last, every)).iter().sum();
            assert!((counted - rows as f64).abs() < 1e-6 * rows as f64, "{counted} of {rows}");
        }
        // The largest numbers there are do not overflow.
        assert!(WindowPoints::new(window(1, u64::MAX, 1 << 40), 20).steps.len() <= 20);
    }

    #[test]
    fn their_line_is_the_one_through_all_rows() {
        // Bends from slope 2 to slope 0.5, as displacements do.
        let curve = |k: u64| (k as f64).powi(2) / (1.0 + (k as f64 / 30.0).powf(1.5));
        for (first, last) in [(1, 200_000), (2_000, 6_000)] {
            let mut all = PowerLawFit::default();
            (first..=last).for_each(|k| assert!(all.push(k as f64, curve(k))));
            let all = all.power_law().unwrap();
            let points = WindowPoints::new(window(first, last, 1), 400);
            let values: Vec<f64> = points.steps.iter().map(|&k| curve(k)).collect();
            let [slope, intercept] = points.line(&values);
            assert!((slope - all.exponent).abs() < 1e-4, "{slope} {}", all.exponent);
            assert!(
                (intercept - all.ln_prefactor).abs() < 1e-3,
                "{intercept} {}",
                all.ln_prefactor
            );
        }
    }
}
