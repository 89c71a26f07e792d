//! Runs drawn from the exact process, and what is made of a count of successes.

use perrin::analysis::displacement_noise::Start;
use perrin::theory::parameters::SgdParameters;
use perrin::theory::sampler::QuadraticSampler;
use perrin::theory::update_rule::UpdateRule;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

pub const PARAMETERS: SgdParameters = SgdParameters {
    learning_rate: 0.1,
    momentum: 0.9,
    weight_decay: 0.0,
    batch_size: 32.0,
    noise_scale: 2.0,
};

fn power_law(low: f64, high: f64, modes: i32) -> Vec<f64> {
    (0..modes).map(|mode| low * (high / low).powf(f64::from(mode) / f64::from(modes - 1))).collect()
}

/// Spectra by how their slowest and fastest modes stand to the run; a mode has rows * rho
/// relaxations in it (eta = 1 - beta). The ordinary test takes the first two.
pub fn regimes() -> Vec<(&'static str, SgdParameters, Vec<f64>)> {
    let strong = SgdParameters { momentum: 0.99, learning_rate: 0.01, ..PARAMETERS };
    let mut regimes = vec![
        ("broad", PARAMETERS, power_law(1e-3, 5.0, 12)),
        ("all slow", PARAMETERS, power_law(1e-4, 1e-3, 8)),
        ("relaxing", PARAMETERS, power_law(3e-3, 3e-2, 6)),
        ("swinging", strong, power_law(0.05, 2.0, 10)),
        ("one slow, many fast", PARAMETERS, [vec![5e-4], power_law(0.1, 3.0, 9)].concat()),
        ("near the edge", PARAMETERS, power_law(0.02, 37.0, 8)),
    ];
    if !is_long() {
        regimes.truncate(2);
    }
    regimes
}

/// A trajectory in its stationary state, or begun at rest: positions from the reference point and
/// velocities, mode by mode.
pub struct Trajectory {
    pub positions: Vec<Vec<f64>>,
    pub velocities: Vec<Vec<f64>>,
}

impl Trajectory {
    pub fn draw(
        parameters: &SgdParameters,
        eigenvalues: &[f64],
        rows: usize,
        seed: u64,
    ) -> Trajectory {
        Trajectory::draw_from(Start::Stationary, parameters, eigenvalues, rows, seed)
    }

    pub fn draw_from(
        start: Start,
        parameters: &SgdParameters,
        eigenvalues: &[f64],
        rows: usize,
        seed: u64,
    ) -> Trajectory {
        let mut random = ChaCha8Rng::seed_from_u64(1_000_000 + seed);
        let mut sampler =
            QuadraticSampler::stationary(parameters, eigenvalues, &mut random).unwrap();
        if start == Start::AtRest {
            let positions = sampler.positions().to_vec();
            sampler =
                QuadraticSampler::new(parameters, UpdateRule::default(), eigenvalues, &positions)
                    .unwrap();
        }
        let start = sampler.positions().to_vec();
        let mut positions = vec![Vec::with_capacity(rows); eigenvalues.len()];
        let mut velocities = positions.clone();
        for _ in 0..rows {
            sampler.step(&mut random);
            for mode in 0..eigenvalues.len() {
                positions[mode].push(sampler.positions()[mode] - start[mode]);
                velocities[mode].push(sampler.velocities()[mode]);
            }
        }
        Trajectory { positions, velocities }
    }

    /// Sum of squares over modes, row by row.
    pub fn squared(columns: &[Vec<f64>]) -> Vec<f64> {
        (0..columns[0].len())
            .map(|row| columns.iter().map(|column| column[row].powi(2)).sum())
            .collect()
    }
}

/// Runs of each simulation: 100, or what `PERRIN_COVERAGE` says.
pub fn runs() -> u32 {
    std::env::var("PERRIN_COVERAGE").ok().and_then(|runs| runs.parse().ok()).unwrap_or(100)
}

/// Whether `PERRIN_COVERAGE` asked for all regimes.
pub fn is_long() -> bool {
    std::env::var_os("PERRIN_COVERAGE").is_some()
}

/// Shares of successes, all printed before the first that is out of bounds fails the test.
#[derive(Default)]
pub struct Shares {
    wrong: Vec<String>,
}

impl Shares {
    /// A share that should be `expected`, and the bounds it is held to at 1,000 runs.
    pub fn check(
        &mut self,
        name: &str,
        count: u32,
        runs: u32,
        expected: f64,
        [low, high]: [f64; 2],
    ) {
        let share = f64::from(count) / f64::from(runs);
        println!("{name}: {:.1}% of {runs}", 100.0 * share);
        // With fewer runs, as much more room as chance has.
        let error = |runs: f64| (expected * (1.0 - expected) / runs).sqrt();
        let room = 4.0 * (error(f64::from(runs)) - error(1000.0)).max(0.0);
        if !(low - room..=high + room).contains(&share) {
            self.wrong.push(format!("{name}: {share} is not in {low}..{high}"));
        }
    }

    pub fn finish(self) {
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
    }
}

/// Work shared between two threads; the sum of what each run counts.
pub fn count<const N: usize>(runs: u32, run: impl Fn(u64) -> [bool; N] + Sync) -> [u32; N] {
    let part = |first: u32| {
        let mut counts = [0; N];
        for seed in (first..runs).step_by(2) {
            let found = run(u64::from(seed));
            (0..N).for_each(|index| counts[index] += u32::from(found[index]));
        }
        counts
    };
    let [odd, even] = std::thread::scope(|scope| {
        let odd = scope.spawn(|| part(1));
        let even = part(0);
        [odd.join().unwrap(), even]
    });
    std::array::from_fn(|index| odd[index] + even[index])
}
