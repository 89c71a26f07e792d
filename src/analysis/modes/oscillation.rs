//! Does a mode swing: the peak of its velocity's spectrum, and whether noise with momentum alone would show it.

use serde::Serialize;

use super::dynamics::Dynamics;
use super::estimate::Test;
use super::series::ModeSeries;
use crate::stats::spectrum::{SHORTEST_SEGMENT, Taper, Welch};

/// No segment is longer: a million steps, 8 MB.
const LONGEST_SEGMENT: usize = 1 << 20;
/// Nor shorter, if there are rows enough.
const SHORT_SEGMENT: usize = 64;
/// The longest stretch holds at least so many segments.
const SEGMENTS: usize = 8;
/// A peak is so many frequencies wide.
const FREQUENCIES_PER_PEAK: f64 = 4.0;

/// The highest peak of the spectrum of a mode's velocity, by Welch's method with Hann's window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SpectralPeak {
    /// Dominant frequency, cycles per step.
    pub cycles_per_step: f64,
    /// Full width of the peak at half its height, cycles per step.
    pub width_cycles_per_step: f64,
    /// Spacing of the frequencies: nothing finer is told apart.
    pub resolution_cycles_per_step: f64,
    /// Segments averaged.
    pub segments: u64,
    /// Against a flat mode, whose velocity has momentum and noise and no peak but the one at zero: the spectrum of
    /// v' - beta v, white then, tested for its highest value (Fisher).
    pub against_noise: Test,
}

impl SpectralPeak {
    /// `momentum` as the log has it or as it was fitted; `expected` the fitted recursion.
    pub(super) fn new(
        series: &ModeSeries,
        momentum: Option<f64>,
        expected: Option<Dynamics>,
    ) -> Result<SpectralPeak, String> {
        series.require_every_step()?;
        let longest = series.longest_stretch();
        let too_short = || {
            format!(
                "the longest stretch without a gap has {longest} rows; a spectrum takes {}",
                SEGMENTS * SHORTEST_SEGMENT + 1
            )
        };
        let segment = (longest.saturating_sub(1) / SEGMENTS).min(LONGEST_SEGMENT);
        if segment < SHORTEST_SEGMENT {
            return Err(too_short());
        }
        let momentum = momentum.ok_or("the momentum is neither known nor fitted")?;
        let segment = 1 << segment.ilog2().min(wanted_segment(momentum).ilog2());
        if let Some(mode) = expected
            && mode.angle_per_step() > 0.0
        {
            let period = std::f64::consts::TAU / mode.angle_per_step();
            if period > longest as f64 {
                return Err(format!("{longest} rows without a gap are less than one oscillation of {period:.0} steps"));
            }
        }
        let welch = |taper: Taper| Welch::new(segment, taper).map_err(|error| error.to_string());
        let (mut velocity, mut driven) = (welch(Taper::Hann)?, welch(Taper::None)?);
        let mut noise = Vec::new();
        for stretch in &series.stretches {
            velocity.push(&series.velocities[stretch.clone()]);
            if stretch.len() > segment {
                noise.clear();
                noise.extend(series.transitions_of(stretch).map(|step| step.next_velocity - momentum * step.velocity));
                driven.push(&noise);
            }
        }
        let spectrum = velocity.spectrum().ok_or_else(too_short)?;
        let still = || "the velocity does not vary".to_owned();
        let peak = spectrum.peak().ok_or_else(still)?;
        let chance = driven.spectrum().and_then(|spectrum| spectrum.chance_of_peak_in_white_noise());
        Ok(SpectralPeak {
            cycles_per_step: peak.frequency,
            width_cycles_per_step: peak.width,
            resolution_cycles_per_step: 1.0 / segment as f64,
            segments: spectrum.segments as u64,
            against_noise: chance.and_then(Test::new).ok_or_else(still)?,
        })
    }

    /// Whether the peak lies where the recursion has it: within half the width and the resolution.
    pub fn agrees_with(&self, cycles_per_step: f64) -> bool {
        let reach = 0.5 * self.width_cycles_per_step + self.resolution_cycles_per_step;
        (self.cycles_per_step - cycles_per_step).abs() <= reach
    }
}

/// The width at half height of a peak is that of a decay by sqrt(momentum) a step, -ln(momentum) / 2 pi cycles; longer
/// segments would break it up and average less.
fn wanted_segment(momentum: f64) -> usize {
    let width = -momentum.max(f64::MIN_POSITIVE).ln() / std::f64::consts::TAU;
    let wanted = FREQUENCIES_PER_PEAK / width;
    (wanted.clamp(SHORT_SEGMENT as f64, LONGEST_SEGMENT as f64) as usize).next_power_of_two()
}
