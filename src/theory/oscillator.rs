//! One mode in continuous time: the damped harmonic oscillator `x'' + 2 gamma x' + omega^2 x = 0`
//! (appendix F.2).
//!
//! Everything is computed from one matrix exponential in 32-digit arithmetic, so that the three
//! regimes need no cases, the critical point is no special place, and neither 10^9 steps nor a
//! damping ratio of 10^8 costs digits. Beyond 10^24 radians or decay times an oscillator is taken
//! to have come to rest.

use super::double_double::DoubleDouble;
use super::parameters::{
    require_finite, require_finite_mean, require_not_negative, require_positive,
};
use super::propagator::Propagator;
use crate::error::Result;

/// How an oscillator returns to rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Regime {
    /// zeta < 1: it swings through its resting point, ever less.
    Underdamped,
    /// zeta = 1 (to a few units in the last place of its square): the fastest return without a
    /// swing.
    Critical,
    /// zeta > 1: it creeps back.
    Overdamped,
}

/// A damped harmonic oscillator. Times are in whatever unit the rates are per; for SGD, time is
/// `learning_rate * step`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DampedOscillator {
    decay_rate: DoubleDouble,
    squared_frequency: DoubleDouble,
}

impl DampedOscillator {
    /// From gamma (per time) and omega^2 (per time squared).
    ///
    /// # Errors
    /// [`Error::InvalidValue`](crate::Error::InvalidValue) unless both are positive and finite.
    pub fn new(decay_rate: f64, squared_frequency: f64) -> Result<DampedOscillator> {
        require_positive("decay_rate", decay_rate)?;
        require_positive("squared_frequency", squared_frequency)?;
        Ok(DampedOscillator {
            decay_rate: decay_rate.into(),
            squared_frequency: squared_frequency.into(),
        })
    }

    /// The same from rates known to more than 16 digits; both positive.
    pub(crate) fn from_rates(
        decay_rate: DoubleDouble,
        squared_frequency: DoubleDouble,
    ) -> DampedOscillator {
        DampedOscillator { decay_rate, squared_frequency }
    }

    /// gamma, per time: the rate at which the envelope decays while under-damped.
    pub fn decay_rate(&self) -> f64 {
        self.decay_rate.to_f64()
    }

    /// omega, radians per time: the frequency the oscillator would have without friction. The
    /// spectrum of the velocity peaks here.
    pub fn natural_frequency(&self) -> f64 {
        self.squared_frequency.to_f64().sqrt()
    }

    /// zeta = gamma / omega.
    pub fn damping_ratio(&self) -> f64 {
        self.decay_rate.to_f64() / self.natural_frequency()
    }

    /// Whether it swings or creeps.
    pub fn regime(&self) -> Regime {
        let excess = self.relative_discriminant();
        if excess.abs() <= 8.0 * f64::EPSILON {
            Regime::Critical
        } else if excess > 0.0 {
            Regime::Overdamped
        } else {
            Regime::Underdamped
        }
    }

    /// alpha = sqrt|gamma^2 - omega^2|, per time. Under-damped it is the angular frequency at which
    /// a free oscillation rings; over-damped the two decay rates are gamma + alpha and gamma -
    /// alpha.
    pub fn alpha(&self) -> f64 {
        self.decay_rate() * self.relative_discriminant().abs().sqrt()
    }

    /// The angular frequency of a free oscillation, radians per time: alpha if under-damped, else
    /// none.
    pub fn ringing_frequency(&self) -> Option<f64> {
        (self.regime() == Regime::Underdamped).then(|| self.alpha())
    }

    /// Where the spectrum of the position peaks, radians per time: sqrt(omega^2 - 2 gamma^2); none
    /// if that is not positive (then the spectrum falls from frequency zero on).
    pub fn position_peak_frequency(&self) -> Option<f64> {
        let share = self.decay_rate / self.squared_frequency * self.decay_rate;
        let squared = (DoubleDouble::ONE - share.scale(2.0)).to_f64();
        (squared > 0.0).then(|| self.natural_frequency() * squared.sqrt())
    }

    /// The decay rates of the two exponentials, slow then fast, per time: gamma -+ alpha, both
    /// gamma unless over-damped. The slow one is omega^2 / (gamma + alpha), without subtraction.
    pub fn decay_rates(&self) -> [f64; 2] {
        match self.regime() {
            Regime::Overdamped => {
                let fast = self.decay_rate() + self.alpha();
                [self.squared_frequency.to_f64() / fast, fast]
            }
            _ => [self.decay_rate(); 2],
        }
    }

    /// e^{-St}, `S = [[0, -1], [omega^2, 2 gamma]]`: carries (position, velocity) over
    /// `elapsed_time`.
    ///
    /// # Errors
    /// [`Error::InvalidValue`](crate::Error::InvalidValue) for a negative or infinite time, here
    /// and below.
    pub fn propagator(&self, elapsed_time: f64) -> Result<[[f64; 2]; 2]> {
        Ok(self.after(time(elapsed_time)?).to_f64())
    }

    /// (a, b) at `elapsed_time`, from position `a_0` and velocity `b_0` at time zero (eq. 5;
    /// appendix F.2).
    pub fn trajectory(&self, position: f64, velocity: f64, elapsed_time: f64) -> Result<[f64; 2]> {
        require_finite("position", position)?;
        require_finite("velocity", velocity)?;
        require_finite_mean(self.trajectory_after(position, velocity, time(elapsed_time)?))
    }

    /// C(t) = e^{-gamma t} (cosh(alpha t) - (gamma / alpha) sinh(alpha t)), the stationary
    /// autocorrelation of the velocity; 1 at t = 0 (appendix G.2, its argument a time).
    pub fn velocity_autocorrelation(&self, elapsed_time: f64) -> Result<f64> {
        Ok(self.velocity_autocorrelation_after(time(elapsed_time)?))
    }

    /// 1 - c(t), c the stationary autocorrelation of the position: relative precision is kept down
    /// to t = 0.
    pub fn position_decorrelation(&self, elapsed_time: f64) -> Result<f64> {
        Ok(self.after(time(elapsed_time)?).deviation[0][0].to_f64())
    }

    /// Covariance of (position, velocity) `elapsed_time` after a start from a point,
    /// `B - e^{-St} B e^{-S^T t}` with B = diag(1, omega^2) times the stationary variance of the
    /// position (eq. 6).
    pub fn covariance_from_point(
        &self,
        position_variance: f64,
        elapsed_time: f64,
    ) -> Result<[[f64; 2]; 2]> {
        require_not_negative("position_variance", position_variance)?;
        Ok(self.covariance_after(position_variance, time(elapsed_time)?))
    }

    pub(crate) fn after(&self, elapsed: DoubleDouble) -> Propagator {
        Propagator::oscillator(self.decay_rate, self.squared_frequency, elapsed)
    }

    pub(crate) fn trajectory_after(
        &self,
        position: f64,
        velocity: f64,
        elapsed: DoubleDouble,
    ) -> [f64; 2] {
        self.after(elapsed).apply(position, velocity.into()).map(DoubleDouble::to_f64)
    }

    pub(crate) fn velocity_autocorrelation_after(&self, elapsed: DoubleDouble) -> f64 {
        self.after(elapsed).map[1][1].to_f64()
    }

    pub(crate) fn covariance_after(
        &self,
        position_variance: f64,
        elapsed: DoubleDouble,
    ) -> [[f64; 2]; 2] {
        let Propagator { map, deviation } = self.after(elapsed);
        // With G = map[0][1], the other entries are -omega^2 G and the diagonal differs by 2 gamma
        // G; put in, no difference of large numbers is left in the mixed entry, and one of order
        // gamma t in the two others.
        let response = map[0][1] * map[0][1];
        let swing = self.squared_frequency * response;
        let one = DoubleDouble::ONE;
        let position = deviation[0][0] * (one + map[0][0]) - swing;
        let velocity = self.squared_frequency * (deviation[1][1] * (one + map[1][1]) - swing);
        let mixed = self.squared_frequency * self.decay_rate.scale(2.0) * response;
        let scaled = |entry: DoubleDouble| entry.to_f64() * position_variance;
        [[scaled(position), scaled(mixed)], [scaled(mixed), scaled(velocity)]]
    }

    /// 1 - omega^2 / gamma^2, without a square that could overflow.
    fn relative_discriminant(&self) -> f64 {
        (DoubleDouble::ONE - self.squared_frequency / self.decay_rate / self.decay_rate).to_f64()
    }
}

fn time(elapsed_time: f64) -> Result<DoubleDouble> {
    require_not_negative("elapsed_time", elapsed_time)?;
    Ok(elapsed_time.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The textbook forms, good to rounding where neither cancellation nor overflow is near.
    fn textbook(gamma: f64, squared_frequency: f64, t: f64) -> [[f64; 2]; 2] {
        let difference = gamma * gamma - squared_frequency;
        let alpha = difference.abs().sqrt();
        let (even, odd) = if difference > 0.0 {
            ((alpha * t).cosh(), (alpha * t).sinh() / alpha)
        } else {
            ((alpha * t).cos(), (alpha * t).sin() / alpha)
        };
        let decay = (-gamma * t).exp();
        [
            [decay * (even + gamma * odd), decay * odd],
            [-decay * squared_frequency * odd, decay * (even - gamma * odd)],
        ]
    }

    #[test]
    fn agrees_with_the_textbook_forms_away_from_trouble() {
        for (gamma, squared_frequency, t) in
            [(1.0, 0.3, 0.7), (1.0, 4.0, 3.3), (0.2, 9.0, 5.0), (3.0, 0.5, 2.0)]
        {
            let ours =
                DampedOscillator::new(gamma, squared_frequency).unwrap().propagator(t).unwrap();
            let theirs = textbook(gamma, squared_frequency, t);
            for (a, b) in ours.as_flattened().iter().zip(theirs.as_flattened()) {
                assert!((a - b).abs() < 1e-14, "{ours:?} {theirs:?}");
            }
        }
    }

    #[test]
    fn long_times_neither_overflow_nor_lose_the_slow_exponential() {
        let oscillator = DampedOscillator::new(5e3, 1e-3).unwrap();
        let [slow, _] = oscillator.decay_rates();
        assert!((slow / 1e-7 - 1.0).abs() < 1e-10);
        for t in [1e3, 1e7, 1e9, 1e12] {
            let correlation = 1.0 - oscillator.position_decorrelation(t).unwrap();
            assert!((correlation - (-slow * t).exp()).abs() < 1e-9, "{t}: {correlation}");
        }
        assert_eq!(oscillator.trajectory(1.0, 1.0, 1e300).unwrap(), [0.0, 0.0]);
    }

    #[test]
    fn regimes_and_frequencies() {
        let swinging = DampedOscillator::new(0.6, 1.0).unwrap();
        assert_eq!(swinging.regime(), Regime::Underdamped);
        assert!((swinging.ringing_frequency().unwrap() - 0.8).abs() < 1e-15);
        assert!((swinging.position_peak_frequency().unwrap() - 0.28f64.sqrt()).abs() < 1e-15);
        let critical = DampedOscillator::new(0.1, 0.1 * 0.1).unwrap();
        assert_eq!(critical.regime(), Regime::Critical);
        assert_eq!(critical.ringing_frequency(), None);
        assert_eq!(DampedOscillator::new(2.0, 3.0).unwrap().decay_rates(), [1.0, 3.0]);
    }

    #[test]
    fn bad_values_are_errors() {
        assert!(DampedOscillator::new(0.0, 1.0).is_err());
        assert!(DampedOscillator::new(1.0, f64::NAN).is_err());
        let oscillator = DampedOscillator::new(1.0, 1.0).unwrap();
        assert!(oscillator.propagator(-1.0).is_err());
        assert!(oscillator.trajectory(f64::INFINITY, 0.0, 1.0).is_err());
        assert!(oscillator.covariance_from_point(-1.0, 1.0).is_err());
    }

    proptest! {
        #[test]
        fn continuous_through_the_critical_point(gamma in 0.01..10.0f64, t in 0.0..20.0f64, nudge in -1e-9..1e-9f64) {
            let critical = DampedOscillator::new(gamma, gamma * gamma).unwrap().propagator(t / gamma).unwrap();
            let near = DampedOscillator::new(gamma, gamma * gamma * (1.0 + nudge)).unwrap().propagator(t / gamma).unwrap();
            let unit = [[1.0, 1.0 / gamma], [gamma, 1.0]];
            for (i, (a, b)) in critical.as_flattened().iter().zip(near.as_flattened()).enumerate() {
                // The derivative by ln omega^2 is below 1 in these units.
                prop_assert!((a - b).abs() <= (nudge.abs() + 1e-15) * unit.as_flattened()[i]);
            }
        }

        #[test]
        fn velocity_autocorrelation_starts_at_one_and_stays_below(
            gamma in 1e-3..10.0f64, squared_frequency in 1e-6..1e3f64, t in 0.0..1e4f64,
        ) {
            let oscillator = DampedOscillator::new(gamma, squared_frequency).unwrap();
            prop_assert_eq!(oscillator.velocity_autocorrelation(0.0).unwrap(), 1.0);
            prop_assert!(oscillator.velocity_autocorrelation(t).unwrap().abs() <= 1.0);
        }

        #[test]
        fn covariance_from_a_point_is_semidefinite_and_grows(
            gamma in 1e-3..10.0f64, squared_frequency in 1e-6..1e3f64, t in 1e-6..1e4f64,
        ) {
            let oscillator = DampedOscillator::new(gamma, squared_frequency).unwrap();
            let [[xx, xv], [_, vv]] = oscillator.covariance_from_point(1.0, t).unwrap();
            prop_assert!(xx > 0.0 && vv > 0.0 && xx * vv >= xv * xv * (1.0 - 1e-14));
            prop_assert!(oscillator.covariance_from_point(1.0, 2.0 * t).unwrap()[0][0] >= xx);
        }
    }
}
