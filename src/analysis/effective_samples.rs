//! How many independent values the position along a mode is worth, by its integrated
//! autocorrelation time.

use serde::Serialize;

use super::Answer;
use crate::stats::autocorrelation::correlation_times;
use crate::stats::coarse_series::CoarseSeries;
use crate::stats::moments::Moments;

/// A mode with fewer independent values than this is not resolved by the run.
const FEWEST_EFFECTIVE: f64 = 20.0;

/// How many independent values a mode's position is worth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct EffectiveSamples {
    /// Integrated autocorrelation time, steps; not trustworthy where unresolved.
    pub autocorrelation_steps: f64,
    /// Values divided by it.
    pub effective_samples: f64,
    /// Whether the run is long enough to say: at least 20 independent values and memories.
    pub resolved: bool,
}

/// The autocorrelation time of a position, in steps of `every` a row.
pub fn effective_samples(position: &CoarseSeries, every: u64) -> Answer<EffectiveSamples> {
    let means = position.means();
    let times = match correlation_times(&means) {
        Ok(times) => times,
        Err(error) => return Err(error).into(),
    };
    // In rows, whatever the width of the bins: the variance of the mean over that of the values.
    let variance_of_bins = Moments::of(&means).population_variance();
    let rows = position.values().count() as f64;
    let of_values = position.values().population_variance();
    let integrated = times.integrated * position.width() as f64 * variance_of_bins / of_values;
    let effective_samples = rows / integrated;
    if !(effective_samples.is_finite() && integrated > 0.0) {
        return Answer::cannot_say("the positions are out of range");
    }
    let memories = means.len() as f64 / times.memory;
    Answer::Known(EffectiveSamples {
        autocorrelation_steps: integrated * every as f64,
        effective_samples,
        resolved: effective_samples >= FEWEST_EFFECTIVE && memories >= FEWEST_EFFECTIVE,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::stationarity::tests::{noise, series};

    #[test]
    fn independent_values_count_each_and_bins_do_not_matter() {
        let narrow = series(noise(3, 8_000));
        let wide = series(noise(3, 300_000));
        assert!(wide.width() > 1);
        for (position, rows) in [(narrow, 8_000.0), (wide, 300_000.0)] {
            let answer = effective_samples(&position, 10);
            let found = answer.known().unwrap();
            // Standard error sqrt(2 * 13 / 8,000), 6%: Sokal.
            assert!(
                (found.effective_samples / rows - 1.0).abs() < 0.2 && found.resolved,
                "{found:?}"
            );
            assert!((found.autocorrelation_steps / 10.0 - 1.0).abs() < 0.25);
        }
        assert!(effective_samples(&series([1.0; 50]), 1).reason().is_some());
    }
}
