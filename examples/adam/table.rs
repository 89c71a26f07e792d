//! What was measured of both runs, beside what the theory says of SGD.

use perrin::analysis::modes::Moments;
use perrin::analysis::{Answer, RunFit};
use perrin::log::eigenvectors::Eigenvectors;
use perrin::numeric::regression::PowerLawFit;

/// A row a question: SGD, Adam, and what theory expects of SGD.
pub fn compare(fits: &[RunFit; 2], directions: &Eigenvectors) -> String {
    let mut table = format!("{:<44}{:>18}{:>18}{:>20}\n", "", "SGD", "Adam", "theory (SGD)");
    let mut row = |name: &str, values: [String; 2], theory: &str| {
        table += &format!("{name:<44}{:>18}{:>18}{theory:>20}\n", values[0], values[1]);
    };
    let each = |of: &dyn Fn(&RunFit) -> Option<String>| {
        [0, 1].map(|index| of(&fits[index]).unwrap_or_else(|| "cannot say".to_owned()))
    };
    row("mean squared length of a step", each(&|fit| number(fit, |fit| speed(fit))), "");
    row(
        "exponent of the squared distance",
        each(&|fit| Some(format!("{:.3}", fit.displacement.known()?.exponent))),
        "",
    );
    let predicted = match &fits[0].predicted {
        Answer::Known(predicted) => format!("{:.3}", predicted.exact_exponent),
        Answer::CannotSay { .. } => "cannot say".to_owned(),
    };
    row(
        "  of its part along the directions",
        each(&|fit| Some(format!("{:.3}", fit.displacement_projected.known()?.exponent))),
        &predicted,
    );
    let slope = |of: fn(&Moments) -> f64| each(&move |fit| slope(fit, directions, of));
    row("s in: position variance ~ rho^s", slope(|moments| moments.position_variance), "0");
    row("s in: velocity variance ~ rho^s", slope(|moments| moments.velocity_variance), "1");
    row(
        "sigma^2 tr(H) by eq. 12",
        each(&|fit| Some(format!("{:.3}", fit.gradient_noise.known()?.noise_scale_times_trace))),
        "",
    );
    table
}

fn number(fit: &RunFit, of: impl Fn(&RunFit) -> Option<f64>) -> Option<String> {
    of(fit).map(|value| format!("{value:.3e}"))
}

fn speed(fit: &RunFit) -> Option<f64> {
    Some(fit.speed.known()?.mean_local_displacement_squared)
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
