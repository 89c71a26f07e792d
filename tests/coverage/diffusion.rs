//! Exponent and prefactor of the global displacement. Truth: those of the least-squares line of the
//! expected curve over the same window, on logarithmic axes.

use perrin::analysis::diffusion::DiffusionFit;
use perrin::analysis::displacement_noise::{
    ExponentScatter, Start, WeightedMode, Window, exponent_scatter,
};
use perrin::analysis::mode_recursion::ModeRecursion;
use perrin::analysis::settings::PlainSgd;
use perrin::stats::regression::PowerLawFit;
use perrin::theory::discrete::DiscreteMode;
use perrin::theory::parameters::SgdParameters;

use crate::support::{Shares, Trajectory, count, regimes, runs};

const ROWS: usize = 1200;

#[test]
fn intervals_of_the_exponent_cover_it() {
    let mut shares = Shares::default();
    let gaps = regimes()
        .into_iter()
        .take(1)
        .map(|(_, parameters, eigenvalues)| ("broad, with gaps", parameters, eigenvalues));
    for (name, parameters, eigenvalues) in regimes().into_iter().chain(gaps) {
        cover(&mut shares, name, &parameters, &eigenvalues, ROWS as u64 / 3 + 1, Start::Stationary);
        for (start, from) in [(Start::Stationary, ""), (Start::AtRest, ", from rest")] {
            cover(
                &mut shares,
                &format!("{name}, all rows{from}"),
                &parameters,
                &eigenvalues,
                1,
                start,
            );
        }
    }
    shares.finish();
}

/// Of a regime with gaps every tenth stretch of 37 rows was dropped, the fifth first: earlier gaps
/// are refused over all rows.
fn has_row(name: &str, step: u64) -> bool {
    !name.contains("gaps") || step / 37 % 10 != 4
}

fn cover(
    shares: &mut Shares,
    name: &str,
    parameters: &SgdParameters,
    eigenvalues: &[f64],
    first: u64,
    start: Start,
) {
    let has_row = |step: u64| has_row(name, step);
    let modes: Vec<DiscreteMode> =
        eigenvalues.iter().map(|&rho| DiscreteMode::new(parameters, rho).unwrap()).collect();
    let expected = |step| {
        modes.iter().map(|mode| start.mean_squared_displacement(mode, step).unwrap()).sum::<f64>()
    };
    let window = Window { first, last: ROWS as u64, every: 1 };
    let mut line = PowerLawFit::default();
    (window.first..=window.last).for_each(|step| {
        line.push(step as f64, expected(step));
    });
    let line = line.power_law().unwrap();
    let (truth, prefactor) = (line.exponent, line.ln_prefactor);
    let sgd = PlainSgd { learning_rate: parameters.learning_rate, momentum: parameters.momentum };
    let given: Vec<WeightedMode> =
        modes.iter().map(|&mode| WeightedMode { mode, multiplicity: 1.0 }).collect();
    let of_given = exponent_scatter(&given, window, start, 1).unwrap();
    let [fitted, known, of_prefactor, plain] = count(runs(), |seed| {
        let run = Trajectory::draw_from(start, parameters, eigenvalues, ROWS, seed);
        let squared = Trajectory::squared(&run.positions);
        let mut law = DiffusionFit::default();
        let steps = (window.first..=window.last).filter(|step| has_row(*step));
        steps.for_each(|step| law.push(step, Some(squared[step as usize - 1])));
        let answer = law.answer();
        let law = answer.known().unwrap();
        let modes: Vec<WeightedMode> = run
            .positions
            .iter()
            .zip(&run.velocities)
            .map(|(x, v)| {
                let mut recursion = ModeRecursion::default();
                let rows = (0..ROWS).filter(|row| has_row(*row as u64 + 1));
                rows.for_each(|row| recursion.push(row as u64 + 1, x[row], v[row], sgd.momentum));
                WeightedMode { mode: recursion.mode(sgd).unwrap().unwrap(), multiplicity: 1.0 }
            })
            .collect();
        let covers = |scatter: ExponentScatter| {
            let [low, high] = scatter.around(law.exponent);
            (low..=high).contains(&truth)
        };
        let [lowest, highest] =
            of_given.prefactor_factors().map(|factor| (factor * law.prefactor.unwrap()).ln());
        let [low, high] = law.plain_interval.unwrap();
        let of_fitted = exponent_scatter(&modes, window, start, seed).unwrap();
        [
            covers(of_fitted),
            covers(of_given),
            (lowest..=highest).contains(&prefactor),
            (low..=high).contains(&truth),
        ]
    });
    println!(
        "{name}: c = {truth:.3}, plain least squares covers {:.1}%",
        100.0 * f64::from(plain) / f64::from(runs())
    );
    shares.check(&format!("{name}, given curvatures"), known, runs(), 0.95, [0.93, 0.97]);
    shares.check(
        &format!("{name}, prefactor, given curvatures"),
        of_prefactor,
        runs(),
        0.95,
        [0.93, 0.97],
    );
    shares.check(&format!("{name}, fitted curvatures"), fitted, runs(), 0.95, [0.93, 0.97]);
}
