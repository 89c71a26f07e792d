//! Numbers and lines for people.

use std::fmt::{self, Formatter};

use super::Answer;
use crate::printable;
pub(crate) use crate::printable::{counted, grouped};

/// Columns of a text: those it was asked for (`format!("{fit:100}")`), or 80.
pub(crate) fn columns(text: &Formatter<'_>) -> usize {
    text.width().unwrap_or(printable::COLUMNS)
}

/// Lines beside a name, wrapped.
pub(crate) fn say(text: &mut Formatter<'_>, name: &str, lines: &str) -> fmt::Result {
    let columns = columns(text);
    writeln!(text, "{}", printable::wrapped(name, lines, columns))
}

/// A named answer, wrapped, or why there is none.
pub(crate) fn said<T>(
    text: &mut Formatter<'_>,
    name: &str,
    answer: &Answer<T>,
    known: impl Fn(&T) -> String,
) -> fmt::Result {
    match answer {
        Answer::Known(value) => say(text, name, &known(value)),
        Answer::CannotSay { reason } => {
            say(text, name, &format!("cannot say: {}", printable::line(reason)))
        }
    }
}

/// Four significant digits.
pub(crate) fn number(value: f64) -> String {
    let scientific = format!("{value:.3e}");
    // The exponent after rounding: 0.00099999 is 0.001.
    let exponent: i32 =
        scientific.rsplit_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0);
    match exponent {
        _ if value == 0.0 => "0".to_owned(),
        -3..=4 => format!("{value:.*}", (3 - exponent).max(0) as usize),
        _ => scientific,
    }
}

/// A setting as it was given, or four digits of it where it has more than one would give.
pub(crate) fn setting(value: f64) -> String {
    let given = value.to_string();
    if given.len() <= 8 {
        return given;
    }
    let digits = number(value);
    match digits.split_once('e') {
        Some((digits, exponent)) => format!("{}e{exponent}", without_zeros(digits)),
        None => without_zeros(&digits).to_owned(),
    }
}

fn without_zeros(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

/// Three decimals; a zero has no sign.
pub(crate) fn thousandths(value: f64) -> String {
    let text = format!("{value:.3}");
    if text == "-0.000" { "0.000".to_owned() } else { text }
}

/// The size of a share in percent, two digits of it: "12%" of -0.12.
pub(crate) fn percent(share: f64) -> String {
    let percent = 100.0 * share.abs();
    match percent {
        ..0.01 => "less than 0.01%".to_owned(),
        0.01..0.995 => format!("{percent:.2}%"),
        0.995..9.95 => format!("{percent:.1}%"),
        _ => format!("{percent:.0}%"),
    }
}

/// A p-value, two digits of it; what f64 cannot tell from 0 is not called 0.
pub(crate) fn p_value(value: f64) -> String {
    match value {
        ..1e-16 => "p < 1e-16".to_owned(),
        1e-16..0.000_995 => format!("p = {value:.1e}"),
        0.000_995..0.0995 => {
            format!("p = {value:.*}", (1.0 - (value * 1.005).log10().floor()) as usize)
        }
        _ => format!("p = {value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_significant_digits() {
        let cases = [
            (0.0, "0"),
            (1.0, "1.000"),
            (0.012345678, "0.01235"),
            (0.000_999_999_9, "0.001000"),
            (12345.6, "12346"),
            (-3.0, "-3.000"),
            (2.3456e-6, "2.346e-6"),
            (123456.0, "1.235e5"),
        ];
        for (value, expected) in cases {
            assert_eq!(number(value), expected);
        }
    }

    #[test]
    fn settings_are_as_they_were_given() {
        let cases =
            [(0.02, "0.02"), (5e-4, "0.0005"), (128.0, "128"), (1.103690250631173e-6, "1.104e-6")];
        for (value, expected) in
            cases.into_iter().chain([(0.049999993048007556, "0.05"), (2.1e-6, "2.1e-6")])
        {
            assert_eq!(setting(value), expected);
        }
    }

    #[test]
    fn shares_and_p_values_have_two_digits() {
        let shares = [
            (0.0, "less than 0.01%"),
            (0.004, "0.40%"),
            (-0.0162, "1.6%"),
            (0.123, "12%"),
            (3.5, "350%"),
        ];
        for (share, expected) in shares {
            assert_eq!(percent(share), expected);
        }
        let cases = [
            (0.0, "p < 1e-16"),
            (1.234e-11, "p = 1.2e-11"),
            (0.000_996, "p = 0.0010"),
            (0.009451, "p = 0.0095"),
            (0.0998, "p = 0.10"),
            (0.2966, "p = 0.30"),
            (1.0, "p = 1.00"),
        ];
        for (value, expected) in cases {
            assert_eq!(p_value(value), expected);
        }
    }
}
