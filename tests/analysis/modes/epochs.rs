//! Batches drawn without replacement whose noises add up to nothing over an epoch, exactly: what is
//! measured against the covariances of the process, written out with matrices.

use nalgebra::{DMatrix, DVector, Matrix2};
use perrin::analysis::modes::{ModesFit, ModesOptions};
use perrin::record::RunInfo;
use perrin::theory::parameters::SgdParameters;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::support::{PARAMETERS, Row, info, row, write};

/// Steps in an epoch.
const EPOCH: usize = 20;
const STEPS: u64 = 40_000;

/// Noises of the batches, each once an epoch; their sum is 0.
fn noises(random: &mut ChaCha8Rng) -> Vec<f64> {
    let noises: Vec<f64> = (0..EPOCH).map(|_| StandardNormal.sample(random)).collect();
    let mean = noises.iter().sum::<f64>() / EPOCH as f64;
    noises.iter().map(|noise| noise - mean).collect()
}

fn simulate(
    parameters: &SgdParameters,
    curvature: f64,
    noises: &[f64],
    random: &mut ChaCha8Rng,
) -> Vec<Row> {
    let (mut x, mut v, mut order) = (0.0, 0.0, noises.to_vec());
    let mut rows = Vec::new();
    // The first 2,000 steps for the way to the stationary state.
    for step in 0..STEPS + 2000 {
        if step.is_multiple_of(EPOCH as u64) {
            order.shuffle(random);
        }
        v = parameters.momentum * v - curvature * x + order[step as usize % EPOCH];
        x += parameters.learning_rate * v;
        rows.extend((step >= 2000).then(|| row(step - 1999, parameters, &[x + 1.0], &[v])));
    }
    rows
}

/// Variances of position and velocity, and area swept a step, means over an epoch in the stationary
/// state.
fn written_out(parameters: &SgdParameters, curvature: f64, noises: &[f64]) -> [f64; 3] {
    let (rate, beta) = (parameters.learning_rate, parameters.momentum);
    let map = Matrix2::new(1.0 - rate * curvature, rate * beta, -curvature, beta);
    let variance = noises.iter().map(|noise| noise * noise).sum::<f64>() / EPOCH as f64;
    // Of numbers drawn from a list without replacement: any two are correlated by -1 / (n - 1).
    let others = -variance / (EPOCH as f64 - 1.0);
    let noise = DMatrix::from_fn(EPOCH, EPOCH, |i, j| if i == j { variance } else { others });
    // (x, v) after j steps of an epoch, as a linear map of (x, v) at its beginning and its noises.
    let mut after = vec![DMatrix::<f64>::identity(2, 2 + EPOCH)];
    for step in 0..EPOCH {
        let mut next = DMatrix::from_fn(2, 2, |i, j| map[(i, j)]) * &after[step];
        next[(0, 2 + step)] += rate;
        next[(1, 2 + step)] += 1.0;
        after.push(next);
    }
    let mut inputs = DMatrix::zeros(2 + EPOCH, 2 + EPOCH);
    inputs.view_mut((2, 2), (EPOCH, EPOCH)).copy_from(&noise);
    // The beginning of an epoch has the covariance of its end, and nothing to do with the noises to
    // come.
    for _ in 0..1000 {
        let end = &after[EPOCH] * &inputs * after[EPOCH].transpose();
        inputs.view_mut((0, 0), (2, 2)).copy_from(&end);
    }
    let mut means = DVector::zeros(3);
    for step in 0..EPOCH {
        let here = &after[step] * &inputs * after[step].transpose();
        let both = &after[step] * &inputs * after[step + 1].transpose();
        means += DVector::from_vec(vec![
            here[(0, 0)],
            here[(1, 1)],
            0.5 * (both[(0, 1)] - both[(1, 0)]),
        ]);
    }
    std::array::from_fn(|of| means[of] / EPOCH as f64)
}

#[test]
fn noise_that_cancels_exactly_is_what_matrices_say() {
    // A mode that creeps back in 50 steps, and one that swings.
    for (momentum, curvature) in [(0.0, 0.2), (0.9, 3.0)] {
        let parameters = SgdParameters { momentum, weight_decay: 0.0, ..PARAMETERS };
        let mut random = ChaCha8Rng::seed_from_u64(8);
        let noises = noises(&mut random);
        let directory = tempfile::tempdir().unwrap();
        let about = RunInfo { steps_per_epoch: Some(EPOCH as u64), ..info(1) };
        let run =
            write(directory.path(), &about, simulate(&parameters, curvature, &noises, &mut random));
        let fit = ModesFit::of(&run, &ModesOptions::default()).unwrap();
        let mode = &fit.modes[0];
        let recursion = mode.recursion.known().unwrap();
        // The sums of an epoch's noises, and what is fitted of them, are those of the error of the
        // curvature alone.
        let mark = mode.noise.known().unwrap().epochs.unwrap();
        assert!(
            mark.variance_ratio < 0.01 && recursion.epoch_noise.unwrap().variance_ratio < 0.01,
            "{mark:?}"
        );
        assert!((mark.correlation_within + 1.0 / 19.0).abs() < 1e-3, "{mark:?}");
        let reach = 2.0 * (recursion.curvature.high.unwrap() - recursion.curvature.value);
        assert!((recursion.curvature.value - curvature).abs() < reach, "{:?}", recursion.curvature);

        let [position, velocity, area] = written_out(&parameters, curvature, &noises);
        let moments = mode.moments.known().unwrap();
        // Positions forget within an epoch: at least 1,000 independent values, a standard error of
        // 4.5% at most.
        for (found, expected) in
            [(moments.position_variance, position), (moments.velocity_variance, velocity)]
        {
            assert!(
                (found / expected - 1.0).abs() < 0.15,
                "momentum {momentum}: {found} is not {expected}"
            );
        }
        let rotation = mode.rotation.known().unwrap().area_per_step;
        let reach = 2.0 * (rotation.high.unwrap() - rotation.value);
        assert!(
            (rotation.value - area).abs() < reach,
            "momentum {momentum}: {rotation:?} is not {area}"
        );
        if momentum == 0.0 {
            // As many independent batches would have eta^2 sigma^2 / (2 p - p^2), which is what
            // cancelling spares.
            let variance = noises.iter().map(|noise| noise * noise).sum::<f64>() / EPOCH as f64;
            let pull = parameters.learning_rate * curvature;
            let independent =
                parameters.learning_rate.powi(2) * variance / (2.0 * pull - pull * pull);
            assert!(moments.position_variance < 0.5 * independent, "{independent}");
        }
    }
}
