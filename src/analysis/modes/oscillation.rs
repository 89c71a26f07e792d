//! Does a mode swing: the peak of its velocity's spectrum, and whether noise with momentum alone
//! would show it.

use serde::Serialize;

use super::dynamics::Dynamics;
use super::estimate::Test;
use super::series::{Part, every_step_only};
use super::sums::ModeSums;
use crate::stats::spectrum::{Plans, SHORTEST_SEGMENT, Taper, Welch};

/// No segment is longer: a million steps, 8 MB.
const LONGEST_SEGMENT: usize = 1 << 20;
/// Nor shorter, if there are rows enough.
const SHORT_SEGMENT: usize = 64;
/// The longest stretch holds at least so many segments.
const SEGMENTS: usize = 8;
/// A peak is so many frequencies wide.
const FREQUENCIES_PER_PEAK: f64 = 4.0;

pub(super) const UNKNOWN_MOMENTUM: &str = "the momentum is neither known nor fitted";

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
    /// Against a flat mode, whose velocity has momentum and noise and no peak but the one at zero:
    /// the spectrum of v' - beta v, white then, tested for its highest value (Fisher).
    pub against_noise: Test,
}

/// Spectra of a mode's velocity, and of what drives it.
#[derive(Debug, Clone)]
pub(super) struct Spectra {
    momentum: f64,
    segment: usize,
    longest_stretch: u64,
    velocity: Welch,
    driven: Welch,
    noise: Vec<f64>,
}

impl Spectra {
    /// `momentum` as the log has it or as it was fitted; plans are made once for all modes.
    pub(super) fn new(
        sums: &ModeSums,
        momentum: Option<f64>,
        plans: &mut Plans,
    ) -> Result<Spectra, String> {
        if sums.every != 1 {
            return Err(every_step_only(sums.every));
        }
        let longest_stretch = sums.longest_stretch;
        let segment =
            usize::try_from(longest_stretch.saturating_sub(1)).unwrap_or(usize::MAX) / SEGMENTS;
        if segment < SHORTEST_SEGMENT {
            return Err(too_short(longest_stretch));
        }
        let momentum = momentum.ok_or(UNKNOWN_MOMENTUM)?;
        let segment =
            1 << segment.min(LONGEST_SEGMENT).ilog2().min(wanted_segment(momentum).ilog2());
        let mut welch =
            |taper: Taper| Welch::planned(segment, taper, plans).map_err(|error| error.to_string());
        let (velocity, driven) = (welch(Taper::Hann)?, welch(Taper::None)?);
        Ok(Spectra { momentum, segment, longest_stretch, velocity, driven, noise: Vec::new() })
    }

    /// Takes a part.
    pub(super) fn add(&mut self, part: &Part) {
        if !part.continues {
            self.velocity.interrupt();
            self.driven.interrupt();
        }
        self.velocity.extend(part.new_rows()[1]);
        self.noise.clear();
        self.noise.extend(part.velocities.windows(2).map(|pair| pair[1] - self.momentum * pair[0]));
        self.driven.extend(&self.noise);
    }
}

fn too_short(longest_stretch: u64) -> String {
    format!(
        "the longest stretch without a gap has {longest_stretch} rows; a spectrum takes {}",
        SEGMENTS * SHORTEST_SEGMENT + 1
    )
}

impl SpectralPeak {
    /// `expected` is the fitted recursion.
    pub(super) fn new(
        spectra: &Spectra,
        expected: Option<Dynamics>,
    ) -> Result<SpectralPeak, String> {
        let Spectra { segment, longest_stretch: longest, velocity, driven, .. } = spectra;
        if let Some(mode) = expected
            && mode.angle_per_step() > 0.0
        {
            let period = std::f64::consts::TAU / mode.angle_per_step();
            if period > *longest as f64 {
                return Err(format!(
                    "{longest} rows without a gap are less than one oscillation of {period:.0} steps"
                ));
            }
        }
        let spectrum = velocity.spectrum().ok_or_else(|| too_short(*longest))?;
        let still = || "the velocity does not vary".to_owned();
        let peak = spectrum.peak().ok_or_else(still)?;
        let chance =
            driven.spectrum().and_then(|spectrum| spectrum.chance_of_peak_in_white_noise());
        Ok(SpectralPeak {
            cycles_per_step: peak.frequency,
            width_cycles_per_step: peak.width,
            resolution_cycles_per_step: 1.0 / *segment as f64,
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

/// The width at half height of a peak is that of a decay by sqrt(momentum) a step, -ln(momentum) /
/// 2 pi cycles; longer segments would break it up and average less.
fn wanted_segment(momentum: f64) -> usize {
    let width = -momentum.max(f64::MIN_POSITIVE).ln() / std::f64::consts::TAU;
    let wanted = FREQUENCIES_PER_PEAK / width;
    (wanted.clamp(SHORT_SEGMENT as f64, LONGEST_SEGMENT as f64) as usize).next_power_of_two()
}
