//! A run's fit as text for people.

use std::fmt::{self, Display, Formatter};

use super::Answer;
use super::diffusion::DisplacementPowerLaw;
use super::fit::RunFit;
use super::speed::{GradientNoise, MOVING_AVERAGE_POINTS, Speed};

impl Display for RunFit {
    fn fmt(&self, text: &mut Formatter<'_>) -> fmt::Result {
        writeln!(text, "run        {}", self.run.display())?;
        writeln!(text, "optimizer  {}", optimizer(self))?;
        let seconds = self.elapsed_seconds.map(|seconds| format!(", {seconds:.1} s")).unwrap_or_default();
        let (first, last) = (grouped(self.first_step), grouped(self.last_step));
        writeln!(text, "rows       {}, steps {first} to {last}{seconds}", grouped(self.rows))?;

        writeln!(text, "\ndisplacement from the reference point, ||Delta_k||^2 = a k^c")?;
        writeln!(text, "  last 2/3   {}", said(&self.displacement_last_two_thirds, power_law))?;
        writeln!(text, "  all rows   {}", said(&self.displacement_all, power_law))?;
        writeln!(text, "speed, mean of ||delta_k||^2")?;
        writeln!(text, "  last 2/3   {}", said(&self.speed, speed))?;
        writeln!(text, "gradient noise sigma^2 tr(H), by eq. 12 from the speed")?;
        write!(text, "  last 2/3   {}", said(&self.gradient_noise, gradient_noise))?;
        if !self.modes.modes.is_empty() {
            write!(text, "\n\n{}", self.modes)?;
        }

        if !self.notes.is_empty() {
            write!(text, "\n\nnotes")?;
        }
        self.notes.iter().try_for_each(|note| write!(text, "\n  {note}"))
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
    fit.optimizer.name.as_deref().unwrap_or("not known").to_owned() + &known.collect::<String>()
}

fn power_law(law: &DisplacementPowerLaw) -> String {
    let prefactor = law.prefactor.map_or_else(|| "out of range".to_owned(), number);
    let r_squared = law.r_squared.map_or_else(|| "none".to_owned(), |r_squared| format!("{r_squared:.4}"));
    format!(
        "c = {:<8.4} a = {prefactor:<10} R^2 = {r_squared:<7} {} points, steps {} to {}",
        law.exponent,
        grouped(law.points),
        grouped(law.first_step),
        grouped(law.last_step)
    )
}

fn speed(speed: &Speed) -> String {
    let average = speed.moving_average.map(|average| {
        format!(
            "   {MOVING_AVERAGE_POINTS}-point average: {} at first, {} at last, between {} and {}",
            number(average.first),
            number(average.last),
            number(average.lowest),
            number(average.highest)
        )
    });
    number(speed.mean_local_displacement_squared) + &average.unwrap_or_default()
}

fn gradient_noise(noise: &GradientNoise) -> String {
    number(noise.noise_scale_times_trace)
}

fn said<T>(answer: &Answer<T>, known: impl Fn(&T) -> String) -> String {
    match answer {
        Answer::Known(value) => known(value),
        Answer::CannotSay { reason } => format!("cannot say: {reason}"),
    }
}

/// Four significant digits.
pub(super) fn number(value: f64) -> String {
    let scientific = format!("{value:.3e}");
    // The exponent after rounding: 0.00099999 is 0.001.
    let exponent: i32 = scientific.rsplit_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0);
    match exponent {
        _ if value == 0.0 => "0".to_owned(),
        -3..=4 => format!("{value:.*}", (3 - exponent).max(0) as usize),
        _ => scientific,
    }
}

/// Digits in groups of three: 12,345.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let separator = |index: usize| if index > 0 && (digits.len() - index).is_multiple_of(3) { "," } else { "" };
    digits.char_indices().map(|(index, digit)| format!("{}{digit}", separator(index))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_significant_digits() {
        let cases = [
            (0.0, "0"),
            (1.0, "1.000"),
            (0.012345678, "0.01235"),
            (0.000_999_999_9, "0.001000"),
            (12345.6, "12346"),
            (-3.0, "-3.000"),
            (2.3456e-6, "2.346e-6"),
            (123456.0, "1.235e5"),
        ];
        for (value, expected) in cases {
            assert_eq!(number(value), expected);
        }
    }

    #[test]
    fn long_counts_are_grouped() {
        assert_eq!([0, 999, 1000, 1234567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
