//! The door through which everything goes out that the program says, on standard output and
//! standard error: nothing from a run's files or a folder's name acts on the reader's terminal.
//! (`watch` draws its screen itself, and cleans it by the same functions.)

use std::fmt::Display;
use std::io::{self, IsTerminal, Write, stderr, stdout};

use perrin::printable;
use serde::Serialize;

/// Version of the JSON that commands print. It rises when a key goes or changes its meaning;
/// docs/json.md has the keys.
pub const JSON_SCHEMA_VERSION: u32 = 1;

/// Columns of text whose reader is no terminal.
const PIPED_COLUMNS: usize = 100;

/// A command's answer, and by which version its keys are to be read.
#[derive(Serialize)]
struct Document<'a, T> {
    schema_version: u32,
    #[serde(flatten)]
    answer: &'a T,
}

/// Prints text of many lines as it is, without a line's end behind it.
pub fn text(text: impl Display) -> io::Result<()> {
    stdout().write_all(printable::lines(&text.to_string()).as_bytes())
}

/// Prints a line.
pub fn line(text: impl Display) -> io::Result<()> {
    writeln!(stdout(), "{}", printable::line(&text.to_string()))
}

/// Prints an answer as JSON. It must be a struct or a map.
pub fn json(answer: &impl Serialize) -> anyhow::Result<()> {
    let document = Document { schema_version: JSON_SCHEMA_VERSION, answer };
    Ok(writeln!(stdout(), "{}", printable::json(&serde_json::to_string_pretty(&document)?))?)
}

/// Tells something besides the answer, in one line on standard error.
pub fn tell(text: impl Display) {
    // A reader that is gone is no reason to stop.
    let _ = writeln!(stderr(), "perrin: {}", printable::line(&text.to_string()));
}

/// Tells how the program is used, in lines of their own.
pub fn usage(text: impl Display) {
    let _ = stderr().write_all(printable::lines(&text.to_string()).as_bytes());
}

/// Whether a line that is written over again would be seen.
pub fn shows_progress() -> bool {
    stderr().is_terminal()
}

/// Writes over the line that was written last; an empty one goes away.
pub fn progress(text: impl Display) {
    let _ = write!(stderr(), "\r\x1b[K{}", printable::line(&text.to_string()));
}

/// How wide text is to be: as `COLUMNS` says, else as the terminal is. Where it goes somewhere else
/// it is 100, or less where the program was started from a narrower terminal: it may be a pager's.
pub fn columns() -> usize {
    let asked = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let width = |(width, _): (terminal_size::Width, _)| usize::from(width.0);
    let terminal = || terminal_size::terminal_size_of(stdout()).map(width);
    let elsewhere = || {
        terminal_size::terminal_size_of(stderr()).map_or(PIPED_COLUMNS, width).min(PIPED_COLUMNS)
    };
    let positive = |columns: &usize| *columns > 0;
    asked.filter(positive).or_else(|| terminal().filter(positive)).unwrap_or_else(elsewhere).max(1)
}
