//! Curves of any length in bounded memory: what a picture can show of them, with their extremes.
//!
//! A picture is some hundreds of pixels wide. Rows are gathered in about as many bins, each with
//! its lowest and highest value and its mean, so that a single spike among ten million rows is
//! still seen.

/// Linear bins are merged in pairs when there would be this many.
const MOST_BINS: usize = 700;
/// Logarithmic bins to a factor of two.
const BINS_PER_OCTAVE: f64 = 16.0;

/// The rows of one bin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// Step of its first value.
    pub first_step: u64,
    /// Step of its last value.
    pub last_step: u64,
    /// Lowest value.
    pub low: f64,
    /// Highest value.
    pub high: f64,
    /// Mean of the values.
    pub mean: f64,
    /// Values.
    pub count: u64,
}

impl Bin {
    fn new(step: u64, value: f64) -> Bin {
        Bin { first_step: step, last_step: step, low: value, high: value, mean: value, count: 1 }
    }

    fn push(&mut self, step: u64, value: f64) {
        self.last_step = step;
        self.low = self.low.min(value);
        self.high = self.high.max(value);
        self.count += 1;
        // Not a sum, which could overflow.
        self.mean += (value - self.mean) / self.count as f64;
    }

    fn join(self, later: Bin) -> Bin {
        let count = self.count + later.count;
        Bin {
            last_step: later.last_step,
            low: self.low.min(later.low),
            high: self.high.max(later.high),
            mean: self.mean + (later.mean - self.mean) * (later.count as f64 / count as f64),
            count,
            ..self
        }
    }

    /// The step in its middle.
    pub fn middle(&self) -> f64 {
        0.5 * (self.first_step as f64 + self.last_step as f64)
    }
}

/// How bins follow each other.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Spacing {
    /// Bins of so many steps, from a first step on.
    Even {
        from: u64,
        width: u64,
    },
    Logarithmic,
}

/// A curve over steps, in bins. Bins without values are left out.
#[derive(Debug, Clone)]
pub struct Envelope {
    spacing: Spacing,
    bins: Vec<(u64, Bin)>,
    left_out: u64,
}

impl Envelope {
    /// Bins equally wide in steps; they widen as the run goes on. `first_step` is where the axis
    /// begins.
    pub fn even(first_step: u64) -> Envelope {
        Envelope {
            spacing: Spacing::Even { from: first_step, width: 1 },
            bins: Vec::new(),
            left_out: 0,
        }
    }

    /// Bins equally wide on a logarithmic axis.
    pub fn logarithmic() -> Envelope {
        Envelope { spacing: Spacing::Logarithmic, bins: Vec::new(), left_out: 0 }
    }

    /// Takes a value; steps must not fall. What is unknown or not finite is counted and left out.
    pub fn push(&mut self, step: u64, value: f64) {
        if !value.is_finite() {
            self.left_out += 1;
            return;
        }
        let mut index = self.index(step);
        while index >= MOST_BINS as u64 && self.widen() {
            index = self.index(step);
        }
        match self.bins.last_mut() {
            Some((last, bin)) if *last == index => bin.push(step, value),
            _ => self.bins.push((index, Bin::new(step, value))),
        }
    }

    fn index(&self, step: u64) -> u64 {
        match self.spacing {
            Spacing::Even { from, width } => step.saturating_sub(from) / width,
            Spacing::Logarithmic => ((step.max(1) as f64).log2() * BINS_PER_OCTAVE) as u64,
        }
    }

    /// Joins bins in pairs; false for logarithmic ones, of which there are never many.
    fn widen(&mut self) -> bool {
        let Spacing::Even { width, .. } = &mut self.spacing else { return false };
        *width = width.saturating_mul(2);
        let mut joined: Vec<(u64, Bin)> = Vec::with_capacity(MOST_BINS);
        for (index, bin) in self.bins.drain(..) {
            match joined.last_mut() {
                Some((last, earlier)) if *last == index / 2 => *earlier = earlier.join(bin),
                _ => joined.push((index / 2, bin)),
            }
        }
        self.bins = joined;
        true
    }

    /// The bins that have values, in step order.
    pub fn bins(&self) -> impl Iterator<Item = &Bin> {
        self.bins.iter().map(|(_, bin)| bin)
    }

    /// Whether at least one bin between two is without values.
    pub fn is_gap(&self, before: &Bin, after: &Bin) -> bool {
        match self.spacing {
            Spacing::Even { .. } => {
                self.index(after.first_step) > self.index(before.first_step) + 1
            }
            // The first steps are further apart than bins.
            Spacing::Logarithmic => {
                after.first_step > before.last_step + 1
                    && self.index(after.first_step) > self.index(before.last_step + 1) + 1
            }
        }
    }

    /// Values that were unknown or not finite.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Whether no value is finite.
    pub fn is_empty(&self) -> bool {
        self.bins.is_empty()
    }

    /// Whether all values are the same.
    pub fn is_constant(&self) -> bool {
        let mut ends = self.bins().flat_map(|bin| [bin.low, bin.high]);
        ends.next().is_none_or(|first| ends.all(|end| end == first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spike_among_a_million_rows_is_kept_in_bounded_memory() {
        for mut curve in [Envelope::even(1), Envelope::logarithmic()] {
            (1..=1_000_000)
                .for_each(|step| curve.push(step, if step == 654_321 { 7.0 } else { 1.0 }));
            assert!(curve.bins().count() <= MOST_BINS);
            let spike = curve.bins().find(|bin| bin.high == 7.0).unwrap();
            assert!(spike.first_step <= 654_321 && 654_321 <= spike.last_step);
            assert_eq!(curve.bins().map(|bin| bin.count).sum::<u64>(), 1_000_000);
            let mean = curve.bins().map(|bin| bin.mean * bin.count as f64).sum::<f64>() / 1e6;
            assert!((mean - 1.000_006).abs() < 1e-9, "{mean}");
        }
    }

    #[test]
    fn gaps_stay_gaps_and_what_is_not_finite_is_counted() {
        let mut curve = Envelope::even(1);
        for step in (1..5000).chain(9000..10_000) {
            curve.push(step, step as f64);
        }
        curve.push(10_000, f64::NAN);
        assert_eq!(curve.left_out(), 1);
        assert!(curve.bins().all(|bin| bin.last_step < 5000 || bin.first_step >= 9000));
        let mut far = Envelope::even(1);
        [1, u64::MAX - 1].into_iter().for_each(|step| far.push(step, 1.0));
        assert_eq!(far.bins().count(), 2);
        assert!(far.is_constant() && !curve.is_constant() && !far.is_empty());
    }
}
