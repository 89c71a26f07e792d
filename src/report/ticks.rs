//! Where an axis has its ticks, and what is written at them.

use super::chart::Axis;

/// An axis ready to be drawn: limits and ticks in the coordinate it is drawn in (the decimal
/// logarithm, if logarithmic).
#[derive(Debug, Clone, PartialEq)]
pub struct Ticks {
    /// From where to where.
    pub limits: [f64; 2],
    /// Coordinate and text.
    pub labels: Vec<(f64, String)>,
    /// The power of ten the texts are to be multiplied with.
    pub exponent: i32,
}

/// Ticks of an axis that reaches at least from `low` to `high`; `most` is how many there is room
/// for.
pub fn ticks(axis: &Axis, [low, high]: [f64; 2], most: usize) -> Ticks {
    if !axis.categories.is_empty() {
        let labels = axis
            .categories
            .iter()
            .enumerate()
            .map(|(index, name)| (index as f64, name.clone()))
            .collect();
        return Ticks { limits: [low, high], labels, exponent: 0 };
    }
    if axis.logarithmic {
        return logarithmic(low.log10(), high.log10(), most);
    }
    linear(low, high, if axis.whole { 1.0 } else { 0.0 }, most)
}

fn linear(low: f64, high: f64, least: f64, most: usize) -> Ticks {
    let [low, high] = widened(low, high, 0.04);
    let (step, values) = even(low, high, least, most);
    let largest = low.abs().max(high.abs());
    let magnitude = largest.log10().floor() as i32;
    let exponent = if (-3..5).contains(&magnitude) { 0 } else { 3 * magnitude.div_euclid(3) };
    let unit = 10f64.powi(exponent);
    let digits = (-(step / unit).log10().floor()).clamp(0.0, 12.0) as usize;
    let labels = values.into_iter().map(|value| (value, plain(value / unit, digits))).collect();
    Ticks { limits: [low, high], labels, exponent }
}

fn logarithmic(low: f64, high: f64, most: usize) -> Ticks {
    let [low, high] = widened(low, high, 0.04);
    let decades: Vec<i32> = ((low - 1e-9).ceil() as i32..=(high + 1e-9).floor() as i32).collect();
    if decades.len() < 2 || high - low < 1.7 {
        return within_decades(low, high, most);
    }
    let stride = decades.len().div_ceil(most.max(1)) as i32;
    let labels = decades
        .into_iter()
        .filter(|decade| decade % stride == 0)
        .map(|decade| (f64::from(decade), power(decade)));
    Ticks { limits: [low, high], labels: labels.collect(), exponent: 0 }
}

/// Less than two powers of ten: 1, 2 and 5 between them, or even numbers where these are too few.
fn within_decades(low: f64, high: f64, most: usize) -> Ticks {
    let exponent = low.floor() as i32;
    let exponent = if (-4..5).contains(&exponent) { 0 } else { exponent };
    let unit = 10f64.powi(exponent);
    let mut labels = Vec::new();
    for decade in low.floor() as i32..=high.floor() as i32 {
        let digits = (exponent - decade).max(0) as usize;
        let tick = |digit: f64| {
            (
                digit.log10() + f64::from(decade),
                plain(digit * 10f64.powi(decade - exponent), digits),
            )
        };
        labels.extend([1.0, 2.0, 5.0].map(tick));
    }
    let inside = |at: f64| (low..=high).contains(&at);
    labels.retain(|(at, _)| inside(*at));
    if labels.len() < 3 {
        let (step, evenly) = even(10f64.powf(low), 10f64.powf(high), 0.0, most);
        let digits = (-(step / unit).log10().floor()).clamp(0.0, 12.0) as usize;
        let evenly = evenly.into_iter().filter(|value| inside(value.log10()));
        labels = evenly.map(|value| (value.log10(), plain(value / unit, digits))).collect();
    }
    Ticks { limits: [low, high], labels, exponent }
}

/// Multiples of 1, 2 or 5 times a power of ten, at least `least` apart.
fn even(low: f64, high: f64, least: f64, most: usize) -> (f64, Vec<f64>) {
    let least = ((high - low) / most.max(1) as f64).max(least);
    let power = 10f64.powf(least.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .map(|digit| digit * power)
        .into_iter()
        .find(|step| *step >= least * (1.0 - 1e-9));
    let step = step.unwrap_or(10.0 * power);
    let (first, last) = ((low / step).ceil(), (high / step).floor());
    let count = (last - first).clamp(0.0, 50.0) as usize;
    // + 0: no -0.
    (step, (0..=count).map(|index| (first + index as f64) * step + 0.0).collect())
}

/// Room on both sides; a single value gets an axis around it.
fn widened(low: f64, high: f64, share: f64) -> [f64; 2] {
    let width = high - low;
    // Steps between numbers as small as the smallest there are would be none.
    if low.abs().max(high.abs()) < 1e-290 {
        return [-1.0, 1.0];
    }
    // Differences below the rounding of the values are none.
    if width <= 1e-12 * low.abs().max(high.abs()) {
        let half = 0.1 * low.abs();
        return [low - half, high + half];
    }
    [low - share * width, high + share * width]
}

fn plain(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    // A true minus sign is as wide as the digits.
    text.replace('-', "\u{2212}")
}

/// 10 to a power, with raised digits.
pub fn power(exponent: i32) -> String {
    match exponent {
        0 => "1".to_owned(),
        1 => "10".to_owned(),
        _ => format!("10{}", raised(exponent)),
    }
}

fn raised(number: i32) -> String {
    let digits = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let raise =
        |character: char| character.to_digit(10).map_or('⁻', |digit| digits[digit as usize]);
    number.to_string().chars().map(raise).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(axis: &Axis, limits: [f64; 2]) -> Vec<String> {
        ticks(axis, limits, 6).labels.into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn linear_ticks_are_round_numbers() {
        let axis = Axis::linear("");
        assert_eq!(texts(&axis, [0.0, 10.0]), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(texts(&axis, [-0.3, 0.3]), ["−0.2", "0.0", "0.2"]);
        let large = ticks(&axis, [0.0, 1e7], 6);
        assert_eq!((large.exponent, large.labels[1].1.as_str()), (6, "2"));
        assert_eq!(ticks(&axis, [4.0, 4.0], 6).limits, [3.6, 4.4]);
        assert_eq!(texts(&Axis::counted("modes"), [1.0, 2.0]), ["1", "2"]);
    }

    #[test]
    fn logarithmic_ticks_are_powers_or_what_lies_between() {
        let axis = Axis::logarithmic("");
        assert_eq!(texts(&axis, [1.0, 1e7]), ["1", "10²", "10⁴", "10⁶"]);
        assert_eq!(texts(&axis, [0.03, 20.0]), ["10⁻¹", "1", "10"]);
        assert_eq!(texts(&axis, [1.0, 6.0]), ["1", "2", "5"]);
        assert_eq!(texts(&axis, [0.7, 12.0]), ["1", "2", "5", "10"]);
        assert_eq!(texts(&axis, [3.1, 3.4]), ["3.1", "3.2", "3.3", "3.4"]);
    }

    #[test]
    fn absurd_ranges_have_few_ticks_and_no_nan() {
        for axis in [Axis::linear(""), Axis::logarithmic("")] {
            for limits in
                [[1e-300, 1e300], [2.3e-308, 2.3e-308], [1.0, 1.0 + 1e-15], [1e308, 1.7e308]]
            {
                let ticks = ticks(&axis, limits, 6);
                assert!(
                    ticks.labels.len() < 20 && ticks.limits[0] <= ticks.limits[1],
                    "{limits:?} {ticks:?}"
                );
                assert!(
                    ticks.labels.iter().all(|(at, text)| at.is_finite() && text != "NaN"),
                    "{limits:?} {ticks:?}"
                );
            }
        }
    }
}
