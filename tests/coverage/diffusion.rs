//! The exponent of the global displacement. Truth: the log-log slope of the expected curve over the same window.

use perrin::analysis::diffusion::DiffusionFit;
use perrin::analysis::displacement_noise::{WeightedMode, Window, exponent_scatter};
use perrin::analysis::mode_recursion::ModeRecursion;
use perrin::analysis::settings::PlainSgd;
use perrin::theory::discrete::DiscreteMode;
use perrin::theory::displacement::exact_curve;
use perrin::theory::exponent::exponent;
use perrin::theory::parameters::SgdParameters;
use perrin::theory::spectrum::Spectrum;

use crate::support::{PARAMETERS, Trajectory, assert_share, count, runs};

const ROWS: usize = 1200;

fn power_law(low: f64, high: f64, modes: i32) -> Vec<f64> {
    (0..modes).map(|mode| low * (high / low).powf(f64::from(mode) / f64::from(modes - 1))).collect()
}

/// Relaxations of the slowest mode in the run: eta rho rows / (1 - beta) = 1200 rho.
fn regimes() -> Vec<(&'static str, SgdParameters, Vec<f64>)> {
    let strong = SgdParameters { momentum: 0.99, learning_rate: 0.01, ..PARAMETERS };
    vec![
        ("broad", PARAMETERS, power_law(1e-3, 5.0, 12)),
        ("all slow", PARAMETERS, power_law(1e-4, 1e-3, 8)),
        ("relaxing", PARAMETERS, power_law(3e-3, 3e-2, 6)),
        ("swinging", strong, power_law(0.05, 2.0, 10)),
        ("one slow, many fast", PARAMETERS, [vec![5e-4], power_law(0.1, 3.0, 9)].concat()),
        ("near the edge", PARAMETERS, power_law(0.02, 37.0, 8)),
    ]
}

#[test]
fn intervals_of_the_exponent_cover_it() {
    for (name, parameters, eigenvalues) in regimes() {
        let curve = exact_curve(&parameters, &Spectrum::from_eigenvalues(&eigenvalues).unwrap(), ROWS).unwrap();
        let window = Window { first: ROWS as u64 / 3 + 1, last: ROWS as u64, every: 1 };
        let truth = exponent(&curve, window.first as usize, ROWS, 1).unwrap();
        let sgd = PlainSgd { learning_rate: parameters.learning_rate, momentum: parameters.momentum };
        let given: Vec<WeightedMode> = eigenvalues
            .iter()
            .map(|&rho| WeightedMode { mode: DiscreteMode::new(&parameters, rho).unwrap(), multiplicity: 1.0 })
            .collect();
        let [fitted, known, plain] = count(runs(), |seed| {
            let run = Trajectory::draw(&parameters, &eigenvalues, ROWS, seed);
            let squared = Trajectory::squared(&run.positions);
            let mut law = DiffusionFit::default();
            (window.first..=window.last).for_each(|step| law.push(step, Some(squared[step as usize - 1])));
            let answer = law.answer();
            let law = answer.known().unwrap();
            let modes: Vec<WeightedMode> = run
                .positions
                .iter()
                .zip(&run.velocities)
                .map(|(x, v)| {
                    let mut recursion = ModeRecursion::default();
                    (0..ROWS).for_each(|row| recursion.push(row as u64 + 1, x[row], v[row], sgd.momentum));
                    WeightedMode { mode: recursion.mode(sgd).unwrap().unwrap(), multiplicity: 1.0 }
                })
                .collect();
            let covers = |modes: &[WeightedMode]| {
                let [low, high] = exponent_scatter(modes, window, 1).unwrap().around(law.exponent);
                (low..=high).contains(&truth)
            };
            let [low, high] = law.plain_interval.unwrap();
            [covers(&modes), covers(&given), (low..=high).contains(&truth)]
        });
        println!(
            "{name}: c = {truth:.3}, plain least squares covers {:.1}%",
            100.0 * f64::from(plain) / f64::from(runs())
        );
        assert_share(&format!("{name}, given curvatures"), known, runs(), 0.95, [0.93, 0.97]);
        assert_share(&format!("{name}, fitted curvatures"), fitted, runs(), 0.95, [0.93, 0.97]);
    }
}
