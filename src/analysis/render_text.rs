//! Numbers and lines for people.

use std::fmt::{self, Formatter};

use super::Answer;

/// Characters a line.
const WIDTH: usize = 80;

/// A named answer, wrapped, or why there is none.
pub(crate) fn said<T>(
    text: &mut Formatter<'_>,
    name: &str,
    answer: &Answer<T>,
    known: impl Fn(&T) -> String,
) -> fmt::Result {
    let said = match answer {
        Answer::Known(value) => known(value),
        Answer::CannotSay { reason } => format!("cannot say: {reason}"),
    };
    writeln!(text, "{}", wrapped(name, &said))
}

/// Lines under each other beside a name; those too long are broken at a space.
pub(crate) fn wrapped(name: &str, lines: &str) -> String {
    let indent = " ".repeat(name.len());
    let mut text = String::new();
    for line in lines.lines() {
        let mut rest = line;
        loop {
            let room = WIDTH.saturating_sub(name.len()).max(20);
            // A byte index that is a space is a character boundary.
            let end = if rest.len() <= room { None } else { rest[..=rest.floor_char_boundary(room)].rfind(' ') };
            let (now, later) = end.map_or((rest, ""), |end| (&rest[..end], rest[end..].trim_start()));
            text += if text.is_empty() { name } else { &indent };
            text += now.trim_end();
            text.push('\n');
            if later.is_empty() {
                break;
            }
            rest = later;
        }
    }
    text.truncate(text.trim_end().len());
    text
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

/// Digits in groups of three: 12,345.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let separator = |index: usize| if index > 0 && (digits.len() - index).is_multiple_of(3) { "," } else { "" };
    digits.char_indices().map(|(index, digit)| format!("{}{digit}", separator(index))).collect()
}

/// A number of things: 1 row, 2 rows.
pub(crate) fn counted(count: u64, thing: &str) -> String {
    format!("{} {thing}{}", grouped(count), if count == 1 { "" } else { "s" })
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

    #[test]
    fn long_lines_are_broken_and_indented() {
        let text = wrapped("  name   ", &"word ".repeat(30));
        assert!(text.lines().count() == 3 && text.lines().all(|line| line.len() <= 80), "{text}");
        assert!(text.lines().skip(1).all(|line| line.starts_with("         word")));
        assert_eq!(wrapped("a ", "b\nc  d"), "a b\n  c  d");
    }

    #[test]
    fn long_counts_are_grouped() {
        assert_eq!([0, 999, 1000, 1234567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
