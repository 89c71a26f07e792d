//! How far the fitted exponent of a single trajectory strays from that of the expected curve, by
//! simulation.
//!
//! One trajectory gives one ||Delta_k||^2, whose points are correlated over the whole window: what
//! the positions happened to be at the reference point and what the slowest modes do stays in all
//! of them. There is no error bar in the points themselves. But along each mode the process is a
//! linear recursion driven by noise; once its curvatures are known (measured, or fitted to the
//! projections by [`mode_recursion`](super::mode_recursion)), trajectories can be drawn that stray
//! as the measured one does. The paper's fit is made to each, and the 2.5% and 97.5% quantiles of
//! (fitted exponent - exponent of the expected curve) are laid around the measured exponent, in
//! reverse (the basic, or pivotal, parametric bootstrap: Davison & Hinkley, Bootstrap Methods and
//! their Application, 1997, section 5.2). The strength of the noise cancels.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::trajectories::Walk;
pub use super::trajectories::{Start, WeightedMode};
pub use super::window_points::Window;
use super::window_points::WindowPoints;
use crate::error::{Error, Result};

/// Trajectories drawn.
const REPLICATES: usize = 999;
/// Points of the window at which they are drawn; a longer window is thinned.
const MOST_POINTS: usize = 400;
/// Modes times points times replicates are kept below this by drawing fewer points: some seconds.
const MOST_DRAWS: usize = 200_000_000;

/// The 95% interval of an exponent, and what it rests on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ExponentInterval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// The exponent of the expected curve by the modes that were used: another estimate, without an
    /// interval.
    pub expected: f64,
    /// Where the curvatures are from.
    pub curvatures: Curvatures,
    /// Modes used.
    pub modes: usize,
    /// What a prefactor fitted beside the exponent is to be multiplied with, for its own interval.
    #[serde(skip)]
    pub(crate) prefactor_factors: [f64; 2],
}

/// Where the curvatures of a process are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Curvatures {
    /// Eigenvalues and density that were given.
    Given,
    /// The recursion fitted to the projections of this run.
    Fitted,
}

/// The exponent of sum E(x_k - x_0)^2 over a window, and 95% bounds on how far that of a single
/// trajectory is above it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExponentScatter {
    /// Of the expected curve.
    pub expected: f64,
    /// 2.5% quantile of (exponent of a trajectory - expected).
    pub low: f64,
    /// 97.5% quantile.
    pub high: f64,
    /// The same two of the logarithm of the prefactor.
    pub log_prefactor: [f64; 2],
}

impl ExponentScatter {
    /// The 95% interval around the exponent measured on one trajectory.
    pub fn around(&self, measured: f64) -> [f64; 2] {
        [measured - self.high, measured - self.low]
    }

    /// What a prefactor measured on one trajectory is to be multiplied with, for the ends of its
    /// 95% interval.
    pub fn prefactor_factors(&self) -> [f64; 2] {
        let [low, high] = self.log_prefactor;
        [(-high).exp(), (-low).exp()]
    }
}

/// Draws trajectories of modes that start so at k = 0. The same seed gives the same answer.
///
/// # Errors
/// [`Error::NotEnoughData`] without modes, or for a window of fewer than three points.
pub fn exponent_scatter(
    modes: &[WeightedMode],
    window: Window,
    start: Start,
    seed: u64,
) -> Result<ExponentScatter> {
    let question = "draw trajectories";
    let copies: usize = modes.iter().map(WeightedMode::copies).sum();
    let affordable = (MOST_DRAWS / REPLICATES / copies.max(1)).max(20);
    let points = WindowPoints::new(window, MOST_POINTS.min(affordable));
    if modes.is_empty() || points.steps.len() < 3 {
        let reason = format!("there are {} modes and {} points", modes.len(), points.steps.len());
        return Err(Error::NotEnoughData { question, reason });
    }
    let walk = Walk::new(modes, &points.steps, start)?;
    let expected = points.line(&walk.expected);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut curve = vec![0.0; points.steps.len()];
    let mut deviations = [(); 2].map(|()| Vec::with_capacity(REPLICATES));
    for _ in 0..REPLICATES {
        walk.draw(&mut curve, &mut random);
        let found = points.line(&curve);
        (0..2).for_each(|of| deviations[of].push(found[of] - expected[of]));
    }
    let [slopes, intercepts] = deviations.map(quantiles);
    let finite = [expected, slopes, intercepts].iter().flatten().all(|number| number.is_finite());
    if !finite {
        return Err(Error::NotEnoughData {
            question,
            reason: "displacements are out of range".to_owned(),
        });
    }
    Ok(ExponentScatter {
        expected: expected[0],
        low: slopes[0],
        high: slopes[1],
        log_prefactor: intercepts,
    })
}

/// 2.5% and 97.5% quantiles of ||Delta_k||^2 over its expectation, at each of some rising steps, of
/// trajectories that start so at k = 0. The same seed gives the same answer.
///
/// # Errors
/// [`Error::NotEnoughData`] without modes.
pub fn displacement_scatter(
    modes: &[WeightedMode],
    steps: &[u64],
    start: Start,
    seed: u64,
) -> Result<Vec<[f64; 2]>> {
    let walk = Walk::new(modes, steps, start)?;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut curve = vec![0.0; steps.len()];
    let mut drawn = vec![Vec::with_capacity(REPLICATES); steps.len()];
    for _ in 0..REPLICATES {
        walk.draw(&mut curve, &mut random);
        for ((drawn, value), expected) in drawn.iter_mut().zip(&curve).zip(&walk.expected) {
            drawn.push(value / expected);
        }
    }
    Ok(drawn.into_iter().map(quantiles).collect())
}

/// 2.5% and 97.5% quantiles of [`REPLICATES`] values; NaN where one is.
fn quantiles(mut values: Vec<f64>) -> [f64; 2] {
    if !values.iter().all(|value| value.is_finite()) {
        return [f64::NAN; 2];
    }
    values.sort_by(f64::total_cmp);
    // Of 999 values they are the 25th and the 975th.
    [0.025, 0.975].map(|share| values[((REPLICATES + 1) as f64 * share) as usize - 1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::discrete::DiscreteMode;
    use crate::theory::displacement::exact_curve;
    use crate::theory::exponent::exponent;
    use crate::theory::parameters::SgdParameters;
    use crate::theory::spectrum::Spectrum;

    const PARAMETERS: SgdParameters = SgdParameters {
        learning_rate: 0.1,
        momentum: 0.9,
        weight_decay: 1e-4,
        batch_size: 32.0,
        noise_scale: 2.0,
    };

    fn modes(eigenvalues: &[f64], multiplicity: f64) -> Vec<WeightedMode> {
        let mode = |&eigenvalue| DiscreteMode::new(&PARAMETERS, eigenvalue).unwrap();
        eigenvalues
            .iter()
            .map(|eigenvalue| WeightedMode { mode: mode(eigenvalue), multiplicity })
            .collect()
    }

    #[test]
    fn the_expected_exponent_is_that_of_the_curve() {
        let eigenvalues = [2.0, 0.3, 0.01];
        let window = Window { first: 100, last: 399, every: 1 };
        let scatter =
            exponent_scatter(&modes(&eigenvalues, 1.0), window, Start::Stationary, 1).unwrap();
        let curve =
            exact_curve(&PARAMETERS, &Spectrum::from_eigenvalues(&eigenvalues).unwrap(), 399)
                .unwrap();
        assert!((scatter.expected - exponent(&curve, 100, 399, 1).unwrap()).abs() < 1e-9);
        assert!(scatter.low < -0.1 && scatter.high > 0.1, "{scatter:?}");
        assert_eq!(
            scatter,
            exponent_scatter(&modes(&eigenvalues, 1.0), window, Start::Stationary, 1).unwrap()
        );
    }

    /// A free walk of many directions: chi-squared numbers, relative scatter sqrt(2 / n).
    #[test]
    fn many_directions_scatter_less() {
        let window = Window { first: 50, last: 150, every: 1 };
        let width = |multiplicity: f64| {
            let scatter =
                exponent_scatter(&modes(&[1e-6], multiplicity), window, Start::Stationary, 1)
                    .unwrap();
            scatter.high - scatter.low
        };
        // Once linear, the width falls as the root; drawn as 400 copies and as 4 shrunk ones.
        let (few, many) = (width(400.0), width(40_000.0));
        assert!((few / many / 10.0 - 1.0).abs() < 0.15, "{few} {many}");
    }

    /// x_k - x_0 of one mode is normal: its square over the expectation is chi-squared of one
    /// degree of freedom.
    #[test]
    fn the_displacement_of_one_mode_scatters_as_chi_squared() {
        let scatter =
            displacement_scatter(&modes(&[0.3], 1.0), &[7, 40, 1000], Start::Stationary, 1)
                .unwrap();
        for [low, high] in scatter {
            // 2.5% and 97.5% quantiles 0.00098 and 5.02; of 999 draws the upper one's standard
            // error is 0.4.
            assert!(low < 0.004 && (high - 5.02).abs() < 1.2, "{low} {high}");
        }
        assert!(
            displacement_scatter(&[], &[1], Start::AtRest, 1).is_err()
                && displacement_scatter(&modes(&[1.0], 1.0), &[], Start::AtRest, 1).is_err()
        );
    }

    #[test]
    fn without_modes_or_points_there_is_no_answer() {
        let window = Window { first: 5, last: 9, every: 1 };
        assert!(exponent_scatter(&[], window, Start::Stationary, 1).is_err());
        assert!(
            exponent_scatter(
                &modes(&[1.0], 1.0),
                Window { last: 6, ..window },
                Start::Stationary,
                1
            )
            .is_err()
        );
    }
}
