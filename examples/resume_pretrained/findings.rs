//! What a run says to the paper's claims, as a table.

use std::f64::consts::TAU;
use std::fmt::Write;

use anyhow::Result;
use perrin::analysis::modes::{Estimate, ModeFit, Window};
use perrin::analysis::{Question, RunFit};
use perrin::run::Run;

/// Figure or equation of the paper, what is asked, what was measured, and what the theory says.
struct Row {
    of: &'static str,
    question: String,
    measured: String,
    theory: String,
}

pub fn table(fit: &RunFit, run: &Run) -> Result<String> {
    let mut rows = Vec::new();
    rows.extend(speed(fit));
    rows.extend(speed_of_gradients(fit, run)?);
    rows.extend(exponent(fit));
    rows.extend(lengths(fit));
    rows.extend(isotropy(fit));
    rows.extend(swings(fit));
    rows.extend(rotations(fit));
    rows.extend(equipartition(fit));
    rows.extend(stationarity(fit));
    let widest = |length: fn(&Row) -> usize| rows.iter().map(length).max().unwrap_or(0);
    let of = widest(|row| row.of.len());
    let question = widest(|row| row.question.len());
    let measured = widest(|row| row.measured.len());
    let mut text = String::new();
    writeln!(
        text,
        "{:of$}  {:question$}  {:measured$}  theory",
        "paper", "", "measured [95% interval]"
    )?;
    for row in &rows {
        writeln!(
            text,
            "{:of$}  {:question$}  {:measured$}  {}",
            row.of, row.question, row.measured, row.theory
        )?;
    }
    Ok(text)
}

fn speed(fit: &RunFit) -> Option<Row> {
    let speed = fit.speed.known()?;
    let range = speed.moving_average.as_ref()?;
    let mean = speed.mean_local_displacement_squared;
    let trend =
        fit.finding(Question::ConstantSpeed).map(|finding| format!("; {}", finding.sentence));
    Some(Row {
        of: "fig. 1",
        question: "mean ||delta||^2; moving average over it".to_owned(),
        measured: format!(
            "{mean:.3e}; {:.2} to {:.2}{}",
            range.lowest / mean,
            range.highest / mean,
            trend.unwrap_or_default()
        ),
        theory: "constant".to_owned(),
    })
}

/// The paper could not measure tr(Sigma), which is sigma^2 tr(H) by assumption 5.
fn speed_of_gradients(fit: &RunFit, run: &Run) -> Result<Option<Row>> {
    let Some(window) = fit.modes.window.known() else { return Ok(None) };
    let summary = match window.basis {
        Some(basis) => run.curvature_summary(basis)?,
        None => None,
    };
    let noise = summary.and_then(|summary| summary.gradient_noise);
    let settings = (window.learning_rate, window.momentum, window.batch_size, fit.speed.known());
    let (Some(noise), (Some(rate), Some(momentum), Some(batch_size), Some(speed))) =
        (noise, settings)
    else {
        return Ok(None);
    };
    let unit = rate * rate / (batch_size as f64 * (1.0 - momentum * momentum));
    let predicted = unit * noise.trace.value;
    let error = 1.96 * noise.trace.standard_error / noise.trace.value;
    let ratio = speed.mean_local_displacement_squared / predicted;
    Ok(Some(Row {
        of: "eq. 12",
        question: "||delta||^2 over eq. 12 with the measured tr(Sigma)".to_owned(),
        measured: format!(
            "{ratio:.2} [{:.2}, {:.2}]",
            ratio * (1.0 - error),
            ratio * (1.0 + error)
        ),
        theory: "1".to_owned(),
    }))
}

fn exponent(fit: &RunFit) -> Option<Row> {
    let law = fit.displacement.known()?;
    let interval = law.interval.known();
    let range = interval
        .map_or(String::new(), |interval| format!(" [{:.2}, {:.2}]", interval.low, interval.high));
    let predicted = fit.predicted.known().filter(|predicted| !predicted.projected_part);
    Some(Row {
        of: "fig. 1, eq. 13",
        question: format!(
            "exponent c of ||Delta||^2, steps {} to {}",
            law.first_step, law.last_step
        ),
        measured: format!("{:.3}{range}", law.exponent),
        theory: match (predicted, interval) {
            (Some(predicted), _) => format!("{:.3} (whole spectrum)", predicted.exact_exponent),
            (None, Some(interval)) => {
                format!("{:.3} ({} modes fitted)", interval.expected, interval.modes)
            }
            (None, None) => "anything but 1".to_owned(),
        },
    })
}

fn lengths(fit: &RunFit) -> Option<Row> {
    let (first, last) = (fit.prefixes.first()?, fit.prefixes.last()?);
    Some(Row {
        of: "fig. 7",
        question: format!("c over {} and over {} steps", first.last_step, last.last_step),
        measured: format!("{:.3}, {:.3}", first.exponent, last.exponent),
        theory: "rises with the length".to_owned(),
    })
}

fn isotropy(fit: &RunFit) -> Vec<Row> {
    let Some(isotropy) = fit.modes.isotropy.known() else { return Vec::new() };
    let mut rows = Vec::new();
    if let (Some(ratio), Some(first), Some(last)) =
        (isotropy.first_to_last.known(), isotropy.modes.first(), isotropy.modes.last())
    {
        let curvatures = first.eigenvalue / last.eigenvalue;
        rows.push(Row {
            of: "fig. 3, eq. 10",
            question: format!(
                "Var q_{} over Var q_{}, rho_{0} : rho_{1} = {curvatures:.1}",
                first.mode, last.mode
            ),
            measured: interval(ratio, 2),
            theory: "1".to_owned(),
        });
    }
    let ratios = isotropy.modes.iter().filter_map(|mode| mode.position_over_modified_loss);
    rows.extend(spread(ratios).map(|measured| Row {
        of: "fig. 3, eq. 10",
        question: format!(
            "Var q over the modified loss's, {} modes: least, median, most",
            isotropy.modes.len()
        ),
        measured,
        theory: "1, 1, 1".to_owned(),
    }));
    rows.extend(isotropy.velocity_slope.known().map(|slope| Row {
        of: "fig. 4, eq. 8",
        question: "slope of ln Var(velocity) on ln rho".to_owned(),
        measured: interval(slope, 2),
        theory: "1".to_owned(),
    }));
    rows
}

fn swings(fit: &RunFit) -> Vec<Row> {
    let Some(window) = fit.modes.window.known() else { return Vec::new() };
    // Modes whose velocity's spectrum has a peak that noise with momentum alone does not show.
    let peaks: Vec<(f64, f64, bool)> =
        fit.modes.modes.iter().filter_map(|mode| peak(mode, window)).collect();
    let modes = fit.modes.modes.len();
    let agreeing = peaks.iter().filter(|(_, _, agrees)| *agrees).count();
    let mut rows = vec![Row {
        of: "fig. 5, eq. 11",
        question: "modes whose velocity's spectrum has a peak".to_owned(),
        measured: format!("{} of {modes}; where the Hessian has it: {agreeing}", peaks.len()),
        theory: "all".to_owned(),
    }];
    rows.extend(spread(peaks.iter().map(|(measured, predicted, _)| measured / predicted)).map(
        |measured| Row {
            of: "fig. 5, eq. 11",
            question: "frequency of the peak over the Hessian's: least, median, most".to_owned(),
            measured,
            theory: "1, 1, 1".to_owned(),
        },
    ));
    rows
}

/// Frequency of the peak, the one that the Hessian's eigenvalue implies in discrete time, and
/// whether they agree.
fn peak(mode: &ModeFit, window: &Window) -> Option<(f64, f64, bool)> {
    let curvature = mode.hessian_eigenvalue? + window.weight_decay?;
    // 4 sin^2(angle/2) = eta (rho + lambda) / sqrt(beta)
    let sine = (0.25 * window.learning_rate? * curvature / window.momentum?.sqrt()).sqrt();
    let predicted = 2.0 * sine.asin() / TAU;
    let peak =
        mode.spectrum.known().filter(|peak| peak.against_noise.rejected && predicted > 0.0)?;
    Some((peak.cycles_per_step, predicted, peak.agrees_with(predicted)))
}

fn rotations(fit: &RunFit) -> Option<Row> {
    let rotations: Vec<_> =
        fit.modes.modes.iter().filter_map(|mode| mode.rotation.known()).collect();
    let clockwise = |rotation: &&&perrin::analysis::modes::Rotation| {
        rotation.against_detailed_balance.rejected && rotation.area_per_step.value < 0.0
    };
    let turning = rotations.iter().filter(clockwise).count();
    let ratios = rotations
        .iter()
        .map(|rotation| rotation.area_per_step.value / rotation.predicted_area_per_step);
    Some(Row {
        of: "fig. 5, eq. 11",
        question: "modes that turn clockwise; current over the theory's: least, median, most"
            .to_owned(),
        measured: format!("{turning} of {}; {}", rotations.len(), spread(ratios)?),
        theory: "all; 1, 1, 1".to_owned(),
    })
}

fn equipartition(fit: &RunFit) -> Option<Row> {
    let total = fit.modes.equipartition.known()?;
    Some(Row {
        of: "appendix G.3",
        question: format!("potential over kinetic energy, {} modes", total.modes),
        measured: interval(&total.potential_over_kinetic, 2),
        theory: "1".to_owned(),
    })
}

fn stationarity(fit: &RunFit) -> Vec<Row> {
    let mut rows = Vec::new();
    rows.extend(fit.stationarity.fluctuation_dissipation.known().map(|relation| Row {
        of: "stationary state",
        question: "<theta . g> over eta (1+beta)/2 <||v||^2>".to_owned(),
        measured: format!("{:.2}", relation.ratio),
        theory: "1".to_owned(),
    }));
    rows.extend(fit.stationarity.beginning.known().map(|beginning| Row {
        of: "stationary state",
        question: "stationary from step".to_owned(),
        measured: match (beginning.first_step, fit.finding(Question::Stationarity)) {
            (None, Some(finding)) => finding.sentence.clone(),
            (step, _) => step.map_or("none".to_owned(), |step| step.to_string()),
        },
        theory: fit.first_step.to_string(),
    }));
    rows
}

fn interval(estimate: &Estimate, digits: usize) -> String {
    let end = |end: Option<f64>| end.map_or("?".to_owned(), |end| format!("{end:.digits$}"));
    format!("{:.digits$} [{}, {}]", estimate.value, end(estimate.low), end(estimate.high))
}

/// Least, median, most.
fn spread(values: impl Iterator<Item = f64>) -> Option<String> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let (least, most) = (values.first()?, values.last()?);
    Some(format!("{least:.2}, {:.2}, {most:.2}", values[values.len() / 2]))
}
