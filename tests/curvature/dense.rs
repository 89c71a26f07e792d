//! Products against dense matrices from other sources.

use nalgebra::DMatrix;
use perrin::Error;
use perrin::curvature::{LossHessian, Reduction, top_eigenpairs};
use perrin::linalg::lanczos::LanczosOptions;
use perrin::linalg::operator::SymmetricOperator;
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

use crate::support::{
    BATCHES, EXAMPLES, Problem, assert_agree, finite_differences, irregular, matrix, start_of,
};

/// Products are rounded to f32 (6e-8).
const F64_NETWORK: f64 = 2e-7;
/// The network's own arithmetic is f32: a few roundings more.
const F32_NETWORK: f64 = 2e-6;

#[test]
fn several_batches_make_the_hessian_of_the_mean_over_all_examples() {
    for (kind, tolerance) in [(Kind::Double, F64_NETWORK), (Kind::Float, F32_NETWORK)] {
        let exact = Problem::new(Kind::Double);
        let expected = finite_differences(&exact.variables, || exact.mean(0, EXAMPLES));
        let problem = Problem::new(kind);
        let loss = |batch: usize| problem.mean(start_of(&BATCHES, batch), BATCHES[batch]);
        let mut hessian = LossHessian::new(&problem.variables, &BATCHES, loss).unwrap();
        assert_eq!(hessian.dimension(), 26);
        assert_agree(&matrix(&mut hessian), &expected, tolerance);
        let mut whole =
            LossHessian::new(&problem.variables, &[EXAMPLES], |_| problem.mean(0, EXAMPLES))
                .unwrap();
        assert_agree(&matrix(&mut whole), &expected, tolerance);
    }
}

/// Half precision has 8 and 11 bits: each of a few roundings takes 2^-9 and 2^-12 of the largest
/// element.
#[test]
fn networks_of_half_precision() {
    for (kind, tolerance) in
        [(Kind::BFloat16, 4.0 * 2f64.powi(-8)), (Kind::Half, 4.0 * 2f64.powi(-11))]
    {
        let problem = Problem::new(kind);
        let exact = Problem::new(Kind::Double);
        for (mut wide, narrow) in exact
            .variables
            .trainable_variables()
            .into_iter()
            .zip(problem.variables.trainable_variables())
        {
            tch::no_grad(|| wide.copy_(&narrow));
        }
        let expected = finite_differences(&exact.variables, || exact.mean(0, EXAMPLES));
        let loss = |batch: usize| problem.mean(start_of(&BATCHES, batch), BATCHES[batch]);
        let mut hessian = LossHessian::new(&problem.variables, &BATCHES, loss).unwrap();
        assert_agree(&matrix(&mut hessian), &expected, tolerance);
    }
}

/// Eight sequences of ten tokens, of which the first four have nine of padding: the mean is over 44
/// tokens.
#[test]
fn batches_are_weighted_by_the_terms_of_their_means() {
    const SEQUENCES: i64 = 8;
    let store = VarStore::new(Device::Cpu);
    let weight = store.root().add("weight", irregular(&[6, 5], 1.0, 0.5), true);
    let inputs = irregular(&[SEQUENCES, 10, 6], 2.0, 1.0);
    let labels = (irregular(&[SEQUENCES, 10], 3.0, 2.0) + 2.5).to_kind(Kind::Int64);
    let _ = labels.narrow(0, 0, 4).narrow(1, 1, 9).fill_(-100);
    let loss = |start: i64, count: i64| {
        let logits = inputs.narrow(0, start, count).matmul(&weight).reshape([-1, 5]);
        let targets = labels.narrow(0, start, count).reshape([-1]);
        logits.cross_entropy_loss(&targets, None::<&Tensor>, tch::Reduction::Mean, -100, 0.)
    };
    let expected = finite_differences(&store, || loss(0, SEQUENCES));
    let hessian = |sizes: &[usize]| {
        let mut hessian =
            LossHessian::new(&store, sizes, |batch| loss(4 * batch as i64, 4)).unwrap();
        matrix(&mut hessian)
    };
    assert_agree(&hessian(&[4, 40]), &expected, F64_NETWORK);
    let by_sequences = (hessian(&[4, 4]) - &expected).amax();
    assert!(
        by_sequences > 0.1 * expected.amax(),
        "weighted by sequences it is the Hessian of another loss"
    );
}

#[test]
fn sums_add_up() {
    let problem = Problem::new(Kind::Double);
    let expected = finite_differences(&problem.variables, || problem.sum(0, EXAMPLES));
    let loss = |batch: usize| problem.sum(start_of(&BATCHES, batch), BATCHES[batch]);
    let mut hessian =
        LossHessian::new(&problem.variables, &BATCHES, loss).unwrap().reduction(Reduction::Sum);
    assert_agree(&matrix(&mut hessian), &expected, F64_NETWORK);
    let mean = finite_differences(&problem.variables, || problem.mean(0, EXAMPLES));
    assert_agree(&(mean * EXAMPLES as f64), &expected, F64_NETWORK);
}

#[test]
fn weight_decay_is_in_by_choice() {
    let problem = Problem::new(Kind::Double);
    let loss = |_| problem.mean(0, EXAMPLES);
    let mut without = LossHessian::new(&problem.variables, &[EXAMPLES], loss).unwrap();
    let mut with =
        LossHessian::new(&problem.variables, &[EXAMPLES], loss).unwrap().weight_decay(0.37);
    let shift = DMatrix::identity(26, 26) * 0.37;
    assert_agree(&matrix(&mut with), &(matrix(&mut without) + shift), F64_NETWORK);
}

/// L = 1/n sum ||W x + b - y||^2 has the Hessian 2/n sum (x, 1)(x, 1)^T for each output, whatever W
/// and b.
#[test]
fn linear_regression_has_its_analytic_hessian() {
    let store = VarStore::new(Device::Cpu);
    let mut weight = store.root().zeros("weight", &[2, 3]);
    let bias = store.root().zeros("bias", &[2]);
    let (inputs, targets) = (irregular(&[7, 3], 1.0, 1.0), irregular(&[7, 2], 2.0, 1.0));
    let (inputs, targets) = (inputs.to_kind(Kind::Float), targets.to_kind(Kind::Float));
    let x = |n: i64, i: usize| if i < 3 { inputs.double_value(&[n, i as i64]) } else { 1.0 };
    // Order: weight row by row, then bias. (output, input) of each element; input 3 is the bias.
    let place = |i: usize| if i < 6 { (i / 3, i % 3) } else { (i - 6, 3) };
    let expected = DMatrix::from_fn(8, 8, |i, j| {
        let ((a, k), (b, l)) = (place(i), place(j));
        if a == b { (0..7).map(|n| 2.0 / 7.0 * x(n, k) * x(n, l)).sum() } else { 0.0 }
    });
    for values in [0.0, 3.0] {
        let _ = tch::no_grad(|| weight.fill_(values));
        let loss =
            |_| (inputs.matmul(&weight.tr()) + &bias - &targets).square().sum(Kind::Float) / 7.0;
        let mut hessian = LossHessian::new(&store, &[7], loss).unwrap();
        let names: Vec<String> =
            hessian.parameters().into_iter().map(|parameter| parameter.name).collect();
        assert_eq!(names, ["weight", "bias"]);
        assert_agree(&matrix(&mut hessian), &expected, F32_NETWORK);
    }
}

#[test]
fn eigenpairs_are_those_of_the_dense_hessian() {
    let problem = Problem::new(Kind::Double);
    let dense = finite_differences(&problem.variables, || problem.mean(0, EXAMPLES));
    let mut exact: Vec<f64> = dense.clone().symmetric_eigenvalues().iter().copied().collect();
    exact.sort_by(|a, b| b.total_cmp(a));
    let loss = |batch: usize| problem.mean(start_of(&BATCHES, batch), BATCHES[batch]);
    let mut hessian = LossHessian::new(&problem.variables, &BATCHES, loss).unwrap();
    let options =
        LanczosOptions { residual_tolerance: 1e-5, smallest: 2, ..LanczosOptions::largest(5) };
    let found = top_eigenpairs(&mut hessian, &options).unwrap();
    assert!(found.all_converged() && found.asymmetry < 1e-6, "{found:?}");
    for (pair, exact) in
        found.largest.iter().zip(&exact).chain(found.smallest.iter().zip(exact.iter().rev()))
    {
        assert!(
            (pair.eigenvalue - exact).abs() <= 1e-5 * exact.abs(),
            "{} {exact}",
            pair.eigenvalue
        );
        let vector =
            nalgebra::DVector::from_iterator(26, pair.eigenvector.iter().map(|&x| f64::from(x)));
        let residual = (&dense * &vector - &vector * pair.eigenvalue).norm();
        assert!(
            (residual - pair.residual).abs() <= 1e-6 * found.largest[0].eigenvalue,
            "the certificate is true"
        );
    }
    assert!(found.smallest[0].eigenvalue < 0.0, "negative curvature is reported apart");
}

#[test]
fn vectors_of_a_block_are_multiplied_as_if_alone() {
    let problem = Problem::new(Kind::Float);
    let loss = |batch: usize| problem.mean(start_of(&BATCHES, batch), BATCHES[batch]);
    let mut hessian = LossHessian::new(&problem.variables, &BATCHES, loss).unwrap();
    let vectors: Vec<f32> = (0..3 * 26).map(|i| (i as f32 * 1.7).sin()).collect();
    let mut together = vec![0.0; vectors.len()];
    hessian.multiply(&vectors, &mut together).unwrap();
    for (vector, together) in vectors.chunks(26).zip(together.chunks(26)) {
        let mut alone = vec![0.0; 26];
        hessian.multiply(vector, &mut alone).unwrap();
        assert_eq!(alone, together);
    }
    assert!(matches!(
        hessian.multiply(&vectors[..27], &mut together[..27]),
        Err(Error::ShapeMismatch { .. })
    ));
    assert!(matches!(
        hessian.multiply(&vectors[..26], &mut together),
        Err(Error::ShapeMismatch { .. })
    ));
}

#[test]
fn the_hessian_is_that_of_the_parameters_as_they_are() {
    let problem = Problem::new(Kind::Double);
    let mut hessian =
        LossHessian::new(&problem.variables, &[EXAMPLES], |_| problem.mean(0, EXAMPLES)).unwrap();
    let before = matrix(&mut hessian);
    let _ = tch::no_grad(|| problem.variables.trainable_variables()[0].g_add_scalar_(0.3));
    let after = matrix(&mut hessian);
    assert!((&after - before).amax() > 0.01);
    assert_agree(
        &after,
        &finite_differences(&problem.variables, || problem.mean(0, EXAMPLES)),
        F64_NETWORK,
    );
}
