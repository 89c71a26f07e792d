//! Sizes, letters and signs that axes and legend share.

use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, DrawingAreaErrorKind, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontDesc, IntoFont, TextStyle};

use super::chart::Ink;
use super::style::Role;

/// Units of the drawing to a unit as seen.
pub const UNIT: i32 = 4;
/// As seen: about the width of a phone.
pub const WIDTH: i32 = 420 * UNIT;
/// Size of letters.
pub const TEXT: i32 = 13 * UNIT;
/// Height of a line of text.
pub const LINE: i32 = 19 * UNIT;
/// Width of a letter on average, of the size of the text.
const LETTER: f64 = 0.54;

/// What is drawn on.
pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// plotters' outcome.
pub type Drawn = std::result::Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// Each ink has a sign of its own.
pub enum Sign {
    /// Filled.
    Disc,
    /// Two lines.
    Cross,
    /// A circle.
    Ring,
}

impl Sign {
    /// That of an ink.
    pub fn of(ink: Ink) -> Sign {
        match ink {
            Ink::Measured | Ink::Faint | Ink::Way => Sign::Disc,
            Ink::Predicted => Sign::Cross,
            Ink::Fitted | Ink::Other => Sign::Ring,
        }
    }
}

/// Radius of a sign.
pub const SIGN: i32 = 4 * UNIT;

/// Letters of this many times the usual size.
pub fn font(size: f64) -> FontDesc<'static> {
    // plotters divides sizes by 1.24.
    ("sans-serif", f64::from(TEXT) * 1.24 * size).into_font()
}

/// About how wide a text is.
pub fn width_of(text: &str) -> f64 {
    text.chars().count() as f64 * LETTER * f64::from(TEXT)
}

/// Letters that stand on this side of their place.
pub fn text_style(font: FontDesc<'static>, position: HPos) -> TextStyle<'static> {
    font.color(&Role::Text.colour()).pos(Pos::new(position, VPos::Center))
}
