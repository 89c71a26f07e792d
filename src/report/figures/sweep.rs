//! Figure 6 of the paper: speeds and exponents of many runs, predicted from the first.

use super::figure::Figure;
use crate::analysis::sweep::{Sweep, SweepRun};
use crate::analysis::{Answer, RunFit};
use crate::report::chart::{Axis, Chart, Ink, Mark, Point};

/// A setting that may differ between runs: its name and how it is read.
type Setting = (&'static str, fn(&SweepRun) -> Option<f64>);

const SETTINGS: [Setting; 3] = [
    ("learning rate", |run| run.learning_rate),
    ("batch size", |run| run.batch_size.map(|size| size as f64)),
    ("momentum", |run| run.momentum),
];

/// A value and the ends of its interval.
type Measured = (f64, Option<[f64; 2]>);

/// A quantity that is predicted: names, axis, and how it is read with its interval.
struct Quantity {
    name: &'static str,
    axis: fn(&str) -> Axis,
    label: &'static str,
    theory: &'static str,
    measured: fn(&SweepRun, &RunFit) -> Option<Measured>,
    predicted: fn(&SweepRun) -> &Answer<f64>,
}

const QUANTITIES: [Quantity; 2] = [
    Quantity {
        name: "speed",
        axis: Axis::logarithmic,
        label: "mean ‖δ‖², parameter units²",
        theory: "eq. 12 from the first run",
        measured: |run, fit| {
            let interval = fit.speed.known().and_then(|speed| speed.interval.known());
            Some((*run.speed.known()?, interval.map(|interval| [interval.low, interval.high])))
        },
        predicted: |run| &run.predicted_speed,
    },
    Quantity {
        name: "exponent",
        axis: Axis::linear,
        label: "exponent c, all rows",
        theory: "expected of the curvatures",
        measured: |run, fit| {
            let interval = fit.displacement_all.known().and_then(|law| law.interval.known());
            Some((*run.exponent.known()?, interval.map(|interval| [interval.low, interval.high])))
        },
        predicted: |run| &run.predicted_exponent,
    },
];

/// By each setting that differs, and measured against predicted. The first fit is the one that
/// predicts.
pub fn sweep(fits: &[RunFit]) -> Figure {
    let sweep = Sweep::of(fits);
    let runs: Vec<(&SweepRun, &RunFit)> = sweep.runs.iter().zip(fits).collect();
    let mut charts = Vec::new();
    for setting in SETTINGS {
        let runs = differing_in(&runs, setting);
        charts.extend(
            QUANTITIES
                .iter()
                .filter(|_| runs.len() > 1)
                .map(|quantity| by_setting(&runs, setting, quantity)),
        );
    }
    charts.extend(QUANTITIES.iter().map(|quantity| against(&runs, quantity)));
    let said = |answer: &Answer<f64>| match answer {
        Answer::Known(value) => format!("{value:.3}"),
        Answer::CannotSay { reason } => format!("cannot say: {reason}"),
    };
    let caption = vec![
        "σ² tr(H) is taken from the first run alone; eq. 12 predicts the speed of the others. Panels by a setting hold the \
         runs that differ from the first in it only. Exponents are over all rows. Bars are 95% intervals."
            .to_owned(),
        format!(
            "R² of ln ‖δ‖²: {}. R² of the exponent: {}. Nothing is fitted, so that they may be negative.",
            said(&sweep.speed_r_squared),
            said(&sweep.exponent_r_squared)
        ),
    ];
    Figure::new("sweep", "Runs compared (fig. 6)", charts, caption)
}

/// The runs that have the first one's other settings, in the order of this one; none where it does
/// not differ.
fn differing_in<'a>(
    runs: &[(&'a SweepRun, &'a RunFit)],
    (name, of): Setting,
) -> Vec<(&'a SweepRun, &'a RunFit)> {
    let Some((default, _)) = runs.first() else { return Vec::new() };
    let others = || SETTINGS.iter().filter(|(other, _)| *other != name);
    let mut found: Vec<_> = runs
        .iter()
        .copied()
        .filter(|(run, _)| {
            of(run).is_some() && others().all(|(_, other)| other(run) == other(default))
        })
        .collect();
    found.sort_by(|(a, _), (b, _)| of(a).unwrap_or(0.0).total_cmp(&of(b).unwrap_or(0.0)));
    if found.iter().all(|(run, _)| of(run) == of(default)) { Vec::new() } else { found }
}

fn by_setting(runs: &[(&SweepRun, &RunFit)], (name, of): Setting, quantity: &Quantity) -> Chart {
    let axis = match name {
        "momentum" => Axis::linear(name),
        "batch size" => Axis::logarithmic("batch size, examples"),
        _ => Axis::logarithmic(name),
    };
    let Quantity { name: what, theory, .. } = quantity;
    let mut chart = Chart::new(
        format!("{what}_by_{}", name.replace(' ', "_")),
        format!("{} by {name}", if *what == "speed" { "Speed" } else { "Exponent" }),
        axis,
        (quantity.axis)(quantity.label),
    );
    let predicted = || {
        let points = runs
            .iter()
            .filter_map(|(run, _)| Some(Point::new(of(run)?, *(quantity.predicted)(run).known()?)));
        points.collect::<Vec<_>>()
    };
    if *what == "speed" {
        chart.add("", Ink::Predicted, Mark::Line, predicted());
    }
    chart.add(theory, Ink::Predicted, Mark::Signs, predicted());
    let measured = runs.iter().filter_map(|(run, fit)| {
        let (y, interval) = (quantity.measured)(run, fit)?;
        Some(Point { x: of(run)?, y, interval })
    });
    chart.add("measured", Ink::Measured, Mark::Signs, measured.collect::<Vec<_>>());
    chart
}

fn against(runs: &[(&SweepRun, &RunFit)], quantity: &Quantity) -> Chart {
    let title = if quantity.name == "speed" { "Speed" } else { "Exponent" };
    let mut chart = Chart::new(
        format!("{}_measured_predicted", quantity.name),
        format!("{title}, measured against predicted"),
        (quantity.axis)(&format!("{}, predicted", quantity.label)),
        (quantity.axis)(quantity.label),
    );
    let points = runs.iter().filter_map(|(run, fit)| {
        let (y, interval) = (quantity.measured)(run, fit)?;
        Some(Point { x: *(quantity.predicted)(run).known()?, y, interval })
    });
    let points: Vec<Point> = points.collect();
    let ends = points.iter().flat_map(|point| [point.x, point.y]);
    let ends = ends.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], value| {
        [low.min(value), high.max(value)]
    });
    chart.add("equal", Ink::Predicted, Mark::Line, ends.map(|end| Point::new(end, end)));
    chart.add("runs", Ink::Measured, Mark::Signs, points);
    chart
}
