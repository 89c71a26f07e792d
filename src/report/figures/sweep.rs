//! Figure 6 of the paper: speeds and exponents of many runs, predicted from the first.

use super::Figure;
use crate::analysis::Answer;
use crate::analysis::sweep::{Sweep, SweepRun};
use crate::report::chart::{Axis, Chart, Ink, Mark, Point};

/// A setting that may differ between runs: its column, the axis' label and how it is read.
type Setting = (&'static str, &'static str, fn(&SweepRun) -> Option<f64>);

const SETTINGS: [Setting; 3] = [
    ("learning_rate", "learning rate", |run| run.learning_rate),
    ("batch_size", "batch size, examples", |run| run.batch_size.map(|size| size as f64)),
    ("momentum", "momentum", |run| run.momentum),
];

/// By each setting that differs, and measured against predicted.
pub fn sweep(sweep: &Sweep) -> Figure {
    let (id, title) = ("sweep", "Runs compared (fig. 6)");
    let default = sweep.runs.first();
    let mut charts = Vec::new();
    for (name, label, of) in SETTINGS {
        // Of the other settings those of the first run, so that one thing varies in a panel.
        let same = |run: &&SweepRun| {
            SETTINGS
                .iter()
                .filter(|(other, ..)| *other != name)
                .all(|(_, _, of)| default.is_none_or(|default| of(run) == of(default)))
        };
        let mut runs: Vec<&SweepRun> = sweep.runs.iter().filter(same).filter(|run| of(run).is_some()).collect();
        runs.sort_by(|a, b| of(a).unwrap_or(0.0).total_cmp(&of(b).unwrap_or(0.0)));
        if runs.len() < 2 || of(runs[0]) == of(runs[runs.len() - 1]) {
            continue;
        }
        let axis = || if name == "momentum" { Axis::linear(label) } else { Axis::logarithmic(label) };
        let mut speed = Chart::new(
            format!("speed_by_{name}"),
            format!("Speed by {}", name.replace('_', " ")),
            axis(),
            Axis::logarithmic("mean ‖δ‖², parameter units²"),
        );
        let mut exponent = Chart::new(
            format!("exponent_by_{name}"),
            format!("Exponent by {}", name.replace('_', " ")),
            axis(),
            Axis::linear("c").including(&[1.0]),
        );
        let points = |answer: fn(&SweepRun) -> &Answer<f64>| {
            let point =
                |run: &&SweepRun| Point::new(of(run).unwrap_or(f64::NAN), *answer(run).known().unwrap_or(&f64::NAN));
            runs.iter().map(point).collect::<Vec<_>>()
        };
        speed.add("eq. 12 from the first run", Ink::Predicted, Mark::Line, points(|run| &run.predicted_speed));
        speed.add("measured", Ink::Measured, Mark::Signs, points(|run| &run.speed));
        exponent.add("expected of the curvatures", Ink::Predicted, Mark::Signs, points(|run| &run.predicted_exponent));
        exponent.add("measured", Ink::Measured, Mark::Signs, points(|run| &run.exponent));
        charts.extend([speed, exponent]);
    }
    charts.push(against(sweep, "speed", "Speed, measured against predicted", true, |run| {
        (&run.predicted_speed, &run.speed)
    }));
    charts.push(against(sweep, "exponent", "Exponent, measured against expected", false, |run| {
        (&run.predicted_exponent, &run.exponent)
    }));
    let said = |answer: &Answer<f64>| match answer {
        Answer::Known(value) => format!("{value:.3}"),
        Answer::CannotSay { reason } => format!("cannot say: {reason}"),
    };
    let caption = vec![
        "σ² tr(H) is taken from the first run alone; eq. 12 predicts the speed of the others. Panels by a setting hold the \
         runs that differ from the first in it only."
            .to_owned(),
        format!(
            "R² of ln ‖δ‖²: {}. R² of the exponent: {}. Nothing is fitted, so that they may be negative.",
            said(&sweep.speed_r_squared),
            said(&sweep.exponent_r_squared)
        ),
    ];
    Figure::new(id, title, charts, caption)
}

fn against(
    sweep: &Sweep,
    quantity: &str,
    title: &str,
    logarithmic: bool,
    of: fn(&SweepRun) -> (&Answer<f64>, &Answer<f64>),
) -> Chart {
    let axis = |label: &str| if logarithmic { Axis::logarithmic(label) } else { Axis::linear(label) };
    let mut chart = Chart::new(format!("{quantity}_measured_predicted"), title, axis("predicted"), axis("measured"));
    let pair = |run: &SweepRun| {
        let (predicted, measured) = of(run);
        Some(Point::new(*predicted.known()?, *measured.known()?))
    };
    let points: Vec<Point> = sweep.runs.iter().filter_map(pair).collect();
    let ends = points.iter().flat_map(|point| [point.x, point.y]);
    let ends = ends.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], value| [low.min(value), high.max(value)]);
    chart.add("equal", Ink::Predicted, Mark::Line, ends.map(|end| Point::new(end, end)));
    chart.add("runs", Ink::Measured, Mark::Signs, points);
    chart
}
