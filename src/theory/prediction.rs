//! Everything the theory says of a list of eigenvalues, as plain data: what `perrin predict` reads
//! and prints.
//!
//! Numbers are written with as many digits as it takes (up to 17) to read the same `f64` back.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::discrete::DiscreteMode;
use super::langevin::LangevinMode;
use super::matrix::require_finite_entries;
use super::parameters::SgdParameters;
use crate::error::{Error, Result};

/// What to predict.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PredictionInput {
    /// eta.
    pub learning_rate: f64,
    /// beta.
    pub momentum: f64,
    /// lambda.
    pub weight_decay: f64,
    /// S.
    pub batch_size: f64,
    /// sigma^2 of Sigma = sigma^2 H.
    pub sigma_squared: f64,
    /// Lags, and times since the start, in steps.
    pub steps: Vec<u64>,
    /// rho of each mode.
    pub eigenvalues: Vec<f64>,
    /// Position of each mode at step 0, from the minimum; 0 if not given.
    pub initial_positions: Option<Vec<f64>>,
    /// Velocity of each mode at step 0; 0 if not given.
    pub initial_velocities: Option<Vec<f64>>,
}

/// The names [`PredictionInput::from_json`] reads.
const FIELDS: [&str; 9] = [
    "learning_rate",
    "momentum",
    "weight_decay",
    "batch_size",
    "sigma_squared",
    "steps",
    "eigenvalues",
    "initial_positions",
    "initial_velocities",
];

impl PredictionInput {
    /// Reads a JSON object. The second value lists names in it that mean nothing here, and were
    /// ignored.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] naming the field (and the entry of a list) that is missing or of the
    /// wrong type. Ranges are checked by [`predict`].
    pub fn from_json(text: &str) -> Result<(PredictionInput, Vec<String>)> {
        let invalid = |reason: String| Error::InvalidInput { field: "JSON".to_owned(), reason };
        let value: Value =
            serde_json::from_str(text).map_err(|error| invalid(error.to_string()))?;
        let Value::Object(fields) = value else {
            return Err(invalid(
                "expected an object {\"learning_rate\": ..., \"eigenvalues\": [...], ...}"
                    .to_owned(),
            ));
        };
        let input = PredictionInput {
            learning_rate: number(&fields, "learning_rate")?,
            momentum: number(&fields, "momentum")?,
            weight_decay: number(&fields, "weight_decay")?,
            batch_size: number(&fields, "batch_size")?,
            sigma_squared: number(&fields, "sigma_squared")?,
            steps: required("steps", list(&fields, "steps")?)?
                .into_iter()
                .map(|WholeNumber(steps)| steps)
                .collect(),
            eigenvalues: required("eigenvalues", list(&fields, "eigenvalues")?)?,
            initial_positions: list(&fields, "initial_positions")?,
            initial_velocities: list(&fields, "initial_velocities")?,
        };
        let unknown = fields
            .into_iter()
            .map(|(name, _)| name)
            .filter(|name| !FIELDS.contains(&name.as_str()));
        Ok((input, unknown.collect()))
    }
}

/// A count, which people also write as `1e7`.
#[derive(Deserialize)]
#[serde(try_from = "f64")]
struct WholeNumber(u64);

impl TryFrom<f64> for WholeNumber {
    type Error = String;
    fn try_from(value: f64) -> std::result::Result<WholeNumber, String> {
        // Up to 2^53 every whole number is an f64.
        if value.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&value) {
            Ok(WholeNumber(value as u64))
        } else {
            Err(format!("{value} is not a whole number from 0 to 2^53"))
        }
    }
}

fn number(fields: &Map<String, Value>, name: &str) -> Result<f64> {
    let value = fields.get(name).filter(|value| !value.is_null());
    required(name, value.map(|value| entry(value, || name.to_owned())).transpose()?)
}

fn list<T: DeserializeOwned>(fields: &Map<String, Value>, name: &str) -> Result<Option<Vec<T>>> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(entries)) => {
            let entries = entries.iter().enumerate();
            entries
                .map(|(index, value)| entry(value, || format!("{name}[{index}]")))
                .collect::<Result<_>>()
                .map(Some)
        }
        Some(_) => Err(Error::InvalidInput {
            field: name.to_owned(),
            reason: "expected a list".to_owned(),
        }),
    }
}

fn entry<T: DeserializeOwned>(value: &Value, field: impl Fn() -> String) -> Result<T> {
    T::deserialize(value)
        .map_err(|error| Error::InvalidInput { field: field(), reason: error.to_string() })
}

fn required<T>(name: &str, value: Option<T>) -> Result<T> {
    value
        .ok_or_else(|| Error::InvalidInput { field: name.to_owned(), reason: "missing".to_owned() })
}

/// What the theory says. Lists over steps have an entry for each of `steps`; covariances and means
/// are ordered (position, velocity); time is `learning_rate * step`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The steps asked for, in the order given.
    pub steps: Vec<u64>,
    /// The modes, in the order given.
    pub modes: Vec<ModePrediction>,
    /// Sums over the modes.
    pub totals: Totals,
}

/// One mode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModePrediction {
    /// rho.
    pub eigenvalue: f64,
    /// zeta of the Langevin process; below 1 the mode oscillates.
    pub damping_ratio: f64,
    /// By the paper's continuous-time theory.
    pub langevin: LangevinPrediction,
    /// By exact algebra in discrete time.
    pub exact_discrete: DiscretePrediction,
}

/// One mode as a Langevin process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LangevinPrediction {
    /// In the stationary state.
    pub stationary_covariance: [[f64; 2]; 2],
    /// (position, velocity) from the initial ones.
    pub mean: Vec<[f64; 2]>,
    /// E (position_k - position_0)^2 in the stationary state.
    pub mean_squared_displacement: Vec<f64>,
    /// C(eta k), 1 at k = 0.
    pub velocity_autocorrelation: Vec<f64>,
}

/// One mode of SGD itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DiscretePrediction {
    /// In the stationary state.
    pub stationary_covariance: [[f64; 2]; 2],
    /// (position, velocity) from the initial ones.
    pub mean: Vec<[f64; 2]>,
    /// E (position_k - position_0)^2 in the stationary state.
    pub mean_squared_displacement: Vec<f64>,
    /// E (position_1 - position_0)^2 in the stationary state.
    pub local_displacement: f64,
}

/// Sums over the modes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Sum of the eigenvalues.
    pub hessian_trace: f64,
    /// By the Langevin process; `local_displacement` is eq. 12.
    pub langevin: Total,
    /// Exact.
    pub exact_discrete: Total,
}

/// Sums over the modes, by one of the two theories.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Total {
    /// E||theta - mu||^2 in the stationary state.
    pub position_variance: f64,
    /// E||v||^2 in the stationary state.
    pub velocity_variance: f64,
    /// E||delta||^2 in the stationary state.
    pub local_displacement: f64,
    /// E||Delta_k||^2 in the stationary state.
    pub mean_squared_displacement: Vec<f64>,
}

/// Predicts means, stationary covariances, correlations and displacements, by both theories.
///
/// # Errors
/// [`Error::InvalidValue`] for hyperparameters out of range; [`Error::InvalidInput`] naming the
/// entry for an eigenvalue that is negative, has no curvature even with weight decay, or is
/// unstable at this learning rate; [`Error::ShapeMismatch`] for initial values that are not one a
/// mode.
pub fn predict(input: &PredictionInput) -> Result<Prediction> {
    let parameters = SgdParameters {
        learning_rate: input.learning_rate,
        momentum: input.momentum,
        weight_decay: input.weight_decay,
        batch_size: input.batch_size,
        noise_scale: input.sigma_squared,
    };
    parameters.validate().map_err(|error| match error {
        Error::InvalidValue { name: "noise_scale", value, requirement } => {
            Error::InvalidValue { name: "sigma_squared", value, requirement }
        }
        other => other,
    })?;
    let positions =
        initial("initial_positions", input.initial_positions.as_deref(), input.eigenvalues.len())?;
    let velocities = initial(
        "initial_velocities",
        input.initial_velocities.as_deref(),
        input.eigenvalues.len(),
    )?;
    let mut modes = Vec::with_capacity(input.eigenvalues.len());
    for (index, &eigenvalue) in input.eigenvalues.iter().enumerate() {
        let mode = predict_mode(
            &parameters,
            eigenvalue,
            [positions[index], velocities[index]],
            &input.steps,
        );
        modes.push(mode.map_err(|error| match error {
            Error::InvalidValue { name: "mean", .. } => {
                let field = format!("initial_positions[{index}] or initial_velocities[{index}]");
                Error::InvalidInput { field, reason: error.to_string() }
            }
            _ => Error::InvalidInput {
                field: format!("eigenvalues[{index}]"),
                reason: error.to_string(),
            },
        })?);
    }
    let totals = Totals {
        hessian_trace: input.eigenvalues.iter().sum(),
        langevin: total(&modes, input.steps.len(), |mode| {
            let covariance = mode.langevin.stationary_covariance;
            let local_displacement = input.learning_rate * input.learning_rate * covariance[1][1];
            (covariance, local_displacement, &mode.langevin.mean_squared_displacement)
        }),
        exact_discrete: total(&modes, input.steps.len(), |mode| {
            let exact = &mode.exact_discrete;
            (
                exact.stationary_covariance,
                exact.local_displacement,
                &exact.mean_squared_displacement,
            )
        }),
    };
    Ok(Prediction { steps: input.steps.clone(), modes, totals })
}

fn initial(name: &'static str, values: Option<&[f64]>, modes: usize) -> Result<Vec<f64>> {
    let Some(values) = values else {
        return Ok(vec![0.0; modes]);
    };
    if values.len() != modes {
        return Err(Error::ShapeMismatch {
            name,
            found: format!("[{}]", values.len()),
            expected: format!("[{modes}], one for each of `eigenvalues`"),
        });
    }
    require_finite_entries(name, values.iter())?;
    Ok(values.to_vec())
}

fn predict_mode(
    parameters: &SgdParameters,
    eigenvalue: f64,
    [position, velocity]: [f64; 2],
    steps: &[u64],
) -> Result<ModePrediction> {
    let langevin = LangevinMode::new(parameters, eigenvalue)?;
    let exact = DiscreteMode::new(parameters, eigenvalue)?;
    let at_steps = |value: &dyn Fn(u64) -> f64| steps.iter().map(|&k| value(k)).collect::<Vec<_>>();
    Ok(ModePrediction {
        eigenvalue,
        damping_ratio: langevin.damping_ratio(),
        langevin: LangevinPrediction {
            stationary_covariance: langevin.stationary_covariance(),
            mean: steps
                .iter()
                .map(|&k| langevin.mean(position, velocity, k))
                .collect::<Result<_>>()?,
            mean_squared_displacement: at_steps(&|k| langevin.mean_squared_displacement(k)),
            velocity_autocorrelation: at_steps(&|k| langevin.velocity_autocorrelation(k)),
        },
        exact_discrete: DiscretePrediction {
            stationary_covariance: exact.stationary_covariance(),
            mean: steps
                .iter()
                .map(|&k| exact.mean(position, velocity, k))
                .collect::<Result<_>>()?,
            mean_squared_displacement: at_steps(&|k| exact.mean_squared_displacement(k)),
            local_displacement: exact.local_displacement(),
        },
    })
}

fn total<'a>(
    modes: &'a [ModePrediction],
    steps: usize,
    part: impl Fn(&'a ModePrediction) -> ([[f64; 2]; 2], f64, &'a [f64]),
) -> Total {
    let mut total = Total {
        position_variance: 0.0,
        velocity_variance: 0.0,
        local_displacement: 0.0,
        mean_squared_displacement: vec![0.0; steps],
    };
    for mode in modes {
        let (covariance, local_displacement, displacements) = part(mode);
        total.position_variance += covariance[0][0];
        total.velocity_variance += covariance[1][1];
        total.local_displacement += local_displacement;
        for (sum, displacement) in total.mean_squared_displacement.iter_mut().zip(displacements) {
            *sum += displacement;
        }
    }
    total
}
