//! The time-averaged mean squared displacement of a trajectory, over lags up to a fraction of it, in one reading.
//!
//! MSD(k) = mean over t of (x(t + k) - x(t))^2. Lags are 1, 2, ..., 15 and from there eight an octave. For long lags the
//! origins t are taken further apart, a sixteenth of the lag or less, which loses next to nothing: displacements from
//! neighbouring origins are nearly the same. So every value costs about 24 products, whatever the length (the multiple-tau
//! scheme of dynamic light scattering: Schaetzel, Quantum Optics 1990).
//!
//! Sums are kept for stretches of the trajectory apart, for error bars from how the stretches differ.

/// Lags a level: a level has the lags 8 to 15 times its stride, and the first also 1 to 7.
const LAGS_A_LEVEL: usize = 16;

/// Sums of squared displacements by stretch and lag. Several coordinates may be added into one: their squares add up.
#[derive(Debug, Clone)]
pub struct DisplacementSums {
    lags: Vec<u64>,
    /// By stretch, then by lag.
    sums: Vec<Vec<f64>>,
    counts: Vec<Vec<u64>>,
    rows_a_stretch: u64,
}

impl DisplacementSums {
    /// For trajectories of `rows` values, cut into `stretches`; the longest lag is `1/fraction` of a stretch.
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

    /// The mean squared displacement at each lag, one list a stretch, each coordinate's mean added up: with `coordinates`
    /// coordinates pushed. A lag without a displacement is NaN.
    pub fn by_stretch(&self, coordinates: usize) -> Vec<Vec<f64>> {
        let mean = |(sum, &count): (&f64, &u64)| coordinates as f64 * sum / count as f64;
        let stretch = |(sums, counts): (&Vec<f64>, &Vec<u64>)| sums.iter().zip(counts).map(mean).collect();
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

/// The last values of a level, the latest first.
#[derive(Debug, Clone, Copy, Default)]
struct Level {
    recent: [f64; LAGS_A_LEVEL - 1],
    known: usize,
}

impl Coordinate {
    /// Takes the next value. One that is not finite takes part in no displacement.
    pub fn push(&mut self, value: f64, sums: &mut DisplacementSums) {
        let stretch = ((self.row / sums.rows_a_stretch) as usize).min(sums.sums.len() - 1);
        let (sums, counts) = (&mut sums.sums[stretch], &mut sums.counts[stretch]);
        let mut first_lag = 0;
        // Rows 0, 2^level, 2 * 2^level, ... belong to the level.
        for level in 0..=self.row.trailing_zeros() as usize {
            if first_lag >= sums.len() {
                break;
            }
            if level == self.levels.len() {
                self.levels.push(Level::default());
            }
            let Level { recent, known } = &mut self.levels[level];
            let smallest = if level == 0 { 1 } else { LAGS_A_LEVEL / 2 };
            let before = recent[..*known].get(smallest - 1..).unwrap_or_default();
            let sums = sums[first_lag..].iter_mut().zip(&mut counts[first_lag..]);
            for ((sum, count), before) in sums.zip(before) {
                let squared = (value - before).powi(2);
                // Without a branch it is done for several lags at once.
                let finite = squared.is_finite();
                *sum += if finite { squared } else { 0.0 };
                *count += u64::from(finite);
            }
            recent.copy_within(..LAGS_A_LEVEL - 2, 1);
            recent[0] = value;
            *known = (*known + 1).min(LAGS_A_LEVEL - 1);
            first_lag += LAGS_A_LEVEL - smallest;
        }
        self.row += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lags_and_means_are_those_of_the_definition() {
        let values: Vec<f64> = (0..4000).map(|t| (0.01 * f64::from(t)).sin() + 1e-3 * f64::from(t * t % 37)).collect();
        let mut sums = DisplacementSums::new(4000, 1, 4);
        let mut coordinate = Coordinate::default();
        values.iter().for_each(|&value| coordinate.push(value, &mut sums));
        assert_eq!(sums.lags()[..16], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
        assert_eq!(sums.lags()[16..19], [18, 20, 22]);
        assert!(*sums.lags().last().unwrap() <= 1000);
        let found = &sums.by_stretch(1)[0];
        for (&lag, found) in sums.lags().iter().zip(found) {
            let stride = if lag < 16 { 1 } else { 1 << (lag.ilog2() - 3) };
            let origins = (0..4000 - lag as usize).step_by(stride);
            let squares: Vec<f64> = origins.map(|t| (values[t + lag as usize] - values[t]).powi(2)).collect();
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
