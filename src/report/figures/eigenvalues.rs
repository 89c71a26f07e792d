//! Eigenvalues of the Hessian over the run, the limit of stability, and the density of the others
//! where it is known.

use super::figure::Figure;
use crate::analysis::render_text::{grouped, number};
use crate::report::chart::{Axis, Chart, Ink, Mark, Point};
use crate::report::material::Material;
use crate::run::SpectralBulk;

/// Eigenvalues drawn over steps, at most.
const MOST: u64 = 10;

pub fn eigenvalues(material: &Material) -> Figure {
    let (id, title) = ("eigenvalues", "Eigenvalues of the Hessian");
    let rows = &material.curvature;
    let mut caption = Vec::new();
    let mut charts = Vec::new();
    let mut estimates: Vec<u64> = rows.iter().map(|row| row.basis).collect();
    estimates.dedup();
    if rows.iter().any(|row| row.eigenvalue.is_some()) {
        charts.push(over_steps(material, &mut caption));
    }
    let mut sorted = Chart::new(
        "eigenvalue_spectrum",
        "Eigenvalues, latest known",
        Axis::counted("mode"),
        Axis::logarithmic("eigenvalue ρ"),
    );
    if let Some(curvatures) = &material.curvatures {
        let points =
            (1..).zip(&curvatures.eigenvalues).map(|(mode, rho)| Point::new(f64::from(mode), *rho));
        sorted.add("measured", Ink::Measured, Mark::Signs, points);
        let negative = curvatures.eigenvalues.iter().filter(|rho| **rho < 0.0).count();
        if negative > 0 {
            caption.push(format!(
                "{negative} eigenvalues are negative: not on a logarithmic axis, and outside the theory."
            ));
        }
        if let Some(density) = &curvatures.density {
            charts.push(bulk(density));
            caption.push(
                "The bulk is what the spectral density says of the other directions.".to_owned(),
            );
            if let Some(negative) = curvatures.negative() {
                caption.push(format!(
                    "About {} directions have negative curvature, {:.1}% of the positive eigenvalues' sum: predictions leave \
                     them out, as there is no stationary state along them.",
                    grouped(negative.directions.round() as u64),
                    100.0 * negative.share_of_trace
                ));
            }
        }
    }
    charts.push(sorted);
    let charts: Vec<Chart> = charts.into_iter().filter(|chart| !chart.is_empty()).collect();
    if charts.is_empty() {
        return Figure::missing(id, title, "the log has no eigenvalues, and none were given");
    }
    if estimates.len() > 1 {
        caption.insert(0, format!("{} estimates.", grouped(estimates.len() as u64)));
    }
    Figure::new(id, title, charts, caption)
}

fn over_steps(material: &Material, caption: &mut Vec<String>) -> Chart {
    let mut chart = Chart::new(
        "eigenvalues_over_steps",
        "Largest eigenvalues over the run",
        Axis::counted("step"),
        Axis::logarithmic("eigenvalue ρ"),
    );
    let modes = material.curvature.iter().map(|row| row.mode).max().unwrap_or(0);
    for mode in (1..=modes.min(MOST)).rev() {
        let points: Vec<Point> = material
            .curvature
            .iter()
            .filter(|row| row.mode == mode)
            .filter_map(|row| {
                let (rho, residual) = (row.eigenvalue?, row.residual);
                Some(Point::with_interval(
                    row.step as f64,
                    rho,
                    residual.map(|residual| rho - residual),
                    residual.map(|residual| rho + residual),
                ))
            })
            .collect();
        let (name, ink) =
            if mode == 1 { ("largest", Ink::Measured) } else { ("the next ones", Ink::Faint) };
        chart.add(name, ink, Mark::Line, points.clone());
        if mode == 1 {
            chart.add(name, ink, Mark::Signs, points);
        }
    }
    if let Some(limit) = limit(material) {
        chart.add("limit of stability", Ink::Predicted, Mark::Line, limit);
        caption.push(
            "Above the dashed line, 2(1 + β)/η less weight decay with the learning rate in force, a step along the eigenvector grows from \
             step to step."
                .to_owned(),
        );
    } else {
        caption.push(
            "No limit of stability is drawn: it takes SGD whose learning rate and momentum are in the log (`Options::build` logs them)."
                .to_owned(),
        );
    }
    let last = material
        .curvature
        .iter()
        .rfind(|row| row.mode == 1)
        .and_then(|row| Some((row.step, row.eigenvalue?)));
    if let Some((step, rho)) = last {
        caption.push(format!(
            "The largest was {} at step {}. Bars are residuals of the eigenpairs.",
            number(rho),
            grouped(step)
        ));
    }
    if modes > MOST {
        caption.push(format!("Of {modes} eigenvalues the first {MOST} are drawn."));
    }
    chart
}

/// 2 (1 + beta) / eta - lambda as the learning rate was; none for other optimizers than plain SGD.
fn limit(material: &Material) -> Option<Vec<Point>> {
    let optimizer = &material.info.optimizer;
    let hyperparameters = material.info.hyperparameters.first()?;
    let momentum = hyperparameters.momentum?;
    let heavy_ball =
        momentum == 0.0 || (optimizer.dampening == Some(0.0) && optimizer.nesterov == Some(false));
    if optimizer.name.as_deref() != Some("sgd")
        || material.info.layout.parameter_groups != 1
        || !heavy_ball
    {
        return None;
    }
    let decay = hyperparameters.weight_decay.unwrap_or(0.0);
    let points = material.rows.learning_rate.bins().flat_map(|bin| {
        let limit =
            |rate: f64| if rate > 0.0 { 2.0 * (1.0 + momentum) / rate - decay } else { f64::NAN };
        [
            Point::new(bin.first_step as f64, limit(bin.mean)),
            Point::new(bin.last_step as f64, limit(bin.mean)),
        ]
    });
    Some(points.collect())
}

fn bulk(density: &SpectralBulk) -> Chart {
    let mut chart = Chart::new(
        "eigenvalue_density",
        "Density of the other eigenvalues",
        Axis::linear("eigenvalue"),
        Axis::logarithmic("directions about it"),
    );
    chart.add(
        "density",
        Ink::Measured,
        Mark::Signs,
        density.counted().map(|(node, count)| Point::new(node, count)),
    );
    chart
}
