//! One mode's positions and velocities reduced: points spread over the window, a piece of the way,
//! the spectrum.

use crate::stats::spectrum::{SHORTEST_SEGMENT, Spectrum, Taper, Welch};

/// Points shown.
const POINTS: u64 = 500;
/// No segment of the spectrum is longer.
const LONGEST_SEGMENT: u64 = 1 << 14;
/// The window holds at least so many segments.
const SEGMENTS: u64 = 8;
/// Rows are handed to the spectrum so many segments at a time.
const SEGMENTS_AT_ONCE: usize = 16;

/// Which rows of a mode are shown, and what theory says of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PhasePlan {
    /// From 1.
    pub mode: usize,
    /// The window of the fit.
    pub steps: [u64; 2],
    /// Rows in it.
    pub rows: u64,
    /// Rows of the piece of the way.
    pub path_rows: usize,
    /// Centre, and stationary covariance by theory, if there is one.
    pub predicted: Option<Ellipse>,
}

/// A Gaussian in the plane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ellipse {
    /// Its middle.
    pub centre: [f64; 2],
    /// Its covariance.
    pub covariance: [[f64; 2]; 2],
}

impl Ellipse {
    /// Squared distance from the centre in standard deviations (Mahalanobis).
    pub fn squared_distance(&self, [x, y]: [f64; 2]) -> f64 {
        let [[xx, xy], [_, yy]] = self.covariance;
        let [dx, dy] = [x - self.centre[0], y - self.centre[1]];
        (yy * dx * dx - 2.0 * xy * dx * dy + xx * dy * dy) / (xx * yy - xy * xy)
    }

    /// Points around it at so many standard deviations; the first is also the last.
    pub fn outline(&self, deviations: f64) -> Vec<[f64; 2]> {
        let [[xx, xy], [_, yy]] = self.covariance;
        let first = xx.max(0.0).sqrt();
        let mixed = if first > 0.0 { xy / first } else { 0.0 };
        let second = (yy - mixed * mixed).max(0.0).sqrt();
        let at = |index: u32| {
            let (sine, cosine) = (std::f64::consts::TAU * f64::from(index) / 96.0).sin_cos();
            [
                self.centre[0] + deviations * first * cosine,
                self.centre[1] + deviations * (mixed * cosine + second * sine),
            ]
        };
        (0..=96).map(at).collect()
    }
}

/// The radius that holds 95% of a Gaussian in the plane: sqrt(-2 ln 0.05).
pub const RADIUS_95: f64 = 2.447_746_830_680_816;

/// What is shown of a mode.
pub struct Phase {
    /// What was asked for.
    pub plan: PhasePlan,
    /// (position, velocity), the same rows in every mode; NaN where not known.
    pub points: Vec<[f64; 2]>,
    /// Consecutive rows from the middle of the window.
    pub path: Vec<[f64; 2]>,
    /// Rows inside the 95% ellipse, and rows compared.
    pub inside: [u64; 2],
    /// Of the velocity, frequencies in cycles per step; none where too short.
    pub spectrum: Option<Spectrum>,
    welch: Option<(Welch, usize)>,
    stretch: Vec<f64>,
    seen: u64,
    last_step: Option<u64>,
}

impl std::fmt::Debug for Phase {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Phase")
            .field("plan", &self.plan)
            .field("seen", &self.seen)
            .finish_non_exhaustive()
    }
}

impl Phase {
    pub(super) fn new(plan: PhasePlan) -> Phase {
        let longest = (plan.rows / SEGMENTS).min(LONGEST_SEGMENT);
        let segment =
            if longest >= SHORTEST_SEGMENT as u64 { 1_usize << longest.ilog2() } else { 0 };
        Phase {
            plan,
            points: Vec::new(),
            path: Vec::new(),
            inside: [0; 2],
            spectrum: None,
            welch: Welch::new(segment, Taper::Hann).ok().map(|welch| (welch, segment)),
            stretch: Vec::new(),
            seen: 0,
            last_step: None,
        }
    }

    pub(super) fn push(&mut self, step: u64, point: [f64; 2]) {
        let [first, last] = self.plan.steps;
        if step < first || step > last {
            return;
        }
        let finite = point.iter().all(|value| value.is_finite());
        if self.is_chosen() {
            self.points.push(if finite { point } else { [f64::NAN; 2] });
        }
        self.seen += 1;
        let consecutive = self.last_step.is_none_or(|before| step == before + 1) && finite;
        self.last_step = finite.then_some(step);
        if self.seen > self.plan.rows / 2 && self.path.len() < self.plan.path_rows {
            if !consecutive {
                self.path.clear();
            }
            self.path.extend(finite.then_some(point));
        }
        if !consecutive {
            self.end_stretch();
        }
        if !finite {
            return;
        }
        if let Some(ellipse) = &self.plan.predicted {
            self.inside[1] += 1;
            self.inside[0] += u64::from(ellipse.squared_distance(point) <= RADIUS_95 * RADIUS_95);
        }
        if let Some((welch, segment)) = &mut self.welch {
            self.stretch.push(point[1]);
            if self.stretch.len() == SEGMENTS_AT_ONCE * *segment {
                welch.push(&self.stretch);
                // The last half is the first of the segment that comes next.
                self.stretch.drain(..self.stretch.len() - *segment / 2);
            }
        }
    }

    /// One row of each block, at a place that wanders through the blocks: at equal distances it
    /// could keep step with an oscillation.
    fn is_chosen(&self) -> bool {
        let block = self.plan.rows.div_ceil(POINTS).max(1);
        let golden = 0.618_033_988_749_894_9;
        let offset = ((self.seen / block) as f64 * golden).fract() * block as f64;
        self.seen % block == offset as u64
    }

    fn end_stretch(&mut self) {
        if let Some((welch, _)) = &mut self.welch {
            welch.push(&self.stretch);
        }
        self.stretch.clear();
    }

    pub(super) fn finish(&mut self) {
        self.end_stretch();
        self.spectrum = self.welch.take().and_then(|(welch, _)| welch.spectrum());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ELLIPSE: Ellipse = Ellipse { centre: [1.0, -2.0], covariance: [[4.0, 0.6], [0.6, 0.25]] };

    #[test]
    fn the_outline_is_where_the_distance_says() {
        for [x, y] in ELLIPSE.outline(RADIUS_95) {
            assert!((ELLIPSE.squared_distance([x, y]) / RADIUS_95.powi(2) - 1.0).abs() < 1e-12);
        }
        // exp(-r^2 / 2) of a Gaussian in the plane is outside.
        assert!(((-0.5 * RADIUS_95 * RADIUS_95).exp() - 0.05).abs() < 1e-12);
    }

    #[test]
    fn points_are_spread_over_the_window_and_the_spectrum_is_welchs() {
        let rows = 70_000;
        let plan = PhasePlan { mode: 1, steps: [1, rows], rows, path_rows: 150, predicted: None };
        let mut phase = Phase::new(plan);
        let velocity =
            |step: u64| (0.3 * step as f64).sin() + (0.011 * (step * step % 1009) as f64).cos();
        (1..=rows).for_each(|step| phase.push(step, [step as f64, velocity(step)]));
        phase.finish();
        assert_eq!(phase.points.len() as u64, rows.div_ceil(rows.div_ceil(POINTS)));
        assert!(
            phase.path.windows(2).all(|pair| pair[1][0] == pair[0][0] + 1.0)
                && phase.path.len() == 150
        );
        let found = phase.spectrum.unwrap();
        let mut whole = Welch::new(found.segment, Taper::Hann).unwrap();
        whole.push(&(1..=rows).map(velocity).collect::<Vec<_>>());
        let whole = whole.spectrum().unwrap();
        assert_eq!(found.segments, whole.segments);
        for (a, b) in found.density.iter().zip(&whole.density) {
            assert!((a - b).abs() <= 1e-12 * b.abs(), "{a} {b}");
        }
    }

    #[test]
    fn gaps_and_unknown_rows_cut_the_spectrum() {
        let plan = PhasePlan {
            mode: 1,
            steps: [1, 400],
            rows: 400,
            path_rows: 9,
            predicted: Some(ELLIPSE),
        };
        let mut phase = Phase::new(plan);
        for step in (1..=200).chain(230..=500) {
            phase.push(
                step,
                [1.0, if step == 300 { f64::NAN } else { -2.0 + 1e-3 * (step % 7) as f64 }],
            );
        }
        phase.finish();
        // Segments of 32, overlapping by half, of stretches of 200, 70 and 100 rows.
        assert_eq!(phase.spectrum.unwrap().segments, 11 + 3 + 5);
        assert_eq!(phase.inside, [370, 370]);
    }
}
