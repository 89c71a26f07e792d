//! E||Delta_t||^2 of a whole spectrum, for every t up to a limit in one pass: eq. 13 as printed,
//! and without its error.
//!
//! Three curves, each in O(modes * steps):
//! - [`exact_curve`]: SGD itself, in discrete time. Use it unless the paper's numbers are what is
//!   wanted.
//! - [`langevin_curve`]: the Langevin process in its stationary state, 2 sum [Var - Cov(eta t)].
//! - [`equation_13_curve`]: the paper's double sum over velocity correlations. The sum stands for a
//!   double integral, and its error grows linearly in t: near the plateau of the true curve it is
//!   wrong by any factor.
//!
//! Lags are in steps; `curve[t]` belongs to lag t and `curve[0]` is 0.

use super::autocorrelation::Autocorrelation;
use super::discrete::DiscreteMode;
use super::double_double::DoubleDouble;
use super::langevin::LangevinMode;
use super::parameters::SgdParameters;
use super::propagator::Propagator;
use super::spectrum::{Spectrum, SpectrumMode};
use crate::error::Result;

/// Modes advanced side by side, so that the processor's vector units are used.
const LANES: usize = 8;
/// Steps of plain `f64` recursion between two states computed afresh in 32 digits.
const BLOCK: usize = 1024;

/// E||Delta_t||^2 of SGD in its stationary state, exact in discrete time, for t = 0, 1, ...,
/// `last_step`.
///
/// Relative error of each value below 1e-11. Modes of eigenvalue 0 do not move.
///
/// # Errors
/// [`Error::InvalidValue`](crate::Error::InvalidValue) for parameters out of range or an unstable
/// mode.
pub fn exact_curve(
    parameters: &SgdParameters,
    spectrum: &Spectrum,
    last_step: usize,
) -> Result<Vec<f64>> {
    parameters.validate()?;
    let mode = |eigenvalue| Ok(DiscreteMode::new(parameters, eigenvalue)?.autocorrelation());
    Ok(stationary_curve(&weighted(spectrum, mode)?, last_step))
}

/// E||Delta_t||^2 of the Langevin process in its stationary state, for t = 0, 1, ..., `last_step`;
/// to the same accuracy.
///
/// # Errors
/// [`Error::InvalidValue`](crate::Error::InvalidValue) for parameters out of range.
pub fn langevin_curve(
    parameters: &SgdParameters,
    spectrum: &Spectrum,
    last_step: usize,
) -> Result<Vec<f64>> {
    parameters.validate()?;
    let mode = |eigenvalue| Ok(LangevinMode::new(parameters, eigenvalue)?.autocorrelation());
    Ok(stationary_curve(&weighted(spectrum, mode)?, last_step))
}

/// Eq. 13, its argument put right (C_l at the time eta k, where the appendix prints C_l(k)), t = 0,
/// ..., `last_step`:
///
/// ```text
/// eta^2 sigma^2 / (S (1 - beta^2)) [tr(H) t + 2 t sum_{k=1}^t (1 - k/t) sum_l rho_l C_l(eta k)]
/// ```
///
/// Kept as the paper has it, for comparison. It is good while t is short beside the relaxation
/// times of the modes that matter; later it exceeds the true curve by an amount that grows
/// linearly.
///
/// # Errors
/// [`Error::InvalidValue`](crate::Error::InvalidValue) for parameters out of range.
pub fn equation_13_curve(
    parameters: &SgdParameters,
    spectrum: &Spectrum,
    last_step: usize,
) -> Result<Vec<f64>> {
    parameters.validate()?;
    let mut speed = 0.0;
    let mut correlations = Vec::new();
    for mode in spectrum.moving_modes() {
        let langevin = LangevinMode::new(parameters, mode.eigenvalue)?;
        let variance = mode.multiplicity * langevin.local_displacement();
        speed += variance;
        // The velocity's autocorrelation is the s of a start at (x, s) = (0, 1); with limit 0, d is
        // -x.
        let step = langevin.autocorrelation().step;
        let first = [-step.map[0][1].to_f64(), step.map[1][1].to_f64()];
        correlations.push(Autocorrelation { variance, step, first, limit: 0.0 });
    }
    let correlation = accumulate(&correlations, last_step, |_, last| last);
    // sum_{k<=t} (t - k) g_k is the running sum of the running sum of g: no two large sums are
    // subtracted.
    let (mut sum, mut sum_of_sums) = (DoubleDouble::ZERO, DoubleDouble::ZERO);
    let mut curve = Vec::with_capacity(correlation.len());
    for (t, correlation) in correlation.into_iter().enumerate() {
        sum_of_sums = sum_of_sums + sum;
        sum = sum + correlation.into();
        curve.push((sum_of_sums.scale(2.0) + DoubleDouble::product(speed, t as f64)).to_f64());
    }
    Ok(curve)
}

fn weighted(
    spectrum: &Spectrum,
    mode: impl Fn(f64) -> Result<Autocorrelation>,
) -> Result<Vec<Autocorrelation>> {
    let weigh = |of: &SpectrumMode| {
        let mode = mode(of.eigenvalue)?;
        Ok(Autocorrelation { variance: of.multiplicity * mode.variance, ..mode })
    };
    spectrum.moving_modes().map(weigh).collect()
}

/// The sum of the modes' 2 variance d_t.
fn stationary_curve(modes: &[Autocorrelation], last_step: usize) -> Vec<f64> {
    accumulate(modes, last_step, |decorrelation, _| 2.0 * decorrelation)
}

/// `sum over modes of variance * value(d_t, s_t)` for t = 1, ..., `last_step`, and 0 at t = 0.
fn accumulate(
    modes: &[Autocorrelation],
    last_step: usize,
    value: impl Fn(f64, f64) -> f64 + Copy,
) -> Vec<f64> {
    let mut curve = vec![0.0; last_step + 1];
    for lanes in modes.chunks(LANES) {
        let mut group = Lanes::new(lanes);
        for block in curve[1..].chunks_mut(BLOCK) {
            group.add_block(block, value);
        }
    }
    curve
}

/// Up to [`LANES`] modes, in structure-of-arrays form; lanes without a mode have variance 0 and
/// stay at rest.
struct Lanes {
    variance: [f64; LANES],
    deviation_position: [f64; LANES],
    deviation_step: [f64; LANES],
    map_position: [f64; LANES],
    map_step: [f64; LANES],
    limit: [f64; LANES],
    /// The state at the next block's first step, and the map over a whole block.
    blocks: Vec<(BlockState, Propagator)>,
}

/// (d, s) in 32 digits.
#[derive(Clone, Copy)]
struct BlockState {
    decorrelation: DoubleDouble,
    last: DoubleDouble,
    limit: f64,
}

impl BlockState {
    /// d' = d + N_11 (limit - d) + N_12 s, s' = M_21 (limit - d) + M_22 s, with N = I - M.
    fn advance(&mut self, by: &Propagator) {
        let correlation = DoubleDouble::from(self.limit) - self.decorrelation;
        self.decorrelation =
            self.decorrelation + by.deviation[0][0] * correlation + by.deviation[0][1] * self.last;
        self.last = by.map[1][0] * correlation + by.map[1][1] * self.last;
    }
}

impl Lanes {
    fn new(modes: &[Autocorrelation]) -> Lanes {
        let mut lanes = Lanes {
            variance: [0.0; LANES],
            deviation_position: [0.0; LANES],
            deviation_step: [0.0; LANES],
            map_position: [0.0; LANES],
            map_step: [0.0; LANES],
            limit: [0.0; LANES],
            blocks: Vec::with_capacity(LANES),
        };
        for (lane, mode) in modes.iter().enumerate() {
            lanes.variance[lane] = mode.variance;
            lanes.deviation_position[lane] = mode.step.deviation[0][0].to_f64();
            lanes.deviation_step[lane] = mode.step.deviation[0][1].to_f64();
            lanes.map_position[lane] = mode.step.map[1][0].to_f64();
            lanes.map_step[lane] = mode.step.map[1][1].to_f64();
            lanes.limit[lane] = mode.limit;
            let [decorrelation, last] = mode.first.map(DoubleDouble::from);
            let state = BlockState { decorrelation, last, limit: mode.limit };
            lanes.blocks.push((state, mode.step.power(BLOCK as u64)));
        }
        lanes
    }

    /// Adds the modes' values to a block of the curve and moves on by a whole block.
    fn add_block(&mut self, block: &mut [f64], value: impl Fn(f64, f64) -> f64) {
        let (mut decorrelation, mut last) = ([0.0; LANES], [0.0; LANES]);
        for (lane, (state, whole_block)) in self.blocks.iter_mut().enumerate() {
            decorrelation[lane] = state.decorrelation.to_f64();
            last[lane] = state.last.to_f64();
            state.advance(whole_block);
        }
        for entry in block {
            let mut terms = [0.0; LANES];
            for lane in 0..LANES {
                terms[lane] = self.variance[lane] * value(decorrelation[lane], last[lane]);
                let correlation = self.limit[lane] - decorrelation[lane];
                decorrelation[lane] += self.deviation_position[lane] * correlation
                    + self.deviation_step[lane] * last[lane];
                last[lane] =
                    self.map_position[lane] * correlation + self.map_step[lane] * last[lane];
            }
            *entry += terms.iter().sum::<f64>();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMETERS: SgdParameters = SgdParameters {
        learning_rate: 0.01,
        momentum: 0.9,
        weight_decay: 1e-3,
        batch_size: 32.0,
        noise_scale: 2.0,
    };

    /// From eigenvalue 1e-9 (d_1 = 5e-12) to nearly the edge of stability at 380.
    fn spectrum() -> Spectrum {
        let eigenvalues = [379.9, 100.0, 5.0, 1.0, 0.2, 0.138, 0.02, 1e-4, 1e-9, 0.0];
        Spectrum::from_eigenvalues(&eigenvalues)
            .unwrap()
            .with_density(&[0.01, 0.3], &[3.0, 1.0], 50.0)
            .unwrap()
    }

    #[test]
    fn curves_are_the_sums_of_their_modes_at_every_lag() {
        let (parameters, last_step) = (SgdParameters { weight_decay: 0.0, ..PARAMETERS }, 20_000);
        for eigenvalue in spectrum().moving_modes().map(|mode| mode.eigenvalue) {
            let single = Spectrum::from_eigenvalues(&[eigenvalue]).unwrap();
            let exact = DiscreteMode::new(&parameters, eigenvalue).unwrap();
            let langevin = LangevinMode::new(&parameters, eigenvalue).unwrap();
            let exact_curve = exact_curve(&parameters, &single, last_step).unwrap();
            let langevin_curve = langevin_curve(&parameters, &single, last_step).unwrap();
            for t in [0, 1, 2, 3, 10, 77, 1023, 1024, 1025, 1026, 5000, 20_000] {
                let close = |a: f64, b: f64| (a - b).abs() <= 1e-11 * b;
                let lag = t as u64;
                assert!(
                    close(exact_curve[t], exact.mean_squared_displacement(lag)),
                    "rho {eigenvalue}, lag {t}"
                );
                assert!(
                    close(langevin_curve[t], langevin.mean_squared_displacement(lag)),
                    "rho {eigenvalue}, lag {t}"
                );
            }
        }
    }

    #[test]
    fn multiplicities_count() {
        let spectrum = spectrum();
        let total = exact_curve(&PARAMETERS, &spectrum, 3000).unwrap();
        for t in [1, 1500, 3000] {
            let sum: f64 = spectrum
                .modes()
                .iter()
                .map(|m| {
                    m.multiplicity
                        * DiscreteMode::new(&PARAMETERS, m.eigenvalue)
                            .unwrap()
                            .mean_squared_displacement(t as u64)
                })
                .sum();
            assert!((total[t] / sum - 1.0).abs() < 1e-12, "{t}");
        }
    }

    #[test]
    fn equation_13_is_the_printed_sum() {
        let eigenvalues = [5.0, 1.0, 0.2, 0.02];
        let curve = equation_13_curve(
            &PARAMETERS,
            &Spectrum::from_eigenvalues(&eigenvalues).unwrap(),
            2500,
        )
        .unwrap();
        for t in [0usize, 1, 2, 30, 2500] {
            let direct: f64 = eigenvalues
                .iter()
                .map(|&rho| {
                    let mode = LangevinMode::new(&PARAMETERS, rho).unwrap();
                    let sum: f64 = (1..=t)
                        .map(|k| (t - k) as f64 * mode.velocity_autocorrelation(k as u64))
                        .sum();
                    mode.local_displacement() * (t as f64 + 2.0 * sum)
                })
                .sum();
            assert!((curve[t] - direct).abs() <= 1e-12 * direct, "{t}: {} {direct}", curve[t]);
        }
    }

    #[test]
    fn equation_13_fails_at_long_times_and_the_other_forms_do_not() {
        // 0.0606, 0.0247 and 0.025 (simulated SGD) at t = 10,000; and then 13's excess goes on
        // growing with t.
        let spectrum = Spectrum::from_eigenvalues(&[5.0, 1.0, 0.2, 0.02]).unwrap();
        let printed = equation_13_curve(&PARAMETERS, &spectrum, 20_000).unwrap();
        let langevin = langevin_curve(&PARAMETERS, &spectrum, 20_000).unwrap();
        let exact = exact_curve(&PARAMETERS, &spectrum, 20_000).unwrap();
        assert!((printed[10_000] - 0.0606).abs() < 5e-5, "{}", printed[10_000]);
        assert!((langevin[10_000] - 0.0247).abs() < 5e-5, "{}", langevin[10_000]);
        assert!((exact[10_000] - 0.0247).abs() < 2e-4, "{}", exact[10_000]);
        let excess = |t: usize| printed[t] - langevin[t];
        assert!((excess(20_000) / excess(10_000) - 2.0).abs() < 0.02);
        // At short times it is what it should be.
        assert!((printed[20] / exact[20] - 1.0).abs() < 0.05, "{} {}", printed[20], exact[20]);
        assert!((langevin[20] / exact[20] - 1.0).abs() < 0.05, "{} {}", langevin[20], exact[20]);
    }
}
