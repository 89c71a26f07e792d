//! Isotropy and equipartition: is the motion the same in every direction, as the modified loss has
//! it?

use super::figure::Figure;
use crate::analysis::Question;
use crate::analysis::findings::of_modes;
use crate::analysis::modes::{EigenvalueSource, Isotropy, ModeVariances, ModesFit, Window};
use crate::analysis::render_text::counted;
use crate::report::chart::{Axis, Chart, Ink, Mark, Point};
use crate::report::findings::with_symbols;
use crate::report::material::Material;
use crate::report::theory::{ModeTheory, curvatures_from, measured_noise, noise_scale, settings};
use crate::theory::discrete::DiscreteMode;
use crate::theory::langevin::LangevinMode;
use crate::theory::parameters::SgdParameters;

pub fn isotropy(material: &Material) -> Figure {
    let (id, title) = ("isotropy", "Isotropy");
    let known = material.modes().and_then(|fit| {
        let isotropy = fit
            .isotropy
            .known()
            .ok_or_else(|| fit.isotropy.reason().unwrap_or_default().to_owned())?;
        Ok((fit, isotropy))
    });
    let (fit, isotropy) = match known {
        Ok(known) => known,
        Err(reason) => return Figure::missing(id, title, &reason),
    };
    if isotropy.modes.is_empty() {
        return Figure::missing(
            id,
            title,
            "no mode is fitted and holds 20 relaxation times in the window",
        );
    }
    let parameters =
        fit.window.known().and_then(|window: &Window| settings(window, noise_scale(fit)?));
    let label = match isotropy.eigenvalues {
        EigenvalueSource::Hessian => "eigenvalue ρ of the Hessian",
        EigenvalueSource::Fit => "eigenvalue ρ, fitted",
    };
    let mut positions = Chart::new(
        "position_variances",
        "Variance of the positions",
        Axis::logarithmic(label),
        Axis::logarithmic("variance, parameter units²"),
    );
    let mut velocities = Chart::new(
        "velocity_variances",
        "Variance of the velocities",
        Axis::logarithmic(label),
        Axis::logarithmic("variance, velocity²"),
    );
    add_measured(&mut positions, isotropy, |mode| mode.position);
    add_measured(&mut velocities, isotropy, |mode| mode.velocity);
    if let Some(parameters) = parameters {
        add_predicted(&mut positions, &parameters, isotropy, 0);
        add_predicted(&mut velocities, &parameters, isotropy, 1);
    }
    let by_gradients = by_measured_gradients(fit, isotropy);
    if !by_gradients.is_empty() {
        for (index, chart) in [&mut positions, &mut velocities].into_iter().enumerate() {
            let points =
                by_gradients.iter().map(|(rho, variances)| Point::new(*rho, variances[index]));
            chart.add("by the gradients", Ink::Predicted, Mark::Signs, points);
        }
    }
    let drawn = match fit.noise_scale.reason() {
        _ if parameters.is_some() => {
            "Dashed: the modified loss (the paper's continuous time), the same for all positions where weight decay is small, \
             proportional to ρ for velocities. Dash-dotted: the theory in discrete time, where sharp modes have more."
                .to_owned()
        }
        Some(reason) => format!("No prediction is drawn: {reason}."),
        None => "No prediction is drawn: a setting is not known.".to_owned(),
    };
    let mut caption = vec![format!("Each mark is a mode with its 95% interval. {drawn}")];
    if !by_gradients.is_empty() {
        caption.push(format!(
            "Crosses: discrete time {} and the noise of gradients measured along each direction; they do not take the noise to \
             be proportional to ρ (assumption 5), as the lines do.",
            curvatures_from(fit)
        ));
    }
    caption.extend(said(
        fit,
        &[Question::Positions, Question::PositionsInDiscreteTime, Question::Velocities],
    ));
    if isotropy.modes_left_out > 0 {
        caption.push(format!(
            "Left out, as too slow for the window or not fitted: {}.",
            counted(isotropy.modes_left_out, "mode")
        ));
    }
    Figure::new(id, title, vec![positions, velocities], caption)
}

/// What was found of some questions, as the findings have it.
fn said(fit: &ModesFit, questions: &[Question]) -> Vec<String> {
    let found = of_modes(fit).into_iter().filter(|finding| questions.contains(&finding.question));
    found.map(|finding| with_symbols(&finding.as_sentence())).collect()
}

fn add_measured(
    chart: &mut Chart,
    isotropy: &Isotropy,
    of: impl Fn(&ModeVariances) -> crate::analysis::modes::Estimate,
) {
    let point = |mode: &ModeVariances| {
        let estimate = of(mode);
        Point::with_interval(mode.eigenvalue, estimate.value, estimate.low, estimate.high)
    };
    chart.add("measured", Ink::Measured, Mark::Signs, isotropy.modes.iter().map(point));
}

/// Eigenvalue, and variances of position and velocity, of the modes along which gradients were
/// measured.
fn by_measured_gradients(fit: &ModesFit, isotropy: &Isotropy) -> Vec<(f64, [f64; 2])> {
    let predicted = |mode: &ModeVariances| {
        let mode_fit = fit.modes.iter().find(|found| found.mode == mode.mode)?;
        measured_noise(fit, mode.mode)?;
        let theory = ModeTheory::with_measured_noise(fit, mode_fit)?;
        let covariance =
            DiscreteMode::new(&theory.parameters, theory.eigenvalue).ok()?.stationary_covariance();
        Some((mode.eigenvalue, [covariance[0][0], covariance[1][1]]))
    };
    isotropy.modes.iter().filter_map(predicted).collect()
}

fn add_predicted(chart: &mut Chart, parameters: &SgdParameters, isotropy: &Isotropy, index: usize) {
    let ends = isotropy.modes.iter().fold([f64::INFINITY, 0.0_f64], |[low, high], mode| {
        [low.min(mode.eigenvalue), high.max(mode.eigenvalue)]
    });
    // One mode alone gets a short line.
    let [low, high] = [ends[0] / 1.1, ends[1] * 1.1];
    let eigenvalues = (0..=60).map(|step| low * (high / low).powf(f64::from(step) / 60.0));
    let langevin = eigenvalues.clone().filter_map(|eigenvalue| {
        let mode = LangevinMode::new(parameters, eigenvalue).ok()?;
        Some(Point::new(eigenvalue, mode.stationary_covariance()[index][index]))
    });
    let discrete = eigenvalues.filter_map(|eigenvalue| {
        let mode = DiscreteMode::new(parameters, eigenvalue).ok()?;
        Some(Point::new(eigenvalue, mode.stationary_covariance()[index][index]))
    });
    chart.add("modified loss", Ink::Predicted, Mark::Line, langevin.collect::<Vec<_>>());
    chart.add("discrete time", Ink::Fitted, Mark::Line, discrete.collect::<Vec<_>>());
}

pub fn equipartition(material: &Material) -> Figure {
    let (id, title) = ("equipartition", "Equipartition");
    let fit = match material.modes() {
        Ok(fit) => fit,
        Err(reason) => return Figure::missing(id, title, &reason),
    };
    let known: Vec<_> = fit
        .modes
        .iter()
        .filter_map(|mode| Some((mode.mode, mode.equipartition.known()?)))
        .collect();
    if known.is_empty() {
        let reason = fit.modes.iter().find_map(|mode| mode.equipartition.reason());
        return Figure::missing(id, title, reason.unwrap_or("there are no modes"));
    }
    let mut chart = Chart::new(
        "equipartition",
        "Potential over kinetic energy",
        Axis::counted("mode"),
        Axis::logarithmic("ratio").including(&[1.0]),
    );
    chart.add("theory: 1", Ink::Predicted, Mark::Horizontals, [Point::new(0.0, 1.0)]);
    chart.add(
        "measured",
        Ink::Measured,
        Mark::Signs,
        known.iter().map(|(mode, energies)| {
            let ratio = energies.potential_over_kinetic;
            Point::with_interval(*mode as f64, ratio.value, ratio.low, ratio.high)
        }),
    );
    let mut caption = vec![format!(
        "With the Hessian's curvature, potential energy is to equal kinetic energy in every mode: it does within the \
         interval in {} of {}.",
        known.iter().filter(|(_, energies)| energies.holds).count(),
        known.len()
    )];
    caption.extend(said(fit, &[Question::Energy]));
    Figure::new(id, title, vec![chart], caption)
}
