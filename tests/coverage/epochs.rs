//! Batches drawn without replacement: successive noises are anti-correlated, which the fitted
//! recursion does not know. Intervals drawn from it would cover 85%; the recursion is refused, and
//! it is not where batches are drawn with replacement.

use nalgebra::{DMatrix, DVector};
use perrin::analysis::lags::{FRACTION, STRETCHES, is_reproduced};
use perrin::analysis::mode_recursion::ModeRecursion;
use perrin::analysis::settings::PlainSgd;
use perrin::stats::mean_squared_displacement::{Coordinate, DisplacementSums};
use perrin::theory::discrete::DiscreteMode;
use perrin::theory::sampler::{Batches, RegressionSampler};
use perrin::theory::update_rule::UpdateRule;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::support::{PARAMETERS, runs};

const ROWS: usize = 1200;
const BURN_IN: usize = 1000;
const EXAMPLES: usize = 128;
const MODES: usize = 6;

#[test]
fn noise_without_replacement_is_noticed() {
    let mut random = ChaCha8Rng::seed_from_u64(42);
    let mut normal = || -> f64 { StandardNormal.sample(&mut random) };
    // Columns of falling size: eigenvalues from about 2 to 0.02.
    let features = DMatrix::from_fn(EXAMPLES, MODES, |_, mode| {
        normal() * 2f64.sqrt() * 10f64.powf(-0.2 * mode as f64)
    });
    let targets = DVector::from_fn(EXAMPLES, |_, _| normal());
    let parameters = perrin::theory::parameters::SgdParameters { batch_size: 16.0, ..PARAMETERS };
    let sgd = PlainSgd { learning_rate: parameters.learning_rate, momentum: parameters.momentum };
    let runs = runs() / 5;
    let mut refused = [0; 2];
    for (batches, refused) in
        [Batches::WithReplacement, Batches::WithoutReplacement].into_iter().zip(&mut refused)
    {
        for seed in 0..runs {
            let mut random = ChaCha8Rng::seed_from_u64(u64::from(seed));
            let (rule, start) = (UpdateRule::default(), DVector::zeros(MODES));
            let mut sampler = RegressionSampler::new(
                &parameters,
                rule,
                batches,
                features.clone(),
                targets.clone(),
                &start,
            )
            .unwrap();
            let directions = sampler.hessian().symmetric_eigen().eigenvectors;
            (0..BURN_IN).for_each(|_| sampler.step(&mut random));
            let mut recursions = vec![ModeRecursion::default(); MODES];
            let mut coordinates = vec![Coordinate::default(); MODES];
            let mut sums = DisplacementSums::new(ROWS as u64, STRETCHES, FRACTION);
            for step in 1..=ROWS {
                sampler.step(&mut random);
                let position = directions.tr_mul(&DVector::from_column_slice(sampler.position()));
                let velocity = directions.tr_mul(&DVector::from_column_slice(sampler.velocity()));
                for (mode, recursion) in recursions.iter_mut().enumerate() {
                    recursion.push(step as u64, position[mode], velocity[mode], sgd.momentum);
                    coordinates[mode].push(position[mode], &mut sums);
                }
            }
            let modes: Vec<DiscreteMode> =
                recursions.iter().map(|recursion| recursion.mode(sgd).unwrap().unwrap()).collect();
            let expected =
                |lag| modes.iter().map(|mode| mode.mean_squared_displacement(lag)).sum::<f64>();
            *refused += u32::from(is_reproduced(&sums, MODES, expected).is_err());
        }
    }
    let [with, without] = refused;
    println!("recursion refused: {with} of {runs} with replacement, {without} of {runs} without");
    assert!(with <= runs / 20 && without >= runs - runs / 10, "{with} and {without} of {runs}");
}
