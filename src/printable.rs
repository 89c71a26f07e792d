//! Text that goes to a terminal, a page or a file: no character in it acts on the reader, and lines
//! keep their width.
//!
//! Names and reasons in a run's files are anybody's. [`lines`] and [`line()`] put U+FFFD in the
//! place of characters that move the cursor, set a window's title, turn the direction of the text
//! around them or cannot be seen; [`json`] writes them as escapes. What is printed goes through one
//! of them at the door: `output` of the `perrin` program, `files` of the report.
//!
//! Widths are columns of a terminal: an ideograph has two, a combining mark none.

use std::borrow::Cow;
use std::fmt::Write;

use textwrap::core::display_width;
use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};
use unicode_width::UnicodeWidthStr;

/// Columns of text whose reader is not known.
pub const COLUMNS: usize = 80;

/// Lines are not made shorter than this, however narrow the terminal.
const FEWEST_COLUMNS: usize = 20;

/// Columns that a letter with its marks takes.
pub fn columns_of(text: &str) -> usize {
    text.width()
}

/// Whether a character acts on its reader instead of being read: control characters (C0, DEL, C1),
/// marks that turn the direction of text, invisible ones, and those that XML has no place for. The
/// joiners of scripts and emoji are none.
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{FFFE}' | '\u{FFFF}'
            | '\u{E0000}'..='\u{E007F}')
}

/// Text of many lines: what acts on the reader becomes U+FFFD; ends of lines and tabs stay.
pub fn lines(text: &str) -> Cow<'_, str> {
    replaced(text, |character| acts(character) && !matches!(character, '\n' | '\t'))
}

/// Text of one line: as [`lines`], and ends of lines and tabs become U+FFFD too.
pub fn line(text: &str) -> Cow<'_, str> {
    replaced(text, acts)
}

fn replaced(text: &str, bad: impl Fn(char) -> bool) -> Cow<'_, str> {
    if text.contains(&bad) { text.replace(bad, "\u{FFFD}").into() } else { text.into() }
}

/// JSON that means the same, with escapes for what acts on the reader. Such characters are only
/// ever inside its strings.
pub fn json(text: &str) -> Cow<'_, str> {
    let bad = |character| acts(character) && !matches!(character, '\n' | '\t' | '\r');
    if !text.contains(bad) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 64);
    for character in text.chars() {
        if bad(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(character);
        }
    }
    escaped.into()
}

/// Lines under each other beside a name, none wider than `columns` if that is possible at all: long
/// ones are broken at a space, words longer than a line anywhere.
pub fn wrapped(name: &str, text: &str, columns: usize) -> String {
    let (name, text) = (line(name), lines(text).replace('\t', " "));
    let indent = " ".repeat(display_width(&name));
    let room = columns.saturating_sub(indent.len()).max(FEWEST_COLUMNS);
    let options = Options::new(room)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit);
    let mut out = String::new();
    for line in textwrap::wrap(&text, options) {
        out += if out.is_empty() { &name } else { &indent };
        out += line.trim_end();
        out.truncate(out.trim_end_matches(' ').len());
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out
}

/// Digits in groups of three: 12,345.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let separator =
        |index: usize| if index > 0 && (digits.len() - index).is_multiple_of(3) { "," } else { "" };
    digits.char_indices().map(|(index, digit)| format!("{}{digit}", separator(index))).collect()
}

/// A number of things: 1 row, 2 rows.
pub fn counted(count: u64, thing: &str) -> String {
    format!("{} {thing}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// Text of at most so many columns: what is longer ends in an ellipsis.
pub fn cut(text: &str, columns: usize) -> Cow<'_, str> {
    // A column takes a few bytes at most: where there are fewer, nothing need be measured.
    if text.len() <= columns || text.width() <= columns {
        return text.into();
    }
    let mut kept = String::new();
    for character in text.chars() {
        kept.push(character);
        if kept.width() >= columns {
            kept.pop();
            break;
        }
    }
    kept.push('…');
    kept.into()
}

/// On which side of its column a cell stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Rows under a head, columns as wide as their widest cell and two spaces apart. A cell is one
/// line.
pub fn table<const N: usize>(head: [(&str, Side); N], rows: &[[String; N]]) -> String {
    let cells: Vec<[Cow<'_, str>; N]> = std::iter::once(head.map(|(name, _)| line(name)))
        .chain(rows.iter().map(|row| std::array::from_fn(|column| line(&row[column]))))
        .collect();
    let widest =
        |column: usize| cells.iter().map(|row| display_width(&row[column])).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(widest);
    let mut text = String::new();
    for row in &cells {
        let start = text.len();
        for (column, cell) in row.iter().enumerate() {
            let space = " ".repeat(widths[column] - display_width(cell));
            let gap = if column == 0 { "" } else { "  " };
            let [before, after] =
                if head[column].1 == Side::Left { ["", &space] } else { [space.as_str(), ""] };
            text.extend([gap, before, cell, after]);
        }
        text.truncate(start + text[start..].trim_end_matches(' ').len());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOSTILE: &str = "a\u{1b}[31m\u{7}\u{9b}1m\u{7f}\u{202e}b\u{2066}\u{200f}\u{feff}\r\u{0}";

    /// Arbitrary text, and text that breaks easily: many spaces, wide letters, marks.
    fn text() -> impl Strategy<Value = String> {
        let pieces = prop::sample::select(vec![
            " ",
            "  ",
            "\n",
            "é",
            "e\u{301}",
            "漢",
            "👩\u{200d}👧",
            "ö",
            "word",
            "\u{1b}[",
            "\t",
        ]);
        prop_oneof![
            any::<String>(),
            prop::collection::vec(pieces, 0..200).prop_map(|pieces| pieces.concat())
        ]
    }

    fn visible(text: &str) -> String {
        text.chars().filter(|character| !character.is_whitespace()).collect()
    }

    #[test]
    fn what_acts_on_the_reader_is_replaced() {
        let shown = "a\u{FFFD}[31m\u{FFFD}\u{FFFD}1m\u{FFFD}\u{FFFD}b\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}";
        assert_eq!(lines(HOSTILE), shown);
        assert_eq!(
            (lines("a\n\tb"), line("a\n\tb")),
            ("a\n\tb".into(), "a\u{FFFD}\u{FFFD}b".into())
        );
        // Scripts, marks and joined emoji are text.
        for text in ["Größe", "漢字", "e\u{301}", "عربى", "नि\u{200d}", "👩\u{200d}👧", "a\u{a0}b"]
        {
            assert!(matches!(line(text), Cow::Borrowed(_)), "{text}");
        }
    }

    #[test]
    fn json_means_the_same() {
        let text =
            serde_json::to_string_pretty(&[HOSTILE, "\u{e0041}\u{2028}", "plain\tö"]).unwrap();
        let escaped = json(&text);
        assert!(!escaped.contains(|character| acts(character) && character != '\n'), "{escaped}");
        assert!(escaped.contains("\\udb40\\udc41\\u2028"), "{escaped}");
        let [a, b]: [Vec<String>; 2] =
            [&text, escaped.as_ref()].map(|text| serde_json::from_str(text).unwrap());
        assert_eq!(a, b);
    }

    #[test]
    fn long_lines_are_broken_and_indented() {
        let text = wrapped("  name   ", &"word ".repeat(30), 80);
        assert!(text.lines().count() == 3 && text.lines().all(|line| line.len() <= 80), "{text}");
        assert!(text.lines().skip(1).all(|line| line.starts_with("         word")));
        assert_eq!(wrapped("a ", "b\nc  d", 80), "a b\n  c  d");
        // The byte at the end of the line is in the middle of a letter.
        assert_eq!(
            wrapped("", &format!("{}é tail", "x".repeat(20)), 20),
            format!("{}\né tail", "x".repeat(20))
        );
        assert_eq!(
            wrapped("", &"漢".repeat(15), 20),
            format!("{}\n{}", "漢".repeat(10), "漢".repeat(5))
        );
    }

    #[test]
    fn long_counts_are_grouped() {
        assert_eq!([0, 999, 1000, 1234567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            (counted(1, "row"), counted(2000, "row")),
            ("1 row".to_owned(), "2,000 rows".to_owned())
        );
    }

    #[test]
    fn what_is_too_long_ends_in_an_ellipsis() {
        assert_eq!(
            [cut("12345", 5), cut("123456", 5), cut("漢字漢字", 5)],
            ["12345", "1234…", "漢字…"]
        );
    }

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let rows = [["1,000", "漢字"], ["7", "a"]].map(|row| row.map(str::to_owned));
        let found = table(
            [("steps", Side::Right), ("name", Side::Left), ("", Side::Left)].map(|head| head),
            &rows.map(|[a, b]| [a, b, "|".to_owned()]),
        );
        assert_eq!(found, "steps  name\n1,000  漢字  |\n    7  a     |\n");
    }

    proptest! {
        #[test]
        fn any_text_is_wrapped_within_its_width_and_nothing_is_lost(name in text(), text in text(), columns in 0_usize..120) {
            let name: String = name.chars().take(12).collect();
            let found = wrapped(&name, &text, columns);
            let indent = display_width(&line(&name));
            let most = columns.max(indent + FEWEST_COLUMNS);
            prop_assert!(found.lines().all(|line| display_width(line) <= most), "{found:?}");
            if !visible(&lines(&text)).is_empty() {
                prop_assert_eq!(visible(&found), visible(&line(&name)) + &visible(&lines(&text)));
            }
        }

        #[test]
        fn any_text_is_cut_at_a_letter(text in text(), columns in 1_usize..120) {
            let found = cut(&text, columns);
            prop_assert!(found.width() <= columns, "{found:?}");
            prop_assert!(found == text || found.strip_suffix('…').is_some_and(|kept| text.starts_with(kept)));
        }

        #[test]
        fn nothing_that_acts_passes(text in text()) {
            prop_assert!(!line(&text).contains(acts));
            prop_assert_eq!(line(&text).chars().count(), text.chars().count());
            let quoted = serde_json::to_string(&text).unwrap();
            prop_assert!(!json(&quoted).contains(acts));
            prop_assert_eq!(serde_json::from_str::<String>(&json(&quoted)).unwrap(), text);
        }

        #[test]
        fn any_cells_are_aligned(cells in prop::collection::vec((text(), text()), 0..8)) {
            let rows: Vec<[String; 3]> = cells.into_iter().map(|(a, b)| [a, b, "|".to_owned()]).collect();
            let text = table([("steps", Side::Right), ("name", Side::Left), ("|", Side::Left)], &rows);
            prop_assert_eq!(text.lines().count(), rows.len() + 1);
            let widths: Vec<usize> = text.lines().map(display_width).collect();
            prop_assert!(widths.iter().all(|width| *width == widths[0]), "{}", text);
        }
    }
}
