//! Speed, its trend, and the verdict of stationarity, on stationary runs: everything said against
//! them is a false alarm.

use perrin::analysis::speed::SpeedFit;
use perrin::analysis::stationarity::beginning;
use perrin::record::{Hyperparameters, OptimizerInfo};
use perrin::stats::coarse_series::CoarseSeries;
use perrin::theory::discrete::DiscreteMode;
use perrin::theory::langevin::noise_trace;

use crate::support::{Shares, Trajectory, count, regimes, runs};

const ROWS: usize = 4000;
/// Steps remember about 100 rows with a momentum of 0.99.
const ROWS_OF_STRONG_MOMENTUM: usize = 24_000;

#[test]
fn speeds_are_covered_and_false_alarms_kept_to_5_percent() {
    let mut shares = Shares::default();
    for (name, parameters, eigenvalues) in regimes() {
        let rows = if parameters.momentum > 0.95 { ROWS_OF_STRONG_MOMENTUM } else { ROWS };
        let speed: f64 = eigenvalues
            .iter()
            .map(|&rho| DiscreteMode::new(&parameters, rho).unwrap().local_displacement())
            .sum();
        let noise = noise_trace(&parameters, speed).unwrap();
        let hyperparameters = Hyperparameters {
            learning_rate: Some(parameters.learning_rate),
            momentum: Some(parameters.momentum),
            weight_decay: Some(0.0),
        };
        let sgd = OptimizerInfo {
            name: Some("sgd".to_owned()),
            dampening: Some(0.0),
            nesterov: Some(false),
            ..OptimizerInfo::default()
        };
        let [of_speed, of_noise, trends, changes] = count(runs(), |seed| {
            let run = Trajectory::draw(&parameters, &eigenvalues, rows, seed);
            let (mut fit, mut local) = (SpeedFit::default(), CoarseSeries::default());
            for (row, squared) in Trajectory::squared(&run.velocities).into_iter().enumerate() {
                let squared = squared * parameters.learning_rate.powi(2);
                fit.push(
                    row as u64 + 1,
                    Some(squared),
                    hyperparameters,
                    Some(parameters.batch_size as u64),
                );
                local.push(Some(squared));
            }
            let positions: Vec<CoarseSeries> =
                run.positions.iter().map(|column| series(column)).collect();
            let mut quantities = vec![("local displacement".to_owned(), &local)];
            quantities.extend(
                positions
                    .iter()
                    .enumerate()
                    .map(|(mode, series)| (format!("position {mode}"), series)),
            );
            let verdict = beginning(&quantities, 1, rows as u64);
            let answer = fit.speed();
            let found = answer.known().unwrap();
            let gradient_noise = fit.gradient_noise(&sgd, 1);
            [
                found.interval.known().unwrap().covers(speed),
                gradient_noise.known().unwrap().interval.known().unwrap().covers(noise),
                found.trend.known().unwrap().p_value < 0.05,
                verdict.known().unwrap().first_step != Some(1),
            ]
        });
        shares.check(&format!("{name}: speed"), of_speed, runs(), 0.95, [0.93, 0.97]);
        shares.check(&format!("{name}: sigma^2 tr(H)"), of_noise, runs(), 0.95, [0.93, 0.97]);
        shares.check(&format!("{name}: false trends"), trends, runs(), 0.05, [0.03, 0.07]);
        // Several tests of correlated quantities: no more than 5%, and less.
        shares.check(
            &format!("{name}: false non-stationarity"),
            changes,
            runs(),
            0.05,
            [0.0, 0.07],
        );
    }
    shares.finish();
}

fn series(values: &[f64]) -> CoarseSeries {
    let mut series = CoarseSeries::default();
    values.iter().for_each(|&value| series.push(Some(value)));
    series
}
