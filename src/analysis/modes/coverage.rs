//! Do intervals of 95% cover the truth in 95 of 100 runs, and do tests at 5% raise five false
//! alarms? On runs of the exact sampler, in every regime. `PERRIN_COVERAGE=1000` sets the number of
//! runs, and `--nocapture` shows the table of `docs/modes.md`.

mod phases;
mod tally;

use nalgebra::DMatrix;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use tally::Tally;

use super::correlation::summarize;
use super::estimate::BatchedMean;
use super::isotropy::Isotropy;
use super::mode::{EigenvalueSource, ModeFit};
use super::noise_scale::{NoiseScales, NoiseSource};
use super::options::ModesOptions;
use super::oscillation::{Spectra, SpectralPeak};
use super::reading::ModeReading;
use super::series::ModeSeries;
use super::sums::ModeSums;
use super::window::Window;
use crate::analysis::Answer;
use crate::stats::spectrum::Plans;
use crate::theory::discrete::DiscreteMode;
use crate::theory::parameters::SgdParameters;
use crate::theory::sampler::QuadraticSampler;
use crate::theory::update_rule::UpdateRule;

fn runs() -> u64 {
    std::env::var("PERRIN_COVERAGE").ok().and_then(|runs| runs.parse().ok()).unwrap_or(200)
}

#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    momentum: f64,
    eigenvalues: &'static [f64],
    steps: u64,
    momentum_known: bool,
    /// Share of rows that are missing.
    dropped: f64,
    /// Distance of the start in standard deviations; none for a stationary start.
    start: Option<f64>,
    /// Steps from row to row.
    every: u64,
    /// Whether the noises of every 50 steps cancel, but for 0.09 of the variance of their sum.
    without_replacement: bool,
}

const CASE: Case = Case {
    name: "",
    momentum: 0.9,
    eigenvalues: &[0.5],
    steps: 2000,
    momentum_known: true,
    dropped: 0.0,
    start: None,
    every: 1,
    without_replacement: false,
};

const fn parameters(momentum: f64) -> SgdParameters {
    SgdParameters {
        learning_rate: 0.1,
        momentum,
        weight_decay: 1e-4,
        batch_size: 32.0,
        noise_scale: 2.0,
    }
}

fn window(case: &Case) -> Window {
    let parameters = parameters(case.momentum);
    Window {
        first_step: 1,
        last_step: case.steps,
        rows: case.steps,
        rows_left_out: 0,
        stretches: 1,
        learning_rate: Some(parameters.learning_rate),
        momentum: case.momentum_known.then_some(case.momentum),
        weight_decay: Some(parameters.weight_decay),
        batch_size: Some(32),
        basis: None,
        range: 0..case.steps,
    }
}

/// One run: a series a mode, positions from a reference point that is not the mean.
fn simulate(case: &Case, seed: u64) -> Vec<ModeSeries> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    if case.without_replacement {
        return vec![simulate_without_replacement(case, &mut random)];
    }
    let parameters = parameters(case.momentum);
    let mut sampler = match case.start {
        None => QuadraticSampler::stationary(&parameters, case.eigenvalues, &mut random).unwrap(),
        Some(distance) => {
            let of = |rho: &f64| {
                distance * DiscreteMode::new(&parameters, *rho).unwrap().position_variance().sqrt()
            };
            let start: Vec<f64> = case.eigenvalues.iter().map(of).collect();
            QuadraticSampler::new(&parameters, UpdateRule::default(), case.eigenvalues, &start)
                .unwrap()
        }
    };
    let mut series = vec![ModeSeries::of_every(case.every); case.eigenvalues.len()];
    for step in 1..=case.steps {
        sampler.step(&mut random);
        let has_row = step.is_multiple_of(case.every);
        if !has_row || (case.dropped > 0.0 && random.random::<f64>() < case.dropped) {
            continue;
        }
        for (mode, series) in series.iter_mut().enumerate() {
            series.push(
                step,
                Some(sampler.positions()[mode] + 3.0),
                Some(sampler.velocities()[mode]),
            );
        }
    }
    series
}

/// Noise whose sum over 50 steps has 0.09 of the variance that it would have if they were
/// independent, as it is where gradients depend on the position; from ten epochs before the first
/// row on.
fn simulate_without_replacement(case: &Case, random: &mut ChaCha8Rng) -> ModeSeries {
    let parameters = parameters(case.momentum);
    let curvature = case.eigenvalues[0] + parameters.weight_decay;
    let scale = (parameters.noise_scale * case.eigenvalues[0] / parameters.batch_size).sqrt();
    let mut series = ModeSeries::default();
    let (mut x, mut v, mut noises) = (0.0, 0.0, [0.0; 50]);
    for step in 0..case.steps + 500 {
        if step % 50 == 0 {
            noises = std::array::from_fn(|_| StandardNormal.sample(random));
            let mean: f64 = noises.iter().sum::<f64>() / 50.0;
            noises
                .iter_mut()
                .for_each(|noise| *noise = (*noise - 0.7 * mean) / (1.0 - 0.91_f64 / 50.0).sqrt());
        }
        v = case.momentum * v - curvature * x + scale * noises[(step % 50) as usize];
        x += parameters.learning_rate * v;
        if step >= 500 && !(case.dropped > 0.0 && random.random::<f64>() < case.dropped) {
            series.push(step - 499, Some(x + 3.0), Some(v));
        }
    }
    series
}

fn fit(case: &Case, series: &[ModeSeries], hessian: bool) -> Vec<ModeFit> {
    fit_with_balances(case, series, hessian).0
}

fn fit_with_balances(
    case: &Case,
    series: &[ModeSeries],
    hessian: bool,
) -> (Vec<ModeFit>, Vec<Option<BatchedMean>>) {
    let window = window(case);
    let fit = |(mode, series): (usize, &ModeSeries)| {
        let eigenvalue = hessian.then_some(case.eigenvalues[mode]);
        ModeReading::of_series(mode + 1, series, &window, eigenvalue, Some(50), 4096)
    };
    series.iter().enumerate().map(fit).unzip()
}

const CASES: [Case; 21] = [
    Case { name: "under-damped", ..CASE },
    Case { name: "under-damped, a tenth of the rows missing", dropped: 0.1, ..CASE },
    Case { name: "under-damped, momentum fitted", momentum_known: false, ..CASE },
    Case { name: "critical", eigenvalues: &[0.026_234], steps: 3000, ..CASE },
    Case { name: "over-damped, 12 relaxation times", eigenvalues: &[0.003], steps: 4000, ..CASE },
    Case {
        name: "over-damped, momentum fitted",
        eigenvalues: &[0.003],
        steps: 4000,
        momentum_known: false,
        ..CASE
    },
    Case { name: "over-damped, 2.4 relaxation times", eigenvalues: &[0.0005], steps: 4000, ..CASE },
    Case { name: "under-damped, 1 relaxation time", momentum: 0.999, eigenvalues: &[0.01], ..CASE },
    Case {
        name: "critical, 3 relaxation times",
        momentum: 0.99,
        eigenvalues: &[2.5e-4 - 1e-4],
        steps: 600,
        ..CASE
    },
    Case {
        name: "without momentum, alternating",
        momentum: 0.0,
        eigenvalues: &[15.0],
        steps: 500,
        ..CASE
    },
    Case { name: "60 steps", momentum: 0.5, eigenvalues: &[2.0], steps: 60, ..CASE },
    Case {
        name: "start 10 deviations away",
        eigenvalues: &[0.003],
        steps: 2000,
        start: Some(10.0),
        ..CASE
    },
    Case { name: "every 5th row, under-damped", every: 5, ..CASE },
    Case { name: "every 5th row, a tenth missing", every: 5, dropped: 0.1, ..CASE },
    Case { name: "every 50th row, under-damped", every: 50, steps: 20_000, ..CASE },
    Case {
        name: "every 2nd row, alternating",
        momentum: 0.0,
        eigenvalues: &[15.0],
        steps: 1000,
        every: 2,
        ..CASE
    },
    Case {
        name: "every 5th row, over-damped",
        eigenvalues: &[0.003],
        steps: 4000,
        every: 5,
        ..CASE
    },
    Case {
        name: "every 20th row, 2.4 relaxation times",
        eigenvalues: &[0.0005],
        steps: 4000,
        every: 20,
        ..CASE
    },
    Case { name: "without replacement, swinging", without_replacement: true, ..CASE },
    Case {
        name: "without replacement, 0.05",
        eigenvalues: &[0.05],
        without_replacement: true,
        ..CASE
    },
    Case {
        name: "without replacement, 0.003",
        eigenvalues: &[0.003],
        without_replacement: true,
        steps: 4000,
        ..CASE
    },
];

#[test]
fn intervals_of_the_recursion_cover_the_truth() {
    let mut wrong = Vec::new();
    for case in CASES {
        let mut tally = Tally::default();
        let parameters = parameters(case.momentum);
        let rho = case.eigenvalues[0];
        let truth = DiscreteMode::new(&parameters, rho).unwrap();
        let curvature = rho + parameters.weight_decay;
        let stiffness = parameters.learning_rate * curvature;
        let damping = (1.0 - case.momentum) / (2.0 * (1.0 + case.momentum) * stiffness).sqrt();
        for seed in 0..runs() {
            let series = simulate(&case, seed);
            let modes = fit(&case, &series, false);
            let Some(fit) = modes[0].recursion.known() else {
                tally
                    .count("curvature", modes[0].recursion.reason().unwrap().contains("from zero"));
                continue;
            };
            tally.count("curvature", fit.curvature.covers(curvature));
            tally.count("noise variance", fit.noise_variance.covers(2.0 * rho / 32.0));
            if let Some(frequency) = truth.cycles_per_step() {
                tally.count("frequency", fit.cycles_per_step.covers(frequency));
            }
            tally.count("damping ratio", fit.damping_ratio.covers(damping));
            if -truth.decay_per_step().ln() * case.steps as f64 > 20.0 {
                tally.count("mean", fit.mean.is_some_and(|mean| mean.covers(3.0)));
                let window = window(&case);
                let scales = NoiseScales::new(
                    &modes,
                    &[None],
                    &window,
                    EigenvalueSource::Fit,
                    None,
                    &ModesOptions::default(),
                );
                // None where a curvature cannot be told from zero.
                if let Some(scales) = scales.known() {
                    tally.count(
                        "sigma^2",
                        scales.value(NoiseSource::Innovations).unwrap().covers(2.0),
                    );
                }
            }
        }
        wrong.extend(tally.outside(case.name, 0.93, 0.97));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

const SIX_MODES: Case = Case { eigenvalues: &[5.0, 2.0, 1.0, 0.5, 0.2, 0.1], steps: 4000, ..CASE };

#[test]
fn comparisons_of_modes_cover_the_truth_and_raise_five_false_alarms_in_a_hundred() {
    let case = SIX_MODES;
    let parameters = parameters(case.momentum);
    let variance = |mode: usize| {
        DiscreteMode::new(&parameters, case.eigenvalues[mode]).unwrap().position_variance()
    };
    let (mut covered, mut alarms) = (Tally::default(), Tally::default());
    for seed in 0..runs() {
        let series = simulate(&case, 1_000_000 + seed);
        let (modes, balances) = fit_with_balances(&case, &series, true);
        let window = window(&case);
        let none = Answer::cannot_say("not read");
        let isotropy = Isotropy::new(&modes, &window, EigenvalueSource::Hessian, Some(2.0), none);
        covered.count(
            "ratio q_1 : q_K",
            isotropy.first_to_last.known().unwrap().covers(variance(0) / variance(5)),
        );
        alarms.count(
            "positions against discrete theory",
            isotropy.against_discrete_theory.known().unwrap().rejected,
        );
        let centred = |mode: usize, row: usize| {
            series[mode].positions[row] - modes[mode].moments.known().unwrap().position_mean
        };
        let positions = DMatrix::from_fn(6, case.steps as usize, centred);
        let covariance = &positions * positions.transpose() / case.steps as f64;
        let correlation =
            summarize(&modes.iter().collect::<Vec<_>>(), &covariance, case.steps).unwrap();
        alarms.count("correlation of modes", correlation.against_none.rejected);
        let total = super::TotalEquipartition::new(&modes);
        covered.count("equipartition, total", total.known().unwrap().holds);
        let scales = NoiseScales::new(
            &modes,
            &balances,
            &window,
            EigenvalueSource::Hessian,
            None,
            &ModesOptions::default(),
        );
        let scales = scales.known().unwrap();
        covered.count(
            "sigma^2, innovations",
            scales.value(NoiseSource::Innovations).unwrap().covers(2.0),
        );
        covered.count(
            "sigma^2, velocities",
            scales.value(NoiseSource::VelocityVariances).unwrap().covers(2.0),
        );
        alarms.count("innovations agree with velocities", scales.agreements[0].test.rejected);
        for scale in &scales.values {
            alarms
                .count("sigma^2 the same in all modes", scale.same_in_all_modes.unwrap().rejected);
        }
        for (mode, rho) in modes.iter().zip(case.eigenvalues) {
            covered.count("equipartition, one mode", mode.equipartition.known().unwrap().holds);
            let truth = DiscreteMode::new(&parameters, *rho).unwrap();
            let [[xx, _], [_, vv]] = truth.stationary_covariance();
            let found = &isotropy.modes[mode.mode - 1];
            covered.count("position variance", found.position.covers(xx));
            covered.count("velocity variance", found.velocity.covers(vv));
            let rotation = mode.rotation.known().unwrap();
            alarms.count("rotation against theory", rotation.against_theory.rejected);
            let area = -0.5 * 0.1 * vv * (1.9 - 0.05 * (rho + 1e-4));
            covered.count("rotation", rotation.area_per_step.covers(area));
            assert!(rotation.against_detailed_balance.rejected, "all of them turn");
            let noise = mode.noise.known().unwrap();
            alarms.count("noise against Gaussian", noise.against_gaussian.rejected);
            alarms.count("noise against white", noise.against_white.rejected);
            alarms.count(
                "epochs against independent",
                noise.epochs.unwrap().against_independent.rejected,
            );
            alarms.count(
                "order repeats after an epoch",
                noise.epochs.unwrap().repeats.unwrap().rejected,
            );
        }
        // The slope is 1 but for what discrete time adds to sharp modes: slow ones only.
        let slow = Case { eigenvalues: &[0.4, 0.2, 0.1, 0.05], ..case };
        let modes = fit(&slow, &simulate(&slow, 2_000_000 + seed), true);
        let none = Answer::cannot_say("not read");
        let isotropy = Isotropy::new(&modes, &window, EigenvalueSource::Hessian, Some(2.0), none);
        covered.count("velocity slope", isotropy.velocity_slope.known().unwrap().covers(1.0));
        alarms.count(
            "positions against modified loss",
            isotropy.against_modified_loss.known().unwrap().rejected,
        );
    }
    let mut wrong = covered.outside("six modes", 0.93, 0.97);
    wrong.extend(alarms.outside("six modes, false alarms", 0.03, 0.07));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A flat mode has momentum and noise and no frequency; a reversible process has no current.
#[test]
fn spectra_and_currents_of_nothing_raise_five_false_alarms_in_a_hundred() {
    let mut alarms = Tally::default();
    let case = Case { momentum: 0.9, steps: 4000, ..CASE };
    for seed in 0..runs() {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut normal = || -> f64 { StandardNormal.sample(&mut random) };
        let (mut flat, mut balanced) = (ModeSeries::default(), ModeSeries::default());
        let (mut x, mut v, mut pair) = (0.0, 0.0, [0.0; 2]);
        for step in 1..=case.steps {
            v = 0.9 * v + normal();
            x += 0.1 * v;
            flat.push(step, Some(x), Some(v));
            // The same noise and a symmetric map: as likely forwards as backwards.
            pair = [
                0.5 * pair[0] - 0.2 * pair[1] + normal(),
                0.5 * pair[1] - 0.2 * pair[0] + normal(),
            ];
            balanced.push(step, Some(pair[0]), Some(pair[1]));
        }
        let mut sums = ModeSums::new(1, None, None);
        flat.for_each_part(4096, |part| sums.add(part));
        let mut spectra = Spectra::new(&sums, Some(0.9), &mut Plans::default()).unwrap();
        flat.for_each_part(4096, |part| spectra.add(part));
        let spectrum = SpectralPeak::new(&spectra, None).unwrap();
        alarms.count("spectral peak against noise", spectrum.against_noise.rejected);
        let of_half = Case { momentum: 0.5, ..case };
        let rotation = &fit(&of_half, &[balanced], false)[0].rotation;
        let rejected = rotation.known().unwrap().against_detailed_balance.rejected;
        alarms.count("current against detailed balance", rejected);
    }
    let wrong = alarms.outside("nothing there", 0.03, 0.07);
    assert!(wrong.is_empty(), "{wrong:#?}");
}
