//! The displacement predicted, nothing fitted to it: E||Delta_k||^2 from eigenvalues, density and noise, against the
//! measured curve.
//!
//! The stationary process of the given spectrum, exactly in discrete time and in the Langevin limit
//! ([`discrete`](crate::theory::discrete), [`langevin`](crate::theory::langevin)). sigma^2 is from the speed, by the
//! exact E||delta||^2 of the same spectrum: a number for the height of the curve, none for its shape. With a density the
//! prediction is for the whole parameter vector. With eigenvalues alone it is for the projected part, and sigma^2 is
//! from the speed along the same directions.

use serde::Serialize;

use super::Answer;
use super::curvatures::Curvatures as Given;
use super::displacement_noise::{
    Curvatures, ExponentInterval, WeightedMode, Window, exponent_scatter, slope_weights, thinned,
};
use crate::theory::discrete::DiscreteMode;
use crate::theory::langevin::LangevinMode;
use crate::theory::parameters::SgdParameters;
use crate::theory::spectrum::{Spectrum, SpectrumMode};

/// Points of the window that the exponents are taken from; a longer window is thinned evenly.
const MOST_POINTS: u64 = 1000;
/// Seed of the trajectories drawn for intervals: the same run gives the same answer.
const SEED: u64 = 20_220_124;

/// Prediction and measurement.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PredictedDisplacement {
    /// Whether it is of the projected part only.
    pub projected_part: bool,
    /// sigma^2, from the speed.
    pub noise_scale: f64,
    /// Exponent over the window, exact.
    pub exact_exponent: f64,
    /// The same by the Langevin process.
    pub langevin_exponent: f64,
    /// The measured exponent with the interval that the given curvatures imply.
    pub measured_exponent: f64,
    /// Its interval.
    pub interval: Answer<ExponentInterval>,
    /// Some points of the curves.
    pub curve: Vec<PredictedPoint>,
}

/// Expected and measured ||Delta_k||^2.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PredictedPoint {
    /// k.
    pub step: u64,
    /// E||Delta_k||^2, exact, parameter units squared.
    pub exact: f64,
    /// The same by the Langevin process.
    pub langevin: f64,
    /// As measured.
    pub measured: f64,
}

/// What was measured, of the whole or of the projected part.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasuredDisplacement {
    /// Mean of ||delta||^2.
    pub speed: f64,
    /// Exponent over the window.
    pub exponent: f64,
    /// Where the points of the window are.
    pub window: Window,
    /// Some (step, ||Delta||^2).
    pub points: Vec<(u64, f64)>,
}

/// Compares; `parameters` are those of the run, their noise scale is not used.
pub fn predicted_displacement(
    given: &Given,
    parameters: &SgdParameters,
    measured: &MeasuredDisplacement,
) -> Answer<PredictedDisplacement> {
    try_predicted(given, parameters, measured).map_or_else(|reason| Answer::CannotSay { reason }, Answer::Known)
}

/// The modes of a spectrum that move.
pub fn weighted_modes(spectrum: &Spectrum, parameters: &SgdParameters) -> Result<Vec<WeightedMode>, String> {
    let moving = spectrum.modes().iter().filter(|mode| mode.eigenvalue > 0.0);
    let weighted = |&SpectrumMode { eigenvalue, multiplicity }: &SpectrumMode| {
        let mode = DiscreteMode::new(parameters, eigenvalue).map_err(|error| error.to_string())?;
        Ok(WeightedMode { mode, multiplicity })
    };
    moving.map(weighted).collect()
}

/// The interval of an exponent from the modes that made the trajectory.
pub fn exponent_interval(
    modes: &[WeightedMode],
    curvatures: Curvatures,
    window: Window,
    measured: f64,
) -> Answer<ExponentInterval> {
    exponent_scatter(modes, window, SEED)
        .map(|scatter| {
            let [low, high] = scatter.around(measured);
            ExponentInterval { low, high, expected: scatter.expected, curvatures, modes: modes.len() }
        })
        .into()
}

fn try_predicted(
    given: &Given,
    parameters: &SgdParameters,
    measured: &MeasuredDisplacement,
) -> Result<PredictedDisplacement, String> {
    let spectrum = given.spectrum()?;
    let unit = SgdParameters { noise_scale: 1.0, ..*parameters };
    let speed: f64 =
        weighted_modes(&spectrum, &unit)?.iter().map(|mode| mode.multiplicity * mode.mode.local_displacement()).sum();
    let noise_scale = measured.speed / speed;
    if !(noise_scale.is_finite() && noise_scale > 0.0) {
        return Err("nothing moves, or all eigenvalues are zero".to_owned());
    }
    let parameters = SgdParameters { noise_scale, ..*parameters };
    let exact = weighted_modes(&spectrum, &parameters)?;
    let langevin = spectrum
        .modes()
        .iter()
        .filter(|mode| mode.eigenvalue > 0.0)
        .map(|mode| Ok((LangevinMode::new(&parameters, mode.eigenvalue)?, mode.multiplicity)))
        .collect::<crate::error::Result<Vec<_>>>()
        .map_err(|error| error.to_string())?;
    let exact_at =
        |step: u64| exact.iter().map(|mode| mode.multiplicity * mode.mode.mean_squared_displacement(step)).sum::<f64>();
    let langevin_at = |step: u64| {
        langevin.iter().map(|(mode, multiplicity)| multiplicity * mode.mean_squared_displacement(step)).sum::<f64>()
    };
    let points = thinned(measured.window, MOST_POINTS);
    if points.len() < 3 {
        return Err(format!("the window has {} points", points.len()));
    }
    let weights = slope_weights(&points);
    let slope = |curve: &dyn Fn(u64) -> f64| -> f64 {
        points.iter().zip(&weights).map(|(&step, weight)| weight * curve(step).ln()).sum()
    };
    let point = |&(step, measured): &(u64, f64)| PredictedPoint {
        step,
        exact: exact_at(step),
        langevin: langevin_at(step),
        measured,
    };
    let prediction = PredictedDisplacement {
        projected_part: given.density.is_none(),
        noise_scale,
        exact_exponent: slope(&exact_at),
        langevin_exponent: slope(&langevin_at),
        measured_exponent: measured.exponent,
        interval: exponent_interval(&exact, Curvatures::Given, measured.window, measured.exponent),
        curve: measured.points.iter().map(point).collect(),
    };
    let finite = prediction.exact_exponent.is_finite()
        && prediction.langevin_exponent.is_finite()
        && prediction.curve.iter().all(|point| point.exact.is_finite() && point.langevin.is_finite());
    if finite { Ok(prediction) } else { Err("the predicted displacement is out of range".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMETERS: SgdParameters =
        SgdParameters { learning_rate: 0.1, momentum: 0.9, weight_decay: 1e-4, batch_size: 32.0, noise_scale: 0.0 };

    fn measured(speed: f64) -> MeasuredDisplacement {
        let window = Window { first: 100, last: 300, every: 1 };
        MeasuredDisplacement { speed, exponent: 0.5, window, points: vec![(100, 1.0), (300, 2.0)] }
    }

    #[test]
    fn the_noise_comes_back_and_the_curve_is_the_theorys() {
        let given = Given::from_json(
            r#"{"eigenvalues": [2.0, 0.1], "density": {"nodes": [0.01], "weights": [1], "dimension": 40}}"#,
        )
        .unwrap();
        let truth = SgdParameters { noise_scale: 3.0, ..PARAMETERS };
        let modes = weighted_modes(&given.spectrum().unwrap(), &truth).unwrap();
        let speed: f64 = modes.iter().map(|mode| mode.multiplicity * mode.mode.local_displacement()).sum();
        let answer = predicted_displacement(&given, &PARAMETERS, &measured(speed));
        let found = answer.known().unwrap();
        assert!((found.noise_scale / 3.0 - 1.0).abs() < 1e-12 && !found.projected_part);
        let expected: f64 = modes.iter().map(|mode| mode.multiplicity * mode.mode.mean_squared_displacement(300)).sum();
        assert!((found.curve[1].exact / expected - 1.0).abs() < 1e-12);
        assert!((found.curve[1].langevin / found.curve[1].exact - 1.0).abs() < 0.1);
        assert!((found.exact_exponent - found.langevin_exponent).abs() < 0.05);
        let interval = found.interval.known().unwrap();
        assert!(interval.low < 0.5 && (interval.expected - found.exact_exponent).abs() < 1e-9);
    }

    #[test]
    fn what_has_no_prediction_has_a_reason() {
        let reason = |json: &str, speed: f64| {
            let given = Given::from_json(json).unwrap();
            predicted_displacement(&given, &PARAMETERS, &measured(speed)).reason().unwrap_or_default().to_owned()
        };
        assert!(reason(r#"{"eigenvalues": [2, -1]}"#, 1.0).contains("negative"));
        assert!(reason(r#"{"eigenvalues": [0]}"#, 1.0).contains("nothing moves"));
        assert!(reason(r#"{"eigenvalues": [2]}"#, 0.0).contains("nothing moves"));
        assert!(reason(r#"{"eigenvalues": [100]}"#, 1.0).contains("unstable"));
    }
}
