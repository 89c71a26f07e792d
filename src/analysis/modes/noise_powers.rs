//! Powers of a mode's noise: what its variance and kurtosis are from.

/// Sums of powers of the noise, in a unit near its standard deviation so that none is out of range.
#[derive(Debug, Clone, Copy)]
pub(super) struct NoisePowers {
    pub(super) unit: f64,
    pub(super) first: f64,
    pub(super) second: f64,
    pub(super) third: f64,
    pub(super) fourth: f64,
}

impl NoisePowers {
    pub(super) fn new(unit: f64) -> NoisePowers {
        NoisePowers { unit, first: 0.0, second: 0.0, third: 0.0, fourth: 0.0 }
    }

    pub(super) fn add(&mut self, noises: &[f64]) {
        // Four sums of each side by side, which processors add faster than one.
        let mut sums = [[0.0; 4]; 4];
        let (fours, rest) = noises.as_chunks::<4>();
        let mut add = |lane: usize, noise: f64| {
            let square = noise * noise;
            sums[0][lane] += noise;
            sums[1][lane] += square;
            sums[2][lane] += square * noise;
            sums[3][lane] += square * square;
        };
        fours.iter().for_each(|four| (0..4).for_each(|lane| add(lane, four[lane])));
        rest.iter().for_each(|noise| add(0, *noise));
        let [first, second, third, fourth] = sums.map(|sums| sums.iter().sum::<f64>());
        self.first += first;
        self.second += second;
        self.third += third;
        self.fourth += fourth;
    }
}
