//! A mode between its two readings: what its sums say, and what they ask of the rows.

use super::current::{AreaSums, Rotation};
use super::energy::Equipartition;
use super::estimate::BatchedMean;
use super::innovations::{NoiseShape, NoiseSums};
use super::mode::{ModeFit, Moments, answer, hessian_curvature};
use super::noise_powers::NoisePowers;
use super::noise_scale::BalanceSums;
use super::oscillation::{Spectra, SpectralPeak, UNKNOWN_MOMENTUM};
use super::outline::{Method, Outline};
use super::recursion::RecursionFit;
use super::series::{Part, every_step_only};
use super::sums::ModeSums;
use super::sums::quantity::{NEXT_VELOCITY, POSITION, VELOCITY};
use super::trajectory::{TransientFit, TransientRows};
use super::window::Window;
use crate::analysis::Answer;
use crate::stats::spectrum::Plans;

/// The share of a velocity's variance below which noise is rounding.
const ROUNDING: f64 = 1e-30;

const NOT_FITTED: &str = "the recursion is not fitted";

/// One mode: the sums of the first reading, and those of the second as they grow.
#[derive(Debug)]
pub(super) struct ModeReading {
    mode: usize,
    sums: ModeSums,
    hessian_eigenvalue: Option<f64>,
    /// rho + lambda from the Hessian.
    hessian_curvature: Result<f64, String>,
    moments: Result<Moments, String>,
    outline: Result<Outline, String>,
    spectra: Result<Spectra, String>,
    rows: Option<RecursionRows>,
    noises: Vec<f64>,
}

/// The noise of rows of every step, or of rows further apart.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one a mode")]
enum Noise {
    EveryStep(NoiseSums),
    FurtherApart(NoisePowers),
}

/// What the recursion asks of the rows.
#[derive(Debug)]
struct RecursionRows {
    noise: Noise,
    areas: Result<AreaSums, String>,
    balance: Option<BalanceSums>,
    transient: Option<TransientRows>,
}

impl ModeReading {
    /// `applies` is why the recursion is not fitted, where the optimizer is another.
    pub(super) fn new(
        mode: usize,
        sums: ModeSums,
        window: &Window,
        hessian_eigenvalue: Option<f64>,
        steps_per_epoch: Option<u64>,
        applies: &Result<(), String>,
        plans: &mut Plans,
    ) -> ModeReading {
        let moments = Moments::new(&sums);
        let outline = match (applies, &moments) {
            (Err(reason), _) | (_, Err(reason)) => Err(reason.clone()),
            _ => Outline::new(&sums, window),
        };
        let hessian_curvature = hessian_curvature(hessian_eigenvalue, window);
        let known = outline.as_ref().ok();
        let momentum = window.momentum.or(known.map(|outline| outline.regression().momentum));
        let spectra = Spectra::new(&sums, momentum, plans);
        let curvature = hessian_curvature.clone().ok();
        let rows =
            known.map(|outline| RecursionRows::new(&sums, outline, curvature, steps_per_epoch));
        let noises = Vec::new();
        ModeReading {
            mode,
            sums,
            hessian_eigenvalue,
            hessian_curvature,
            moments,
            outline,
            spectra,
            rows,
            noises,
        }
    }

    /// Takes a part of the window's rows.
    pub(super) fn add(&mut self, part: &Part) {
        if let Ok(spectra) = &mut self.spectra {
            spectra.add(part);
        }
        let (Ok(outline), Some(rows)) = (&self.outline, &mut self.rows) else { return };
        if let Some(transient) = &mut rows.transient {
            transient.add(part);
        }
        let regression = outline.regression();
        let noise = match &mut rows.noise {
            Noise::EveryStep(noise) => noise,
            Noise::FurtherApart(powers) => {
                if let Method::Sparse(fit) = &outline.method {
                    powers.fourth += fit.fourth_powers(part);
                }
                return;
            }
        };
        self.noises.clear();
        self.noises.extend(part.transitions().map(|step| regression.innovation(&step)));
        noise.add(part, &self.noises, regression.centre);
        if let Some(balance) = &mut rows.balance {
            balance.add(part, &self.noises);
        }
        if let Ok(areas) = &mut rows.areas {
            areas.add(part, regression.centre);
        }
    }

    /// The mode's answers, and what of sigma^2 is pooled over modes.
    pub(super) fn finish(self, window: &Window) -> (ModeFit, Option<BatchedMean>) {
        let recursion = match (&self.outline, &self.rows) {
            (Ok(outline), Some(rows)) => RecursionFit::new(outline, rows.powers()),
            (Err(reason), _) => Err(reason.clone()),
            (Ok(_), None) => Err(NOT_FITTED.to_owned()),
        };
        let fitted = recursion.as_ref().ok().zip(self.rows.as_ref());
        let curvature = &self.hessian_curvature;
        let momentum = window.momentum.or(fitted.map(|(fit, _)| fit.dynamics.momentum));
        let spectrum = self.spectra.as_ref().map_err(String::clone).and_then(|spectra| {
            momentum.ok_or(UNKNOWN_MOMENTUM)?;
            SpectralPeak::new(spectra, fitted.map(|(fit, _)| fit.dynamics))
        });
        let fit = ModeFit {
            mode: self.mode,
            hessian_eigenvalue: self.hessian_eigenvalue,
            rows: self.sums.rows.count as u64,
            rows_left_out: self.sums.left_out,
            stretches: self.sums.stretches,
            curvature_over_hessian: of_fit(fitted, |fit, _| {
                let hessian = curvature.clone()?;
                fit.curvature
                    .map(|fitted| fitted / hessian)
                    .ok_or_else(|| "it is out of range".to_owned())
            }),
            spectrum: answer(spectrum),
            transient: of_fit(fitted, |fit, rows| match &rows.transient {
                Some(rows) => TransientFit::new(rows, fit),
                None => Err(NOT_FITTED.to_owned()),
            }),
            equipartition: of_fit(fitted, |fit, _| {
                let moments = self.moments.as_ref().map_err(String::clone)?;
                Equipartition::new(moments, window, fit, curvature.clone())
            }),
            rotation: of_fit(fitted, |fit, rows| {
                Rotation::new(rows.areas.as_ref().map_err(String::clone)?, fit)
            }),
            noise: of_fit(fitted, |fit, rows| match &rows.noise {
                Noise::EveryStep(noise) => NoiseShape::new(noise, fit),
                Noise::FurtherApart(_) => Err(every_step_only(self.sums.every)),
            }),
            moments: answer(self.moments.clone()),
            recursion: answer(recursion.clone()),
        };
        let balance = fitted.and_then(|(fit, rows)| rows.balance.as_ref()?.mean(fit));
        (fit, balance)
    }
}

impl RecursionRows {
    fn new(
        sums: &ModeSums,
        outline: &Outline,
        curvature: Option<f64>,
        steps_per_epoch: Option<u64>,
    ) -> RecursionRows {
        let dynamics = outline.dynamics();
        let transient = dynamics.map(|dynamics| TransientRows::new(sums, outline, &dynamics));
        if sums.every > 1 {
            let noise = Noise::FurtherApart(NoisePowers::new(1.0));
            return RecursionRows {
                noise,
                areas: Err(every_step_only(sums.every)),
                balance: None,
                transient,
            };
        }
        let noise =
            NoiseSums::new(noise_unit(sums, outline), sums.count_transitions(), steps_per_epoch);
        RecursionRows {
            noise: Noise::EveryStep(noise),
            areas: match &dynamics {
                Some(dynamics) => AreaSums::new(outline, dynamics, curvature),
                None => Err(NOT_FITTED.to_owned()),
            },
            balance: dynamics.and_then(|dynamics| BalanceSums::new(outline, &dynamics)),
            transient,
        }
    }

    fn powers(&self) -> &NoisePowers {
        match &self.noise {
            Noise::EveryStep(noise) => &noise.powers,
            Noise::FurtherApart(powers) => powers,
        }
    }
}

/// About the standard deviation of the noise, by the sums; 1 where they do not tell it.
fn noise_unit(sums: &ModeSums, outline: &Outline) -> f64 {
    let regression = outline.regression();
    let weights =
        [(POSITION, regression.curvature), (VELOCITY, -regression.momentum), (NEXT_VELOCITY, 1.0)];
    let products = &sums.transitions.products;
    let pairs = weights.iter().flat_map(|a| weights.iter().map(move |b| (a, b)));
    let squares: f64 = pairs.map(|((i, a), (j, b))| a * b * products[*i][*j]).sum();
    let least = ROUNDING * products[NEXT_VELOCITY][NEXT_VELOCITY];
    let unit = (squares.max(least) / sums.transitions.count).sqrt();
    if unit.is_normal() { unit } else { 1.0 }
}

fn of_fit<T>(
    fitted: Option<(&RecursionFit, &RecursionRows)>,
    question: impl FnOnce(&RecursionFit, &RecursionRows) -> Result<T, String>,
) -> Answer<T> {
    answer(match fitted {
        Some((fit, rows)) => question(fit, rows),
        None => Err(NOT_FITTED.to_owned()),
    })
}

#[cfg(test)]
impl ModeReading {
    /// Both readings of rows in memory.
    pub(super) fn of_series(
        mode: usize,
        series: &super::series::ModeSeries,
        window: &Window,
        hessian_eigenvalue: Option<f64>,
        steps_per_epoch: Option<u64>,
        batch_rows: usize,
    ) -> (ModeFit, Option<BatchedMean>) {
        let mut sums = ModeSums::new(series.every, steps_per_epoch, window.momentum);
        let left_out = series.for_each_part(batch_rows, |part| sums.add(part));
        sums.left_out = left_out;
        let mut plans = Plans::default();
        let mut reading = ModeReading::new(
            mode,
            sums,
            window,
            hessian_eigenvalue,
            steps_per_epoch,
            &Ok(()),
            &mut plans,
        );
        series.for_each_part(batch_rows, |part| reading.add(part));
        reading.finish(window)
    }
}
