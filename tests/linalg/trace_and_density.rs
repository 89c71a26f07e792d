//! Trace and spectral density of operators with known spectra, and the honesty of their standard
//! errors.

use crate::spectra;
use crate::spectra::Rotated;
use perrin::Error;
use perrin::linalg::density::{DensityOptions, spectral_density};
use perrin::linalg::operator::DiagonalOperator;
use perrin::linalg::trace::{TraceEstimate, TraceOptions, trace};
use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

/// Not diagonal: random signs have no variance on a diagonal matrix.
fn rotated_network(dimension: usize) -> (Rotated, f64) {
    let operator = spectra::network_spectrum(dimension);
    let sum = operator.diagonal.iter().sum();
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(3);
    (Rotated::leading(operator, 5, 1.0, || StandardNormal.sample(&mut random)), sum)
}

/// Share of estimates within two standard errors, and their root mean squared standard error.
fn coverage(estimates: &[(f64, f64)], truth: f64) -> (f64, f64) {
    let inside =
        estimates.iter().filter(|(value, error)| (value - truth).abs() <= 2.0 * error).count();
    let square =
        estimates.iter().map(|(_, error)| error * error).sum::<f64>() / estimates.len() as f64;
    (inside as f64 / estimates.len() as f64, square.sqrt())
}

#[test]
fn standard_errors_of_the_trace_cover_it_and_a_sketch_makes_them_small() {
    let (mut operator, truth) = rotated_network(3200);
    let mut run = |sketch, samples| {
        let estimate = |seed| {
            trace(&mut operator, &TraceOptions { sketch, samples, block_size: 8, seed }).unwrap()
        };
        let estimates: Vec<TraceEstimate> = (0..100).map(estimate).collect();
        assert!(estimates.iter().all(|estimate| estimate.products == 2 * sketch + samples));
        coverage(&estimates.iter().map(|e| (e.trace, e.standard_error)).collect::<Vec<_>>(), truth)
    };
    let (plain, plain_error) = run(0, 24);
    let (sketched, sketched_error) = run(6, 12);
    println!(
        "trace {truth:.2}: Hutchinson +-{plain_error:.3} covers {plain}, Hutch++ +-{sketched_error:.3} covers {sketched}"
    );
    // Student's t with 23 and 11 degrees of freedom: 94% and 93%; 100 runs scatter by 2.5%, three
    // times that is allowed.
    for covered in [plain, sketched] {
        assert!((0.86..=1.0).contains(&covered), "{covered}");
    }
    assert!(sketched_error < 0.8 * plain_error, "the same 24 products");
}

#[test]
fn trace_is_exact_where_the_sketch_spans_the_operator() {
    let matrix = nalgebra::DMatrix::from_fn(6, 6, |i, j| {
        1.0 / (1 + i + j) as f64 + f64::from(u8::from(i == j))
    });
    let options = TraceOptions { sketch: 10, ..TraceOptions::default() };
    let estimate = trace(&mut matrix.clone(), &options).unwrap();
    assert!(
        (estimate.trace - matrix.trace()).abs() < 1e-6 && estimate.standard_error == 0.0,
        "{estimate:?}"
    );
    let none = trace(&mut matrix.clone(), &TraceOptions { samples: 1, ..options });
    assert!(matches!(none, Err(Error::InvalidValue { .. })));
}

#[test]
fn density_and_trace_agree_on_the_trace() {
    let (mut operator, truth) = rotated_network(3200);
    let estimates: Vec<(f64, f64)> = (0..60)
        .map(|seed| {
            spectral_density(&mut operator, &DensityOptions { starts: 12, steps: 3, seed })
                .unwrap()
                .trace()
        })
        .collect();
    let (covered, _) = coverage(&estimates, truth);
    // 11 degrees of freedom: 93%, and 60 runs scatter by 3.3%.
    assert!((0.83..=1.0).contains(&covered), "{covered}");
    let (value, error) = estimates[0];
    let other = trace(&mut operator, &TraceOptions::default()).unwrap();
    assert!((value - other.trace).abs() <= 3.0 * error.hypot(other.standard_error));
}

#[test]
fn quadrature_is_exact_for_polynomials_up_to_its_degree() {
    // Random signs weigh the eigenvalues of a diagonal matrix equally, so its moments are those of
    // the spectrum.
    let diagonal: Vec<f64> = (0..1000).map(|i| (f64::from(i) * 0.7).sin()).collect();
    let moment = |power: i32| diagonal.iter().map(|x| x.powi(power)).sum::<f64>() / 1000.0;
    let mut operator = DiagonalOperator { diagonal: diagonal.clone() };
    let density =
        spectral_density(&mut operator, &DensityOptions { starts: 2, steps: 6, seed: 1 }).unwrap();
    assert_eq!(density.products, 12);
    for power in 0..=11 {
        let (value, error) = density.mean_of(|x| x.powi(power));
        assert!(
            (value - moment(power)).abs() < 2e-6 && error < 2e-6,
            "moment {power}: {value} +- {error}"
        );
    }
    let (twelfth, _) = density.mean_of(|x| x.powi(12));
    assert!((twelfth - moment(12)).abs() > 1e-5, "one degree more is beyond six nodes");
}

#[test]
fn smoothed_density_has_the_shape_and_the_mass_of_the_spectrum() {
    // Uniform on [0, 1], and a tenth of the eigenvalues at 3.
    let diagonal: Vec<f64> =
        (0..2000).map(|i| if i % 10 == 0 { 3.0 } else { f64::from(i) / 2000.0 }).collect();
    let mut operator = DiagonalOperator { diagonal };
    let density =
        spectral_density(&mut operator, &DensityOptions { starts: 4, steps: 30, seed: 2 }).unwrap();
    let positions: Vec<f64> = (0..800).map(|i| f64::from(i) * 0.01 - 2.0).collect();
    let values = density.smoothed(&positions, 0.1).unwrap();
    let mass = |low: f64, high: f64| {
        positions
            .iter()
            .zip(&values)
            .filter(|(x, _)| (low..high).contains(*x))
            .map(|(_, y)| y * 0.01)
            .sum::<f64>()
    };
    assert!((mass(-2.0, 6.0) - 1.0).abs() < 1e-6);
    assert!((mass(2.0, 4.0) - 0.1).abs() < 1e-3);
    // The plain between the edges, smeared by 0.1: 0.9.
    assert!((values[250] - 0.9).abs() < 0.02, "{}", values[250]);
    assert!(matches!(density.smoothed(&positions, 0.0), Err(Error::InvalidValue { .. })));
    let (above, _) = density.mean_of(|x| f64::from(u8::from(x > 2.0)));
    assert!((above - 0.1).abs() < 1e-6, "share of eigenvalues above 2: {above}");
}

#[test]
fn a_start_inside_an_invariant_subspace_ends_the_quadrature_early() {
    let mut operator = DiagonalOperator { diagonal: vec![2.0; 40] };
    let density =
        spectral_density(&mut operator, &DensityOptions { starts: 3, steps: 10, seed: 0 }).unwrap();
    assert_eq!(density.products, 3);
    assert!(
        density
            .quadratures
            .iter()
            .all(|nodes| nodes.len() == 1 && (nodes[0].weight - 1.0).abs() < 1e-9)
    );
    assert!((density.trace().0 - 80.0).abs() < 1e-4);
}
