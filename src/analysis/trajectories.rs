//! Trajectories of ||Delta_k||^2, drawn from the exact process: modes that start in their
//! stationary state at k = 0, or at rest there, leaping from point to point.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::error::{Error, Result};
use crate::theory::discrete::DiscreteMode;

/// A mode that stands for more directions than this is drawn that often, with its scatter shrunk to
/// the number it stands for.
const MOST_COPIES: f64 = 4.0;

/// A mode, and how many directions are like it.
#[derive(Debug, Clone, Copy)]
pub struct WeightedMode {
    /// The mode; it must move (eigenvalue above 0).
    pub mode: DiscreteMode,
    /// Directions, above 0.
    pub multiplicity: f64,
}

impl WeightedMode {
    /// How often it is drawn.
    pub(super) fn copies(&self) -> usize {
        self.multiplicity.round().clamp(1.0, MOST_COPIES) as usize
    }
}

/// How modes begin at the reference point, k = 0. Their positions are stationary in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Velocities too: observation began in the midst of training.
    Stationary,
    /// Velocities are 0: the optimizer had just been made.
    AtRest,
}

impl Start {
    /// E (x_k - x_0)^2 of a mode that begins so.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] where a number is out of range.
    pub fn mean_squared_displacement(self, mode: &DiscreteMode, step: u64) -> Result<f64> {
        match self {
            Start::Stationary => Ok(mode.mean_squared_displacement(step)),
            Start::AtRest => mode.mean_squared_displacement_from_rest(step),
        }
    }
}

/// Draws the curves of trajectories at some points.
pub(super) struct Walk {
    walkers: Vec<Walker>,
    /// Which leap leads to each point.
    leap_to: Vec<usize>,
    /// E||Delta_k||^2 at each point.
    pub(super) expected: Vec<f64>,
}

impl Walk {
    /// Of points that rise, from 1 on.
    ///
    /// # Errors
    /// [`Error::NotEnoughData`] without modes or points.
    pub(super) fn new(modes: &[WeightedMode], points: &[u64], start: Start) -> Result<Walk> {
        if modes.is_empty() || points.is_empty() {
            let reason = format!("there are {} modes and {} points", modes.len(), points.len());
            return Err(Error::NotEnoughData { question: "draw trajectories", reason });
        }
        // The points of a window are spaced by powers of two: a few leaps serve for all.
        let (mut leaps, mut leap_to, mut before) =
            (Vec::new(), Vec::with_capacity(points.len()), 0);
        for &point in points {
            let steps = point - before;
            before = point;
            let known = leaps.iter().rposition(|leap| *leap == steps);
            leap_to.push(known.unwrap_or_else(|| {
                leaps.push(steps);
                leaps.len() - 1
            }));
        }
        let walkers = modes
            .iter()
            .map(|mode| Walker::new(mode, points, start, &leaps))
            .collect::<Result<Vec<_>>>()?;
        let mut expected = vec![0.0; points.len()];
        for walker in &walkers {
            let add = |(sum, squared): (&mut f64, &f64)| {
                *sum += walker.copies as f64 * walker.scale * squared
            };
            expected.iter_mut().zip(&walker.expected).for_each(add);
        }
        Ok(Walk { walkers, leap_to, expected })
    }

    /// One trajectory: ||Delta_k||^2 at each point.
    pub(super) fn draw(&self, curve: &mut [f64], random: &mut ChaCha8Rng) {
        curve.fill(0.0);
        self.walkers.iter().for_each(|walker| walker.add_walk(&self.leap_to, curve, random));
    }
}

/// Carries (position, velocity) of one mode from the reference point to the first point, and from
/// point to point.
struct Walker {
    copies: usize,
    scale: f64,
    /// 1, or less where the copies stand for many more directions.
    scatter: f64,
    expected: Vec<f64>,
    start: [f64; 3],
    leaps: Vec<Leap>,
}

/// A linear map and a lower triangle of noise.
struct Leap {
    map: [[f64; 2]; 2],
    noise: [f64; 3],
}

impl Leap {
    fn new(mode: &DiscreteMode, steps: u64) -> Result<Leap> {
        let [first, second] = [mode.mean(1.0, 0.0, steps)?, mode.mean(0.0, 1.0, steps)?];
        Ok(Leap {
            map: [[first[0], second[0]], [first[1], second[1]]],
            noise: triangle(mode.covariance_from_point(steps)),
        })
    }

    fn apply(&self, [position, velocity]: [f64; 2], random: &mut ChaCha8Rng) -> [f64; 2] {
        let [x, v] = draw(self.noise, random);
        let [[xx, xv], [vx, vv]] = self.map;
        [xx * position + xv * velocity + x, vx * position + vv * velocity + v]
    }
}

impl Walker {
    fn new(weighted: &WeightedMode, points: &[u64], start: Start, leaps: &[u64]) -> Result<Walker> {
        let (mode, copies) = (&weighted.mode, weighted.copies());
        let scale = weighted.multiplicity / copies as f64;
        let scatter = scale.recip().sqrt().min(1.0);
        let expected = points
            .iter()
            .map(|&step| start.mean_squared_displacement(mode, step))
            .collect::<Result<_>>()?;
        let start = match start {
            Start::Stationary => triangle(mode.stationary_covariance()),
            Start::AtRest => [mode.position_variance().sqrt(), 0.0, 0.0],
        };
        let leaps = leaps.iter().map(|&steps| Leap::new(mode, steps)).collect::<Result<_>>()?;
        Ok(Walker { copies, scale, scatter, expected, start, leaps })
    }

    fn add_walk(&self, leap_to: &[usize], curve: &mut [f64], random: &mut ChaCha8Rng) {
        for _ in 0..self.copies {
            let start = draw(self.start, random);
            let mut state = start;
            for ((sum, expected), &leap) in curve.iter_mut().zip(&self.expected).zip(leap_to) {
                state = self.leaps[leap].apply(state, random);
                let squared = (state[0] - start[0]).powi(2);
                *sum += self.scale * (expected + self.scatter * (squared - expected));
            }
        }
    }
}

/// The Cholesky factor of a covariance that may be of rank 1: a single step's noise is.
fn triangle([[xx, xv], [_, vv]]: [[f64; 2]; 2]) -> [f64; 3] {
    let first = xx.max(0.0).sqrt();
    let mixed = if first > 0.0 { xv / first } else { 0.0 };
    [first, mixed, (vv - mixed * mixed).max(0.0).sqrt()]
}

fn draw([first, mixed, second]: [f64; 3], random: &mut ChaCha8Rng) -> [f64; 2] {
    let (a, b): (f64, f64) = (StandardNormal.sample(random), StandardNormal.sample(random));
    [first * a, mixed * a + second * b]
}
