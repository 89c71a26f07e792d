//! Axes: bounds, ticks, and numbers short enough to stand at them.

use crate::numbers::short;

/// How an axis shows values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    Linear,
    /// Points are given as log10 of the values.
    Log,
}

/// The smallest range with something of it on both sides; points on one value get some room.
pub fn bounds(values: impl Iterator<Item = f64>, scale: Scale) -> Option<(f64, f64)> {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    if !(low.is_finite() && high.is_finite()) {
        return None;
    }
    let room = if scale == Scale::Log {
        0.15
    } else {
        low.abs().max(high.abs()).max(f64::MIN_POSITIVE) * 1e-3
    };
    Some(if high - low > 2.0 * room { (low, high) } else { (low - room, high + room) })
}

/// Where ticks stand and what they say, at most `most` of them.
pub fn ticks((low, high): (f64, f64), scale: Scale, most: usize) -> Vec<(f64, String)> {
    let most = most.max(1);
    if scale == Scale::Log {
        // Logarithms of numbers lie between these.
        let (first, last) = (low.max(-400.0).ceil() as i64, high.min(400.0).floor() as i64);
        let decades = last - first + 1;
        if decades >= 2 {
            let stride = (decades as usize).div_ceil(most).max(1);
            return (first..=last)
                .step_by(stride)
                .map(|power| (power as f64, power_of_ten(power)))
                .collect();
        }
        // Too short for decades: round values, at their logarithms.
        let values = ticks((10_f64.powf(low), 10_f64.powf(high)), Scale::Linear, most);
        return values
            .into_iter()
            .map(|(value, label)| (value.log10(), label))
            .filter(|(at, _)| at.is_finite())
            .collect();
    }
    let step = round_step((high - low) / most as f64);
    let first = (low / step).ceil();
    let count = ((high / step).floor() - first + 1.0).clamp(0.0, most as f64 + 1.0) as usize;
    (0..count)
        .map(|index| (first + index as f64) * step)
        .map(|value| (value, at_step(value, step)))
        .collect()
}

/// The smallest of 1, 2, 5, 10, ... that is not below `least`.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0]
        .into_iter()
        .map(|digit| digit * power)
        .find(|&step| step >= least)
        .unwrap_or(10.0 * power)
}

fn power_of_ten(power: i64) -> String {
    match power {
        -2..=2 => short(10_f64.powi(power as i32)),
        3..=5 => format!("{}k", 10_i64.pow(power as u32 - 3)),
        6..=8 => format!("{}M", 10_i64.pow(power as u32 - 6)),
        _ => format!("1e{power}"),
    }
}

/// A multiple of `step`, with the digits that tell it from its neighbours.
fn at_step(value: f64, step: f64) -> String {
    let size = value.abs().max(step);
    // A multiple near 0 that rounding left beside it.
    if value.abs() < 0.5 * step {
        return "0".to_owned();
    }
    if (size < 1e-2 && step < 1e-3) || size >= 1e9 {
        let digits = (size.log10().floor() - step.log10().floor()).clamp(0.0, 15.0) as usize;
        return format!("{value:.digits$e}");
    }
    let (unit, name) = match step {
        step if size >= 1e6 && step >= 1e4 => (1e6, "M"),
        step if size >= 1e4 && step >= 1e2 => (1e3, "k"),
        _ => (1.0, ""),
    };
    let digits = (-(step / unit).log10().floor()).clamp(0.0, 15.0) as usize;
    format!("{:.digits$}{name}", value / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(low: f64, high: f64, scale: Scale, most: usize) -> Vec<String> {
        ticks((low, high), scale, most).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_of_logarithms() {
        assert_eq!(labels(0.0, 4.2, Scale::Log, 6), ["1", "10", "100", "1k", "10k"]);
        assert_eq!(labels(0.0, 7.2, Scale::Log, 4), ["1", "100", "10k", "1M"]);
        assert_eq!(labels(-5.5, -2.9, Scale::Log, 5), ["1e-5", "1e-4", "1e-3"]);
        // Within a decade: 2 to 4.
        assert_eq!(labels(0.301, 0.603, Scale::Log, 4), ["2", "3", "4"]);
    }

    #[test]
    fn ticks_of_values() {
        assert_eq!(labels(0.0, 10.0, Scale::Linear, 5), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(labels(1.0, 52_000.0, Scale::Linear, 3), ["20k", "40k"]);
        assert_eq!(labels(-0.03, 0.05, Scale::Linear, 4), ["-0.02", "0", "0.02", "0.04"]);
        assert_eq!(labels(0.0, 21_000_000.0, Scale::Linear, 4), ["0", "10M", "20M"]);
        assert_eq!(labels(2.0e-6, 4.1e-6, Scale::Linear, 3), ["2e-6", "3e-6", "4e-6"]);
    }

    #[test]
    fn any_bounds_give_some_ticks_and_never_many() {
        for (low, high) in
            [(0.0, f64::MIN_POSITIVE), (-1e300, 1e300), (5.0, 5.001), (1e15, 1e15 + 2.0)]
        {
            for scale in [Scale::Linear, Scale::Log] {
                for most in [0, 1, 2, 7] {
                    assert!(
                        ticks((low, high), scale, most).len() <= most + 2,
                        "{low} {high} {scale:?} {most}"
                    );
                }
            }
        }
        assert_eq!(bounds([f64::NAN].into_iter(), Scale::Log), None);
        assert_eq!(bounds(std::iter::empty(), Scale::Linear), None);
        let (low, high) = bounds([3.0].into_iter(), Scale::Linear).unwrap();
        assert!(low < 3.0 && high > 3.0);
    }
}
