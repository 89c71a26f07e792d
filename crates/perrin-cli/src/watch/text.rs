//! What there is to say of a run in words: on the screen's head, and line by line for `--once`.

use perrin::printable::grouped;
use perrin::record::Hyperparameters;
use ratatui::style::Color;
use serde_json::json;

use super::app::App;
use super::clock::utc;
use super::watched::OpenRun;
use crate::numbers::{duration, short};

/// No row for this long, and it is worth saying.
const SILENT_SECONDS: f64 = 30.0;

/// How the run is doing, in a word or a few.
pub fn state(open: &OpenRun) -> (String, Color) {
    if let Some((step, reason)) = &open.health.stopped
        && Some(*step) >= open.summary.last_step
    {
        return (format!("stopped: {reason}"), Color::Red);
    }
    if open.catching_up {
        return (
            format!("reading the log: {} rows so far", grouped(open.summary.rows)),
            Color::Yellow,
        );
    }
    if open.finished() {
        return ("finished".to_owned(), Color::Green);
    }
    if open.summary.last_step.is_none() {
        return ("no rows yet".to_owned(), Color::Yellow);
    }
    match open.seconds_since_last_row().or_else(|| open.seconds_since_change()) {
        Some(seconds) if seconds >= SILENT_SECONDS => {
            ("no new rows: paused, ended without closing, or stuck".to_owned(), Color::Yellow)
        }
        _ => ("running".to_owned(), Color::Green),
    }
}

/// What makes the rows less than complete or trustworthy; none for a healthy run.
pub fn warnings(open: &OpenRun) -> Vec<String> {
    let mut warnings = open.health.notes();
    warnings.extend(open.info_change.iter().map(|change| format!("run.json: {change}")));
    if open.summary.non_finite > 0 {
        warnings.push(format!(
            "{} rows with NaN or infinite displacement",
            grouped(open.summary.non_finite)
        ));
    }
    if open.health.rows_recovered > 0 {
        warnings
            .push(format!("{} rows recovered after a crash", grouped(open.health.rows_recovered)));
    }
    warnings.extend(open.problems.iter().cloned());
    warnings
}

/// Where the run is.
pub fn progress(open: &OpenRun) -> String {
    let summary = &open.summary;
    let mut parts = Vec::new();
    parts.extend(summary.last_step.map(|step| format!("step {}", grouped(step))));
    let last = open.tail.rows.back();
    parts.extend(last.and_then(|row| row.epoch).map(|epoch| format!("epoch {epoch}")));
    parts.extend(
        open.seconds_since_last_row().map(|seconds| format!("last row {} ago", duration(seconds))),
    );
    parts.extend(open.tail.rows_per_second().map(|rate| format!("{} rows/s", short(rate))));
    parts.push(format!("{} rows", grouped(summary.rows)));
    parts.extend(last.map(|row| format!("in {}", duration(row.elapsed_seconds))));
    parts.join("  ")
}

/// When the last row was logged: by the clock, and in seconds of observation.
fn last_row(open: &OpenRun) -> Option<String> {
    let elapsed = duration(open.tail.rows.back()?.elapsed_seconds);
    Some(match (open.last_row_at, open.seconds_since_last_row()) {
        (Some(time), Some(seconds)) => {
            format!("{}, {} ago, after {elapsed} of training", utc(time), duration(seconds))
        }
        _ => format!("after {elapsed} of training; the log does not tell when that was"),
    })
}

/// How far the parameters have moved.
pub fn motion(open: &OpenRun) -> String {
    let summary = &open.summary;
    let mut parts = Vec::new();
    parts.extend(summary.loss.map(|loss| format!("loss {}", short(loss))));
    let global = summary
        .global_displacement_squared
        .map(|squared| format!("||Delta||^2 {}", short(squared)));
    let local =
        summary.local_displacement_squared.map(|squared| format!("||delta||^2 {}", short(squared)));
    parts.extend(global.into_iter().chain(local));
    let now = summary.local_exponent().map(|exponent| format!("c {exponent:.3} now"));
    let whole = summary.whole().known().map(|law| format!("{:.3} in all", law.exponent));
    parts.extend(now.into_iter().chain(whole));
    parts.join("  ")
}

/// The optimizer's settings at the last row, of all parameter groups, as far as they are known.
pub fn settings(open: &OpenRun) -> String {
    let last = open.tail.rows.back();
    let mut parts = vec![
        open.run
            .info()
            .optimizer
            .name
            .clone()
            .unwrap_or_else(|| "optimizer not known (Options::build logs it)".to_owned()),
    ];
    let value =
        |name: &str, value: Option<f64>| value.map(|value| format!("{name} {}", short(value)));
    let of_groups = |name: &str, of: fn(&Hyperparameters) -> Option<f64>| {
        let mut values: Vec<String> = Vec::new();
        for value in open.tail.groups.iter().filter_map(of).map(short) {
            if !values.contains(&value) {
                values.push(value);
            }
        }
        (!values.is_empty()).then(|| format!("{name} {}", values.join(" and ")))
    };
    parts.extend(of_groups("learning rate", |group| group.learning_rate));
    parts.extend(of_groups("momentum", |group| group.momentum));
    parts.extend(of_groups("weight decay", |group| group.weight_decay));
    parts.extend(last.and_then(|row| value("batch", row.batch_size)));
    parts.join("  ")
}

/// The lines of a snapshot before its plots.
pub fn snapshot(open: &OpenRun) -> Vec<String> {
    let mut lines = vec![
        format!("run       {}", open.run.path().display()),
        format!("state     {}", state(open).0),
        format!("progress  {}", progress(open)),
        format!("motion    {}", motion(open)),
        format!("settings  {}", settings(open)),
    ];
    lines.extend(last_row(open).map(|last| format!("last row  {last}")));
    let warnings = warnings(open);
    lines.push(format!(
        "health    {}",
        if warnings.is_empty() { "nothing to report" } else { "see below" }
    ));
    lines.extend(warnings.iter().map(|warning| format!("  ! {warning}")));
    lines
}

/// A snapshot for programs; what is not known, or is no number that JSON has, is null.
pub fn json(open: &OpenRun) -> serde_json::Value {
    let summary = &open.summary;
    let last = open.tail.rows.back().copied().unwrap_or_default();
    json!({
        "run": open.run.path(),
        "state": state(open).0,
        "finished": open.finished(),
        "rows": summary.rows,
        "first_step": summary.first_step,
        "last_step": summary.last_step,
        "epoch": last.epoch,
        "elapsed_seconds": last.elapsed_seconds,
        "rows_per_second": open.tail.rows_per_second(),
        "seconds_since_last_row": open.seconds_since_last_row(),
        "last_row_time": open.last_row_at.map(utc),
        "loss": summary.loss,
        "local_displacement_squared": summary.local_displacement_squared,
        "global_displacement_squared": summary.global_displacement_squared,
        "local_exponent": summary.local_exponent(),
        "exponent": summary.whole().known().map(|law| law.exponent),
        "learning_rate": last.learning_rate,
        "momentum": last.momentum,
        "weight_decay": last.weight_decay,
        "batch_size": last.batch_size,
        "eigenvalues": open.eigenvalues.rows.iter().map(|row| row.eigenvalue).collect::<Vec<_>>(),
        "rows_dropped": open.health.rows_dropped,
        "rows_not_finite": summary.non_finite,
        "outside_writes": open.health.outside_writes,
        "warnings": warnings(open),
    })
}

/// What the line at the bottom says besides the keys.
pub fn footer(app: &App) -> String {
    format!(
        "{}  [{}{}]",
        super::app::KEYS,
        app.view.name(),
        if app.paused { ", paused" } else { "" }
    )
}
