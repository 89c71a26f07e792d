//! The linear map that carries one mode's (position, velocity) over a lapse of time, and its
//! deviation from identity.
//!
//! Both theories move a mode by a 2 x 2 matrix: `M^k` in discrete time, `e^{-St}` in continuous
//! time. Displacements need `I - M^k`, which for a slow mode is far smaller than the rounding of
//! `M^k`. So the two are carried side by side and doubled together, `M <- M M` and
//! `I - M <- (I - M) + (I - M) M`, in double-double numbers: no entry is ever got by subtracting
//! nearly equal ones. The same few lines serve over-, critically and under-damped modes, and cannot
//! overflow for a stable one.

use super::double_double::DoubleDouble;

/// A 2 x 2 matrix, row by row.
pub(crate) type Matrix = [[DoubleDouble; 2]; 2];

/// `map` = M and `deviation` = I - M, each to full relative precision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Propagator {
    pub(crate) map: Matrix,
    pub(crate) deviation: Matrix,
}

const IDENTITY: Propagator = Propagator {
    map: [[DoubleDouble::ONE, DoubleDouble::ZERO], [DoubleDouble::ZERO, DoubleDouble::ONE]],
    deviation: [[DoubleDouble::ZERO; 2]; 2],
};

/// In radians or decay times. Not even 32 digits hold a phase beyond it; no count of SGD steps
/// (2^64) comes near.
const LONGEST_SPAN: f64 = 1e24;

impl Propagator {
    /// One step of `s' = contraction s - pull y`, `y' = y + s'` on (y, s): position and last step
    /// taken. SGD with momentum has `contraction` = beta and `pull` = eta (rho + lambda).
    pub(crate) fn step(contraction: DoubleDouble, pull: DoubleDouble) -> Propagator {
        let one = DoubleDouble::ONE;
        Propagator {
            map: [[one - pull, contraction], [-pull, contraction]],
            deviation: [[pull, -contraction], [pull, one - contraction]],
        }
    }

    /// e^{-St} with S = [[0, -1], [omega^2, 2 gamma]], on (position, velocity), for `elapsed` >= 0.
    /// Beyond [`LONGEST_SPAN`] it is taken to have decayed.
    pub(crate) fn oscillator(
        decay_rate: DoubleDouble,
        squared_frequency: DoubleDouble,
        elapsed: DoubleDouble,
    ) -> Propagator {
        if elapsed == DoubleDouble::ZERO {
            return IDENTITY;
        }
        let span =
            elapsed.to_f64() * (2.0 * decay_rate.to_f64()).max(squared_frequency.to_f64().sqrt());
        if span > LONGEST_SPAN {
            return Propagator { map: IDENTITY.deviation, deviation: IDENTITY.map };
        }
        // At 1/16 the series below gains more than a digit a term.
        let halvings = (16.0 * span).log2().ceil().max(0.0) as i32;
        let lapse = elapsed.scale(0.5f64.powi(halvings));
        let mut propagator =
            short_time(decay_rate * lapse.scale(2.0), squared_frequency * lapse * lapse);
        for _ in 0..halvings {
            propagator = propagator.then(&propagator);
        }
        propagator.with_velocity_unit(lapse)
    }

    /// k of these, by repeated squaring.
    pub(crate) fn power(&self, mut exponent: u64) -> Propagator {
        let mut square = *self;
        let mut result = IDENTITY;
        while exponent > 0 {
            if exponent & 1 == 1 {
                result = result.then(&square);
            }
            exponent >>= 1;
            if exponent > 0 {
                square = square.then(&square);
            }
        }
        result
    }

    /// The two lapses one after the other. They must commute, as powers of one map do.
    pub(crate) fn then(&self, other: &Propagator) -> Propagator {
        Propagator {
            map: multiply(&self.map, &other.map),
            deviation: add(&self.deviation, &multiply(&self.map, &other.deviation)),
        }
    }

    /// Where a point goes, the velocity measured in `unit` (position per step or per time, see the
    /// constructors).
    pub(crate) fn apply(&self, position: f64, velocity: DoubleDouble) -> [DoubleDouble; 2] {
        self.map.map(|row| row[0] * position.into() + row[1] * velocity)
    }

    /// The map as `f64`.
    pub(crate) fn to_f64(self) -> [[f64; 2]; 2] {
        self.map.map(|row| row.map(DoubleDouble::to_f64))
    }

    /// From velocities measured in position per `unit` to velocities in position per 1.
    fn with_velocity_unit(self, unit: DoubleDouble) -> Propagator {
        let convert = |m: Matrix| [[m[0][0], m[0][1] * unit], [m[1][0] / unit, m[1][1]]];
        Propagator { map: convert(self.map), deviation: convert(self.deviation) }
    }
}

/// e^{-S} by its Taylor series, S = [[0, -1], [stiffness, friction]] with friction and
/// sqrt(stiffness) at most 1/16.
fn short_time(friction: DoubleDouble, stiffness: DoubleDouble) -> Propagator {
    // Term n of the series is below (1/8)^(n-1) / n! of the first that does not vanish: 2^-104 at n
    // = 20.
    const TERMS: u32 = 22;
    let generator = [[DoubleDouble::ZERO, -DoubleDouble::ONE], [stiffness, friction]];
    let mut term = generator;
    let mut deviation = generator;
    for n in 2..=TERMS {
        let factor = -(DoubleDouble::ONE / f64::from(n).into());
        term = multiply(&term, &generator).map(|row| row.map(|entry| entry * factor));
        deviation = add(&deviation, &term);
    }
    let [[a, b], [c, d]] = deviation;
    Propagator { map: [[DoubleDouble::ONE - a, -b], [-c, DoubleDouble::ONE - d]], deviation }
}

fn multiply(a: &Matrix, b: &Matrix) -> Matrix {
    [0, 1].map(|row| [0, 1].map(|column| a[row][0] * b[0][column] + a[row][1] * b[1][column]))
}

fn add(a: &Matrix, b: &Matrix) -> Matrix {
    [0, 1].map(|row| [0, 1].map(|column| a[row][column] + b[row][column]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_repeated_steps() {
        let step = Propagator::step(0.9.into(), 0.3.into());
        let mut repeated = IDENTITY;
        for exponent in 0..40 {
            let power = step.power(exponent);
            for (a, b) in
                power.deviation.as_flattened().iter().zip(repeated.deviation.as_flattened())
            {
                assert!((*a - *b).to_f64().abs() < 1e-29, "power {exponent}");
            }
            repeated = repeated.then(&step);
        }
    }

    #[test]
    fn map_and_deviation_add_up_to_the_identity() {
        for (decay_rate, squared_frequency, elapsed) in [
            (1.0, 1.0, 3.0),
            (0.01, 5.0, 80.0),
            (7.0, 1e-9, 1e5),
            (2.0, 0.0, 4.0),
            (0.0, 0.0, 2.0),
            (1.0, 1.0, 0.0),
        ] {
            let p = Propagator::oscillator(
                decay_rate.into(),
                f64::into(squared_frequency),
                elapsed.into(),
            );
            for row in 0..2 {
                for column in 0..2 {
                    let sum = (p.map[row][column] + p.deviation[row][column]).to_f64();
                    let expected = if row == column { 1.0 } else { 0.0 };
                    // 24 doublings at most, each doubling the 1e-32 before it.
                    assert!(
                        (sum - expected).abs() < 1e-24,
                        "{decay_rate} {squared_frequency} {elapsed}: {sum}"
                    );
                }
            }
        }
    }

    #[test]
    fn critical_oscillator_has_its_closed_form() {
        // e^{-t} (1 + t) and so on, at gamma = omega = 1.
        let p = Propagator::oscillator(1.0.into(), 1.0.into(), 2.5.into()).to_f64();
        let decay = (-2.5f64).exp();
        let expected = [[3.5 * decay, 2.5 * decay], [-2.5 * decay, -1.5 * decay]];
        for (a, b) in p.as_flattened().iter().zip(expected.as_flattened()) {
            assert!((a - b).abs() < 1e-16, "{p:?} {expected:?}");
        }
    }
}
