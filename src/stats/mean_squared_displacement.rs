//! The time-averaged mean squared displacement of a trajectory, over lags up to a fraction of it,
//! in one reading.
//!
//! MSD(k) = mean over t of (x(t + k) - x(t))^2. Lags are 1, 2, ..., 15 and from there eight an
//! octave. For long lags the origins t are taken further apart, a sixteenth of the lag or less,
//! which loses next to nothing: displacements from neighbouring origins are nearly the same. So
//! every value costs about 24 products, whatever the length (the multiple-tau scheme of dynamic
//! light scattering: Schaetzel, Quantum Optics 1990).
//!
//! Sums are kept for stretches of the trajectory apart, for error bars from how the stretches
//! differ.

use std::borrow::Cow;

/// Lags a level: a level has the lags 8 to 15 times its stride, and the first also 1 to 7.
const LAGS_A_LEVEL: usize = 16;

/// Sums of squared displacements by stretch and lag. Several coordinates may be added into one:
/// their squares add up.
#[derive(Debug, Clone)]
pub struct DisplacementSums {
    lags: Vec<u64>,
    /// By stretch, then by lag.
    sums: Vec<Vec<f64>>,
    counts: Vec<Vec<u64>>,
    rows_a_stretch: u64,
}

impl DisplacementSums {
    /// For trajectories of `rows` values, cut into `stretches`; the longest lag is `1/fraction` of
    /// a stretch.
    pub fn new(rows: u64, stretches: usize, fraction: u64) -> DisplacementSums {
        let rows_a_stretch = (rows / stretches as u64).max(1);
        let longest = rows_a_stretch / fraction;
        let lags: Vec<u64> = all_lags().take_while(|&lag| lag <= longest).collect();
        DisplacementSums {
            sums: vec![vec![0.0; lags.len()]; stretches],
            counts: vec![vec![0; lags.len()]; stretches],
            lags,
            rows_a_stretch,
        }
    }

    /// Adds the sums of other coordinates of the same run.
    pub(crate) fn add(&mut self, other: &DisplacementSums) {
        let sums = self.sums.iter_mut().flatten().zip(other.sums.iter().flatten());
        sums.for_each(|(sum, more)| *sum += more);
        let counts = self.counts.iter_mut().flatten().zip(other.counts.iter().flatten());
        counts.for_each(|(count, more)| *count += more);
    }

    /// The lags, in values.
    pub fn lags(&self) -> &[u64] {
        &self.lags
    }

    /// Values a stretch.
    pub fn rows_a_stretch(&self) -> u64 {
        self.rows_a_stretch
    }

    /// The mean squared displacement at each lag, one list a stretch, each coordinate's mean added
    /// up: with `coordinates` coordinates pushed. A lag without a displacement is NaN.
    pub fn by_stretch(&self, coordinates: usize) -> Vec<Vec<f64>> {
        let mean = |(sum, &count): (&f64, &u64)| coordinates as f64 * sum / count as f64;
        let stretch =
            |(sums, counts): (&Vec<f64>, &Vec<u64>)| sums.iter().zip(counts).map(mean).collect();
        self.sums.iter().zip(&self.counts).map(stretch).collect()
    }
}

/// 1, 2, ..., 15, 16, 18, ..., 30, 32, 36, ...
fn all_lags() -> impl Iterator<Item = u64> {
    (1..8).chain((0..48).flat_map(|level| (8..16).map(move |lag| lag << level)))
}

/// One coordinate on its way through the sums.
#[derive(Debug, Clone, Default)]
pub struct Coordinate {
    row: u64,
    levels: Vec<Level>,
}

/// The last values of a level, the latest last, and room for those that come.
#[derive(Debug, Clone, Default)]
struct Level {
    values: Vec<f64>,
}

impl Coordinate {
    /// Takes the next value. One that is not finite takes part in no displacement.
    pub fn push(&mut self, value: f64, sums: &mut DisplacementSums) {
        self.extend(&[value], sums);
    }

    /// Takes the next values.
    pub fn extend(&mut self, values: &[f64], sums: &mut DisplacementSums) {
        let mut left = values;
        while !left.is_empty() {
            let stretch = (self.row / sums.rows_a_stretch) as usize;
            let last = sums.sums.len() - 1;
            let end = (stretch as u64 + 1) * sums.rows_a_stretch;
            let room = if stretch >= last {
                left.len()
            } else {
                left.len().min((end - self.row) as usize)
            };
            let (these, rest) = left.split_at(room);
            let stretch = stretch.min(last);
            self.extend_in_stretch(these, &mut sums.sums[stretch], &mut sums.counts[stretch]);
            left = rest;
        }
    }

    fn extend_in_stretch(&mut self, values: &[f64], sums: &mut [f64], counts: &mut [u64]) {
        let (mut first_lag, mut row, mut level) = (0, self.row, 0);
        self.row += values.len() as u64;
        let mut these = Cow::Borrowed(values);
        while first_lag < sums.len() && !these.is_empty() {
            if level == self.levels.len() {
                self.levels.push(Level::default());
            }
            let smallest = if level == 0 { 1 } else { LAGS_A_LEVEL / 2 };
            let lags = (LAGS_A_LEVEL - smallest).min(sums.len() - first_lag);
            let of_level = first_lag..first_lag + lags;
            self.levels[level].extend(
                &these,
                smallest,
                &mut sums[of_level.clone()],
                &mut counts[of_level],
            );
            // Rows 0, 2^level, 2 * 2^level, ... belong to the level.
            these = these.iter().copied().skip((row % 2) as usize).step_by(2).collect();
            row = row.div_ceil(2);
            first_lag += LAGS_A_LEVEL - smallest;
            level += 1;
        }
    }
}

impl Level {
    /// Adds the squared displacements that end at the new values, for as many lags as there are
    /// sums.
    fn extend(&mut self, new: &[f64], smallest: usize, sums: &mut [f64], counts: &mut [u64]) {
        let before = self.values.len();
        self.values.extend_from_slice(new);
        for (lag, (total, count)) in (smallest..).zip(sums.iter_mut().zip(counts)) {
            let Some(later) = self.values.get(before.max(lag)..) else { break };
            let earlier = &self.values[before.max(lag) - lag..][..later.len()];
            let squares = squared_distance(later, earlier);
            if squares.is_finite() {
                *total += squares;
                *count += later.len() as u64;
                continue;
            }
            let known = later
                .iter()
                .zip(earlier)
                .map(|(a, b)| (a - b).powi(2))
                .filter(|squared| squared.is_finite());
            known.for_each(|squared| (*total, *count) = (*total + squared, *count + 1));
        }
        let kept = self.values.len().min(LAGS_A_LEVEL - 1);
        self.values.drain(..self.values.len() - kept);
    }
}

/// Sum of (a - b)^2, four sums side by side, which processors add faster than one.
fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += (a - b) * (a - b);
        }
    }
    sums.iter().sum::<f64>()
        + a_rest.iter().zip(b_rest).map(|(a, b)| (a - b) * (a - b)).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lags_and_means_are_those_of_the_definition() {
        let values: Vec<f64> =
            (0..4000).map(|t| (0.01 * f64::from(t)).sin() + 1e-3 * f64::from(t * t % 37)).collect();
        let mut sums = DisplacementSums::new(4000, 1, 4);
        let mut coordinate = Coordinate::default();
        values.iter().for_each(|&value| coordinate.push(value, &mut sums));
        let (mut of_slices, mut coordinate) =
            (DisplacementSums::new(4000, 1, 4), Coordinate::default());
        values.chunks(37).for_each(|values| coordinate.extend(values, &mut of_slices));
        assert_eq!(of_slices.counts, sums.counts);
        let near = |(a, b): (&f64, &f64)| (a / b - 1.0).abs() < 1e-13;
        assert!(of_slices.sums[0].iter().zip(&sums.sums[0]).all(near));
        assert_eq!(sums.lags()[..16], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
        assert_eq!(sums.lags()[16..19], [18, 20, 22]);
        assert!(*sums.lags().last().unwrap() <= 1000);
        let found = &sums.by_stretch(1)[0];
        for (&lag, found) in sums.lags().iter().zip(found) {
            let stride = if lag < 16 { 1 } else { 1 << (lag.ilog2() - 3) };
            let origins = (0..4000 - lag as usize).step_by(stride);
            let squares: Vec<f64> =
                origins.map(|t| (values[t + lag as usize] - values[t]).powi(2)).collect();
            let mean = squares.iter().sum::<f64>() / squares.len() as f64;
            assert!((found / mean - 1.0).abs() < 1e-12, "lag {lag}: {found} {mean}");
        }
    }

    #[test]
    fn holes_take_no_part_and_short_trajectories_have_no_lags() {
        let mut sums = DisplacementSums::new(8, 1, 4);
        let mut coordinate = Coordinate::default();
        for value in [0.0, 1.0, f64::NAN, 3.0, 4.0, 5.0, 6.0, 7.0] {
            coordinate.push(value, &mut sums);
        }
        assert_eq!((sums.lags(), sums.by_stretch(2)), ([1, 2].as_slice(), vec![vec![2.0, 8.0]]));
        assert!(DisplacementSums::new(3, 1, 4).lags().is_empty());
    }
}
