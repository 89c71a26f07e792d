//! What each view shows of a run: a plot or a list.

use perrin::printable::{cut, json};
use perrin::record::Event;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Widget, Wrap};

use super::app::View;
use super::axis::Scale;
use super::plot::{Plot, Series};
use super::watched::{OpenRun, Watched};
use crate::numbers::short;

const GLOBAL: Color = Color::Cyan;
const LOCAL: Color = Color::Yellow;

/// Rows of a phase portrait: more would fill it.
const PHASE_ROWS: usize = 1000;

/// Columns of an event's values.
const MOST_OF_EVENT: usize = 1000;

/// Values spread further than this are shown by their logarithms.
const LOGARITHMIC_FROM: f64 = 30.0;

/// Draws the panel of a view; of the overview, the displacements.
pub fn draw(view: View, open: &OpenRun, watched: &Watched, area: Rect, buffer: &mut Buffer) {
    match view {
        View::Overview | View::Displacement => displacement(open).render(area, buffer),
        View::Speed => {
            over_time("speed ||delta||^2", open.summary.speed.points(), LOCAL).render(area, buffer)
        }
        View::Loss => {
            over_time("loss", open.summary.loss_curve.points(), Color::Magenta).render(area, buffer)
        }
        View::Phase => phase(open, watched.mode()).render(area, buffer),
        View::Eigenvalues => list("eigenvalues", &eigenvalues(open, area.width), area, buffer),
        View::Events => list("events", &events(open, area.height), area, buffer),
    }
}

fn displacement(open: &OpenRun) -> Plot {
    let mut title = vec!["||Delta||^2".fg(GLOBAL), " ".into(), "||delta||^2".fg(LOCAL)];
    if let Some(exponent) = open.summary.local_exponent() {
        title.push(Span::raw(format!("  c {exponent:.3}")));
    }
    let series = |points, color| Series { points, color, joined: true };
    Plot {
        title: Line::from(title),
        x: Scale::Log,
        y: Scale::Log,
        series: vec![
            series(open.summary.local.points(), LOCAL),
            series(open.summary.global.points(), GLOBAL),
        ],
        empty: "no displacement above 0 yet".to_owned(),
    }
}

fn over_time(name: &'static str, mut points: Vec<(f64, f64)>, color: Color) -> Plot {
    let (low, high) = points
        .iter()
        .fold((f64::INFINITY, 0.0_f64), |(low, high), point| (low.min(point.1), high.max(point.1)));
    let logarithmic = low > 0.0 && high / low > LOGARITHMIC_FROM;
    if logarithmic {
        points.iter_mut().for_each(|point| point.1 = point.1.log10());
    }
    Plot {
        title: Line::from(name.fg(color)),
        x: Scale::Linear,
        y: if logarithmic { Scale::Log } else { Scale::Linear },
        series: vec![Series { points, color, joined: true }],
        empty: format!("no {name} in the rows yet"),
    }
}

fn phase(open: &OpenRun, mode: usize) -> Plot {
    let modes = open.modes();
    let path = open.tail.phase_path();
    let path = &path[path.len().saturating_sub(PHASE_ROWS)..];
    let rows = path.len();
    // The newest part stands out.
    let older = path[..rows - rows / 8].to_vec();
    let newest = path[rows - rows / 8..].to_vec();
    Plot {
        title: match modes {
            0 => Line::from("phase portrait"),
            _ => Line::from(format!("mode {mode} of {modes}: velocity by position")),
        },
        x: Scale::Linear,
        y: Scale::Linear,
        series: vec![
            Series { points: older, color: Color::Blue, joined: false },
            Series { points: newest, color: Color::LightGreen, joined: false },
        ],
        empty: match modes {
            0 => {
                "the run has no directions, so no positions and velocities (Options::project_onto)"
                    .to_owned()
            }
            _ => "no position and velocity of this mode yet".to_owned(),
        },
    }
}

fn eigenvalues(open: &OpenRun, width: u16) -> Vec<Line<'static>> {
    let found = &open.eigenvalues;
    if let Some(problem) = &found.problem {
        return vec![Line::from(problem.clone().red())];
    }
    let Some(first) = found.rows.first() else {
        return vec![Line::from("none: no directions to project on yet")];
    };
    let values = found.rows.iter().map(|row| (row.eigenvalue.unwrap_or_default(), row.residual));
    let largest = values.clone().map(|(value, _)| value.abs()).fold(0.0, f64::max);
    let bar = usize::from(width.saturating_sub(34));
    let mut lines =
        vec![Line::from(format!("estimate {}, at step {}", first.basis, first.step).dark_gray())];
    if found.rows.iter().all(|row| row.eigenvalue.is_none()) {
        lines.push(Line::from("its directions are no eigenvectors"));
        return lines;
    }
    lines.extend(values.enumerate().map(|(index, (value, residual))| {
        let length = (value.abs() / largest * bar as f64).round() as usize;
        let residual = residual.map(short).unwrap_or_default();
        Line::from(vec![
            Span::raw(format!("{:>3} {:>10} +- {residual:<9} ", index + 1, short(value))),
            "#".repeat(length.min(bar)).fg(if value < 0.0 { Color::Red } else { Color::Green }),
        ])
    }));
    lines
}

/// What could not be read, then the last events.
fn events(open: &OpenRun, height: u16) -> Vec<Line<'static>> {
    let room = usize::from(height.saturating_sub(2)).max(1);
    let mut lines: Vec<_> =
        open.problems.iter().take(room).map(|problem| Line::from(problem.clone().red())).collect();
    let left = room - lines.len();
    let told = open.events.iter().skip(open.events.len().saturating_sub(left));
    lines.extend(told.map(|event| Line::from(describe(event))));
    if lines.is_empty() {
        lines.push(Line::from("none"));
    }
    lines
}

/// An event in a line: step, name, and its values as they are in the log.
pub fn describe(event: &Event) -> String {
    let mut fields = match serde_json::json!(event) {
        serde_json::Value::Object(fields) => fields,
        other => return other.to_string(),
    };
    let name = fields
        .remove("event")
        .and_then(|name| name.as_str().map(str::to_owned))
        .unwrap_or_default();
    for told in ["step", "elapsed_seconds"] {
        fields.remove(told);
    }
    let values: Vec<String> =
        fields.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let values = values.join(", ");
    format!(
        "step {}: {}  {}",
        event.step,
        name.replace('_', " "),
        cut(&json(&values), MOST_OF_EVENT)
    )
}

fn list(title: &'static str, lines: &[Line<'static>], area: Rect, buffer: &mut Buffer) {
    let block = Block::bordered().border_style(Style::new().fg(Color::DarkGray)).title(title);
    Paragraph::new(lines.to_vec()).wrap(Wrap { trim: false }).block(block).render(area, buffer);
}
