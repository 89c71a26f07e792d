//! Everything about one mode.

use serde::Serialize;

use super::current::Rotation;
use super::energy::Equipartition;
use super::estimate::Estimate;
use super::innovations::NoiseShape;
use super::oscillation::SpectralPeak;
use super::recursion::RecursionFit;
use super::sums::ModeSums;
use super::trajectory::TransientFit;
use super::window::Window;
use crate::analysis::Answer;
use crate::analysis::settings::not_known;

/// Whose rho_i a comparison uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EigenvalueSource {
    /// The Hessian's eigenvalues, as given.
    Hessian,
    /// The fitted curvature less weight decay.
    Fit,
}

/// What a mode's positions and velocities say.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModeFit {
    /// Which direction, counted from 1.
    pub mode: usize,
    /// rho_i of the Hessian, where it was given.
    pub hessian_eigenvalue: Option<f64>,
    /// Rows of the window with position and velocity.
    pub rows: u64,
    /// Rows of the window without: null, NaN or infinite.
    pub rows_left_out: u64,
    /// Stretches of rows one step apart.
    pub stretches: u64,
    /// Means and variances.
    pub moments: Answer<Moments>,
    /// The linear recursion by maximum likelihood.
    pub recursion: Answer<RecursionFit>,
    /// Fitted curvature over the Hessian's, (rho + lambda): 1 where they agree.
    pub curvature_over_hessian: Answer<Estimate>,
    /// The spectrum's highest peak.
    pub spectrum: Answer<SpectralPeak>,
    /// Eq. 5 over the way from the start to the mean.
    pub transient: Answer<TransientFit>,
    /// Potential against kinetic energy.
    pub equipartition: Answer<Equipartition>,
    /// Rotation in the plane of position and velocity.
    pub rotation: Answer<Rotation>,
    /// The noise of the steps.
    pub noise: Answer<NoiseShape>,
}

/// First two moments of the rows, each row counted once, variances over n.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Moments {
    /// Parameter units, from the reference point.
    pub position_mean: f64,
    /// Parameter units squared.
    pub position_variance: f64,
    /// Parameter units per time.
    pub velocity_mean: f64,
    /// Their square.
    pub velocity_variance: f64,
}

impl ModeFit {
    /// rho by that source; none where it has none.
    pub(super) fn eigenvalue_of(&self, source: EigenvalueSource, window: &Window) -> Option<f64> {
        match source {
            EigenvalueSource::Hessian => self.hessian_eigenvalue,
            EigenvalueSource::Fit => {
                Some(self.recursion.known()?.curvature.value - window.weight_decay?)
            }
        }
    }
}

pub(super) fn answer<T>(result: Result<T, String>) -> Answer<T> {
    result.map_or_else(|reason| Answer::CannotSay { reason }, Answer::Known)
}

/// rho + lambda from the Hessian.
pub(super) fn hessian_curvature(eigenvalue: Option<f64>, window: &Window) -> Result<f64, String> {
    let eigenvalue = eigenvalue.ok_or("the Hessian's eigenvalue is not given")?;
    let curvature = eigenvalue + window.weight_decay.ok_or_else(|| not_known("weight decay"))?;
    if curvature > 0.0 && curvature.is_finite() {
        return Ok(curvature);
    }
    Err(format!(
        "the Hessian's eigenvalue with weight decay is {curvature:.3e}, and must be positive"
    ))
}

impl Moments {
    pub(super) fn new(sums: &ModeSums) -> Result<Moments, String> {
        if sums.rows.count == 0.0 {
            return Err("no row has a position and a velocity that are known and finite".to_owned());
        }
        let [position_mean, velocity_mean] = sums.rows.means;
        let [position_variance, velocity_variance] = [sums.rows.variance(0), sums.rows.variance(1)];
        let numbers = [position_mean, position_variance, velocity_mean, velocity_variance];
        if !numbers.iter().all(|number| number.is_finite()) {
            return Err("positions or velocities are too large to be squared".to_owned());
        }
        Ok(Moments { position_mean, position_variance, velocity_mean, velocity_variance })
    }
}
