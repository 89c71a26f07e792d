//! What was measured of both runs, beside what the theory says of SGD.

use perrin::analysis::RunFit;
use perrin::analysis::modes::Moments;
use perrin::curvature::GradientNoise;
use perrin::run::Eigenvectors;
use perrin::stats::regression::PowerLawFit;

/// A row a question: SGD, Adam, and what theory expects of SGD.
pub fn compare(fits: &[RunFit; 2], directions: &Eigenvectors, noise: &GradientNoise) -> String {
    let mut table = format!("{:<40}{:>32}{:>32}{:>16}\n", "", "SGD", "Adam", "theory for SGD");
    let mut row = |name: &str, of: &dyn Fn(&RunFit) -> Option<String>, theory: &str| {
        let [sgd, adam] =
            [0, 1].map(|index| of(&fits[index]).unwrap_or_else(|| "cannot say".to_owned()));
        table += &format!("{name:<40}{sgd:>32}{adam:>32}{theory:>16}\n");
    };
    row(
        "the speed over the window",
        &|fit| {
            let (speed, percents) = (fit.speed.known()?, |ratio: f64| 100.0 * (ratio - 1.0));
            Some(format!(
                "{:+.1}%, p = {:.2}",
                percents(speed.change?.ratio()?),
                speed.trend.known()?.p_value
            ))
        },
        "constant",
    );
    row("mean squared length of a step", &speed, &predicted_speed(&fits[0], noise));
    row(
        "exponent of the squared distance",
        &|fit| Some(format!("{:.3}", fit.displacement.known()?.exponent)),
        "",
    );
    row(
        "  of its part along the directions",
        &|fit| Some(format!("{:.3}", fit.displacement_projected.known()?.exponent)),
        "0",
    );
    row(
        "s in: position variance ~ rho^s",
        &|fit| slope(fit, directions, |moments| moments.position_variance),
        "0",
    );
    row(
        "s in: velocity variance ~ rho^s",
        &|fit| slope(fit, directions, |moments| moments.velocity_variance),
        "1",
    );
    let peak = |fit: &RunFit| {
        Some(format!("{:.4}", fit.modes.modes.first()?.spectrum.known()?.cycles_per_step))
    };
    row("mode 1: spectral peak, cycles a step", &peak, &swing(&fits[0]));
    table
}

fn speed(fit: &RunFit) -> Option<String> {
    let speed = fit.speed.known()?;
    let interval = speed
        .interval
        .known()
        .map_or(String::new(), |of| format!(" ({:.2e} to {:.2e})", of.low, of.high));
    Some(format!("{:.2e}{interval}", speed.mean_local_displacement_squared))
}

/// Eq. 12 with tr(Sigma) of the digits' gradients for sigma^2 tr(H).
fn predicted_speed(fit: &RunFit, noise: &GradientNoise) -> String {
    let settings = fit.hyperparameters;
    match (settings.learning_rate, settings.momentum, fit.batch_size) {
        (Some(rate), Some(momentum), Some(batch)) => {
            format!(
                "{:.2e}",
                rate * rate * noise.trace.value / (batch as f64 * (1.0 - momentum * momentum))
            )
        }
        _ => String::new(),
    }
}

/// Where theory has the peak of mode 1.
fn swing(fit: &RunFit) -> String {
    let peak = || Some(fit.modes.modes.first()?.recursion.known()?.cycles_per_step.value);
    peak().map_or(String::new(), |peak| format!("{peak:.4}"))
}

/// Exponent of the variances over the eigenvalues, with twice its standard error.
fn slope(fit: &RunFit, directions: &Eigenvectors, of: fn(&Moments) -> f64) -> Option<String> {
    let mut law = PowerLawFit::default();
    for (mode, rho) in fit.modes.modes.iter().zip(&directions.eigenvalues) {
        law.push(*rho, of(mode.moments.known()?));
    }
    let law = law.power_law().ok()?;
    Some(format!("{:.2} +- {:.2}", law.exponent, 2.0 * law.exponent_standard_error?))
}
