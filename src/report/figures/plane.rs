//! Figures 3 and 4 of the paper: two modes at once, over the contours of the loss that the motion
//! really minimizes.

use super::figure::Figure;
use crate::report::chart::{Axis, Chart, Ink, Mark, Point, Shape};
use crate::report::material::Material;
use crate::report::phase::{Ellipse, Phase};
use crate::report::theory::ModeTheory;
use crate::theory::langevin::LangevinMode;

pub fn planes(material: &Material) -> Figure {
    let (id, title) = ("plane", "Two modes at once (fig. 3, 4)");
    let fit = match material.modes() {
        Ok(fit) => fit,
        Err(reason) => return Figure::missing(id, title, &reason),
    };
    let [first, .., last] = material.rows.phases.as_slice() else {
        return Figure::missing(id, title, "it takes two directions, and there is one");
    };
    let theory = |phase: &Phase| {
        fit.modes
            .iter()
            .find(|mode| mode.mode == phase.plan.mode)
            .and_then(|mode| ModeTheory::of(fit, mode))
    };
    let theories = theory(first).zip(theory(last));
    let names = [first.plan.mode, last.plan.mode];
    let mut charts = Vec::new();
    for (axis, quantity, unit) in
        [(0, "position", "parameter units"), (1, "velocity", "parameter units/time")]
    {
        let label = |mode: usize| format!("{quantity} of mode {mode}, {unit}");
        let mut chart = Chart::new(
            format!("plane_{quantity}"),
            if axis == 0 { "Positions" } else { "Velocities" },
            Axis::linear(&label(names[0])),
            Axis::linear(&label(names[1])),
        );
        chart.shape = if axis == 0 { Shape::EqualScales } else { Shape::Square };
        let points =
            first.points.iter().zip(&last.points).map(|(x, y)| Point::new(x[axis], y[axis]));
        chart.add("rows", Ink::Measured, Mark::Dots, points);
        if let Some((x, y)) = theories.and_then(|(first, last)| contour(&first).zip(contour(&last)))
        {
            let centre = if axis == 0 { [x.centre[0], y.centre[0]] } else { [0.0; 2] };
            let variances = [x.covariance[axis][axis], y.covariance[axis][axis]];
            add_rings(&mut chart, "modified loss", Ink::Predicted, centre, variances);
            if let (0, Some((first, last))) = (axis, theories) {
                // The training loss itself: as long on the first axis as the modified one.
                let ratio = first.eigenvalue / last.eigenvalue;
                let ring = Ellipse {
                    centre,
                    covariance: [[variances[0], 0.0], [0.0, variances[0] * ratio]],
                };
                // The flat direction of the loss may be far longer than anything that is seen.
                let reach = 4.0 * variances[1].max(variances[0]).sqrt();
                let points = ring.outline(1.0).into_iter().map(|[x, y]| {
                    let inside = (y - centre[1]).abs() <= reach;
                    Point::new(x, if inside { y } else { f64::NAN })
                });
                chart.add("training loss", Ink::Other, Mark::Line, points);
            }
        }
        charts.push(chart);
    }
    let shape = if theories.is_some() {
        "The dashed rings are contours of the modified loss, 1, 2 and 3 standard deviations from its minimum (eq. 8, 10), with one σ² for all modes: nearly \
         circles for the positions, while a contour of the training loss (dotted) is long in the flat direction; for the velocities \
         stretched along the sharp one, whose axis has a scale of its own."
    } else {
        "The contours of the modified loss are not known, since the recursion is not fitted in both modes."
    };
    let text = format!(
        "Rows of the window in the plane of mode {} and mode {}, for the positions with the same scale on both axes.",
        names[0], names[1]
    );
    Figure::new(id, title, charts, vec![text, shape.to_owned()])
}

/// Centre and variances of a mode in the modified loss: those of the Langevin process.
fn contour(theory: &ModeTheory) -> Option<Ellipse> {
    let mode = LangevinMode::new(&theory.parameters, theory.eigenvalue).ok()?;
    Some(Ellipse { centre: [theory.centre, 0.0], covariance: mode.stationary_covariance() })
}

fn add_rings(chart: &mut Chart, name: &str, ink: Ink, centre: [f64; 2], variances: [f64; 2]) {
    let ellipse = Ellipse { centre, covariance: [[variances[0], 0.0], [0.0, variances[1]]] };
    for deviations in [1.0, 2.0, 3.0] {
        chart.add(
            name,
            ink,
            Mark::Line,
            ellipse.outline(deviations).into_iter().map(|[x, y]| Point::new(x, y)),
        );
    }
}
