//! The whole screen: head, panels, keys. Drawn into a buffer, so that tests and `--once` need no
//! terminal.

use std::borrow::Cow;
use std::fmt::Display;

use perrin::printable;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Widget, Wrap};

use super::app::{App, View};
use super::panels;
use super::text;
use super::watched::{OpenRun, State, Watched};

/// Below this, plots would show nothing.
const SMALLEST_PLOT: (u16, u16) = (24, 6);

/// From this width on the overview has six panels.
const WIDE: (u16, u16) = (120, 30);

const HELP: &[&str] = &[
    "q, Esc           quit",
    "Tab, left, right another view; 1 to 7 choose one",
    "m, up, down      another mode of the phase portrait",
    "p, space         pause: nothing is read until pressed again",
    "?                this help",
    "",
    "c: exponent of ||Delta_k||^2 = a k^c, by least squares of",
    "logarithms; now: over the last factor 4 in steps. 1 is",
    "ordinary diffusion. The phase portrait has the last 1000",
    "rows, the newest of them bright.",
    "The log is only read, and training is not disturbed.",
];

/// Draws everything; nothing from a run's files acts on the terminal.
pub fn draw(watched: &Watched, app: &App, area: Rect, buffer: &mut Buffer) {
    draw_all(watched, app, area, buffer);
    clean(buffer);
}

/// Replaces what acts on the reader, where ratatui has not left it out.
pub fn clean(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        if let Cow::Owned(symbol) = printable::line(cell.symbol()) {
            cell.set_symbol(&symbol);
        }
    }
}

fn draw_all(watched: &Watched, app: &App, area: Rect, buffer: &mut Buffer) {
    let [head, body, foot] = Layout::vertical([
        Constraint::Length(if area.height < 12 { 3 } else { 5 }),
        Constraint::Fill(1),
        Constraint::Length(u16::from(area.height > 3)),
    ])
    .areas(area);
    match &watched.state {
        State::Waiting(reason) => {
            Paragraph::new(vec![
                Line::from(shown(watched.path.display()).bold()),
                Line::from(shown(reason).yellow()),
            ])
            .wrap(Wrap { trim: true })
            .render(head.union(body), buffer);
        }
        State::Open(open) => {
            Paragraph::new(head_lines(open)).render(head, buffer);
            draw_body(open, watched, app, body, buffer);
        }
    }
    Paragraph::new(Line::from(text::footer(app)).dark_gray()).render(foot, buffer);
    if app.help {
        draw_help(area, buffer);
    }
}

/// Text in a line, what acts on the reader replaced: ratatui would leave it out.
fn shown(text: impl Display) -> String {
    printable::line(&text.to_string()).into_owned()
}

fn head_lines(open: &OpenRun) -> Vec<Line<'static>> {
    let (state, color) = text::state(open);
    let warnings = text::warnings(open);
    let health = match warnings.as_slice() {
        [] => Line::from("healthy: nothing dropped, nothing damaged".green()),
        [first] => Line::from(format!("! {}", shown(first)).red()),
        [first, others @ ..] => {
            Line::from(format!("! {} (and {} more: see events)", shown(first), others.len()).red())
        }
    };
    let path = shown(open.run.path().display());
    vec![
        Line::from(vec![
            path.bold(),
            Span::raw("  "),
            Span::styled(shown(state), Style::new().fg(color).bold()),
        ]),
        Line::from(text::progress(open)),
        Line::from(text::motion(open)),
        Line::from(shown(text::settings(open))).dark_gray(),
        health,
    ]
}

fn draw_body(open: &OpenRun, watched: &Watched, app: &App, area: Rect, buffer: &mut Buffer) {
    let (width, height) = SMALLEST_PLOT;
    if area.width < width || area.height < height {
        return;
    }
    let rows: &[&[View]] = match app.view {
        View::Overview if area.width >= WIDE.0 && area.height >= WIDE.1 => &[
            &[View::Displacement, View::Speed, View::Loss],
            &[View::Phase, View::Eigenvalues, View::Events],
        ],
        View::Overview if area.width >= 2 * width && area.height >= 2 * height => {
            &[&[View::Displacement, View::Speed], &[View::Phase, View::Loss]]
        }
        view => {
            panels::draw(view, open, watched, area, buffer);
            return;
        }
    };
    let heights = vec![Constraint::Fill(1); rows.len()];
    for (row, area) in rows.iter().zip(Layout::vertical(heights).split(area).iter()) {
        let widths = vec![Constraint::Fill(1); row.len()];
        for (view, area) in row.iter().zip(Layout::horizontal(widths).split(*area).iter()) {
            panels::draw(*view, open, watched, *area, buffer);
        }
    }
}

fn draw_help(area: Rect, buffer: &mut Buffer) {
    let width = (HELP.iter().map(|line| line.len()).max().unwrap_or(0) as u16 + 4).min(area.width);
    let height = (HELP.len() as u16 + 2).min(area.height);
    let place = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    Clear.render(place, buffer);
    let block = Block::bordered().title("keys").border_style(Style::new().fg(Color::Cyan));
    let lines: Vec<Line> = HELP.iter().map(|line| Line::from(*line)).collect();
    Paragraph::new(lines).block(block).render(place, buffer);
}

/// A buffer's characters, line by line, without what is blank at the end.
pub fn plain_text(buffer: &Buffer) -> String {
    let Rect { width, height, .. } = buffer.area;
    let mut text = String::new();
    for y in 0..height {
        let (mut line, mut x) = (String::new(), 0);
        while x < width {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            // A wide letter takes the cells behind it.
            x += (printable::columns_of(symbol) as u16).max(1);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
