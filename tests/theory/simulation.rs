//! SGD itself, 256 chains of it, against the theory. Seeded; every bound is in standard errors of
//! the simulation.
//!
//! A mean of squares of n independent Gaussians has a relative standard error of sqrt(2/n). Each
//! check allows four; with some 60 checks, one in 250 seeds would fail by chance. The seeds here do
//! not.

use nalgebra::{DMatrix, DVector, RowDVector};
use perrin::theory::discrete::DiscreteMode;
use perrin::theory::displacement::{equation_13_curve, exact_curve};
use perrin::theory::langevin::LangevinMode;
use perrin::theory::parameters::SgdParameters;
use perrin::theory::sampler::{Batches, QuadraticSampler, RegressionSampler};
use perrin::theory::spectrum::Spectrum;
use perrin::theory::update_rule::UpdateRule;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

const CHAINS: usize = 256;
/// Copies of each mode in a chain, so that variances are known to 2.2%.
const COPIES: usize = 16;
const STANDARD_ERRORS: f64 = 4.0;

/// The parameters at which eq. 13 is shown to fail: eta rho is at most 0.05 with these eigenvalues.
const GENTLE: SgdParameters = SgdParameters {
    learning_rate: 0.01,
    momentum: 0.9,
    weight_decay: 1e-3,
    batch_size: 32.0,
    noise_scale: 2.0,
};
const EIGENVALUES: [f64; 4] = [5.0, 1.0, 0.2, 0.02];

/// How many standard errors the mean of the squares of `samples` is from `expected`.
fn deviation(samples: &[f64], expected: f64) -> f64 {
    let mean = samples.iter().map(|sample| sample * sample).sum::<f64>() / samples.len() as f64;
    (mean / expected - 1.0) / (2.0 / samples.len() as f64).sqrt()
}

/// Displacements of every copy of a mode over `lag` steps, from the stationary state.
fn stationary_displacements(
    parameters: &SgdParameters,
    eigenvalue: f64,
    lags: &[u64],
    seed: u64,
) -> Vec<Vec<f64>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut displacements = vec![Vec::new(); lags.len()];
    for _ in 0..CHAINS {
        let mut chain =
            QuadraticSampler::stationary(parameters, &[eigenvalue; COPIES], &mut random).unwrap();
        let start = chain.positions().to_vec();
        let mut step = 0;
        for (index, &lag) in lags.iter().enumerate() {
            while step < lag {
                chain.step(&mut random);
                step += 1;
            }
            displacements[index]
                .extend(chain.positions().iter().zip(&start).map(|(x, from)| x - from));
        }
    }
    displacements
}

#[test]
fn displacements_are_the_exact_ones_and_langevins_where_the_step_is_small() {
    let lags = [1, 10, 100, 1000];
    for (seed, eigenvalue) in EIGENVALUES.into_iter().enumerate() {
        let exact = DiscreteMode::new(&GENTLE, eigenvalue).unwrap();
        let langevin = LangevinMode::new(&GENTLE, eigenvalue).unwrap();
        let displacements = stationary_displacements(&GENTLE, eigenvalue, &lags, seed as u64);
        for (samples, lag) in displacements.iter().zip(lags) {
            let from_exact = deviation(samples, exact.mean_squared_displacement(lag));
            assert!(
                from_exact.abs() < STANDARD_ERRORS,
                "rho {eigenvalue}, lag {lag}: {from_exact}"
            );
            // Within ten steps the continuous velocity has turned; later what differs is of order
            // eta rho / (2 (1 + beta)), at most 1.3%.
            if lag >= 100 {
                let from_langevin = deviation(samples, langevin.mean_squared_displacement(lag));
                assert!(
                    from_langevin.abs() < STANDARD_ERRORS + 0.6,
                    "rho {eigenvalue}, lag {lag}: {from_langevin}"
                );
            }
        }
    }
}

#[test]
fn near_the_edge_of_stability_the_exact_values_hold_and_langevins_do_not() {
    // eta rho = 3.6 of at most 3.8.
    let parameters = SgdParameters { weight_decay: 0.0, learning_rate: 0.36, ..GENTLE };
    let exact = DiscreteMode::new(&parameters, 10.0).unwrap();
    let langevin = LangevinMode::new(&parameters, 10.0).unwrap();
    let lags = [1, 2, 7, 200];
    for (samples, lag) in stationary_displacements(&parameters, 10.0, &lags, 11).iter().zip(lags) {
        let from_exact = deviation(samples, exact.mean_squared_displacement(lag));
        assert!(from_exact.abs() < STANDARD_ERRORS, "lag {lag}: {from_exact}");
    }
    assert!(exact.position_variance() > 10.0 * langevin.position_variance());
}

#[test]
fn from_a_point_mean_and_covariance_are_the_exact_ones() {
    let parameters = SgdParameters { learning_rate: 0.2, ..GENTLE };
    let (eigenvalue, start) = (1.0, 2.0);
    let mode = DiscreteMode::new(&parameters, eigenvalue).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(21);
    let mut chains: Vec<QuadraticSampler> = (0..CHAINS)
        .map(|_| {
            let (eigenvalues, start) = ([eigenvalue; COPIES], [start; COPIES]);
            QuadraticSampler::new(&parameters, UpdateRule::default(), &eigenvalues, &start).unwrap()
        })
        .collect();
    for steps in 1..=40 {
        chains.iter_mut().for_each(|chain| chain.step(&mut random));
        if ![1, 5, 40].contains(&steps) {
            continue;
        }
        let [mean_x, mean_v] = mode.mean(start, 0.0, steps).unwrap();
        let [[xx, xv], [_, vv]] = mode.covariance_from_point(steps);
        let gather = |value: &dyn Fn(f64, f64) -> f64| -> Vec<f64> {
            let each = |chain: &QuadraticSampler| {
                let pairs = chain.positions().iter().zip(chain.velocities());
                pairs.map(|(x, v)| value(x - mean_x, v - mean_v)).collect::<Vec<_>>()
            };
            chains.iter().flat_map(each).collect()
        };
        let samples = gather(&|x, _| x);
        let mean = samples.iter().sum::<f64>() / samples.len() as f64;
        assert!(
            mean.abs() < STANDARD_ERRORS * (xx / samples.len() as f64).sqrt(),
            "{steps}: mean {mean}"
        );
        let checks = [
            deviation(&samples, xx),
            deviation(&gather(&|_, v| v), vv),
            deviation(
                &gather(&|x, v| x / xx.sqrt() + v / vv.sqrt()),
                2.0 + 2.0 * xv / (xx * vv).sqrt(),
            ),
        ];
        assert!(checks.iter().all(|check| check.abs() < STANDARD_ERRORS), "{steps}: {checks:?}");
    }
}

#[test]
fn equation_13_is_far_off_at_ten_thousand_steps() {
    let lag = 10_000;
    let mut random = ChaCha8Rng::seed_from_u64(31);
    let total: Vec<f64> = (0..CHAINS)
        .map(|_| {
            let mut chain =
                QuadraticSampler::stationary(&GENTLE, &EIGENVALUES, &mut random).unwrap();
            let start = chain.positions().to_vec();
            for _ in 0..lag {
                chain.step(&mut random);
            }
            chain.positions().iter().zip(&start).map(|(x, from)| (x - from).powi(2)).sum()
        })
        .collect();
    let simulated = total.iter().sum::<f64>() / CHAINS as f64;
    let variance =
        total.iter().map(|value| (value - simulated).powi(2)).sum::<f64>() / (CHAINS - 1) as f64;
    let standard_error = (variance / CHAINS as f64).sqrt();
    let spectrum = Spectrum::from_eigenvalues(&EIGENVALUES).unwrap();
    let exact = exact_curve(&GENTLE, &spectrum, lag).unwrap()[lag];
    let printed = equation_13_curve(&GENTLE, &spectrum, lag).unwrap()[lag];
    assert!(
        (simulated - exact).abs() < STANDARD_ERRORS * standard_error,
        "{simulated} {exact} {standard_error}"
    );
    assert!(printed - simulated > 20.0 * standard_error, "{printed} {simulated} {standard_error}");
}

/// Stationary E x^2 and E v^2 of libtorch's step on a quadratic loss: the covariance of (x,
/// buffer), run to its fixed point.
fn stationary_variances(parameters: &SgdParameters, rule: UpdateRule, eigenvalue: f64) -> [f64; 2] {
    let SgdParameters { learning_rate, momentum, weight_decay, batch_size, noise_scale } =
        *parameters;
    let curvature = eigenvalue + weight_decay;
    // buf' = beta buf + taken g, v = -(now g + then buf), x' = x + eta v, with g = curvature x +
    // noise.
    let taken = if rule.nesterov { 1.0 } else { 1.0 - rule.dampening };
    let (now, then) =
        if rule.nesterov { (1.0 + momentum, momentum * momentum) } else { (taken, momentum) };
    let velocity = RowDVector::from_row_slice(&[-now * curvature, -then]);
    let map = DMatrix::from_row_slice(
        2,
        2,
        &[
            1.0 + learning_rate * velocity[0],
            learning_rate * velocity[1],
            taken * curvature,
            momentum,
        ],
    );
    let kick = DVector::from_row_slice(&[-learning_rate * now, taken]);
    let noise = noise_scale * eigenvalue / batch_size;
    let kicks = &kick * kick.transpose() * noise;
    let mut covariance = DMatrix::zeros(2, 2);
    for _ in 0..20_000 {
        covariance = &map * covariance * map.transpose() + &kicks;
    }
    let of_velocity = (&velocity * &covariance * velocity.transpose())[(0, 0)] + now * now * noise;
    [covariance[(0, 0)], of_velocity]
}

#[test]
fn libtorchs_variants_have_their_stationary_variances() {
    let parameters = SgdParameters { learning_rate: 0.1, momentum: 0.8, ..GENTLE };
    // Both forget in well under 60 steps: |eigenvalue of the map|^60 < 0.01.
    let (eigenvalue, burn_in, spacing) = (4.0, 300, 60);
    for (seed, rule) in [
        UpdateRule { dampening: 0.5, nesterov: false },
        UpdateRule { dampening: 0.0, nesterov: true },
    ]
    .into_iter()
    .enumerate()
    {
        let mut random = ChaCha8Rng::seed_from_u64(41 + seed as u64);
        let start = [0.0; CHAINS];
        let mut chains =
            QuadraticSampler::new(&parameters, rule, &[eigenvalue; CHAINS], &start).unwrap();
        let (mut positions, mut velocities) = (Vec::new(), Vec::new());
        (0..burn_in).for_each(|_| chains.step(&mut random));
        for _ in 0..16 {
            (0..spacing).for_each(|_| chains.step(&mut random));
            positions.extend_from_slice(chains.positions());
            velocities.extend_from_slice(chains.velocities());
        }
        let [of_position, of_velocity] = stationary_variances(&parameters, rule, eigenvalue);
        let checks = [deviation(&positions, of_position), deviation(&velocities, of_velocity)];
        assert!(checks.iter().all(|check| check.abs() < STANDARD_ERRORS), "{rule:?}: {checks:?}");
    }
}

#[test]
fn without_replacement_a_slow_mode_is_quieter() {
    let mut random = ChaCha8Rng::seed_from_u64(51);
    let examples = 64;
    let normal = |random: &mut ChaCha8Rng| -> f64 { StandardNormal.sample(random) };
    let features = DMatrix::from_fn(examples, 1, |_, _| normal(&mut random));
    let targets = DVector::from_fn(examples, |_, _| normal(&mut random));
    // Relaxation: 100 steps, an epoch: 8.
    let parameters = SgdParameters {
        learning_rate: 0.01,
        momentum: 0.0,
        weight_decay: 0.0,
        batch_size: 8.0,
        noise_scale: 1.0,
    };
    let mut ratios = Vec::new();
    for batches in [Batches::WithReplacement, Batches::WithoutReplacement] {
        let mut samples = Vec::new();
        let mut expected = f64::NAN;
        for _ in 0..CHAINS {
            let sampler = |start: &DVector<f64>| {
                let rule = UpdateRule::default();
                RegressionSampler::new(
                    &parameters,
                    rule,
                    batches,
                    features.clone(),
                    targets.clone(),
                    start,
                )
                .unwrap()
            };
            let minimum = sampler(&DVector::zeros(1)).minimum().unwrap();
            let mut chain = sampler(&minimum);
            let eigenvalue = chain.hessian()[(0, 0)];
            let noise_scale = chain.noise_covariance(&minimum).unwrap()[(0, 0)] / eigenvalue;
            expected = DiscreteMode::new(&SgdParameters { noise_scale, ..parameters }, eigenvalue)
                .unwrap()
                .position_variance();
            for _ in 0..4 {
                (0..500).for_each(|_| chain.step(&mut random));
                samples.push(chain.position()[0] - minimum[0]);
            }
        }
        let mean = samples.iter().map(|sample| sample * sample).sum::<f64>() / samples.len() as f64;
        ratios.push(mean / expected);
    }
    // 1,024 samples: a standard error of 4.4%. The noise grows a little away from the minimum, by
    // eta-sized terms.
    assert!((ratios[0] - 1.0).abs() < STANDARD_ERRORS * 0.044 + 0.02, "{ratios:?}");
    assert!(ratios[1] < 0.3, "{ratios:?}");
}
