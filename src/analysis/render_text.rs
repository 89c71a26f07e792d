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
        Answer::CannotSay { reason } => say(text, name, &format!("cannot say: {}", printable::line(reason))),
    }
}

/// Four significant digits.
pub(crate) fn number(value: f64) -> String {
    let scientific = format!("{value:.3e}");
    // The exponent after rounding: 0.00099999 is 0.001.
    let exponent: i32 = scientific.rsplit_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0);
    match exponent {
        _ if value == 0.0 => "0".to_owned(),
        -3..=4 => format!("{value:.*}", (3 - exponent).max(0) as usize),
        _ => scientific,
    }
}

/// Three decimals; a zero has no sign.
pub(crate) fn thousandths(value: f64) -> String {
    let text = format!("{value:.3}");
    if text == "-0.000" { "0.000".to_owned() } else { text }
}

/// A p-value; what f64 cannot tell from 0 is not called 0.
pub(crate) fn p_value(value: f64) -> String {
    if value < 1e-16 { "p < 1e-16".to_owned() } else { format!("p = {}", number(value)) }
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
}
