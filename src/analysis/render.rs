//! A run's fit as text for people: 80 columns wide, or `format!("{fit:100}")`.

use std::fmt::{self, Display, Formatter, Write};

use super::Answer;
use super::diffusion::DisplacementPowerLaw;
use super::displacement::PredictedDisplacement;
use super::displacement_noise::{Curvatures, ExponentInterval};
use super::findings::{Question, Verdict};
use super::fit::RunFit;
use super::lags::LagExponents;
use super::render_text::{columns, grouped, number, said, say, thousandths};
use super::speed::{GradientNoise, MOVING_AVERAGE_POINTS, Speed};
use super::stationarity::EffectiveSamples;
use crate::printable;

impl Display for RunFit {
    fn fmt(&self, text: &mut Formatter<'_>) -> fmt::Result {
        let columns = columns(text);
        write!(text, "{:columns$}", self.summary_alone())?;

        let window = if self.window_chosen { "  window     " } else { "  last 2/3   " };
        writeln!(text, "\ndisplacement from the reference point, ||Delta_k||^2 = a k^c")?;
        power_law(text, window, &self.displacement, None)?;
        let said_before = self.displacement.known().and_then(|law| law.interval.reason());
        power_law(text, "  all rows   ", &self.displacement_all, said_before)?;
        if !self.prefixes.is_empty() {
            let exponents: Vec<String> =
                self.prefixes.iter().map(|prefix| format!("{:.2}", prefix.exponent)).collect();
            say(
                text,
                "  prefixes   ",
                &format!("c by tenths of the run: {}", exponents.join(" ")),
            )?;
        }
        if self.projected_share.is_some() {
            writeln!(text, "the same along the projections{}", share(self.projected_share))?;
            power_law(text, window, &self.displacement_projected, None)?;
            writeln!(text, "over all origins, along the projections: MSD(lag) ~ lag^c")?;
            said(text, "  ", &self.lags, lags)?;
        }
        writeln!(text, "speed, mean of ||delta_k||^2")?;
        said(text, window, &self.speed, speed)?;
        finding(text, "  trend      ", self, Question::ConstantSpeed)?;
        writeln!(text, "gradient noise sigma^2 tr(H), by eq. 12 from the speed")?;
        said(text, window, &self.gradient_noise, gradient_noise)?;
        writeln!(text, "stationarity")?;
        stationarity(text, self)?;
        writeln!(text, "displacement predicted from eigenvalues, nothing fitted to it")?;
        said(text, "  ", &self.predicted, predicted)?;
        writeln!(text, "advice")?;
        advice(text, self)?;
        if !self.modes.modes.is_empty() {
            writeln!(text, "\n{:columns$}", self.modes)?;
        }
        Ok(())
    }
}

/// What a finding says, or why it says nothing.
fn finding(text: &mut Formatter<'_>, name: &str, fit: &RunFit, question: Question) -> fmt::Result {
    let Some(finding) = fit.finding(question) else { return Ok(()) };
    let cannot = if finding.verdict == Verdict::Unanswered { "cannot say: " } else { "" };
    say(text, name, &format!("{cannot}{}", printable::line(&finding.sentence)))
}

fn share(share: Option<f64>) -> String {
    share.map(|share| format!(" ({:.0}% of it)", 100.0 * share)).unwrap_or_default()
}

/// `said_before`: why there is no interval, if that stands above already.
fn power_law(
    text: &mut Formatter<'_>,
    name: &str,
    law: &Answer<DisplacementPowerLaw>,
    said_before: Option<&str>,
) -> fmt::Result {
    said(text, name, law, |law| {
        let prefactor = law.prefactor.map_or_else(|| "out of range".to_owned(), number);
        let r_squared =
            law.r_squared.map_or_else(|| "none".to_owned(), |r_squared| format!("{r_squared:.4}"));
        let (first, last) = (grouped(law.first_step), grouped(law.last_step));
        let mut lines = format!(
            "c = {:.4}  a = {prefactor}  R^2 = {r_squared}\n{} points, steps {first} to {last}",
            law.exponent,
            grouped(law.points)
        );
        match &law.interval {
            Answer::Known(interval) => lines += &exponent_interval(interval),
            Answer::CannotSay { reason } if said_before == Some(reason.as_str()) => {}
            Answer::CannotSay { reason } => {
                lines += &format!("\n95% interval of c: cannot say: {reason}")
            }
        }
        if let Some([low, high]) = law.prefactor_interval {
            let _ = write!(lines, "\n95% interval of a: {} to {}", number(low), number(high));
        }
        if let (Some([low, high]), Some(_)) = (law.plain_interval, law.interval.known()) {
            let _ = write!(
                lines,
                "\nplain least squares would say {low:.3} to {high:.3}: far too narrow"
            );
        }
        lines
    })
}

fn exponent_interval(interval: &ExponentInterval) -> String {
    let from = match interval.curvatures {
        Curvatures::Given => "given",
        Curvatures::Fitted => "fitted",
    };
    let [low, high, expected] = [interval.low, interval.high, interval.expected].map(thousandths);
    format!(
        "\n95% interval of c: {low} to {high}\nfrom {} {from} curvatures, by which it is {expected}",
        interval.modes
    )
}

fn lags(lags: &LagExponents) -> String {
    let [first, last] = lags.fit_lags;
    let mut lines = format!(
        "c = {:.3}, 95% interval {:.3} to {:.3}, lags {} to {} steps",
        lags.exponent.value,
        lags.exponent.low,
        lags.exponent.high,
        grouped(first),
        grouped(last)
    );
    lines += "\nlag steps        MSD   local c   95% interval";
    for local in &lags.local {
        let _ = write!(
            lines,
            "\n{:>9}  {:>9}   {:>7.3}   {:.3} to {:.3}",
            grouped(local.lag_steps),
            number(local.mean_squared_displacement),
            local.exponent.value,
            local.exponent.low,
            local.exponent.high
        );
    }
    for crossover in &lags.crossovers {
        let [from, to] =
            if crossover.slower_beyond { ["faster", "slower"] } else { ["slower", "faster"] };
        let _ = write!(
            lines,
            "\nfrom {from} to {to} than diffusion at {} steps",
            number(crossover.lag_steps)
        );
    }
    lines
}

fn speed(speed: &Speed) -> String {
    let mut lines = number(speed.mean_local_displacement_squared);
    match &speed.interval {
        Answer::Known(interval) => {
            let _ = write!(
                lines,
                ", 95% interval {} to {}",
                number(interval.low),
                number(interval.high)
            );
        }
        Answer::CannotSay { reason } => lines += &format!("\n95% interval: cannot say: {reason}"),
    }
    if let Some(average) = speed.moving_average {
        let _ = write!(
            lines,
            "\n{MOVING_AVERAGE_POINTS}-point average: {} at first, {} at last,\nbetween {} and {}",
            number(average.first),
            number(average.last),
            number(average.lowest),
            number(average.highest)
        );
    }
    lines
}

fn gradient_noise(noise: &GradientNoise) -> String {
    let value = number(noise.noise_scale_times_trace);
    match &noise.interval {
        Answer::Known(interval) => {
            format!("{value}, 95% interval {} to {}", number(interval.low), number(interval.high))
        }
        Answer::CannotSay { reason } => format!("{value}\n95% interval: cannot say: {reason}"),
    }
}

fn stationarity(text: &mut Formatter<'_>, fit: &RunFit) -> fmt::Result {
    let stationarity = &fit.stationarity;
    finding(text, "  begins     ", fit, Question::Stationarity)?;
    if let Some(beginning) = stationarity.beginning.known() {
        say(text, "  tested     ", &beginning.tested.join(", "))?;
        if !beginning.untested.is_empty() {
            let untested = beginning.untested.join(", ");
            say(
                text,
                "  untested   ",
                &format!("constant, unknown or too slow to test: {untested}"),
            )?;
        }
    }
    finding(text, "  relation   ", fit, Question::Relation)?;
    if stationarity.modes.is_empty() {
        return Ok(());
    }
    let mode = |mode: &Answer<EffectiveSamples>| match mode {
        Answer::Known(mode) if mode.resolved => number(mode.effective_samples),
        Answer::Known(_) => "too slow".to_owned(),
        Answer::CannotSay { .. } => "none".to_owned(),
    };
    let modes: Vec<String> = stationarity.modes.iter().map(mode).collect();
    say(text, "  worth      ", &format!("independent positions by mode: {}", modes.join(", ")))
}

fn predicted(predicted: &PredictedDisplacement) -> String {
    let of = if predicted.projected_part { "along the projections" } else { "of the whole" };
    let [exact, langevin, measured] =
        [predicted.exact_exponent, predicted.langevin_exponent, predicted.measured_exponent]
            .map(thousandths);
    let mut lines = format!("{of}: c = {exact} exact, {langevin} Langevin, {measured} measured");
    lines += &match &predicted.interval {
        Answer::Known(interval) => exponent_interval(interval),
        Answer::CannotSay { reason } => format!("\n95% interval of c: cannot say: {reason}"),
    };
    let _ = write!(lines, "\nsigma^2 = {}, from the speed", number(predicted.noise_scale));
    if let (Some(scale), Some(height)) =
        (predicted.noise_scale_of_gradients, predicted.height_by_gradients)
    {
        let _ = write!(
            lines,
            "\nsigma^2 = {} [{}, {}], from the covariance of gradients:\nby it the curve is {} [{}, {}] times as high",
            number(scale.value),
            number(scale.low),
            number(scale.high),
            number(height.value),
            number(height.low),
            number(height.high)
        );
    }
    if let Some(left_out) = predicted.left_out {
        let _ = write!(
            lines,
            "\nwithout {} directions of negative curvature ({:.2}% of the trace of the\nothers): they have no stationary \
             state",
            number(left_out.directions),
            100.0 * left_out.share_of_trace
        );
    }
    lines += "\n     step  measured/exact [95% of runs]      exact   Langevin   measured";
    for point in &predicted.curve {
        let range = point.range.map(|end| end / point.exact);
        let _ = write!(
            lines,
            "\n{:>9}  {:>14.3} [{:.3}, {:.3}]  {:>9}  {:>9}  {:>9}",
            grouped(point.step),
            point.measured / point.exact,
            range[0],
            range[1],
            number(point.exact),
            number(point.langevin),
            number(point.measured)
        );
    }
    lines
}

fn advice(text: &mut Formatter<'_>, fit: &RunFit) -> fmt::Result {
    finding(text, "  stability  ", fit, Question::Stability)?;
    if let Some(stability) = fit.advice.stability.known() {
        let from = match stability.curvatures {
            Curvatures::Given => "given",
            Curvatures::Fitted => "fitted",
        };
        say(
            text,
            "             ",
            &format!("largest curvature known: {}, {from}", number(stability.largest_curvature)),
        )?;
    }
    finding(text, "  rate       ", fit, Question::LearningRate)?;
    if let Some(advice) = fit.advice.learning_rate.known() {
        say(text, "             ", &printable::line(&advice.evidence.join("; ")))?;
    }
    finding(text, "  averaging  ", fit, Question::Averaging)
}
