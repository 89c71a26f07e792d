//! Power spectra: Welch's averaged periodograms, the highest peak of one, and whether a peak stands
//! out of white noise.
//!
//! Frequencies are in cycles per sample, 0 to 1/2; densities are one-sided, so that they sum to the
//! variance when multiplied by the spacing 1/L. Segments come from stretches without a gap.

use std::f64::consts::TAU;
use std::sync::Arc;

use realfft::{RealFftPlanner, RealToComplex};
use statrs::function::beta::beta_reg;

use super::joint_sums::sum;
use crate::error::{Error, Result};

/// Shorter segments have no frequencies to speak of.
pub const SHORTEST_SEGMENT: usize = 16;

/// What a segment is multiplied with, and how far the next one begins behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taper {
    /// Hann's window, segments overlapping by half (Welch 1967): little leakage from strong peaks.
    Hann,
    /// None, segments side by side: of white noise, all densities are independent.
    None,
}

/// An averaged power spectrum.
#[derive(Debug, Clone, PartialEq)]
pub struct Spectrum {
    /// Density at frequency j / L, j = 0 ..= L/2.
    pub density: Vec<f64>,
    /// L, samples in a segment.
    pub segment: usize,
    /// Segments averaged.
    pub segments: usize,
}

/// The highest peak of a spectrum, frequency zero left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak {
    /// Cycles per sample, between the frequencies of the spectrum by the parabola through three
    /// logarithms.
    pub frequency: f64,
    /// Full width at half the peak's density, cycles per sample; never below the spacing 1/L.
    pub width: f64,
    /// Density at the peak.
    pub density: f64,
}

/// Averages the periodograms of segments of stretches, each with its mean removed.
///
/// Numerically scipy's `signal.welch(x, window="hann" or "boxcar", nperseg=L, detrend="constant")`.
#[derive(Clone)]
pub struct Welch {
    taper: Taper,
    window: Arc<[f64]>,
    transform: Arc<dyn RealToComplex<f64>>,
    /// The end of the stretch so far, which may begin a segment.
    pending: Vec<f64>,
    sums: Vec<f64>,
    segments: usize,
}

impl std::fmt::Debug for Welch {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fields = (self.taper, self.window.len(), self.segments);
        formatter.debug_tuple("Welch").field(&fields).finish()
    }
}

/// Windows and transforms that spectra of equally long segments share.
#[derive(Default)]
pub struct Plans {
    planner: RealFftPlanner<f64>,
    windows: Vec<(Taper, Arc<[f64]>)>,
}

impl Plans {
    fn window(&mut self, segment: usize, taper: Taper) -> Arc<[f64]> {
        let known =
            self.windows.iter().find(|(of, window)| *of == taper && window.len() == segment);
        if let Some((_, window)) = known {
            return window.clone();
        }
        let weight = |k: usize| match taper {
            Taper::Hann => 0.5 - 0.5 * (TAU * k as f64 / segment as f64).cos(),
            Taper::None => 1.0,
        };
        let window: Arc<[f64]> = (0..segment).map(weight).collect();
        self.windows.push((taper, window.clone()));
        window
    }
}

impl Welch {
    /// For segments of `segment` samples.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for fewer than [`SHORTEST_SEGMENT`] or an odd number.
    pub fn new(segment: usize, taper: Taper) -> Result<Welch> {
        Welch::planned(segment, taper, &mut Plans::default())
    }

    /// The same, with plans that other spectra have too.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn planned(segment: usize, taper: Taper, plans: &mut Plans) -> Result<Welch> {
        if segment < SHORTEST_SEGMENT || !segment.is_multiple_of(2) {
            let requirement = "even and at least 16";
            return Err(Error::InvalidValue {
                name: "segment",
                value: segment as f64,
                requirement,
            });
        }
        let (window, transform) =
            (plans.window(segment, taper), plans.planner.plan_fft_forward(segment));
        let sums = vec![0.0; segment / 2 + 1];
        Ok(Welch { taper, window, transform, pending: Vec::new(), sums, segments: 0 })
    }

    /// Takes a stretch without a gap; what does not fill a segment at its end is left out.
    pub fn push(&mut self, stretch: &[f64]) {
        self.interrupt();
        self.extend(stretch);
    }

    /// What comes next follows behind a gap.
    pub fn interrupt(&mut self) {
        self.pending.clear();
    }

    /// Takes values that follow the last ones without a gap.
    pub fn extend(&mut self, values: &[f64]) {
        self.pending.extend_from_slice(values);
        let length = self.window.len();
        if self.pending.len() < length {
            return;
        }
        let advance = if self.taper == Taper::Hann { length / 2 } else { length };
        let mut input = self.transform.make_input_vec();
        let mut output = self.transform.make_output_vec();
        let mut scratch = self.transform.make_scratch_vec();
        let mut start = 0;
        while start + length <= self.pending.len() {
            let values = &self.pending[start..start + length];
            let mean = sum(values) / length as f64;
            for ((input, value), weight) in input.iter_mut().zip(values).zip(&*self.window) {
                *input = (value - mean) * weight;
            }
            // Lengths are those the transform made itself: it cannot refuse them.
            if self.transform.process_with_scratch(&mut input, &mut output, &mut scratch).is_ok() {
                self.sums.iter_mut().zip(&output).for_each(|(sum, value)| *sum += value.norm_sqr());
                self.segments += 1;
            }
            start += advance;
        }
        self.pending.drain(..start);
    }

    /// The spectrum of the segments so far; none without any.
    pub fn spectrum(&self) -> Option<Spectrum> {
        if self.segments == 0 {
            return None;
        }
        let power: f64 = self.window.iter().map(|weight| weight * weight).sum();
        let last = self.sums.len() - 1;
        let density = self.sums.iter().enumerate().map(|(index, sum)| {
            let sides = if index == 0 || index == last { 1.0 } else { 2.0 };
            sides * sum / (power * self.segments as f64)
        });
        Some(Spectrum {
            density: density.collect(),
            segment: self.window.len(),
            segments: self.segments,
        })
    }
}

impl Spectrum {
    /// The highest peak; none if nothing but frequency zero has power.
    pub fn peak(&self) -> Option<Peak> {
        let spacing = 1.0 / self.segment as f64;
        let last = self.density.len() - 1;
        let at = (1..=last).max_by(|&a, &b| self.density[a].total_cmp(&self.density[b]))?;
        let height = self.density[at];
        if height <= 0.0 || !height.is_finite() {
            return None;
        }
        let mut offset = 0.0;
        // At the ends there is no neighbour of the same kind: both have one side only.
        if at > 1 && at + 1 < last {
            let [below, above] =
                [self.density[at - 1], self.density[at + 1]].map(|density| (density / height).ln());
            if below.is_finite() && above.is_finite() && below + above < 0.0 {
                offset = 0.5 * (below - above) / (below + above);
            }
        }
        let half = 0.5 * height;
        let lower = (1..at).rev().take_while(|&index| self.density[index] > half).count();
        let upper = (at + 1..=last).take_while(|&index| self.density[index] > half).count();
        let width = (lower + upper + 1) as f64 * spacing;
        Some(Peak { frequency: (at as f64 + offset) * spacing, width, density: height })
    }

    /// Probability that white noise has a peak as high as the highest of this spectrum, taken with [`Taper::None`]:
    /// Fisher's (1929) test, with averaging. A density's share of the sum over m frequencies is then Beta(K, K(m-1))
    /// distributed, K segments. None where nothing varies.
    pub fn chance_of_peak_in_white_noise(&self) -> Option<f64> {
        let densities = &self.density[1..self.density.len() - 1];
        let sum: f64 = densities.iter().sum();
        let highest = densities.iter().copied().fold(0.0, f64::max);
        if sum <= 0.0 || !sum.is_finite() {
            return None;
        }
        let (count, segments) = (densities.len() as f64, self.segments as f64);
        // The upper tail directly: 1 minus the lower would end at 1e-16.
        let tail =
            beta_reg(segments * (count - 1.0), segments, (1.0 - highest / sum).clamp(0.0, 1.0));
        Some(-(count * (-tail).ln_1p()).exp_m1()).map(|chance| chance.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    use super::*;

    fn noise(length: usize, seed: u64) -> Vec<f64> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        (0..length).map(|_| StandardNormal.sample(&mut random)).collect()
    }

    #[test]
    fn a_sine_is_found_between_frequencies() {
        let frequency = 0.1237;
        let series: Vec<f64> = (0..4096).map(|k| (TAU * frequency * f64::from(k)).sin()).collect();
        let mut welch = Welch::new(256, Taper::Hann).unwrap();
        welch.push(&series);
        let peak = welch.spectrum().unwrap().peak().unwrap();
        // A tenth of the spacing of 1/256.
        assert!((peak.frequency - frequency).abs() < 4e-4, "{peak:?}");
        assert!(peak.width <= 3.0 / 256.0);
    }

    #[test]
    fn densities_sum_to_the_variance() {
        let series = noise(64, 1);
        let mut welch = Welch::new(64, Taper::None).unwrap();
        welch.push(&series);
        let spectrum = welch.spectrum().unwrap();
        let mean = series.iter().sum::<f64>() / 64.0;
        let variance = series.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 64.0;
        assert!((spectrum.density.iter().sum::<f64>() / 64.0 / variance - 1.0).abs() < 1e-13);
    }

    #[test]
    fn five_in_a_hundred_white_noises_are_taken_for_peaks() {
        for segments in [1, 7] {
            let alarms = (0..2000)
                .filter(|&seed| {
                    let mut welch = Welch::new(128, Taper::None).unwrap();
                    welch.push(&noise(128 * segments, seed));
                    welch.spectrum().unwrap().chance_of_peak_in_white_noise().unwrap() < 0.05
                })
                .count();
            // 100 expected; the standard deviation is 9.7.
            assert!((71..130).contains(&alarms), "{alarms} of 2000, {segments} segments");
        }
    }

    #[test]
    fn what_has_no_spectrum_has_none() {
        assert!(Welch::new(15, Taper::Hann).is_err() && Welch::new(17, Taper::Hann).is_err());
        let mut welch = Welch::new(16, Taper::None).unwrap();
        welch.push(&[1.0; 15]);
        assert!(welch.spectrum().is_none());
        welch.push(&[1.0; 16]);
        let spectrum = welch.spectrum().unwrap();
        assert!(spectrum.peak().is_none() && spectrum.chance_of_peak_in_white_noise().is_none());
    }
}
