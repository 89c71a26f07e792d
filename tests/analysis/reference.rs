//! numpy and scipy on the same log: tests/data/generate_analysis_reference.py made both the log and
//! their results.

use crate::synthetic::plain_sgd;
use perrin::analysis::RunFit;
use perrin::analysis::mode_recursion::ModeRecursion;
use perrin::analysis::settings::PlainSgd;
use perrin::record::{Hyperparameters, RowBuffer, StepRecord};
use perrin::run::{Run, RunWriter};
use perrin::stats::autocorrelation::autocovariance;
use perrin::stats::mean_squared_displacement::{Coordinate, DisplacementSums};
use perrin::stats::moments::Moments;
use serde::Deserialize;
use serde_json::Value;

/// What both sides owe each other: sums of a thousand products, in another order.
const TOLERANCE: f64 = 1e-9;

#[derive(Deserialize)]
struct Reference {
    learning_rate: f64,
    momentum: f64,
    batch_size: f64,
    positions: Vec<Vec<f64>>,
    velocities: Vec<Vec<f64>>,
    expected: Value,
}

impl Reference {
    fn read() -> Reference {
        serde_json::from_str(include_str!("../data/analysis_reference.json")).unwrap()
    }

    fn fit(&self) -> RunFit {
        let hyperparameters = Hyperparameters {
            learning_rate: Some(self.learning_rate),
            momentum: Some(self.momentum),
            weight_decay: Some(0.0),
        };
        let info = plain_sgd(hyperparameters, self.batch_size as u64, self.positions[0].len());
        let directory = tempfile::tempdir().unwrap();
        let mut writer = RunWriter::create(directory.path(), &info, Vec::new()).unwrap();
        let mut rows = RowBuffer::default();
        for (row, (position, velocity)) in self.positions.iter().zip(&self.velocities).enumerate() {
            let squared = |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>();
            rows.records.push(StepRecord {
                step: row as u64 + 1,
                hyperparameters,
                batch_size: Some(self.batch_size as u64),
                local_displacement_squared: Some(self.learning_rate.powi(2) * squared(velocity)),
                global_displacement_squared: Some(squared(position)),
                ..StepRecord::default()
            });
            rows.projections.extend(position.iter().chain(velocity).copied().map(Some));
        }
        writer.append(&rows).unwrap();
        writer.close().unwrap();
        RunFit::of(&Run::open(directory.path()).unwrap()).unwrap()
    }

    fn column(&self, mode: usize) -> Vec<f64> {
        self.positions.iter().map(|row| row[mode]).collect()
    }
}

fn close(name: &str, found: f64, expected: &Value) {
    let expected = expected.as_f64().unwrap();
    assert!(
        (found - expected).abs() <= TOLERANCE * expected.abs().max(1e-3),
        "{name}: {found}, numpy has {expected}"
    );
}

#[test]
fn power_laws_and_speeds_are_scipys() {
    let reference = Reference::read();
    let (fit, expected) = (reference.fit(), &reference.expected);
    for (name, law) in
        [("displacement", &fit.displacement), ("displacement_all", &fit.displacement_all)]
    {
        let (law, expected) = (law.known().unwrap(), &expected[name]);
        close("exponent", law.exponent, &expected["exponent"]);
        close("prefactor", law.prefactor.unwrap(), &expected["prefactor"]);
        close("R^2", law.r_squared.unwrap(), &expected["r_squared"]);
        for (end, bound) in law.plain_interval.unwrap().into_iter().enumerate() {
            close("plain interval", bound, &expected["plain_interval"][end]);
        }
    }
    let (speed, expected_speed) = (fit.speed.known().unwrap(), &expected["speed"]);
    let (interval, trend) = (speed.interval.known().unwrap(), speed.trend.known().unwrap());
    close("speed", interval.value, &expected_speed["interval"]["value"]);
    close("speed, low", interval.low, &expected_speed["interval"]["low"]);
    close("speed, high", interval.high, &expected_speed["interval"]["high"]);
    close("trend", trend.t, &expected_speed["trend"]["t"]);
    close("trend, p", trend.p_value, &expected_speed["trend"]["p_value"]);
    close(
        "noise",
        fit.gradient_noise.known().unwrap().noise_scale_times_trace,
        &expected["noise_scale_times_trace"],
    );
    for (mode, effective) in fit.stationarity.modes.iter().enumerate() {
        let found = effective.known().unwrap().autocorrelation_steps;
        close("autocorrelation time", found, &expected["autocorrelation_times"][mode]);
    }
}

#[test]
fn variances_autocovariances_and_displacements_are_numpys() {
    let reference = Reference::read();
    let expected = &reference.expected;
    let sgd = PlainSgd { learning_rate: reference.learning_rate, momentum: reference.momentum };
    let rows = reference.positions.len() as u64;
    let mut sums = DisplacementSums::new(rows, 1, 4);
    for mode in 0..2 {
        let column = reference.column(mode);
        close("variance", Moments::of(&column).variance(), &expected["position_variances"][mode]);
        let (mut coordinate, mut recursion) = (Coordinate::default(), ModeRecursion::default());
        for (row, &position) in column.iter().enumerate() {
            coordinate.push(position, &mut sums);
            recursion.push(row as u64 + 1, position, reference.velocities[row][mode], sgd.momentum);
        }
        close("curvature", recursion.curvature(sgd).unwrap(), &expected["curvatures"][mode]);
    }
    for (lag, covariance) in
        autocovariance(&reference.column(0)).unwrap().into_iter().take(50).enumerate()
    {
        close("autocovariance", covariance, &expected["autocovariance"][lag]);
    }
    let displacements = &sums.by_stretch(2)[0];
    for (lag, displacement) in sums.lags().iter().zip(displacements) {
        if let Some(expected) = expected["mean_squared_displacement"].get(lag.to_string()) {
            close("mean squared displacement", *displacement, expected);
        }
    }
}
