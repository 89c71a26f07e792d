//! The exponent c of `E||Delta_t||^2 ~ t^c` that a displacement curve has over a window of steps
//! (section 8).

use super::parameters::{require, require_positive};
use crate::error::{Error, Result};

/// The slope of the least-squares line through `(ln t, ln curve[t])`, t = `first`, `first + every`,
/// ..., up to `last`: how the paper reads exponents off a run logged every so many steps.
/// `curve[t]` is the value at lag t, as in [`displacement`](super::displacement).
///
/// c = 1 is ordinary diffusion; c < 1 needs an under-damped mode. A curve is no power law, so c
/// depends on the window.
///
/// # Errors
/// [`Error::InvalidValue`] for `first` or `every` of 0 or a value that is not positive,
/// [`Error::NotEnoughData`] for a window of fewer than two points or beyond the curve's end.
pub fn exponent(curve: &[f64], first: usize, last: usize, every: usize) -> Result<f64> {
    require("first", first as f64, first > 0, "at least 1")?;
    require("every", every as f64, every > 0, "at least 1")?;
    let question = "fit an exponent";
    if last >= curve.len() {
        let reason = format!(
            "the window ends at step {last}, the curve at step {}",
            curve.len().saturating_sub(1)
        );
        return Err(Error::NotEnoughData { question, reason });
    }
    let points = || (first..=last).step_by(every);
    let count = points().count();
    if count < 2 {
        let reason = format!("the window from step {first} to {last} has {count} points");
        return Err(Error::NotEnoughData { question, reason });
    }
    let mut mean = [0.0; 2];
    for t in points() {
        require_positive("displacement", curve[t])?;
        mean[0] += (t as f64).ln() / count as f64;
        mean[1] += curve[t].ln() / count as f64;
    }
    let (mut covariance, mut variance) = (0.0, 0.0);
    for t in points() {
        let x = (t as f64).ln() - mean[0];
        covariance += x * (curve[t].ln() - mean[1]);
        variance += x * x;
    }
    Ok(covariance / variance)
}

#[cfg(test)]
mod tests {
    use super::super::displacement::exact_curve;
    use super::super::parameters::SgdParameters;
    use super::super::spectrum::Spectrum;
    use super::*;

    #[test]
    fn a_power_law_has_its_exponent() {
        let curve: Vec<f64> = (0..1000).map(|t| 3e-5 * f64::from(t).powf(1.37)).collect();
        assert!((exponent(&curve, 1, 999, 1).unwrap() - 1.37).abs() < 1e-12);
        assert!((exponent(&curve, 250, 999, 25).unwrap() - 1.37).abs() < 1e-12);
    }

    #[test]
    fn slow_modes_are_superdiffusive_and_swinging_ones_subdiffusive() {
        let at = |eigenvalue: f64, first: usize, last: usize| {
            let parameters = SgdParameters {
                learning_rate: 0.01,
                momentum: 0.9,
                weight_decay: 0.0,
                batch_size: 1.0,
                noise_scale: 1.0,
            };
            let spectrum = Spectrum::from_eigenvalues(&[eigenvalue]).unwrap();
            exponent(&exact_curve(&parameters, &spectrum, last).unwrap(), first, last, 1).unwrap()
        };
        // Before momentum is lost the motion is nearly ballistic, then for long it diffuses, and at
        // last it stands.
        assert!(at(1e-6, 1, 5) > 1.5);
        assert!((at(1e-6, 1000, 10_000) - 1.0).abs() < 0.02);
        assert!(at(5.0, 2000, 10_000).abs() < 0.01);
        assert!(at(20.0, 2, 60) < 0.7);
    }

    #[test]
    fn bad_windows_are_errors() {
        let curve = [0.0, 1.0, 2.0, 3.0];
        assert!(exponent(&curve, 0, 3, 1).is_err());
        assert!(exponent(&curve, 1, 3, 0).is_err());
        assert!(exponent(&curve, 1, 4, 1).is_err());
        assert!(exponent(&curve, 3, 3, 1).is_err());
        assert!(exponent(&[0.0; 4], 1, 3, 1).is_err());
    }
}
