//! Figures that perrin's report does not have: panels side by side, as SVG, and a page that shows
//! them.

#![allow(dead_code)] // Each example uses a part of it.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::element::{PathElement, Polygon};
use plotters::prelude::{ChartBuilder, Color, IntoDrawingArea, IntoFont, SVGBackend};
use plotters::style::{RGBColor, WHITE};

/// Of Okabe and Ito's palette, which the colour-blind tell apart.
pub const MEASURED: RGBColor = RGBColor(0, 0, 0);
pub const PREDICTED: RGBColor = RGBColor(230, 159, 0);
pub const ARROWS: RGBColor = RGBColor(213, 94, 0);

/// Units of the drawing to a pixel: plotters rounds to whole units.
const UNIT: u32 = 4;

/// One pair of axes. What reaches beyond them is cut off.
pub struct Panel {
    pub title: String,
    pub labels: [String; 2],
    /// From where to where, to the right and upwards.
    pub limits: [[f64; 2]; 2],
    /// Drawn in order.
    pub layers: Vec<Layer>,
}

/// Something drawn.
pub enum Layer {
    /// A line through points, so many pixels thick.
    Line { points: Vec<[f64; 2]>, colour: RGBColor, width: f64 },
    /// A convex area.
    Area { outline: Vec<[f64; 2]>, colour: RGBColor },
    /// An arrow from a point along a vector.
    Arrow { from: [f64; 2], along: [f64; 2] },
}

impl Panel {
    pub fn new(title: &str, labels: [&str; 2], limits: [[f64; 2]; 2]) -> Panel {
        Panel {
            title: title.to_owned(),
            labels: labels.map(str::to_owned),
            limits,
            layers: Vec::new(),
        }
    }

    pub fn line(&mut self, points: Vec<[f64; 2]>, colour: RGBColor, width: f64) {
        self.layers.push(Layer::Line { points, colour, width });
    }
}

/// Rows of panels, each `size` (width, height in pixels), as the text of an SVG file.
pub fn svg(rows: &[Vec<Panel>], size: [u32; 2]) -> Result<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0).max(1);
    let [width, height] = [size[0] * columns as u32, size[1] * rows.len() as u32];
    let mut text = String::new();
    let root =
        SVGBackend::with_string(&mut text, (UNIT * width, UNIT * height)).into_drawing_area();
    draw(&root, rows, columns).map_err(|error| anyhow!("cannot draw: {error}"))?;
    drop(root);
    // The size it is meant to be seen in; the view box has the drawing's units.
    let drawn = format!("width=\"{}\" height=\"{}\"", UNIT * width, UNIT * height);
    Ok(text
        .replacen(&drawn, &format!("width=\"{width}\" height=\"{height}\""), 1)
        .replace(" opacity=\"1\"", ""))
}

type Area<'a> = plotters::drawing::DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn draw(
    root: &Area,
    rows: &[Vec<Panel>],
    columns: usize,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let unit = |pixels: u32| pixels * UNIT;
    root.fill(&WHITE).map_err(|error| error.to_string())?;
    let places = root.split_evenly((rows.len(), columns));
    for (row, panels) in rows.iter().enumerate() {
        for (column, panel) in panels.iter().enumerate() {
            let place = &places[row * columns + column];
            let [[left, right], [bottom, top]] = panel.limits;
            let mut chart = ChartBuilder::on(place)
                .caption(&panel.title, ("sans-serif", unit(15)).into_font())
                .margin(unit(8))
                .margin_right(unit(16))
                .x_label_area_size(unit(38))
                .y_label_area_size(unit(62))
                .build_cartesian_2d(left..right, bottom..top)
                .map_err(|error| error.to_string())?;
            let precision = |span: f64| (1.5 - (span / 4.0).log10()).clamp(0.0, 6.0) as usize;
            let (x_digits, y_digits) = (precision(right - left), precision(top - bottom));
            chart
                .configure_mesh()
                .disable_mesh()
                .x_desc(&panel.labels[0])
                .y_desc(&panel.labels[1])
                .axis_desc_style(("sans-serif", unit(13)))
                .label_style(("sans-serif", unit(12)))
                .axis_style(RGBColor(118, 118, 118).stroke_width(unit(1)))
                .set_all_tick_mark_size(unit(4) as i32)
                .x_labels(5)
                .y_labels(6)
                .x_label_formatter(&|x| number(*x, x_digits))
                .y_label_formatter(&|y| number(*y, y_digits))
                .draw()
                .map_err(|error| error.to_string())?;
            for layer in &panel.layers {
                let drawn = match layer {
                    Layer::Line { points, colour, width } => {
                        let style = colour.stroke_width((width * f64::from(UNIT)).round() as u32);
                        let parts = inside(points, &panel.limits);
                        chart
                            .draw_series(
                                parts.into_iter().map(|part| PathElement::new(part, style)),
                            )
                            .map(|_| ())
                    }
                    Layer::Area { outline, colour } => {
                        let clipped = clip(outline, &panel.limits);
                        chart.draw_series([Polygon::new(clipped, colour.filled())]).map(|_| ())
                    }
                    Layer::Arrow { from, along } => {
                        let style = ARROWS.stroke_width(UNIT * 3 / 2);
                        chart
                            .draw_series(
                                arrow(*from, *along).map(|part| PathElement::new(part, style)),
                            )
                            .map(|_| ())
                    }
                };
                drawn.map_err(|error| error.to_string())?;
            }
        }
    }
    root.present().map_err(|error| error.to_string().into())
}

/// With so many digits, and no sign where they are all 0.
fn number(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    if text.trim_start_matches('-').bytes().all(|byte| matches!(byte, b'0' | b'.')) {
        "0".to_owned()
    } else {
        text
    }
}

/// The parts of a line that lie within the axes.
fn inside(points: &[[f64; 2]], limits: &[[f64; 2]; 2]) -> Vec<Vec<(f64, f64)>> {
    let within = |point: &[f64; 2]| {
        (0..2).all(|axis| (limits[axis][0]..=limits[axis][1]).contains(&point[axis]))
    };
    let parts = points.split(|point| !within(point)).filter(|part| part.len() > 1);
    parts.map(|part| part.iter().map(|&[x, y]| (x, y)).collect()).collect()
}

/// A convex area cut at the axes, side by side (Sutherland and Hodgman 1974).
fn clip(outline: &[[f64; 2]], limits: &[[f64; 2]; 2]) -> Vec<(f64, f64)> {
    let mut outline = outline.to_vec();
    for axis in 0..2 {
        for (end, sign) in [(limits[axis][0], 1.0), (limits[axis][1], -1.0)] {
            let depth = |point: &[f64; 2]| sign * (point[axis] - end);
            let mut kept = Vec::with_capacity(outline.len());
            for (index, point) in outline.iter().enumerate() {
                let previous = outline[(index + outline.len() - 1) % outline.len()];
                let [before, here] = [depth(&previous), depth(point)];
                if (before < 0.0) != (here < 0.0) {
                    let share = before / (before - here);
                    kept.push(
                        [0, 1].map(|axis| previous[axis] + share * (point[axis] - previous[axis])),
                    );
                }
                if here >= 0.0 {
                    kept.push(*point);
                }
            }
            outline = kept;
        }
    }
    outline.into_iter().map(|[x, y]| (x, y)).collect()
}

/// A shaft and a head.
fn arrow([x, y]: [f64; 2], [dx, dy]: [f64; 2]) -> [Vec<(f64, f64)>; 2] {
    let tip = (x + dx, y + dy);
    let wing =
        |side: f64| (tip.0 - 0.35 * dx - 0.2 * side * dy, tip.1 - 0.35 * dy + 0.2 * side * dx);
    [vec![(x, y), tip], vec![wing(1.0), tip, wing(-1.0)]]
}

/// Writes a page with a title, `body` as HTML, and one figure; it asks for nothing outside itself.
pub fn write_page(path: &Path, title: &str, body: &str, svg: &str) -> Result<()> {
    let style = "body{font:16px/1.5 sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}svg{max-width:100%;height:auto}\
                 pre{overflow-x:auto;font-size:13px}@media(prefers-color-scheme:dark){body{background:#161616;color:#e6e6e6}}";
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{style}</style></head>\n\
         <body><h1>{title}</h1>\n{body}<figure>{svg}</figure></body></html>\n"
    );
    std::fs::write(path, page)?;
    Ok(())
}
