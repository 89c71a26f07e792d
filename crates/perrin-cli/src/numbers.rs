//! Numbers short enough for a table or a head.

/// A number in four digits, without those that are zero.
pub fn short(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    if !(1e-3..1e5).contains(&size) {
        let text = format!("{value:.3e}");
        let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
        return format!("{}e{power}", trimmed(digits));
    }
    let digits = (3.0 - size.log10().floor()).clamp(0.0, 6.0) as usize;
    trimmed(&format!("{value:.digits$}")).to_owned()
}

fn trimmed(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

/// A length of time for people: `0.4 s`, `12 s`, `3 min`, `5.2 h`, `40 days`.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 10.0 => format!("{s:.1} s"),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.0} days", s / 86_400.0),
    }
}

/// Bytes for people: `999 B`, `12.3 kB`, `4.35 GB`.
pub fn size(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes as f64, "B");
    for larger in ["kB", "MB", "GB", "TB"] {
        // In three digits it is 1000 of these.
        if value >= 999.5 {
            (value, unit) = (value / 1000.0, larger);
        }
    }
    let digits = if unit == "B" || value >= 99.95 { 0 } else { usize::from(value < 9.995) + 1 };
    format!("{value:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!(
            [0.1, 1e-3, 12_345.6, 2.5e-7, 123_456.0, -0.02].map(short),
            ["0.1", "0.001", "12346", "2.5e-7", "1.235e5", "-0.02"]
        );
        assert_eq!(
            [0.44, 75.0, 180.0, 9000.0, 4e5].map(duration),
            ["0.4 s", "75 s", "3 min", "2.5 h", "5 days"]
        );
        assert_eq!(short(f64::NAN), "NaN");
        assert_eq!(
            [0, 999, 1000, 12_345, 99_960, 999_600, 4_352_000_000, u64::MAX].map(size),
            ["0 B", "999 B", "1.00 kB", "12.3 kB", "100 kB", "1.00 MB", "4.35 GB", "18446744 TB"]
        );
    }
}
