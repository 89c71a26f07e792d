//! A run's fit as text for people: 80 columns wide, or `format!("{fit:100}")`.

use std::fmt::{self, Display, Formatter, Write};

use super::Answer;
use super::diffusion::DisplacementPowerLaw;
use super::displacement::PredictedDisplacement;
use super::displacement_noise::{Curvatures, ExponentInterval};
use super::fit::RunFit;
use super::lags::LagExponents;
use super::render_text::{columns, grouped, number, p_value, said, say, thousandths};
use super::speed::{GradientNoise, MOVING_AVERAGE_POINTS, Speed};
use super::stationarity::{EffectiveSamples, Stationarity};
use crate::printable;

/// Columns of the optimizer's name.
const MOST_OF_NAME: usize = 200;

impl Display for RunFit {
    fn fmt(&self, text: &mut Formatter<'_>) -> fmt::Result {
        // A path is not broken: it is to be copied.
        writeln!(text, "run        {}", printable::line(&self.run.display().to_string()))?;
        say(text, "optimizer  ", &printable::line(&optimizer(self)))?;
        let seconds = self.elapsed_seconds.map(|seconds| format!(", {seconds:.1} s")).unwrap_or_default();
        let (first, last) = (grouped(self.first_step), grouped(self.last_step));
        writeln!(text, "rows       {}, steps {first} to {last}{seconds}", grouped(self.rows))?;

        let window = if self.window_chosen { "  window     " } else { "  last 2/3   " };
        writeln!(text, "\ndisplacement from the reference point, ||Delta_k||^2 = a k^c")?;
        power_law(text, window, &self.displacement, None)?;
        let said_before = self.displacement.known().and_then(|law| law.interval.reason());
        power_law(text, "  all rows   ", &self.displacement_all, said_before)?;
        if !self.prefixes.is_empty() {
            let exponents: Vec<String> = self.prefixes.iter().map(|prefix| format!("{:.2}", prefix.exponent)).collect();
            say(text, "  prefixes   ", &format!("c by tenths of the run: {}", exponents.join(" ")))?;
        }
        if self.projected_share.is_some() {
            writeln!(text, "the same along the projections{}", share(self.projected_share))?;
            power_law(text, window, &self.displacement_projected, None)?;
            writeln!(text, "over all origins, along the projections: MSD(lag) ~ lag^c")?;
            said(text, "  ", &self.lags, lags)?;
        }
        writeln!(text, "speed, mean of ||delta_k||^2")?;
        said(text, window, &self.speed, speed)?;
        writeln!(text, "gradient noise sigma^2 tr(H), by eq. 12 from the speed")?;
        said(text, window, &self.gradient_noise, gradient_noise)?;
        writeln!(text, "stationarity")?;
        stationarity(text, &self.stationarity)?;
        writeln!(text, "displacement predicted from eigenvalues, nothing fitted to it")?;
        said(text, "  ", &self.predicted, predicted)?;
        writeln!(text, "advice")?;
        advice(text, self)?;
        if !self.modes.modes.is_empty() {
            let columns = columns(text);
            writeln!(text, "\n{:columns$}", self.modes)?;
        }

        if !self.notes.is_empty() {
            writeln!(text, "notes")?;
        }
        self.notes.iter().try_for_each(|note| say(text, "  ", &printable::line(note)))
    }
}

fn optimizer(fit: &RunFit) -> String {
    let settings = [
        ("learning rate", fit.hyperparameters.learning_rate),
        ("momentum", fit.hyperparameters.momentum),
        ("weight decay", fit.hyperparameters.weight_decay),
        ("batch size", fit.batch_size.map(|examples| examples as f64)),
    ];
    let known = settings.iter().filter_map(|(name, value)| value.map(|value| format!(", {name} {value}")));
    let name = fit.optimizer.name.as_deref().unwrap_or("not known");
    printable::cut(name, MOST_OF_NAME).into_owned() + &known.collect::<String>()
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
        let r_squared = law.r_squared.map_or_else(|| "none".to_owned(), |r_squared| format!("{r_squared:.4}"));
        let (first, last) = (grouped(law.first_step), grouped(law.last_step));
        let mut lines = format!(
            "c = {:.4}  a = {prefactor}  R^2 = {r_squared}\n{} points, steps {first} to {last}",
            law.exponent,
            grouped(law.points)
        );
        match &law.interval {
            Answer::Known(interval) => lines += &exponent_interval(interval),
            Answer::CannotSay { reason } if said_before == Some(reason.as_str()) => {}
            Answer::CannotSay { reason } => lines += &format!("\n95% interval of c: cannot say: {reason}"),
        }
        if let Some([low, high]) = law.prefactor_interval {
            let _ = write!(lines, "\n95% interval of a: {} to {}", number(low), number(high));
        }
        if let (Some([low, high]), Some(_)) = (law.plain_interval, law.interval.known()) {
            let _ = write!(lines, "\nplain least squares would say {low:.3} to {high:.3}: far too narrow");
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
        let [from, to] = if crossover.slower_beyond { ["faster", "slower"] } else { ["slower", "faster"] };
        let _ = write!(lines, "\nfrom {from} to {to} than diffusion at {} steps", number(crossover.lag_steps));
    }
    lines
}

fn speed(speed: &Speed) -> String {
    let mut lines = number(speed.mean_local_displacement_squared);
    match &speed.interval {
        Answer::Known(interval) => {
            let _ = write!(lines, ", 95% interval {} to {}", number(interval.low), number(interval.high));
        }
        Answer::CannotSay { reason } => lines += &format!("\n95% interval: cannot say: {reason}"),
    }
    lines += &match &speed.trend {
        Answer::Known(trend) if trend.p_value < 0.05 => format!("\nnot constant: trend, {}", p_value(trend.p_value)),
        Answer::Known(trend) => format!("\nconstant as far as can be seen: {}", p_value(trend.p_value)),
        Answer::CannotSay { reason } => format!("\nconstant? cannot say: {reason}"),
    };
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

fn stationarity(text: &mut Formatter<'_>, stationarity: &Stationarity) -> fmt::Result {
    said(text, "  begins     ", &stationarity.beginning, |beginning| {
        let first = beginning.first_step.map_or("nowhere".to_owned(), |step| format!("at step {}", grouped(step)));
        let from = if beginning.given { ", as given; from there on" } else { "; at first" };
        let mut lines = format!(
            "{first}{from} most changed: {} ({})\ntested: {}",
            beginning.worst,
            p_value(beginning.p_value),
            beginning.tested.join(", ")
        );
        if !beginning.untested.is_empty() {
            lines += &format!("\nconstant, unknown or too slow to test: {}", beginning.untested.join(", "));
        }
        lines
    })?;
    said(text, "  relation   ", &stationarity.fluctuation_dissipation, |relation| {
        let state = if relation.holds { "stationary" } else { "not stationary" };
        format!("<theta g> is {:.3} of eta (1+beta)/2 <v^2>: {state}", relation.ratio)
    })?;
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
        [predicted.exact_exponent, predicted.langevin_exponent, predicted.measured_exponent].map(thousandths);
    let mut lines = format!("{of}: c = {exact} exact, {langevin} Langevin, {measured} measured");
    lines += &match &predicted.interval {
        Answer::Known(interval) => exponent_interval(interval),
        Answer::CannotSay { reason } => format!("\n95% interval of c: cannot say: {reason}"),
    };
    let _ = write!(lines, "\nsigma^2 = {}, from the speed", number(predicted.noise_scale));
    if let (Some(scale), Some(height)) = (predicted.noise_scale_of_gradients, predicted.height_by_gradients) {
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
    said(text, "  stability  ", &fit.advice.stability, |advice| {
        let state = if advice.share < 1.0 { "stable" } else { "unstable: lower the learning rate" };
        format!(
            "{state}: at {2:.1}% of the largest learning rate, {0}\n(largest curvature known: {1})",
            number(advice.learning_rate_limit),
            number(advice.largest_curvature),
            100.0 * advice.share
        )
    })?;
    said(text, "  rate       ", &fit.advice.learning_rate, |advice| {
        let state = if advice.lower_now { "lower the learning rate now" } else { "keep the learning rate" };
        format!("{state}\n{}", advice.evidence.join("\n"))
    })?;
    said(text, "  averaging  ", &fit.advice.averaging, |advice| {
        let mut line = format!(
            "average weights over {} steps: 20 times the memory of mode {}",
            number(advice.window_steps),
            advice.mode
        );
        if advice.unresolved_modes > 0 {
            let modes = if advice.unresolved_modes == 1 { "mode is" } else { "modes are" };
            line += &format!("\n{} {modes} slower still than this run can tell", advice.unresolved_modes);
        }
        line
    })
}
