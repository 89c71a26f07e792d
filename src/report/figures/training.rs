//! Loss and learning rate, and what happened besides the steps.

use super::Figure;
use super::displacement::add_curve;
use crate::analysis::render_text::{counted, grouped, number};
use crate::record::EventKind;
use crate::report::chart::{Axis, Chart, Ink, Mark, Point};
use crate::report::envelope::Envelope;
use crate::report::events;
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
            format!("Loss: {} at first, {} at the end.{}", number(first.mean), number(last.mean), left_out(&rows.loss))
        }
        _ => "The loss is not known.".to_owned(),
    });
    charts.push(loss);
    let rate = &rows.learning_rate;
    match rate.bins().next() {
        None => caption.push("The learning rate is not known.".to_owned()),
        Some(bin) if rate.is_constant() => caption.push(format!("The learning rate was {} throughout.", bin.mean)),
        Some(_) => {
            let mut chart =
                Chart::new("learning_rate", "Learning rate", Axis::counted("step"), Axis::logarithmic("learning rate"));
            let ends = |bin: &crate::report::envelope::Bin| {
                [Point::new(bin.first_step as f64, bin.mean), Point::new(bin.last_step as f64, bin.mean)]
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
    // A properly closed run is no news on a timeline.
    let shown = || material.events.iter().filter(|event| !matches!(event.kind, EventKind::Finished { .. }));
    let mut names: Vec<&str> = Vec::new();
    for event in shown() {
        let name = events::name(&event.kind);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let gaps = rows.gaps.count > 0;
    if !gaps && names.is_empty() {
        let closed = material.events.iter().any(|event| matches!(event.kind, EventKind::Finished { .. }));
        let end = if closed { "the run was closed properly" } else { "the run was not closed" };
        let sentence = format!("Nothing to show: no row is missing, nothing happened besides the steps, and {end}.");
        return Figure { id, title, charts: Vec::new(), caption: vec![sentence] };
    }
    let mut chart = Chart::new("events", "Events and missing rows", Axis::counted("step"), Axis::linear("kind"));
    chart.x.include.extend(rows.steps.into_iter().flatten().map(|step| step as f64));
    let mut categories: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    if gaps {
        categories.push("rows missing".to_owned());
    }
    let missing = categories.len() as f64 - 1.0;
    chart.y.categories = categories;
    let place = |kind: &EventKind| names.iter().position(|name| *name == events::name(kind)).unwrap_or(0) as f64;
    chart.add(
        "event",
        Ink::Measured,
        Mark::Signs,
        shown().map(|event| Point::new(event.step as f64, place(&event.kind))),
    );
    let bars = rows.gaps.listed.iter().flat_map(|[first, last]| {
        let bar = [*first as f64, *last as f64]
            .map(|step| Point::with_interval(step, missing, Some(missing - 0.3), Some(missing + 0.3)));
        [bar[0], bar[1], Point::new(f64::NAN, f64::NAN)]
    });
    chart.add("rows missing", Ink::Other, Mark::Band, bars);
    // A short gap in a long run is thinner than a line.
    let middle = |[first, last]: &[u64; 2]| Point::new(0.5 * (*first as f64 + *last as f64), missing);
    chart.add("rows missing", Ink::Other, Mark::Signs, rows.gaps.listed.iter().map(middle));
    let mut caption =
        vec![format!("{} besides the steps, listed under the findings.", counted(shown().count() as u64, "event"))];
    if gaps {
        let more = rows.gaps.count - rows.gaps.listed.len() as u64;
        let rest = if more > 0 { format!(" The first {} are drawn.", rows.gaps.listed.len()) } else { String::new() };
        caption.push(format!("Rows are missing in {}.{rest}", counted(rows.gaps.count, "place")));
    }
    Figure::new(id, title, vec![chart], caption)
}
