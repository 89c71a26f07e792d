//! SVG of a [`Chart`], by plotters.
//!
//! Drawn four times as large as it is meant to be seen, since plotters rounds to whole units. Title
//! and legend stand above the axes, so that they never lie over the data.

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::element::{Circle, Cross, PathElement, Polygon, Text};
use plotters::prelude::{
    Cartesian2d, ChartBuilder, ChartContext, Color, IntoDrawingArea, SVGBackend,
};
use plotters::style::text_anchor::HPos;
use plotters::style::{FontStyle, RGBAColor, ShapeStyle, TRANSPARENT};

use super::chart::{Axis, Chart, Ink, Mark, Point, Series, Shape};
use super::layout::{Area, Drawn, LINE, SIGN, Sign, TEXT, UNIT, WIDTH, font, text_style, width_of};
use super::legend::Legend;
use super::style::{Role, style_sheet, with_classes};
use super::ticks::{Ticks, power, ticks};
use crate::error::{Error, Result};

/// Height of the axes with their labels.
const HEIGHT: i32 = 296 * UNIT;
/// Room beside the axes, on the left at least.
const LEFT: i32 = 66 * UNIT;
const RIGHT: i32 = 16 * UNIT;
const BELOW: i32 = 44 * UNIT;

type Backend<'a> = SVGBackend<'a>;
type Plane = Cartesian2d<Ticks, Ticks>;

impl Ranged for Ticks {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let [low, high] = self.limits;
        from + ((value - low) / (high - low) * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.labels.iter().map(|(at, _)| *at).collect()
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.limits[0]..self.limits[1]
    }
}

impl ValueFormatter<f64> for Ticks {
    fn format_ext(&self, value: &f64) -> String {
        self.labels
            .iter()
            .find(|(at, _)| at == value)
            .map_or_else(String::new, |(_, text)| text.clone())
    }
}

/// The chart as an SVG element, to stand in a page that has [`style_sheet`].
///
/// # Errors
/// [`Error::Io`] should plotters refuse something.
pub fn svg(chart: &Chart) -> Result<String> {
    let limits = chart.limits().unwrap_or([[0.0, 1.0]; 2]);
    let mut ticks = [ticks(&chart.x, limits[0], 6), ticks(&chart.y, limits[1], 6)];
    let legend = Legend::new(chart);
    let head = LINE * (1 + legend.lines) as i32 + LINE / 2;
    let mut height = HEIGHT;
    if chart.shape == Shape::EqualScales {
        equalize(&mut ticks);
    }
    if chart.shape != Shape::Wide {
        height = WIDTH - label_width(chart, &ticks[1]) - RIGHT + BELOW + RIGHT;
    }
    let mut text = String::new();
    let drawn = {
        let root = SVGBackend::with_string(&mut text, (WIDTH as u32, (head + height) as u32))
            .into_drawing_area();
        draw(&root, chart, &ticks, &legend, head).and_then(|()| root.present())
    };
    drawn.map_err(|error| {
        Error::io("draw", &chart.name)(std::io::Error::other(error.to_string()))
    })?;
    let start = text.find('>').map_or(0, |end| end + 1);
    let opening = format!(
        "<svg viewBox=\"0 0 {WIDTH} {}\" xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-label=\"{}\">",
        head + height,
        super::html::escaped(&chart.title)
    );
    Ok(opening + &with_classes(&text[start..]))
}

/// The chart as an SVG file of its own.
///
/// # Errors
/// As [`svg`].
pub fn svg_file(chart: &Chart) -> Result<String> {
    let svg = svg(chart)?;
    let style = format!(
        "<style>svg{{background:#fff}}{}@media screen and (prefers-color-scheme:dark){{svg{{background:#151515}}}}</style>",
        style_sheet()
    );
    Ok(svg.replacen('>', &format!(">{style}"), 1) + "\n")
}

fn draw(root: &Area, chart: &Chart, ticks: &[Ticks; 2], legend: &Legend, head: i32) -> Drawn {
    let (above, axes) = root.split_vertically(head);
    let title = Text::new(
        chart.title.clone(),
        (2 * UNIT, LINE / 2),
        text_style(font(1.0).style(FontStyle::Bold), HPos::Left),
    );
    above.draw(&title)?;
    legend.draw(&above, LINE)?;
    let mut context = ChartBuilder::on(&axes)
        .margin_right(RIGHT)
        .x_label_area_size(BELOW)
        .y_label_area_size(label_width(chart, &ticks[1]))
        .build_cartesian_2d(ticks[0].clone(), ticks[1].clone())?;
    let name = |ticks: &Ticks, axis: &Axis| match ticks.exponent {
        0 => axis.label.clone(),
        exponent => format!("{} (×{})", axis.label, power(exponent)),
    };
    let upwards =
        if chart.y.categories.is_empty() { name(&ticks[1], &chart.y) } else { String::new() };
    // Smaller letters where the name is longer than the axis.
    let room = f64::from(axes.dim_in_pixel().1 as i32 - BELOW) / width_of(&upwards).max(1.0);
    context
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .set_all_tick_mark_size(5 * UNIT)
        .bold_line_style(Role::Grid.colour().stroke_width(UNIT as u32))
        .axis_style(Role::Axis.colour().stroke_width(UNIT as u32))
        .label_style(text_style(font(1.0), HPos::Center))
        .axis_desc_style(text_style(font(room.min(1.0)), HPos::Center))
        .x_desc(name(&ticks[0], &chart.x))
        .y_desc(upwards)
        .draw()?;
    chart.series.iter().try_for_each(|series| draw_series(&mut context, chart, series, ticks))?;
    draw_labels(&mut context, chart, ticks)
}

/// The label of each series just above its highest point, where no label is yet; the same label
/// once.
fn draw_labels(
    context: &mut ChartContext<Backend, Plane>,
    chart: &Chart,
    ticks: &[Ticks; 2],
) -> Drawn {
    const SIZE: f64 = 0.75;
    let [[left, right], [bottom, top]] = [ticks[0].limits, ticks[1].limits];
    let mut placed: Vec<(&str, f64, f64)> = Vec::new();
    for series in chart.series.iter().filter(|series| !series.label.is_empty()) {
        let shown = series.points.iter().filter(|point| chart.is_shown(series.mark, point));
        let highest =
            shown.map(|point| place(chart, point)).max_by(|one, other| one.1.total_cmp(&other.1));
        let Some((x, y)) = highest else { continue };
        let y = (y + 0.02 * (top - bottom)).min(top);
        // The axes are about 85% as long as the picture is wide, and labels need some air.
        let width = SIZE * width_of(&series.label) / f64::from(WIDTH) * 1.35 * (right - left);
        let height = SIZE * f64::from(TEXT) / f64::from(WIDTH) * 1.35 * (top - bottom);
        let overlaps = |&(label, at_x, at_y): &(&str, f64, f64)| {
            label == series.label || ((x - at_x).abs() < width && (y - at_y).abs() < height)
        };
        if !placed.iter().any(overlaps) {
            let style = text_style(font(SIZE), HPos::Center);
            context.draw_series([Text::new(series.label.clone(), (x, y), style)])?;
            placed.push((&series.label, x, y));
        }
    }
    Ok(())
}

/// The coordinate in which an axis is drawn.
fn at(axis: &Axis, value: f64) -> f64 {
    if axis.logarithmic { value.log10() } else { value }
}

fn place(chart: &Chart, point: &Point) -> (f64, f64) {
    (at(&chart.x, point.x), at(&chart.y, point.y))
}

/// Room for the labels of the y axis.
fn label_width(chart: &Chart, ticks: &Ticks) -> i32 {
    let longest = ticks
        .labels
        .iter()
        .map(|(_, text)| text.as_str())
        .max_by_key(|text| text.chars().count())
        .unwrap_or("");
    let description = if chart.y.categories.is_empty() { LINE } else { 0 };
    (width_of(longest) as i32 + description + 14 * UNIT).max(LEFT)
}

fn draw_series(
    context: &mut ChartContext<Backend, Plane>,
    chart: &Chart,
    series: &Series,
    ticks: &[Ticks; 2],
) -> Drawn {
    let place = |point: &Point| place(chart, point);
    let [[left, right], [bottom, top]] = [ticks[0].limits, ticks[1].limits];
    let colour = Role::Series(series.ink).colour();
    let width = match series.ink {
        Ink::Way => 3,
        Ink::Measured | Ink::Faint => 6,
        _ => 8,
    };
    let line: ShapeStyle = colour.stroke_width(width);
    let shown = || series.points.iter().filter(|point| chart.is_shown(series.mark, point));
    match series.mark {
        Mark::Line => {
            for part in series
                .points
                .split(|point| !chart.is_shown(series.mark, point))
                .filter(|part| !part.is_empty())
            {
                let mut path: Vec<(f64, f64)> = part.iter().map(place).collect();
                // A single point between gaps would be no line at all.
                if let [(x, y)] = path[..] {
                    let nudge = 0.003 * (right - left);
                    path = vec![(x - nudge, y), (x + nudge, y)];
                }
                context.draw_series([PathElement::new(path, line)])?;
            }
        }
        Mark::Band => {
            let area: RGBAColor = colour.mix(if series.ink == Ink::Faint { 0.45 } else { 0.25 });
            let ends =
                |point: &Point| point.interval.unwrap_or([point.y; 2]).map(|end| at(&chart.y, end));
            let inside = |point: &Point| {
                chart.is_shown(series.mark, point) && ends(point).iter().all(|end| end.is_finite())
            };
            for part in series.points.split(|point| !inside(point)).filter(|part| part.len() > 1) {
                let lower = part.iter().map(|point| (at(&chart.x, point.x), ends(point)[0]));
                let upper = part.iter().rev().map(|point| (at(&chart.x, point.x), ends(point)[1]));
                context
                    .draw_series([Polygon::new(lower.chain(upper).collect::<Vec<_>>(), area)])?;
            }
        }
        Mark::Dots => {
            let dots = shown().map(|point| Circle::new(place(point), 7, colour.mix(0.4).filled()));
            context.draw_series(dots)?;
        }
        Mark::Signs => {
            let bars = shown().filter_map(|point| Some((point, point.interval?)));
            let bars = bars.map(|(point, ends)| {
                let x = at(&chart.x, point.x);
                let ends = ends
                    .map(|end| at(&chart.y, end))
                    .map(|end| if end.is_nan() { bottom } else { end });
                let colour = Role::Sign(series.ink).colour();
                PathElement::new(
                    ends.map(|end| (x, end.clamp(bottom, top))),
                    colour.stroke_width(6),
                )
            });
            context.draw_series(bars)?;
            for point in shown() {
                sign(context, place(point), series.ink)?;
            }
        }
        Mark::Verticals => {
            let lines = shown().map(|point| {
                let x = at(&chart.x, point.x);
                PathElement::new([(x, bottom), (x, top)], line)
            });
            context.draw_series(lines)?;
        }
        Mark::Horizontals => {
            let lines = shown().map(|point| {
                let y = at(&chart.y, point.y);
                PathElement::new([(left, y), (right, y)], line)
            });
            context.draw_series(lines)?;
        }
    }
    Ok(())
}

fn sign(context: &mut ChartContext<Backend, Plane>, at: (f64, f64), ink: Ink) -> Drawn {
    let colour = Role::Sign(ink).colour();
    match Sign::of(ink) {
        Sign::Disc => context.draw_series([Circle::new(at, SIGN, colour.filled())]).map(|_| ()),
        Sign::Cross => {
            context.draw_series([Cross::new(at, SIGN, colour.stroke_width(8))]).map(|_| ())
        }
        Sign::Ring => {
            context.draw_series([Circle::new(at, SIGN, colour.stroke_width(7))]).map(|_| ())
        }
    }
}

/// The same length a unit on both axes, about the middle of each.
fn equalize(ticks_of: &mut [Ticks; 2]) {
    let half =
        ticks_of.iter().map(|ticks| 0.5 * (ticks.limits[1] - ticks.limits[0])).fold(0.0, f64::max);
    for axis in ticks_of {
        let middle = 0.5 * (axis.limits[0] + axis.limits[1]);
        // 1.08: the limits are widened again.
        *axis = ticks(&Axis::default(), [middle - half / 1.08, middle + half / 1.08], 5);
    }
}
