//! Figure 5 of the paper: position against velocity, and whether a mode swings.

use super::figure::Figure;
use crate::analysis::findings::with_interval;
use crate::analysis::modes::{ModeFit, ModesFit};
use crate::analysis::render_text::{grouped, number};
use crate::report::chart::{Axis, Chart, Ink, Mark, Point};
use crate::report::material::Material;
use crate::report::phase::{Phase, RADIUS_95};
use crate::report::theory::{ModeTheory, curvatures_from, noise_from};
use crate::stats::spectrum::Spectrum;

/// Frequencies drawn to a factor of ten.
const PER_DECADE: f64 = 60.0;

fn point([x, y]: [f64; 2]) -> Point {
    Point::new(x, y)
}

pub fn portraits(material: &Material) -> Figure {
    let (id, title) = ("phase-portraits", "Phase portraits (fig. 5)");
    let fit = match material.modes() {
        Ok(fit) => fit,
        Err(reason) => return Figure::missing(id, title, &reason),
    };
    let charts = material.rows.phases.iter().map(portrait).collect();
    let inside = material.rows.phases.iter().filter(|phase| phase.inside[1] > 0);
    let shares: Vec<String> = inside
        .map(|phase| {
            let share = 100.0 * phase.inside[0] as f64 / phase.inside[1] as f64;
            format!("{share:.1}% in mode {}", phase.plan.mode)
        })
        .collect();
    let mut caption = vec![format!(
        "Position and velocity along each direction over the window of the fit, {} rows: dots are rows spread evenly over \
         it, the thin line joins rows that follow each other, and turns clockwise where the mode swings.",
        grouped(fit.window.known().map_or(0, |window| window.rows))
    )];
    caption.push(if shares.is_empty() {
        format!("No ellipse is predicted: {}.", reason_of(fit))
    } else {
        format!(
            "The dashed ellipse is to hold 95% of all rows by theory, {} {}; it holds {}.",
            curvatures_from(fit),
            noise_from(fit),
            shares.join(", ")
        )
    });
    Figure::new(id, title, charts, caption)
}

fn reason_of(fit: &ModesFit) -> &str {
    fit.modes
        .iter()
        .find_map(|mode| mode.recursion.reason())
        .unwrap_or("the settings are not known")
}

fn portrait(phase: &Phase) -> Chart {
    let mode = phase.plan.mode;
    let mut chart = Chart::new(
        format!("phase_portrait_{mode}"),
        format!("Mode {mode}"),
        Axis::linear("position, parameter units"),
        Axis::linear("velocity, parameter units/time"),
    );
    chart.add("rows", Ink::Measured, Mark::Dots, phase.points.iter().copied().map(point));
    if phase.path.len() > 2 {
        chart.add("rows in a row", Ink::Way, Mark::Line, phase.path.iter().copied().map(point));
    }
    if let Some(ellipse) = &phase.plan.predicted {
        chart.add(
            "predicted, 95%",
            Ink::Predicted,
            Mark::Line,
            ellipse.outline(RADIUS_95).into_iter().map(point),
        );
    }
    chart
}

pub fn spectra(material: &Material) -> Figure {
    let (id, title) = ("spectra", "Spectra of the velocity (fig. 5)");
    let fit = match material.modes() {
        Ok(fit) => fit,
        Err(reason) => return Figure::missing(id, title, &reason),
    };
    let of = |phase: &Phase| fit.modes.iter().find(|mode| mode.mode == phase.plan.mode);
    let charts: Vec<Chart> = material
        .rows
        .phases
        .iter()
        .filter_map(|phase| Some(spectrum(fit, of(phase)?, phase.spectrum.as_ref()?)))
        .collect();
    if charts.is_empty() {
        return Figure::missing(id, title, "a spectrum takes at least 128 rows one step apart");
    }
    let mut caption = vec![format!(
        "Power spectral density of the velocity (Welch's method). The dashed curve is the theory's, {} {}; the vertical line \
         is where the recursion fitted to the rows has its peak: a mode that swings shows a hump there.",
        curvatures_from(fit),
        noise_from(fit)
    )];
    let words = material.rows.phases.iter().filter_map(|phase| {
        let mode = of(phase)?;
        let (peak, recursion) = (mode.spectrum.known()?, mode.recursion.known()?);
        let expected = &recursion.velocity_peak_cycles_per_step;
        let seen = if peak.against_noise.rejected { "" } else { ", not told from noise" };
        Some(format!(
            "Mode {}: peak at {} cycles/step{seen}, predicted {}.",
            mode.mode,
            number(peak.cycles_per_step),
            with_interval(expected)
        ))
    });
    caption.push(words.collect::<Vec<_>>().join(" "));
    Figure::new(id, title, charts, caption)
}

fn spectrum(fit: &ModesFit, mode: &ModeFit, found: &Spectrum) -> Chart {
    let mut chart = Chart::new(
        format!("spectrum_{}", mode.mode),
        format!("Mode {}", mode.mode),
        Axis::logarithmic("frequency, cycles/step"),
        Axis::logarithmic("density, velocity²·steps"),
    );
    let points = thinned(found);
    let ends = points.first().zip(points.last()).map(|(first, last)| [first.x, last.x]);
    chart.add("measured", Ink::Measured, Mark::Line, points);
    if let (Some(theory), Some([low, high])) = (ModeTheory::with_measured_noise(fit, mode), ends) {
        let at = |index: i32| low * (high / low).powf(f64::from(index) / 150.0);
        let curve =
            (0..=150).map(|index| Point::new(at(index), theory.velocity_spectrum(at(index))));
        chart.add("predicted", Ink::Predicted, Mark::Line, curve);
    }
    if let Some(recursion) = mode.recursion.known() {
        let peak = recursion.velocity_peak_cycles_per_step.value;
        if ends.is_some_and(|[low, high]| (low..=high).contains(&peak)) {
            chart.add("peak predicted", Ink::Other, Mark::Verticals, [Point::new(peak, f64::NAN)]);
        }
    }
    chart
}

/// Means of the densities that fall on the same place of the axis. Frequency 0 and the one beside
/// it, which the taper mixes with it, are left out; so is the last, which has one side only.
fn thinned(spectrum: &Spectrum) -> Vec<Point> {
    let mut points: Vec<(i64, f64, f64, f64)> = Vec::new();
    for index in 2..spectrum.density.len() - 1 {
        let frequency = index as f64 / spectrum.segment as f64;
        let place = (frequency.log10() * PER_DECADE).floor() as i64;
        match points.last_mut() {
            Some((last, sum, densities, count)) if *last == place => {
                (*sum, *densities, *count) =
                    (*sum + frequency, *densities + spectrum.density[index], *count + 1.0);
            }
            _ => points.push((place, frequency, spectrum.density[index], 1.0)),
        }
    }
    points
        .into_iter()
        .map(|(_, sum, densities, count)| Point::new(sum / count, densities / count))
        .collect()
}
