//! The linear recursion of one mode as numbers: roots, relaxation, memory of position and velocity.
//!
//! With x the position from its mean, s = learning_rate * velocity, beta the momentum and p the
//! pull, learning_rate * (rho + lambda): s' = beta s - p x + noise, x' = x + s'. Stable for 0 < p <
//! 2 (1 + beta).

use nalgebra::Complex;

/// One mode's momentum and pull.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Dynamics {
    pub(super) momentum: f64,
    pub(super) pull: f64,
}

/// A stationary autocorrelation, sum over two roots of amplitude * root^lag.
#[derive(Debug, Clone, Copy)]
pub(super) struct Autocorrelation {
    roots: [Complex<f64>; 2],
    amplitudes: [Complex<f64>; 2],
}

impl Dynamics {
    /// None unless stable and of a momentum in [0, 1).
    pub(super) fn new(momentum: f64, pull: f64) -> Option<Dynamics> {
        let stable = pull > 0.0 && pull < 2.0 * (1.0 + momentum);
        ((0.0..1.0).contains(&momentum) && stable).then_some(Dynamics { momentum, pull })
    }

    /// Of the map, the slower one first: both real, or a conjugate pair.
    pub(super) fn roots(&self) -> [Complex<f64>; 2] {
        let trace = 1.0 + self.momentum - self.pull;
        // Without the cancellation of trace^2 - 4 momentum: (1 - beta)^2 - 2 p (1 + beta) + p^2.
        let friction = 1.0 - self.momentum;
        let discriminant =
            friction * friction - self.pull * (2.0 * (1.0 + self.momentum) - self.pull);
        if discriminant < 0.0 {
            let imaginary = 0.5 * (-discriminant).sqrt();
            return [Complex::new(0.5 * trace, imaginary), Complex::new(0.5 * trace, -imaginary)];
        }
        let larger = if trace >= 0.0 {
            // 1 - root keeps its digits for slow modes: pull / (1 - other root).
            let gap = 0.5 * (friction + self.pull + discriminant.sqrt());
            1.0 - self.pull / gap
        } else {
            0.5 * (trace - discriminant.sqrt())
        };
        let smaller = if larger == 0.0 { 0.0 } else { self.momentum / larger };
        [Complex::from(larger), Complex::from(smaller)]
    }

    /// Decay of the slower root per step.
    pub(super) fn decay_per_step(&self) -> f64 {
        let [slow, _] = self.roots();
        if slow.im == 0.0 && slow.re > 0.0 {
            let friction = 1.0 - self.momentum;
            let discriminant =
                friction * friction - self.pull * (2.0 * (1.0 + self.momentum) - self.pull);
            // ln(1 - small), without rounding 1 - small first.
            return -(-self.pull / (0.5 * (friction + self.pull + discriminant.sqrt()))).ln_1p();
        }
        // A root of 0 forgets at once.
        -slow.norm().max(f64::MIN_POSITIVE).ln()
    }

    /// (a + b) / (2 sqrt(a b)) of the logarithms of the roots: the damping ratio of the continuous
    /// oscillator that has them; infinite without momentum, and where it jumps from side to side.
    pub(super) fn damping_ratio_of_roots(&self) -> f64 {
        let [first, second] = self.roots();
        if self.momentum <= 0.0 || (first.im == 0.0 && first.re <= 0.0) {
            return f64::INFINITY;
        }
        let product = if first.im == 0.0 {
            self.decay_per_step() * -second.re.ln()
        } else {
            first.ln().norm_sqr()
        };
        -self.momentum.ln() / (2.0 * product.sqrt())
    }

    /// Radians per step at which a free oscillation turns: 0 where it creeps, pi where it jumps
    /// from side to side.
    pub(super) fn angle_per_step(&self) -> f64 {
        let [slow, _] = self.roots();
        slow.im.atan2(slow.re)
    }

    /// Where the spectrum of the velocity peaks, cycles per step: 4 sin^2(angle / 2) = p /
    /// sqrt(beta), 1/2 beyond it.
    pub(super) fn velocity_peak(&self) -> f64 {
        let squared_sine = self.pull / (4.0 * self.momentum.sqrt());
        if squared_sine < 1.0 { squared_sine.sqrt().asin() / std::f64::consts::PI } else { 0.5 }
    }

    /// Var x and Var s for noise in s of variance 1.
    pub(super) fn variances(&self) -> [f64; 2] {
        let Dynamics { momentum, pull } = *self;
        let step = 2.0 / ((1.0 - momentum) * (2.0 * (1.0 + momentum) - pull));
        [step * (1.0 + momentum) / (2.0 * pull), step]
    }

    pub(super) fn position_autocorrelation(&self) -> Autocorrelation {
        self.autocorrelation(self.pull / (1.0 + self.momentum))
    }

    pub(super) fn velocity_autocorrelation(&self) -> Autocorrelation {
        self.autocorrelation(1.0 - self.momentum + 0.5 * self.pull)
    }

    /// From 1 - correlation at lag 1.
    fn autocorrelation(&self, first_decorrelation: f64) -> Autocorrelation {
        let mut roots = self.roots();
        // Equal roots have another form; a millionth beside them the sums are the same to a
        // millionth.
        if (roots[0] - roots[1]).norm() < 1e-6 {
            roots[1] = roots[1].scale(1.0 - 1e-6);
        }
        let first = (Complex::from(1.0 - first_decorrelation) - roots[1]) / (roots[0] - roots[1]);
        Autocorrelation { roots, amplitudes: [first, Complex::from(1.0) - first] }
    }
}

impl Autocorrelation {
    /// Of every n-th value.
    pub(super) fn sampled_every(&self, steps: u64) -> Autocorrelation {
        Autocorrelation { roots: self.roots.map(|root| root.powf(steps as f64)), ..*self }
    }

    /// Sum over lags -n < k < n of (1 - |k|/n) times the correlation: the variance of the mean of n
    /// values, times n.
    pub(super) fn sum(&self, count: f64) -> f64 {
        self.roots
            .iter()
            .zip(&self.amplitudes)
            .map(|(root, amplitude)| (amplitude * lag_sum(*root, count)).re)
            .sum()
    }

    /// The same sum of the product of two autocorrelations.
    pub(super) fn sum_of_products(&self, other: &Autocorrelation, count: f64) -> f64 {
        let mut sum = 0.0;
        for (root, amplitude) in self.roots.iter().zip(&self.amplitudes) {
            for (other_root, other_amplitude) in other.roots.iter().zip(&other.amplitudes) {
                sum += (amplitude * other_amplitude * lag_sum(root * other_root, count)).re;
            }
        }
        sum
    }

    /// Of the variance of n values about their own mean: its bias factor, and the degrees of
    /// freedom of the chi-squared distribution with its mean and variance (Satterthwaite).
    pub(super) fn freedom_of_variance(&self, count: f64) -> [f64; 2] {
        let of_mean = self.sum(count) / count;
        let bias = (1.0 - of_mean).max(f64::MIN_POSITIVE);
        let spread = self.sum_of_products(self, count) / count - of_mean * of_mean;
        [bias, bias * bias / spread.max(1.0 / count)]
    }
}

/// Sum over -n < k < n of (1 - |k|/n) z^|k|.
fn lag_sum(z: Complex<f64>, count: f64) -> Complex<f64> {
    let one = Complex::from(1.0);
    let gap = one - z;
    if gap.norm() * count < 1e-4 {
        return Complex::from(count);
    }
    (one + z) / gap - z.scale(2.0) * (one - z.powf(count)) / (gap * gap).scale(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::discrete::DiscreteMode;
    use crate::theory::parameters::SgdParameters;

    const CASES: [(f64, f64); 7] = [
        (0.9, 0.05),
        (0.9, 1e-4),
        (0.9, 0.002_633_403_898_972_4),
        (0.0, 0.3),
        (0.0, 1.5),
        (0.5, 2.9),
        (0.99, 0.5),
    ];

    #[test]
    fn agrees_with_the_theory() {
        for (momentum, pull) in CASES {
            let parameters = SgdParameters {
                learning_rate: 1.0,
                momentum,
                weight_decay: 0.0,
                batch_size: 1.0,
                noise_scale: 1.0,
            };
            let theory = DiscreteMode::new(&parameters, pull).unwrap();
            let ours = Dynamics::new(momentum, pull).unwrap();
            let close = |a: f64, b: f64| {
                assert!((a - b).abs() < 1e-7 * (1.0 + b.abs()), "{momentum} {pull}: {a} {b}")
            };
            close(ours.variances()[0] * pull, theory.position_variance());
            close(ours.variances()[1] * pull, theory.local_displacement());
            if let Some(angle) = theory.angle_per_step() {
                close(ours.angle_per_step(), angle);
            }
            close((-ours.decay_per_step()).exp(), theory.decay_per_step());
            let (position, velocity) =
                (ours.position_autocorrelation(), ours.velocity_autocorrelation());
            let (mut sums, count) = ([1.0; 3], 60);
            for lag in 1..count {
                let weight = 2.0 * (1.0 - lag as f64 / count as f64);
                let x = 1.0
                    - theory.mean_squared_displacement(lag) / (2.0 * theory.position_variance());
                let v = theory.velocity_autocorrelation(lag);
                for (sum, term) in sums.iter_mut().zip([x, v, x * v]) {
                    *sum += weight * term;
                }
            }
            let close = |a: f64, b: f64| {
                assert!((a - b).abs() < 1e-4 * (1.0 + b.abs()), "{momentum} {pull}: {a} {b}")
            };
            close(position.sum(count as f64), sums[0]);
            close(velocity.sum(count as f64), sums[1]);
            close(position.sum_of_products(&velocity, count as f64), sums[2]);
        }
    }

    #[test]
    fn the_damping_ratio_of_slow_modes_is_langevins() {
        for pull in [1e-6, 1e-5, 1e-4] {
            let momentum: f64 = 0.99;
            let langevin = (1.0 - momentum) / (2.0 * (1.0 + momentum) * pull).sqrt();
            let ours = Dynamics::new(momentum, pull).unwrap().damping_ratio_of_roots();
            assert!((ours / langevin - 1.0).abs() < 0.01, "{ours} {langevin}");
        }
        assert_eq!(Dynamics::new(0.0, 0.1).unwrap().damping_ratio_of_roots(), f64::INFINITY);
        assert!(Dynamics::new(0.9, 3.9).is_none() && Dynamics::new(0.9, 0.0).is_none());
    }

    #[test]
    fn the_velocitys_spectrum_peaks_where_it_says() {
        for (momentum, pull) in [(0.9, 0.05), (0.5, 0.3), (0.99, 0.5)] {
            let density = |frequency: f64| {
                let z = Complex::from_polar(1.0, -std::f64::consts::TAU * frequency);
                ((Complex::from(1.0) - z)
                    / (Complex::from(1.0) - z.scale(1.0 + momentum - pull)
                        + (z * z).scale(momentum)))
                .norm_sqr()
            };
            let peak = Dynamics { momentum, pull }.velocity_peak();
            assert!(density(peak) > density(peak * 1.001) && density(peak) > density(peak * 0.999));
        }
    }
}
