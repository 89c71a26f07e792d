//! Figure 1 of the paper: how far each step goes, and how far the parameters have gone.

use super::figure::Figure;
use crate::analysis::displacement::PredictedDisplacement;
use crate::analysis::displacement_noise::Start;
use crate::analysis::render_text::{grouped, number, percent, thousandths};
use crate::analysis::{Question, RunFit, Verdict};
use crate::report::chart::{Axis, Chart, Ink, Mark, Point};
use crate::report::envelope::{Bin, Envelope};
use crate::report::findings::with_symbols;
use crate::report::material::Material;
use crate::report::theory;
use crate::theory::parameters::SgdParameters;

const ID: &str = "displacement";
const TITLE: &str = "Displacement (fig. 1)";
/// Points of a predicted curve.
const POINTS: i32 = 120;

pub fn displacement(material: &Material) -> Figure {
    let Some(fit) = &material.fit else { return Figure::missing(ID, TITLE, "the run has no rows") };
    let (local, about_local) = local(material, fit);
    let (global, about_global) = global(material, fit);
    Figure::new(ID, TITLE, vec![local, global], vec![about_local, about_global])
}

/// The band between lowest and highest values, and the means.
pub fn add_curve(chart: &mut Chart, curve: &Envelope, spread: &str, mean: &str) {
    add_spread(chart, curve, spread, |value| value);
    add_mean(chart, curve, mean, |value| value);
}

/// Where every bin is one row there is no spread. `of` makes the value of what was gathered.
fn add_spread(chart: &mut Chart, curve: &Envelope, name: &str, of: fn(f64) -> f64) {
    let ends = |bin: &Bin| {
        Point::with_interval(bin.middle(), of(bin.mean), Some(of(bin.low)), Some(of(bin.high)))
    };
    if curve.bins().any(|bin| bin.count > 1) {
        chart.add(name, Ink::Faint, Mark::Band, broken(curve, ends));
    }
}

fn add_mean(chart: &mut Chart, curve: &Envelope, name: &str, of: fn(f64) -> f64) {
    chart.add(
        name,
        Ink::Measured,
        Mark::Line,
        broken(curve, |bin| Point::new(bin.middle(), of(bin.mean))),
    );
}

/// The bins, with a point that is nowhere where bins are missing between two.
fn broken(curve: &Envelope, point: impl Fn(&Bin) -> Point) -> Vec<Point> {
    let mut points = Vec::new();
    let mut before: Option<&Bin> = None;
    for bin in curve.bins() {
        if before.is_some_and(|before| curve.is_gap(before, bin)) {
            points.push(Point::new(f64::NAN, f64::NAN));
        }
        points.push(point(bin));
        before = Some(bin);
    }
    points
}

fn local(material: &Material, fit: &RunFit) -> (Chart, String) {
    let mut chart = Chart::new(
        "local_displacement",
        "Squared length of each step",
        Axis::counted("step"),
        Axis::logarithmic("‖δ‖², parameter units²"),
    );
    let (rows, average) = (&material.rows.local, &material.rows.local_average);
    add_spread(&mut chart, rows, "lowest to highest", |value| value);
    let smooth = if average.is_empty() { rows } else { average };
    let name = if average.is_empty() { "rows" } else { "15-row average" };
    add_mean(&mut chart, smooth, name, |value| value);
    let Some(speed) = fit.speed.known() else {
        let reason = fit.speed.reason().unwrap_or_default();
        return (chart, format!("Squared length of each step. Its mean cannot be said: {reason}."));
    };
    let mean = speed.mean_local_displacement_squared;
    let ends = [speed.first_step, speed.last_step].map(|step| Point::new(step as f64, mean));
    chart.add("mean over the window", Ink::Fitted, Mark::Line, ends);
    let interval = match speed.interval.known() {
        Some(interval) => format!(" (95%: {} to {})", number(interval.low), number(interval.high)),
        None => String::new(),
    };
    let trend = fit
        .finding(Question::ConstantSpeed)
        .filter(|finding| finding.verdict != Verdict::Unanswered);
    let trend = trend.map(|finding| format!(" It {}.", finding.sentence)).unwrap_or_default();
    let text = format!(
        "Local displacement: the band holds every row, the line is the moving average. From step {} on its mean is \
         {}{interval}.{trend}",
        grouped(speed.first_step),
        number(mean)
    );
    (chart, text)
}

fn global(material: &Material, fit: &RunFit) -> (Chart, String) {
    let mut chart = Chart::new(
        "global_displacement",
        "Squared distance from the reference point",
        Axis::logarithmic("step"),
        Axis::logarithmic("‖Δ‖², parameter units²"),
    );
    let curve = &material.rows.global;
    let mut text = "Global displacement, on logarithmic axes. ".to_owned();
    // Means of logarithms, which is what is fitted: that of the values would lie above the fit.
    add_spread(&mut chart, curve, "lowest to highest", f64::exp);
    add_interval(&mut chart, fit);
    add_mean(&mut chart, curve, "measured, geometric mean", f64::exp);
    match fit.displacement.known() {
        Some(law) => {
            if let Some(prefactor) = law.prefactor {
                let at = |step: u64| {
                    Point::new(step as f64, prefactor * (step as f64).powf(law.exponent))
                };
                chart.add(
                    "power law fitted",
                    Ink::Fitted,
                    Mark::Line,
                    [law.first_step, law.last_step].map(at),
                );
            }
            let said =
                fit.finding(Question::Exponent).map(|finding| with_symbols(&finding.as_sentence()));
            text += &format!("{} ", said.unwrap_or_default());
        }
        None => {
            text += &format!("No power law: {}. ", fit.displacement.reason().unwrap_or_default())
        }
    }
    match &fit.predicted {
        crate::analysis::Answer::Known(predicted) => {
            add_predicted(&mut chart, material, fit, predicted);
            let of = if predicted.projected_part {
                let share = fit
                    .projected_share
                    .map(|share| format!(", {} of it", percent(share)))
                    .unwrap_or_default();
                format!(
                    "the part along the directions{share}, which is drawn as measured beside it,"
                )
            } else {
                "the whole".to_owned()
            };
            text += &format!(
                "Predicted for {of} from measured eigenvalues, with nothing fitted but the height: {} over the window. \
                 95 of 100 runs lie within the bars. (Of the mean: where few directions scatter, the geometric mean that is drawn \
                 lies below it.)",
                thousandths(predicted.exact_exponent)
            );
        }
        crate::analysis::Answer::CannotSay { reason } => {
            text += &format!("No predicted curve: {reason}.")
        }
    }
    (chart, text)
}

/// The interval of the exponent as a band that turns about the middle of the window.
fn add_interval(chart: &mut Chart, fit: &RunFit) {
    let Some(law) = fit.displacement.known() else { return };
    let (Some(interval), Some(prefactor)) = (law.interval.known(), law.prefactor) else { return };
    let (first, last) = (law.first_step.max(1) as f64, law.last_step.max(1) as f64);
    let middle = (first * last).sqrt();
    let height = prefactor * middle.powf(law.exponent);
    let points = (0..=16).map(|index| {
        let step = first * (last / first).powf(f64::from(index) / 16.0);
        let ends =
            [interval.low, interval.high].map(|exponent| height * (step / middle).powf(exponent));
        Point::with_interval(step, height, Some(ends[0].min(ends[1])), Some(ends[0].max(ends[1])))
    });
    chart.add("95% of the exponent", Ink::Fitted, Mark::Band, points);
}

fn add_predicted(
    chart: &mut Chart,
    material: &Material,
    fit: &RunFit,
    predicted: &PredictedDisplacement,
) {
    let name = if predicted.projected_part { "predicted, directions" } else { "predicted" };
    if predicted.projected_part {
        let points =
            broken(&material.rows.projected, |bin| Point::new(bin.middle(), bin.mean.exp()));
        chart.add("measured, directions", Ink::Other, Mark::Line, points);
    }
    let points = curve(material, fit, predicted).unwrap_or_else(|| {
        predicted.curve.iter().map(|point| Point::new(point.step as f64, point.exact)).collect()
    });
    chart.add(name, Ink::Predicted, Mark::Line, points);
    let bars = predicted.curve.iter().map(|point| {
        Point::with_interval(
            point.step as f64,
            point.exact,
            Some(point.range[0]),
            Some(point.range[1]),
        )
    });
    chart.add(name, Ink::Predicted, Mark::Signs, bars);
}

/// The predicted curve from the first step on.
fn curve(
    material: &Material,
    fit: &RunFit,
    predicted: &PredictedDisplacement,
) -> Option<Vec<Point>> {
    let spectrum = material.curvatures.as_ref()?.spectrum().ok()?;
    let parameters = SgdParameters {
        learning_rate: fit.hyperparameters.learning_rate?,
        momentum: fit.hyperparameters.momentum?,
        weight_decay: fit.hyperparameters.weight_decay?,
        batch_size: fit.batch_size? as f64,
        noise_scale: predicted.noise_scale,
    };
    let modes: Vec<(f64, f64)> =
        spectrum.modes().iter().map(|mode| (mode.eigenvalue, mode.multiplicity)).collect();
    let [first, last] = material.rows.steps?.map(|step| step.max(1) as f64);
    let mut steps: Vec<u64> = (0..=POINTS)
        .map(|i| (first * (last / first).powf(f64::from(i) / f64::from(POINTS))).round() as u64)
        .collect();
    steps.dedup();
    let start = if predicted.begins_at_rest { Start::AtRest } else { Start::Stationary };
    let values = theory::displacement(&parameters, &modes, start, &steps)?;
    // The settings of the beginning may not be those of the window the prediction is for.
    let agrees = |point: &crate::analysis::displacement::PredictedPoint| {
        theory::displacement(&parameters, &modes, start, &[point.step])
            .is_some_and(|value| (value[0] / point.exact - 1.0).abs() < 1e-6)
    };
    predicted.curve.iter().all(agrees).then(|| {
        steps.iter().zip(values).map(|(step, value)| Point::new(*step as f64, value)).collect()
    })
}
