//! What a sweep says to the paper's claims, as a table.

use std::fmt::Write;

use perrin::analysis::RunFit;
use perrin::analysis::sweep::{Sweep, SweepRun};

type Value = fn(&SweepRun) -> Option<f64>;

/// One hyperparameter after the other: speeds against eq. 12, exponents in the order of its values.
/// `sweep` is of `fits`.
pub fn findings(sweep: &Sweep, fits: &[RunFit]) -> String {
    let Some(default) = sweep.runs.first() else { return String::new() };
    let things: [(&str, Value); 3] = [
        ("learning rate", |run| run.learning_rate),
        ("batch size", |run| run.batch_size.map(|size| size as f64)),
        ("momentum", |run| run.momentum),
    ];
    let mut text = String::new();
    for (name, value) in things {
        // The default, and the runs that differ from it in this.
        let mut runs: Vec<(&SweepRun, &RunFit)> = sweep.runs.iter().zip(fits).collect();
        runs.retain(|(run, _)| run.run == default.run || value(run) != value(default));
        runs.sort_by(|a, b| {
            value(a.0).unwrap_or(f64::NAN).total_cmp(&value(b.0).unwrap_or(f64::NAN))
        });
        let mut line =
            |label: &str, of: &dyn Fn(&SweepRun, &RunFit) -> Option<f64>, digits: usize| {
                let number = |number: f64| format!("{number:>7.digits$}");
                let numbers =
                    runs.iter().map(|(run, fit)| of(run, fit).map_or("      -".to_owned(), number));
                // Writing to a string does not fail.
                let _ = writeln!(text, "{label:40}{}", numbers.collect::<String>());
            };
        line(name, &|run, _| value(run), if name == "batch size" { 0 } else { 3 });
        line(
            "  speed over eq. 12's (theory: 1)",
            &|run, _| Some(run.speed.known()? / run.predicted_speed.known()?),
            2,
        );
        line("  exponent c over all rows (as fig. 6)", &|run, _| run.exponent.known().copied(), 2);
        line(
            "  of these expected from the spectrum",
            &|run, _| run.predicted_exponent.known().copied(),
            2,
        );
        line(
            "  exponent c over the last two thirds",
            &|_, fit| Some(fit.displacement.known()?.exponent),
            2,
        );
    }
    text
}
