//! The names of the series, above the axes.

use plotters::element::{Circle, Cross, PathElement, Rectangle, Text};
use plotters::style::Color;
use plotters::style::text_anchor::HPos;

use super::chart::{Chart, Ink, Mark};
use super::layout::{Area, Drawn, LINE, SIGN, Sign, UNIT, WIDTH, font, text_style, width_of};
use super::style::Role;

/// The names of the series, in lines.
pub struct Legend {
    entries: Vec<Entry>,
    /// How many there are.
    pub lines: usize,
}

struct Entry {
    name: String,
    ink: Ink,
    mark: Mark,
    at: (i32, i32),
}

/// Width of the sample of a line in the legend.
const SAMPLE: i32 = 24 * UNIT;

impl Legend {
    /// None for a single series: the title says it.
    pub fn new(chart: &Chart) -> Legend {
        let mut legend = Legend { entries: Vec::new(), lines: 0 };
        let (mut x, mut line) = (2 * UNIT, 0);
        for series in chart.series.iter().filter(|series| !series.name.is_empty()) {
            if legend.entries.iter().any(|entry| entry.name == series.name) {
                continue;
            }
            let width = SAMPLE + width_of(&series.name) as i32 + 16 * UNIT;
            if x + width > WIDTH && x > 2 * UNIT {
                (x, line) = (2 * UNIT, line + 1);
            }
            legend.entries.push(Entry {
                name: series.name.clone(),
                ink: series.ink,
                mark: series.mark,
                at: (x, line),
            });
            x += width;
        }
        if legend.entries.len() < 2 {
            legend.entries.clear();
        }
        legend.lines = if legend.entries.is_empty() { 0 } else { line as usize + 1 };
        legend
    }

    /// Draws it so far below the top of the area.
    pub fn draw(&self, area: &Area, above: i32) -> Drawn {
        for Entry { name, ink, mark, at: (x, line) } in &self.entries {
            let (x, y) = (*x, above + LINE * line + LINE / 2);
            let colour = Role::Series(*ink).colour();
            let middle = (x + SAMPLE / 2 - 2 * UNIT, y);
            match mark {
                Mark::Line | Mark::Verticals | Mark::Horizontals => {
                    let ends = [(x, y), (x + SAMPLE - 4 * UNIT, y)];
                    area.draw(&PathElement::new(ends, colour.stroke_width(8)))?;
                }
                Mark::Band => {
                    let corners = [(x, y - LINE / 4), (x + SAMPLE - 4 * UNIT, y + LINE / 4)];
                    area.draw(&Rectangle::new(corners, colour.mix(0.45).filled()))?;
                }
                Mark::Dots => area.draw(&Circle::new(middle, 8, colour.filled()))?,
                Mark::Signs => {
                    let colour = Role::Sign(*ink).colour();
                    match Sign::of(*ink) {
                        Sign::Disc => area.draw(&Circle::new(middle, SIGN, colour.filled()))?,
                        Sign::Cross => {
                            area.draw(&Cross::new(middle, SIGN, colour.stroke_width(8)))?
                        }
                        Sign::Ring => {
                            area.draw(&Circle::new(middle, SIGN, colour.stroke_width(7)))?
                        }
                    }
                }
            }
            area.draw(&Text::new(
                name.clone(),
                (x + SAMPLE, y),
                text_style(font(1.0), HPos::Left),
            ))?;
        }
        Ok(())
    }
}
