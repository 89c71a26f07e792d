//! The displacement predicted, nothing fitted to it: E||Delta_k||^2 from eigenvalues, density and
//! noise, against the measured curve.
//!
//! The process of the given spectrum, stationary or begun at rest as the run was, exactly in
//! discrete time and in the Langevin limit ([`discrete`](crate::theory::discrete),
//! [`langevin`](crate::theory::langevin)). sigma^2 is from the speed, by the exact E||delta||^2 of
//! the same spectrum: a number for the height of the curve, none for its shape. Where the
//! covariance of gradients is known it gives sigma^2 without the run, and the curve by that has
//! another height. With a density the prediction is for the whole parameter vector. With
//! eigenvalues alone it is for the projected part, and sigma^2 is from the speed along the same
//! directions.

use serde::Serialize;

use super::Answer;
use super::curvatures::{Curvatures as Given, NegativeCurvature};
use super::displacement_noise::{
    Curvatures, ExponentInterval, Start, WeightedMode, Window, displacement_scatter,
    exponent_scatter,
};
use super::gradient_noise::noise_scale_of_gradients;
use super::window_points::WindowPoints;
use crate::run::Measured;
use crate::stats::long_run::Estimate;
use crate::theory::discrete::DiscreteMode;
use crate::theory::langevin::LangevinMode;
use crate::theory::parameters::SgdParameters;
use crate::theory::spectrum::{Spectrum, SpectrumMode};

/// Points of the window that the exponents are taken from; a longer window is thinned.
const MOST_POINTS: usize = 1000;
/// Seed of the trajectories drawn for intervals: the same run gives the same answer.
const SEED: u64 = 20_220_124;
/// Half width of a 95% interval in standard errors.
const NORMAL: f64 = 1.959_963_984_540_054;

/// Prediction and measurement.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PredictedDisplacement {
    /// Whether it is of the projected part only.
    pub projected_part: bool,
    /// sigma^2, from the speed: it sets the height of the curve.
    pub noise_scale: f64,
    /// sigma^2 from the measured covariance of gradients, and its 95% interval: tr(Sigma) over the
    /// trace of the spectrum; for the projected part the same along the projections.
    pub noise_scale_of_gradients: Option<Estimate>,
    /// The curve by that over the curve shown, with its 95% interval: 1 if they agree.
    pub height_by_gradients: Option<Estimate>,
    /// Directions of negative curvature that the prediction is without.
    pub left_out: Option<NegativeCurvature>,
    /// Whether the optimizer had just been made, so that velocities were 0; else they were
    /// stationary.
    pub begins_at_rest: bool,
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
    /// 95 of 100 trajectories of the exact process are within these at this step; the uncertainty
    /// of sigma^2 by the speed is in them.
    pub range: [f64; 2],
}

/// What was measured, of the whole or of the projected part.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasuredDisplacement {
    /// Mean of ||delta||^2.
    pub speed: f64,
    /// Its 95% interval, where it is known; one that reaches 0 is not used.
    pub speed_interval: Option<[f64; 2]>,
    /// Exponent over the window.
    pub exponent: f64,
    /// Where the points of the window are.
    pub window: Window,
    /// How the run began.
    pub start: Start,
    /// Some (step, ||Delta||^2).
    pub points: Vec<(u64, f64)>,
}

/// Compares; `parameters` are those of the run, their noise scale is not used.
pub fn predicted_displacement(
    given: &Given,
    parameters: &SgdParameters,
    measured: &MeasuredDisplacement,
) -> Answer<PredictedDisplacement> {
    try_predicted(given, parameters, measured)
        .map_or_else(|reason| Answer::CannotSay { reason }, Answer::Known)
}

/// The modes of a spectrum that move.
pub fn weighted_modes(
    spectrum: &Spectrum,
    parameters: &SgdParameters,
) -> Result<Vec<WeightedMode>, String> {
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
    (window, start): (Window, Start),
    measured: f64,
) -> Answer<ExponentInterval> {
    exponent_scatter(modes, window, start, SEED)
        .map(|scatter| {
            let [low, high] = scatter.around(measured);
            let prefactor_factors = scatter.prefactor_factors();
            ExponentInterval {
                low,
                high,
                expected: scatter.expected,
                curvatures,
                modes: modes.len(),
                prefactor_factors,
            }
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
    let speed: f64 = weighted_modes(&spectrum, &unit)?
        .iter()
        .map(|mode| mode.multiplicity * mode.mode.local_displacement())
        .sum();
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
    let start = measured.start;
    // What is out of range is not finite, and refused in the end.
    let exact_at = |step: u64| {
        let of = |mode: &WeightedMode| {
            start.mean_squared_displacement(&mode.mode, step).unwrap_or(f64::NAN)
        };
        exact.iter().map(|mode| mode.multiplicity * of(mode)).sum::<f64>()
    };
    let langevin_at = |step: u64| {
        let of = |mode: &LangevinMode| match start {
            Start::Stationary => mode.mean_squared_displacement(step),
            Start::AtRest => mode.mean_squared_displacement_from_rest(step).unwrap_or(f64::NAN),
        };
        langevin.iter().map(|(mode, multiplicity)| multiplicity * of(mode)).sum::<f64>()
    };
    let points = WindowPoints::new(measured.window, MOST_POINTS);
    if points.steps.len() < 3 {
        return Err(format!("the window has {} points", points.steps.len()));
    }
    let slope = |curve: &dyn Fn(u64) -> f64| -> f64 {
        let [slope, _] =
            points.line(&points.steps.iter().map(|&step| curve(step)).collect::<Vec<_>>());
        slope
    };
    let steps: Vec<u64> = measured.points.iter().map(|(step, _)| *step).collect();
    let scatter =
        displacement_scatter(&exact, &steps, start, SEED).map_err(|error| error.to_string())?;
    // An interval that reaches 0 has no logarithm: the ranges go without it.
    let speed_interval =
        measured.speed_interval.filter(|[low, high]| *low > 0.0 && high.is_finite());
    let speed_errors =
        speed_interval.map_or([0.0; 2], |ends| ends.map(|end| (end / measured.speed).ln()));
    let point = |(&(step, measured), scatter): (&(u64, f64), &[f64; 2])| {
        let exact = exact_at(step);
        // Side by side, deviations of logarithms add in squares.
        let end = |of: usize| {
            let sign = if of == 0 { -1.0 } else { 1.0 };
            exact * (sign * scatter[of].ln().hypot(speed_errors[of])).exp()
        };
        PredictedPoint {
            step,
            exact,
            langevin: langevin_at(step),
            measured,
            range: [end(0), end(1)],
        }
    };
    let of_gradients = noise_scale_of_gradients(given, &spectrum);
    let prediction = PredictedDisplacement {
        projected_part: given.density.is_none(),
        noise_scale,
        noise_scale_of_gradients: of_gradients
            .and_then(|scale| interval_of(scale.value, relative(&scale))),
        height_by_gradients: of_gradients.and_then(|scale| {
            let of_speed = (speed_errors[1] - speed_errors[0]) / (2.0 * NORMAL);
            interval_of(scale.value / noise_scale, relative(&scale).hypot(of_speed))
        }),
        left_out: given.negative(),
        begins_at_rest: start == Start::AtRest,
        exact_exponent: slope(&exact_at),
        langevin_exponent: slope(&langevin_at),
        measured_exponent: measured.exponent,
        interval: exponent_interval(
            &exact,
            Curvatures::Given,
            (measured.window, start),
            measured.exponent,
        ),
        curve: measured.points.iter().zip(&scatter).map(point).collect(),
    };
    let numbers =
        |point: &PredictedPoint| [point.exact, point.langevin, point.range[0], point.range[1]];
    let finite = prediction.exact_exponent.is_finite()
        && prediction.langevin_exponent.is_finite()
        && prediction
            .curve
            .iter()
            .all(|point| numbers(point).iter().all(|number| number.is_finite()));
    if finite {
        Ok(prediction)
    } else {
        Err("the predicted displacement is out of range".to_owned())
    }
}

fn relative(measured: &Measured) -> f64 {
    measured.standard_error / measured.value
}

/// The 95% interval of a positive number, by the standard error of its logarithm.
fn interval_of(value: f64, logarithmic_error: f64) -> Option<Estimate> {
    let factor = (NORMAL * logarithmic_error).exp();
    let estimate = Estimate { value, low: value / factor, high: value * factor };
    (value > 0.0 && estimate.high.is_finite()).then_some(estimate)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMETERS: SgdParameters = SgdParameters {
        learning_rate: 0.1,
        momentum: 0.9,
        weight_decay: 1e-4,
        batch_size: 32.0,
        noise_scale: 0.0,
    };

    fn measured(speed: f64) -> MeasuredDisplacement {
        let window = Window { first: 100, last: 300, every: 1 };
        MeasuredDisplacement {
            speed,
            speed_interval: None,
            exponent: 0.5,
            window,
            start: Start::Stationary,
            points: vec![(100, 1.0), (300, 2.0)],
        }
    }

    #[test]
    fn the_noise_comes_back_and_the_curve_is_the_theorys() {
        let given = Given::from_json(
            r#"{"eigenvalues": [2.0, 0.1], "density": {"nodes": [0.01], "weights": [1], "dimension": 40}}"#,
        )
        .unwrap();
        let truth = SgdParameters { noise_scale: 3.0, ..PARAMETERS };
        let modes = weighted_modes(&given.spectrum().unwrap(), &truth).unwrap();
        let speed: f64 =
            modes.iter().map(|mode| mode.multiplicity * mode.mode.local_displacement()).sum();
        let answer = predicted_displacement(&given, &PARAMETERS, &measured(speed));
        let found = answer.known().unwrap();
        assert!((found.noise_scale / 3.0 - 1.0).abs() < 1e-12 && !found.projected_part);
        let expected: f64 = modes
            .iter()
            .map(|mode| mode.multiplicity * mode.mode.mean_squared_displacement(300))
            .sum();
        assert!((found.curve[1].exact / expected - 1.0).abs() < 1e-12);
        assert!((found.curve[1].langevin / found.curve[1].exact - 1.0).abs() < 0.1);
        assert!((found.exact_exponent - found.langevin_exponent).abs() < 0.05);
        let [low, high] = found.curve[1].range;
        assert!(
            low < expected && expected < high && high < 2.0 * expected && found.left_out.is_none()
        );
        let interval = found.interval.known().unwrap();
        assert!(interval.low < 0.5 && (interval.expected - found.exact_exponent).abs() < 1e-9);
    }

    #[test]
    fn the_covariance_of_gradients_gives_the_height_without_the_run() {
        let text = r#"{"eigenvalues": [2.0, 0.1], "density": {"nodes": [0.01, -0.02], "weights": [40, 2], "dimension": 42},
            "gradient_noise": {"variances": [{"value": 5, "standard_error": 0.1}, {"value": 1, "standard_error": 0.1}],
                "trace": {"value": 10, "standard_error": 0.5}, "noise_scale": {"value": 3, "standard_error": 0.1},
                "correlation": null, "off_diagonal": null, "batches": 9, "examples": 9}}"#;
        let given = Given::from_json(text).unwrap();
        let unit = SgdParameters { noise_scale: 1.0, ..PARAMETERS };
        let modes = weighted_modes(&given.spectrum().unwrap(), &unit).unwrap();
        let speed: f64 =
            modes.iter().map(|mode| 5.0 * mode.multiplicity * mode.mode.local_displacement()).sum();
        let measured = MeasuredDisplacement {
            speed_interval: Some([speed * 0.9, speed * 1.1]),
            ..measured(speed)
        };
        let answer = predicted_displacement(&given, &PARAMETERS, &measured);
        let found = answer.known().unwrap();
        // tr(Sigma) / tr(H) = 10 / 2.5; by the speed it is 5.
        let scale = found.noise_scale_of_gradients.unwrap();
        assert!(
            (scale.value - 4.0).abs() < 1e-12
                && (scale.high / 4.0 - (NORMAL * 0.05).exp()).abs() < 1e-12
        );
        let height = found.height_by_gradients.unwrap();
        assert!(
            (height.value - 0.8).abs() < 1e-12
                && height.low < scale.low / 5.0
                && height.high > scale.high / 5.0
        );
        let left_out = found.left_out.unwrap();
        assert!(
            (left_out.directions - 2.0).abs() < 1e-12
                && (left_out.share_of_trace - 0.04 / 2.5).abs() < 1e-12
        );
    }

    #[test]
    fn a_speed_interval_that_reaches_zero_leaves_the_prediction() {
        let given = Given::from_json(r#"{"eigenvalues": [2.0, 0.1]}"#).unwrap();
        let plain = predicted_displacement(&given, &PARAMETERS, &measured(3.0));
        for low in [-1.0, 0.0] {
            let measured =
                MeasuredDisplacement { speed_interval: Some([low, 7.0]), ..measured(3.0) };
            assert_eq!(predicted_displacement(&given, &PARAMETERS, &measured), plain);
        }
    }

    #[test]
    fn what_has_no_prediction_has_a_reason() {
        let reason = |json: &str, speed: f64| {
            let given = Given::from_json(json).unwrap();
            predicted_displacement(&given, &PARAMETERS, &measured(speed))
                .reason()
                .unwrap_or_default()
                .to_owned()
        };
        assert!(reason(r#"{"eigenvalues": [2, -1]}"#, 1.0).contains("negative"));
        let negative =
            r#"{"eigenvalues": [2], "density": {"nodes": [-1], "weights": [1], "dimension": 40}}"#;
        assert!(reason(negative, 1.0).contains("nothing of the density"));
        assert!(reason(r#"{"eigenvalues": [0]}"#, 1.0).contains("nothing moves"));
        assert!(reason(r#"{"eigenvalues": [2]}"#, 0.0).contains("nothing moves"));
        assert!(reason(r#"{"eigenvalues": [100]}"#, 1.0).contains("unstable"));
    }
}
