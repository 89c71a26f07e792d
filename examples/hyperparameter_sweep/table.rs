//! What a sweep says to the paper's claims, as a table.

use std::fmt::Write;

use perrin::analysis::sweep::{Sweep, SweepRun};

type Value = fn(&SweepRun) -> Option<f64>;

/// One hyperparameter after the other: speeds against eq. 12, exponents in the order of its values.
pub fn findings(sweep: &Sweep) -> String {
    let Some(default) = sweep.runs.first() else { return String::new() };
    let things: [(&str, Value); 3] = [
        ("learning rate", |run| run.learning_rate),
        ("batch size", |run| run.batch_size.map(|size| size as f64)),
        ("momentum", |run| run.momentum),
    ];
    let mut text = String::new();
    for (name, value) in things {
        let mut runs: Vec<(f64, &SweepRun)> = sweep.runs[1..]
            .iter()
            .filter(|run| value(run) != value(default))
            .chain([default])
            .filter_map(|run| Some((value(run)?, run)))
            .collect();
        runs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let list = |of: &dyn Fn(&SweepRun) -> Option<f64>| {
            let one = |run| of(run).map_or("-".to_owned(), |number| format!("{number:.2}"));
            runs.iter().map(|(_, run)| format!("{:>6}", one(run))).collect::<String>()
        };
        let values: String = runs.iter().map(|(value, _)| format!("{value:>6}")).collect();
        let ratio = |run: &SweepRun| Some(run.speed.known()? / run.predicted_speed.known()?);
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:34}{values}");
        let _ = writeln!(text, "  speed over eq. 12's (theory: 1)  {}", list(&ratio));
        let _ = writeln!(text, "  exponent c                       {}", list(&|run| run.exponent.known().copied()));
        let _ = writeln!(
            text,
            "  exponent c expected              {}",
            list(&|run| run.predicted_exponent.known().copied())
        );
    }
    text
}
