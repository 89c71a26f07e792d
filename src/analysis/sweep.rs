//! Many runs against one: does eq. 12, calibrated on a default run, predict the speeds of the
//! others, and do the measured eigenvalues predict their exponents?
//!
//! sigma^2 tr(H) is taken from the first run alone; eq. 12 gives the speed at every other learning
//! rate, batch size and momentum. Exponents are over all rows. (Both as the paper's figure 6.)
//!
//! R^2 is 1 - sum (measured - predicted)^2 / sum (measured - mean)^2 over the runs but the first,
//! of logarithms for speeds: nothing is fitted, so it may be negative.

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

use serde::Serialize;

use super::Answer;
use super::diffusion::DisplacementPowerLaw;
use super::findings::{Finding, Question, Verdict};
use super::fit::RunFit;
use super::render_text::{number, said, say, thousandths};
use super::speed::GradientNoise;
use crate::printable;
use crate::stats::long_run::Estimate;
use crate::stats::moments::Moments;
use crate::theory::parameters::SgdParameters;

/// Runs compared. `Display` is for people, serde for programs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sweep {
    /// The first is the one that predicts.
    pub runs: Vec<SweepRun>,
    /// R^2 of the logarithm of the speed.
    pub speed_r_squared: Answer<f64>,
    /// R^2 of the exponent.
    pub exponent_r_squared: Answer<f64>,
}

/// One run of a sweep.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SweepRun {
    /// Its folder.
    pub run: PathBuf,
    /// eta, where known and constant, like the next two.
    pub learning_rate: Option<f64>,
    /// S.
    pub batch_size: Option<u64>,
    /// beta.
    pub momentum: Option<f64>,
    /// Mean of ||delta||^2.
    pub speed: Answer<f64>,
    /// By eq. 12 from the first run.
    pub predicted_speed: Answer<f64>,
    /// c over all rows.
    pub exponent: Answer<f64>,
    /// c of the expected curve over all rows, from the curvature known of this run or else from the
    /// recursion fitted to its projections.
    pub predicted_exponent: Answer<f64>,
    /// What the theory takes for granted and this run does not show.
    pub failed_assumptions: Vec<String>,
}

impl Sweep {
    /// Compares fits, the first of which predicts. One run alone is a sweep without R^2.
    pub fn of(fits: &[RunFit]) -> Sweep {
        let default = fits.first().map(|fit| &fit.gradient_noise);
        let runs: Vec<SweepRun> = fits.iter().map(|fit| SweepRun::of(fit, default)).collect();
        let others = runs.get(1..).unwrap_or_default();
        let speeds = others.iter().map(|run| {
            (run.speed.known().map(|x| x.ln()), run.predicted_speed.known().map(|x| x.ln()))
        });
        let exponents = others
            .iter()
            .map(|run| (run.exponent.known().copied(), run.predicted_exponent.known().copied()));
        Sweep { speed_r_squared: r_squared(speeds), exponent_r_squared: r_squared(exponents), runs }
    }
}

impl SweepRun {
    fn of(fit: &RunFit, default: Option<&Answer<GradientNoise>>) -> SweepRun {
        let noise = fit.gradient_noise.known();
        let predicted = match default {
            Some(Answer::Known(default)) => predicted_speed(default, &fit.gradient_noise),
            Some(Answer::CannotSay { reason }) => Err(format!("of the first run: {reason}")),
            None => Err("there are no runs".to_owned()),
        };
        let speed = fit.speed.known();
        let predicted_exponent = match &fit.displacement_all {
            Answer::Known(law) => map(&law.interval, |interval| interval.expected),
            Answer::CannotSay { .. } => Answer::cannot_say("there is no exponent to predict"),
        };
        SweepRun {
            run: fit.run.clone(),
            learning_rate: noise.map(|noise| noise.learning_rate),
            batch_size: noise.map(|noise| noise.batch_size),
            momentum: noise.map(|noise| noise.momentum),
            speed: map(&fit.speed, |speed| speed.mean_local_displacement_squared),
            failed_assumptions: failed_assumptions(
                fit,
                predicted.as_ref().ok(),
                speed.and_then(|speed| speed.interval.known()),
            ),
            predicted_speed: predicted.map_or_else(
                |reason| Answer::CannotSay { reason },
                |(speed, _)| Answer::Known(speed),
            ),
            exponent: map(&fit.displacement_all, |law: &DisplacementPowerLaw| law.exponent),
            predicted_exponent,
        }
    }
}

fn predicted_speed(
    default: &GradientNoise,
    run: &Answer<GradientNoise>,
) -> Result<(f64, Option<Estimate>), String> {
    let run = run.known().ok_or_else(|| run.reason().unwrap_or_default().to_owned())?;
    let parameters = SgdParameters {
        learning_rate: run.learning_rate,
        momentum: run.momentum,
        weight_decay: 0.0,
        batch_size: run.batch_size as f64,
        noise_scale: 0.0,
    };
    default.predicted_speed(&parameters).map_err(|error| error.to_string())
}

fn failed_assumptions(
    fit: &RunFit,
    predicted: Option<&(f64, Option<Estimate>)>,
    measured: Option<&Estimate>,
) -> Vec<String> {
    let asked = |finding: &&Finding| match finding.question {
        Question::Settings => true,
        Question::Stationarity
        | Question::ConstantSpeed
        | Question::Relation
        | Question::SmallSteps => finding.verdict == Verdict::Fails,
        _ => false,
    };
    let said = |finding: &Finding| format!("{}: {}", finding.question, finding.sentence);
    let mut failed: Vec<String> = fit.findings.iter().filter(asked).map(said).collect();
    if let (Some((value, Some(predicted))), Some(measured)) = (predicted, measured)
        && (predicted.low > measured.high || measured.low > predicted.high)
    {
        failed.push(format!(
            "eq. 12: the speed is {:.2} of the predicted one, and their intervals are apart",
            measured.value / value
        ));
    }
    failed
}

fn map<T>(answer: &Answer<T>, of: impl Fn(&T) -> f64) -> Answer<f64> {
    match answer {
        Answer::Known(value) => Answer::Known(of(value)),
        Answer::CannotSay { reason } => Answer::cannot_say(reason.as_str()),
    }
}

/// Of (measured, predicted).
fn r_squared(pairs: impl Iterator<Item = (Option<f64>, Option<f64>)>) -> Answer<f64> {
    let pairs: Vec<(f64, f64)> = pairs
        .filter_map(|(measured, predicted)| measured.zip(predicted))
        .filter(|pair| (pair.0 + pair.1).is_finite())
        .collect();
    let measured: Vec<f64> = pairs.iter().map(|pair| pair.0).collect();
    let scatter = Moments::of(&measured).population_variance() * measured.len() as f64;
    if pairs.len() < 2 || scatter <= 0.0 {
        return Answer::cannot_say(
            "it takes two runs besides the first that differ and are predicted",
        );
    }
    let residual: f64 =
        pairs.iter().map(|(measured, predicted)| (measured - predicted).powi(2)).sum();
    Answer::Known(1.0 - residual / scatter)
}

impl Display for Sweep {
    fn fmt(&self, text: &mut Formatter<'_>) -> fmt::Result {
        writeln!(text, "   learning   batch  momen-          ||delta||^2              exponent c")?;
        writeln!(
            text,
            "       rate    size     tum   measured   eq. 12  ratio  measured  expected"
        )?;
        for (index, run) in self.runs.iter().enumerate() {
            let or_none = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
            let of = |answer: &Answer<f64>| or_none(answer.known().map(|value| number(*value)));
            let exponent = |answer: &Answer<f64>| or_none(answer.known().copied().map(thousandths));
            let ratio = run
                .speed
                .known()
                .zip(run.predicted_speed.known())
                .map(|(speed, predicted)| speed / predicted);
            writeln!(
                text,
                "{:>2} {:>8} {:>7} {:>7} {:>10} {:>8} {:>6} {:>9} {:>9}",
                index + 1,
                or_none(run.learning_rate.map(|rate| rate.to_string())),
                or_none(run.batch_size.map(|size| size.to_string())),
                or_none(run.momentum.map(|momentum| momentum.to_string())),
                of(&run.speed),
                of(&run.predicted_speed),
                or_none(ratio.map(|ratio| format!("{ratio:.3}"))),
                exponent(&run.exponent),
                exponent(&run.predicted_exponent)
            )?;
        }
        said(text, "R^2 of ln ||delta||^2  ", &self.speed_r_squared, |value| {
            format!("{value:.3}")
        })?;
        said(text, "R^2 of c               ", &self.exponent_r_squared, |value| {
            format!("{value:.3}")
        })?;
        for (index, run) in self.runs.iter().enumerate() {
            writeln!(text, "{:>2} {}", index + 1, printable::line(&run.run.display().to_string()))?;
            for failed in &run.failed_assumptions {
                say(text, "   fails: ", &printable::line(failed))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r_squared_is_of_predictions_and_not_of_a_fit() {
        let of = |pairs: &[(f64, f64)]| r_squared(pairs.iter().map(|&(a, b)| (Some(a), Some(b))));
        assert_eq!(of(&[(1.0, 1.0), (2.0, 2.0), (4.0, 4.0)]).known(), Some(&1.0));
        // A constant offset is an error, however well a line would fit.
        assert_eq!(of(&[(0.0, 1.0), (2.0, 3.0)]).known(), Some(&0.0));
        assert!(
            of(&[(1.0, 1.0)]).reason().is_some()
                && of(&[(1.0, 1.0), (1.0, 2.0)]).reason().is_some()
        );
        assert!(r_squared([(None, Some(1.0))].into_iter()).reason().is_some());
    }

    #[test]
    fn no_runs_are_no_sweep() {
        let sweep = Sweep::of(&[]);
        assert!(sweep.runs.is_empty() && sweep.speed_r_squared.reason().is_some());
        assert!(sweep.to_string().contains("cannot say"));
    }
}
