//! A plot in a terminal: points in Braille dots, ticks where they belong.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::symbols::Marker;
use ratatui::text::Line;
use ratatui::widgets::canvas::{Canvas, Line as Segment, Points};
use ratatui::widgets::{Block, Paragraph, Widget, Wrap};

use super::axis::{Scale, bounds, ticks};

/// Columns between two labels of the horizontal axis.
const LABEL_SPACING: usize = 10;

/// What a plot shows. Points of a logarithmic axis are given as log10.
pub struct Plot {
    pub title: Line<'static>,
    pub x: Scale,
    pub y: Scale,
    pub series: Vec<Series>,
    /// What to say when no series has a point.
    pub empty: String,
}

/// Points of one colour.
pub struct Series {
    pub points: Vec<(f64, f64)>,
    pub color: Color,
    /// Whether points are joined by lines.
    pub joined: bool,
}

impl Widget for &Plot {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let block = Block::bordered()
            .border_style(Style::new().fg(Color::DarkGray))
            .title(self.title.clone());
        let inner = block.inner(area);
        block.render(area, buffer);
        let points = || self.series.iter().flat_map(|series| &series.points);
        let x = bounds(points().map(|point| point.0), self.x);
        let y = bounds(points().map(|point| point.1), self.y);
        let (Some(x), Some(y)) = (x, y) else {
            Paragraph::new(self.empty.as_str()).wrap(Wrap { trim: true }).render(inner, buffer);
            return;
        };
        let rows = ticks(y, self.y, (inner.height / 3) as usize);
        let gutter =
            rows.iter().map(|(_, label)| label.chars().count()).max().unwrap_or(0) as u16 + 1;
        if inner.width <= gutter + 2 || inner.height < 2 {
            self.paint(inner, x, y, buffer);
            return;
        }
        let canvas = Rect {
            x: inner.x + gutter,
            width: inner.width - gutter,
            height: inner.height - 1,
            ..inner
        };
        self.paint(canvas, x, y, buffer);

        let style = Style::new().fg(Color::Gray);
        for (value, label) in rows {
            let row = canvas.y + canvas.height - 1 - place(value, y, canvas.height);
            let column = canvas.x - 1 - label.chars().count() as u16;
            buffer.set_string(column, row, &label, style);
        }
        let mut free = inner.x;
        for (value, label) in ticks(x, self.x, canvas.width as usize / LABEL_SPACING) {
            let width = label.chars().count() as u16;
            let at = canvas.x + place(value, x, canvas.width);
            // Centred below its place, as far as the frame lets it.
            let column =
                (at.saturating_sub(width / 2)).min((inner.x + inner.width).saturating_sub(width));
            if column >= free {
                buffer.set_string(column, canvas.y + canvas.height, &label, style);
                free = column + width + 1;
            }
        }
    }
}

impl Plot {
    fn paint(&self, area: Rect, x: (f64, f64), y: (f64, f64), buffer: &mut Buffer) {
        Canvas::default()
            .x_bounds([x.0, x.1])
            .y_bounds([y.0, y.1])
            .marker(Marker::Braille)
            .paint(|context| {
                for series in &self.series {
                    context.draw(&Points { coords: &series.points, color: series.color });
                    if series.joined {
                        for pair in series.points.windows(2) {
                            let ((x1, y1), (x2, y2)) = (pair[0], pair[1]);
                            context.draw(&Segment { x1, y1, x2, y2, color: series.color });
                        }
                    }
                }
            })
            .render(area, buffer);
    }
}

/// The cell of a value, counted from the low end of the bounds.
fn place(value: f64, (low, high): (f64, f64), cells: u16) -> u16 {
    let last = f64::from(cells.saturating_sub(1));
    ((value - low) / (high - low) * last).round().clamp(0.0, last) as u16
}
