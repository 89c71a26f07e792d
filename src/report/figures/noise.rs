//! The gradient noise: is it sigma^2 H, with one sigma^2?

use super::figure::Figure;
use crate::analysis::Question;
use crate::analysis::findings::of_modes;
use crate::analysis::modes::{EigenvalueSource, ModeFit, NoiseSource};
use crate::report::chart::{Axis, Chart, Ink, Mark, Point};
use crate::report::findings::with_symbols;
use crate::report::material::Material;
use crate::report::theory::{measured_noise, noise_scale};

pub fn noise(material: &Material) -> Figure {
    let (id, title) = ("noise", "Gradient noise");
    let fit = match material.modes() {
        Ok(fit) => fit,
        Err(reason) => return Figure::missing(id, title, &reason),
    };
    let mut by_mode = Chart::new(
        "noise_by_mode",
        "Noise of a step's gradient",
        Axis::logarithmic("eigenvalue ρ"),
        Axis::logarithmic("variance, gradient units²"),
    );
    let source =
        fit.isotropy.known().map_or(EigenvalueSource::Fit, |isotropy| isotropy.eigenvalues);
    let decay = fit.window.known().and_then(|window| window.weight_decay).unwrap_or(0.0);
    let eigenvalue = |mode: &ModeFit| match source {
        EigenvalueSource::Hessian => mode.hessian_eigenvalue,
        EigenvalueSource::Fit => Some(mode.recursion.known()?.curvature.value - decay),
    };
    let of_steps = |mode: &ModeFit| {
        let variance = mode.recursion.known()?.noise_variance;
        Some(Point::with_interval(eigenvalue(mode)?, variance.value, variance.low, variance.high))
    };
    let of_gradients =
        |mode: &ModeFit| Some(Point::new(eigenvalue(mode)?, measured_noise(fit, mode.mode)?));
    let measured: Vec<Point> = fit.modes.iter().filter_map(of_steps).collect();
    let by_gradients: Vec<Point> = fit.modes.iter().filter_map(of_gradients).collect();
    if measured.is_empty() {
        let reason = fit
            .modes
            .iter()
            .find_map(|mode| mode.recursion.reason())
            .unwrap_or("there are no modes");
        return Figure::missing(id, title, reason);
    }
    let ends = measured.iter().map(|point| point.x).filter(|rho| *rho > 0.0);
    let ends =
        ends.fold([f64::INFINITY, 0.0], |[low, high]: [f64; 2], rho| [low.min(rho), high.max(rho)]);
    by_mode.add("measured", Ink::Measured, Mark::Signs, measured);
    let batch = fit.window.known().and_then(|window| window.batch_size);
    if let (Some(scale), Some(batch)) = (noise_scale(fit), batch.filter(|_| ends[1] > 0.0)) {
        let line = ends.map(|rho| Point::new(rho, scale * rho / batch as f64));
        by_mode.add("σ²ρ/S", Ink::Predicted, Mark::Line, line);
    }
    let mut caption = vec![
        "Variance of the noise in a mini-batch's gradient along each direction, from the recursion's innovations. By the \
         paper's assumption 5 it is proportional to the eigenvalue (dashed)."
            .to_owned(),
    ];
    if !by_gradients.is_empty() {
        caption.push(
            "Crosses: as gradients have it that were measured beside the Hessian.".to_owned(),
        );
        by_mode.add("by the gradients", Ink::Predicted, Mark::Signs, by_gradients);
    }
    let mut charts = vec![by_mode];
    match fit.noise_scale.known() {
        Some(scales) => {
            let name = |source: NoiseSource| source.name().replace("Sigma", "Σ");
            let mut chart = Chart::new(
                "noise_scale",
                "σ² by its sources",
                Axis::linear(""),
                Axis::linear("σ², gradient units²/curvature"),
            );
            chart.x.categories = scales.values.iter().map(|scale| name(scale.source)).collect();
            let points = scales.values.iter().enumerate().map(|(index, scale)| {
                Point::with_interval(
                    index as f64,
                    scale.value.value,
                    scale.value.low,
                    scale.value.high,
                )
            });
            chart.add("σ²", Ink::Measured, Mark::Signs, points);
            let asked = [
                Question::NoiseScale,
                Question::NoiseSources,
                Question::NoiseAgreement,
                Question::OneNoiseScale,
            ];
            let found =
                of_modes(fit).into_iter().filter(|finding| asked.contains(&finding.question));
            caption.extend(found.map(|finding| with_symbols(&finding.as_sentence())));
            charts.push(chart);
        }
        None => caption
            .push(format!("σ² cannot be said: {}.", fit.noise_scale.reason().unwrap_or_default())),
    }
    Figure::new(id, title, charts, caption)
}
