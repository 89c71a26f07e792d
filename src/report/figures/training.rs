//! Loss and learning rate, and what happened besides the steps.

use super::displacement::add_curve;
use super::figure::Figure;
use crate::analysis::findings::sentence;
use crate::analysis::render_text::{counted, grouped, number};
use crate::analysis::settings::not_known;
use crate::report::chart::{Axis, Chart, Ink, Mark, Point};
use crate::report::envelope::Envelope;
use crate::report::happened::Drawn;
use crate::report::material::Material;

pub fn training(material: &Material) -> Figure {
    let (id, title) = ("training", "Loss and learning rate");
    let rows = &material.rows;
    let mut caption = Vec::new();
    let mut charts = Vec::new();
    let positive = rows.loss.bins().all(|bin| bin.low > 0.0);
    let axis = if positive { Axis::logarithmic("loss") } else { Axis::linear("loss") };
    let mut loss = Chart::new("loss", "Loss of the mini-batches", Axis::counted("step"), axis);
    add_curve(&mut loss, &rows.loss, "rows, lowest to highest", "mean");
    caption.push(match (rows.loss.bins().next(), rows.loss.bins().last()) {
        (Some(first), Some(last)) => {
            format!(
                "Loss: {} at first, {} at the end.{}",
                number(first.mean),
                number(last.mean),
                left_out(&rows.loss)
            )
        }
        _ => "The loss is not known.".to_owned(),
    });
    charts.push(loss);
    let rate = &rows.learning_rate;
    match rate.bins().next() {
        None => caption.push(sentence(&not_known("learning rate"))),
        Some(bin) if rate.is_constant() => {
            caption.push(format!("The learning rate was {} throughout.", bin.mean))
        }
        Some(_) => {
            let mut chart = Chart::new(
                "learning_rate",
                "Learning rate",
                Axis::counted("step"),
                Axis::logarithmic("learning rate"),
            );
            let ends = |bin: &crate::report::envelope::Bin| {
                [
                    Point::new(bin.first_step as f64, bin.mean),
                    Point::new(bin.last_step as f64, bin.mean),
                ]
            };
            chart.add("learning rate", Ink::Measured, Mark::Line, rate.bins().flat_map(ends));
            charts.push(chart);
            caption.push("The learning rate changed: the theory is for a constant one.".to_owned());
        }
    }
    charts.retain(|chart| !chart.is_empty());
    if charts.is_empty() {
        return Figure { id, title, charts, caption };
    }
    Figure::new(id, title, charts, caption)
}

fn left_out(curve: &Envelope) -> String {
    match curve.left_out() {
        0 => String::new(),
        rows => format!(" {} rows have none that is finite.", grouped(rows)),
    }
}

pub fn timeline(material: &Material) -> Figure {
    let (id, title) = ("events", "Events and gaps");
    let rows = &material.rows;
    let kinds = &material.events.kinds;
    let gaps = rows.gaps.count > 0;
    if !gaps && kinds.is_empty() {
        let end = if material.events.finished {
            "the run was closed properly"
        } else {
            "the run was not closed"
        };
        let sentence = format!(
            "Nothing to show: no row is missing, nothing happened besides the steps, and {end}."
        );
        return Figure { id, title, charts: Vec::new(), caption: vec![sentence] };
    }
    let mut chart = Chart::new(
        "events",
        "Events and missing rows",
        Axis::counted("step"),
        Axis::linear("kind"),
    );
    chart.x.include.extend(rows.steps.into_iter().flatten().map(|step| step as f64));
    let mut categories: Vec<String> = kinds.iter().map(|kind| kind.name.to_owned()).collect();
    if gaps {
        categories.push("rows missing".to_owned());
    }
    let missing = categories.len() as f64 - 1.0;
    chart.y.categories = categories;
    let (mut marks, mut counts) = (Vec::new(), Vec::new());
    for (place, kind) in kinds.iter().enumerate() {
        let place = place as f64;
        match kind.drawn() {
            Drawn::Steps(steps) => {
                marks.extend(steps.iter().map(|step| Point::new(*step as f64, place)))
            }
            Drawn::Counts(bins, most) => counts.extend(outline(&bins, most, place)),
        }
    }
    chart.add("event", Ink::Measured, Mark::Signs, marks);
    chart.add("events, counted", Ink::Measured, Mark::Band, counts);
    let bars = rows.gaps.listed.iter().flat_map(|[first, last]| {
        let bar = [*first as f64, *last as f64].map(|step| {
            Point::with_interval(step, missing, Some(missing - 0.3), Some(missing + 0.3))
        });
        [bar[0], bar[1], Point::new(f64::NAN, f64::NAN)]
    });
    chart.add("rows missing", Ink::Other, Mark::Band, bars);
    // A short gap in a long run is thinner than a line.
    let middle =
        |[first, last]: &[u64; 2]| Point::new(0.5 * (*first as f64 + *last as f64), missing);
    chart.add("rows missing", Ink::Other, Mark::Signs, rows.gaps.listed.iter().map(middle));
    let all = kinds.iter().map(|kind| kind.count).sum();
    let counts_drawn: Vec<&str> = kinds
        .iter()
        .filter(|kind| matches!(kind.drawn(), Drawn::Counts(..)))
        .map(|kind| kind.name)
        .collect();
    let mut caption = vec![format!(
        "{} besides the steps; see the list under the findings.",
        counted(all, "event")
    )];
    if !counts_drawn.is_empty() {
        caption.push(format!(
            "Too many to be drawn one by one, as wide as they are many: {}.",
            counts_drawn.join(", ")
        ));
    }
    if gaps {
        let more = rows.gaps.count - rows.gaps.listed.len() as u64;
        let rest = if more > 0 {
            format!(" The first {} are drawn.", rows.gaps.listed.len())
        } else {
            String::new()
        };
        caption.push(format!("Rows are missing in {}.{rest}", counted(rows.gaps.count, "place")));
    }
    Figure::new(id, title, vec![chart], caption)
}

/// A band about a place, as high as there are many.
fn outline(bins: &[([u64; 2], u64)], most: u64, place: f64) -> Vec<Point> {
    let (mut points, mut end) = (Vec::new(), None);
    for ([from, to], count) in bins {
        if end != Some(*from) {
            points.push(Point::new(f64::NAN, f64::NAN));
        }
        let half = 0.4 * *count as f64 / most as f64;
        let at = |step: u64| {
            Point::with_interval(step as f64, place, Some(place - half), Some(place + half))
        };
        points.extend([at(*from), at(*to)]);
        end = Some(*to);
    }
    points
}
