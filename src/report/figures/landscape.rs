//! Figure 3 of the paper: the losses in a plane through the reference point, and the run over them.

use super::figure::Figure;
use crate::analysis::render_text::{grouped, number};
use crate::report::chart::{Axis, Chart, Ink, Mark, Point, Shape};
use crate::report::contour::Grid;
use crate::report::landscape::{Landscape, Way};
use crate::report::material::Material;

/// Contours of a loss.
const LEVELS: u32 = 7;
/// Rows further out than so many half-widths of the grid are not drawn: they would make it small.
const REACH: f64 = 1.5;

pub fn landscape(material: &Material) -> Figure {
    let (id, title) = ("landscape", "Loss landscape (fig. 3)");
    let landscape = match &material.landscape {
        Ok(landscape) => landscape,
        Err(reason) => return Figure::missing(id, title, reason),
    };
    let losses = &landscape.losses;
    let train = contours(landscape, "train", &losses.train_loss, losses.quadratic_loss.as_deref());
    let test = losses.test_loss.as_ref().map(|loss| contours(landscape, "test", loss, None));
    let sections = [0, 1].map(|axis| section(landscape, axis));
    let charts = [Some(train), test].into_iter().flatten().chain(sections).collect();
    Figure::new(id, title, charts, caption(landscape))
}

fn axis(landscape: &Landscape, axis: usize) -> Axis {
    Axis::linear(&format!("position of mode {}, parameter units", landscape.losses.modes[axis]))
}

/// Levels whose rings about the minimum of a quadratic loss are equally far apart.
fn levels(grid: &Grid) -> Vec<f64> {
    let Some([low, high]) = grid.range().filter(|[low, high]| low < high) else {
        return Vec::new();
    };
    (1..=LEVELS)
        .map(|ring| low + (high - low) * (f64::from(ring) / f64::from(LEVELS)).powi(2))
        .collect()
}

/// Contours of a loss, those of its approximation at the same levels, and the run.
fn contours(landscape: &Landscape, which: &str, loss: &[f64], quadratic: Option<&[f64]>) -> Chart {
    let name = if which == "train" { "training loss" } else { "test loss" };
    let title = if which == "train" { "Training loss" } else { "Test loss" };
    let [x, y] = [0, 1].map(|of| axis(landscape, of));
    let mut chart = Chart::new(format!("landscape_{which}"), title, x, y);
    chart.shape = Shape::Square;
    if let Ok(way) = &landscape.way {
        add_way(&mut chart, landscape, way);
    }
    let [x, y] = &landscape.losses.coordinates;
    let grid = Grid { x, y, values: loss };
    for level in levels(&grid) {
        add_contour(&mut chart, name, Ink::Measured, &grid, level);
    }
    if let Some(values) = quadratic {
        for level in levels(&grid) {
            add_contour(
                &mut chart,
                "to second order",
                Ink::Predicted,
                &Grid { values, ..grid },
                level,
            );
        }
    }
    chart
}

fn add_contour(chart: &mut Chart, name: &str, ink: Ink, grid: &Grid, level: f64) {
    let mut points = Vec::new();
    for line in grid.contour(level) {
        points.extend(line.into_iter().map(|[x, y]| Point::new(x, y)));
        points.push(Point::new(f64::NAN, f64::NAN));
    }
    if !points.is_empty() {
        chart.add(name, ink, Mark::Line, points);
        chart.label_last(&number(level));
    }
}

/// Whether a row is drawn.
fn is_near(landscape: &Landscape, point: &[f64; 2]) -> bool {
    point.iter().zip(&landscape.losses.coordinates).all(|(position, axis)| {
        let ends = axis.first().copied().zip(axis.last().copied());
        ends.is_some_and(|(low, high)| {
            (position - 0.5 * (low + high)).abs() <= REACH * 0.5 * (high - low)
        })
    })
}

fn add_way(chart: &mut Chart, landscape: &Landscape, way: &Way) {
    let shown = |points: &[[f64; 2]]| -> Vec<Point> {
        points
            .iter()
            .map(|point| {
                if is_near(landscape, point) {
                    Point::new(point[0], point[1])
                } else {
                    Point::new(f64::NAN, f64::NAN)
                }
            })
            .collect()
    };
    chart.add("rows of the run", Ink::Other, Mark::Dots, shown(&way.points));
    if way.rows_of_mean > 1 {
        chart.add(
            &format!("means of {} rows", grouped(way.rows_of_mean)),
            Ink::Way,
            Mark::Line,
            shown(&way.means),
        );
    }
    chart.add("reference point", Ink::Fitted, Mark::Signs, [Point::new(0.0, 0.0)]);
}

/// The losses along one direction, where the other coordinate is nearest to 0.
fn section(landscape: &Landscape, along: usize) -> Chart {
    let losses = &landscape.losses;
    let [x, y] = &losses.coordinates;
    let across = &losses.coordinates[1 - along];
    let nearest = (0..across.len())
        .min_by(|a, b| across[*a].abs().total_cmp(&across[*b].abs()))
        .unwrap_or_default();
    let values = |list: &[f64]| -> Vec<Point> {
        if along == 0 {
            x.iter()
                .zip(&list[nearest * x.len()..])
                .map(|(x, loss)| Point::new(*x, *loss))
                .collect()
        } else {
            y.iter()
                .zip(list.chunks_exact(x.len()))
                .map(|(y, line)| Point::new(*y, line[nearest]))
                .collect()
        }
    };
    let mut chart = Chart::new(
        format!("landscape_along_mode_{}", losses.modes[along]),
        format!("Loss along mode {}", losses.modes[along]),
        axis(landscape, along),
        Axis::linear("loss"),
    );
    chart.add("training loss", Ink::Measured, Mark::Line, values(&losses.train_loss));
    if let Some(test) = &losses.test_loss {
        chart.add("test loss", Ink::Other, Mark::Line, values(test));
    }
    if let Some(quadratic) = &losses.quadratic_loss {
        chart.add("to second order", Ink::Predicted, Mark::Line, values(quadratic));
    }
    chart
}

fn caption(landscape: &Landscape) -> Vec<String> {
    let losses = &landscape.losses;
    let [columns, lines] = losses.coordinates.each_ref().map(Vec::len);
    let origin = if losses.step == 0 {
        "the reference point".to_owned()
    } else {
        format!("where the parameters were after step {}", grouped(losses.step))
    };
    let mut caption = vec![format!(
        "Losses measured at {columns} × {lines} points of the plane of modes {} and {} around {origin}. Levels of \
         contours are closer together where the loss is lower; where there is room, a level is written at the highest point of its \
         contour.",
        losses.modes[0], losses.modes[1]
    )];
    if let Some(quadratic) = &losses.quadratic_loss {
        let pairs = losses.train_loss.iter().zip(quadratic);
        let off =
            pairs.map(|(loss, quadratic)| (loss - quadratic).abs()).filter(|off| off.is_finite());
        let finite = losses.train_loss.iter().copied().filter(|loss| loss.is_finite());
        let compared = match (
            off.reduce(f64::max),
            finite.clone().reduce(f64::min),
            finite.reduce(f64::max),
        ) {
            (Some(worst), Some(low), Some(high)) => format!(
                "It is off by at most {}, where the loss goes from {} to {}.",
                number(worst),
                number(low),
                number(high)
            ),
            _ => "No training loss was finite to hold it against.".to_owned(),
        };
        caption.push(format!(
            "Dashed: the training loss to second order, from its gradient at the origin and the two eigenvalues. {compared}"
        ));
    } else {
        caption.push(
            "The eigenvalues of the directions are not known, and so is no approximation by them."
                .to_owned(),
        );
    }
    caption.push(match &landscape.way {
        Ok(way) => {
            let drawn = way.points.iter().filter(|point| is_near(landscape, point)).count();
            let outside = 100.0 * (1.0 - way.inside as f64 / way.rows.max(1) as f64);
            format!(
                "Over it {} of the {} rows along these directions; {outside:.1}% of all lie outside the plane's piece that was measured.",
                grouped(drawn as u64),
                grouped(way.rows)
            )
        }
        Err(reason) => format!("The run's way is not drawn: {reason}."),
    });
    caption
}
