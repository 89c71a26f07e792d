//! Ways to say numbers, ranges and chance.

use crate::analysis::modes::Estimate;
use crate::analysis::render_text::number;
use crate::stats::long_run;

/// A number and its 95% interval.
pub(crate) fn with_interval(estimate: &Estimate) -> String {
    let end = |end: Option<f64>| end.map_or_else(|| "unbounded".to_owned(), number);
    format!("{} (95%: {} to {})", number(estimate.value), end(estimate.low), end(estimate.high))
}

/// The same of an interval that may be missing.
pub(super) fn and_interval(value: f64, interval: Option<&long_run::Estimate>) -> String {
    let interval = interval.map(|of| format!(" (95%: {} to {})", number(of.low), number(of.high)));
    number(value) + &interval.unwrap_or_default()
}

/// The lowest, the middle and the highest of some numbers; `None` of none.
pub(super) fn spread(values: impl Iterator<Item = f64>) -> Option<[f64; 3]> {
    let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let (first, last) = (*values.first()?, *values.last()?);
    let middle = 0.5 * (values[(values.len() - 1) / 2] + values[values.len() / 2]);
    Some([first, middle, last])
}

/// Three digits of a ratio or a range.
pub(super) fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        0.01..0.1 => format!("{value:.3}"),
        0.1..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        100.0..10_000.0 => format!("{value:.0}"),
        _ => format!("{value:.1e}"),
    }
}

/// "0.37 to 1.32", or one number.
pub(super) fn range(low: f64, high: f64) -> String {
    let (low, high) = (short(low), short(high));
    if low == high { low } else { format!("{low} to {high}") }
}

/// The same with its middle.
pub(super) fn around(low: f64, middle: f64, high: f64) -> String {
    let ends = range(low, high);
    if ends.contains(" to ") { format!("{ends} (median {})", short(middle)) } else { ends }
}

/// Level of every test, of which so many of `tests` fail by chance.
pub(super) const LEVEL: f64 = 0.05;

pub(super) fn by_chance(tests: usize) -> String {
    format!("{:.1} expected by chance", LEVEL * tests as f64)
}

/// Whether chance alone lets so many of `tests` tests fail: in 1 of 100 cases.
pub(super) fn is_chance(failed: usize, tests: usize) -> bool {
    let mut probability = (1.0 - LEVEL).powi(tests as i32);
    let mut fewer = 0.0;
    for count in 0..failed {
        fewer += probability;
        probability *= LEVEL / (1.0 - LEVEL) * (tests - count) as f64 / (count + 1) as f64;
    }
    1.0 - fewer >= 0.01
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_the_binomial_distributions() {
        // scipy.stats.binom.sf(failed - 1, tests, 0.05): 2 of 10: 0.0861, 3 of 10: 0.0115, 4 of 10:
        // 0.00103.
        assert!(is_chance(0, 10) && is_chance(2, 10) && is_chance(3, 10) && !is_chance(4, 10));
        // 1 of 1: 0.05; 2 of 2: 0.0025.
        assert!(is_chance(1, 1) && !is_chance(2, 2) && is_chance(0, 0));
    }

    #[test]
    fn spreads_have_a_middle() {
        assert_eq!(spread([3.0, 1.0, f64::NAN, 2.0, 4.0].into_iter()), Some([1.0, 2.5, 4.0]));
        assert_eq!(spread([].into_iter()), None);
        assert_eq!(
            [range(0.374, 1.32), range(1.0, 1.004), range(17.2, 65.04)],
            ["0.37 to 1.32", "1.00", "17.2 to 65.0"]
        );
    }
}
