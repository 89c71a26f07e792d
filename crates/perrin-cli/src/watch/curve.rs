//! Curves of bounded size, however many rows there are: bins on a logarithmic and on a linear axis
//! of steps.

use perrin::stats::regression::LineFit;

/// Bins a doubling of the step: 20 million steps make under 400.
const BINS_PER_OCTAVE: f64 = 16.0;

/// Bins of a linear axis at most; half of them at least, once there are so many steps.
const LINEAR_BINS: usize = 1024;

/// A positive quantity against the step, both by their logarithms.
#[derive(Debug, Clone, Default)]
pub struct LogCurve {
    bins: Vec<LogBin>,
    /// Step at which the last bin ends.
    end: f64,
}

#[derive(Debug, Clone, Copy)]
struct LogBin {
    count: f64,
    /// Means of ln step and ln value.
    ln_step: f64,
    ln_value: f64,
}

impl LogCurve {
    /// Takes a row, steps rising. A value without a logarithm has no place on the curve.
    pub fn push(&mut self, step: f64, value: f64) {
        if !(step > 0.0 && value > 0.0 && value.is_finite()) {
            return;
        }
        if step >= self.end {
            let index = (step.log2() * BINS_PER_OCTAVE).floor();
            // Rounded away from the step itself, the end of its bin could be the step again, and
            // the bin be ended twice.
            self.end = ((index + 1.0) / BINS_PER_OCTAVE).exp2().max(step.next_up());
            self.bins.push(LogBin { count: 0.0, ln_step: 0.0, ln_value: 0.0 });
        }
        if let Some(bin) = self.bins.last_mut() {
            bin.count += 1.0;
            bin.ln_step += (step.ln() - bin.ln_step) / bin.count;
            bin.ln_value += (value.ln() - bin.ln_value) / bin.count;
        }
    }

    /// log10 of step and value, bin by bin.
    pub fn points(&self) -> Vec<(f64, f64)> {
        let log10 = std::f64::consts::LOG10_E;
        self.bins.iter().map(|bin| (bin.ln_step * log10, bin.ln_value * log10)).collect()
    }

    /// Exponent of the power law through the bins of the last `factor` in steps, each bin counting
    /// alike; none with fewer than three.
    pub fn local_exponent(&self, factor: f64) -> Option<f64> {
        let from = self.bins.last()?.ln_step - factor.ln();
        let mut fit = LineFit::default();
        self.bins
            .iter()
            .filter(|bin| bin.ln_step >= from)
            .for_each(|bin| fit.push(bin.ln_step, bin.ln_value));
        fit.line().ok().filter(|line| line.points >= 3).map(|line| line.slope)
    }
}

/// A quantity against the step, on a linear axis: means over bins that grow with the run.
#[derive(Debug, Clone)]
pub struct LinearCurve {
    bins: Vec<LinearBin>,
    /// Steps of a bin: a power of two.
    width: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct LinearBin {
    count: f64,
    step: f64,
    value: f64,
}

impl Default for LinearCurve {
    fn default() -> Self {
        LinearCurve { bins: Vec::new(), width: 1 }
    }
}

impl LinearCurve {
    /// Takes a row, in any order. A value that is not finite is left out.
    pub fn push(&mut self, step: u64, value: f64) {
        if !value.is_finite() {
            return;
        }
        while step / self.width >= LINEAR_BINS as u64 {
            self.halve();
        }
        let index = (step / self.width) as usize;
        if index >= self.bins.len() {
            self.bins.resize(index + 1, LinearBin::default());
        }
        let bin = &mut self.bins[index];
        bin.count += 1.0;
        bin.step += (step as f64 - bin.step) / bin.count;
        bin.value += (value - bin.value) / bin.count;
    }

    /// Step and mean value, bin by bin, where there are values.
    pub fn points(&self) -> Vec<(f64, f64)> {
        self.bins.iter().filter(|bin| bin.count > 0.0).map(|bin| (bin.step, bin.value)).collect()
    }

    fn halve(&mut self) {
        self.width *= 2;
        for index in 0..self.bins.len().div_ceil(2) {
            let (left, right) =
                (self.bins[2 * index], self.bins.get(2 * index + 1).copied().unwrap_or_default());
            let count = left.count + right.count;
            let mean = |left_mean: f64, right_mean: f64| {
                if count == 0.0 {
                    0.0
                } else {
                    left_mean * (left.count / count) + right_mean * (right.count / count)
                }
            };
            let (step, value) = (mean(left.step, right.step), mean(left.value, right.value));
            self.bins[index] = LinearBin { count, step, value };
        }
        self.bins.truncate(self.bins.len().div_ceil(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_law_has_its_exponent_in_every_window_and_few_bins() {
        let mut curve = LogCurve::default();
        for step in 1..=300_000_u64 {
            curve.push(step as f64, 2e-5 * (step as f64).powf(1.3));
        }
        assert!(curve.bins.len() < 300, "{}", curve.bins.len());
        for factor in [4.0, 100.0, 1e9] {
            // The geometric means of a bin lie on the law exactly.
            assert!((curve.local_exponent(factor).unwrap() - 1.3).abs() < 1e-9);
        }
        let (first, last) = (curve.points()[0], *curve.points().last().unwrap());
        assert_eq!(first, (0.0, 2e-5_f64.log10()));
        assert!(last.0 > 5.4 && last.0 < 300_000_f64.log10());
    }

    #[test]
    fn the_exponent_of_the_last_factor_is_that_of_the_end() {
        let mut curve = LogCurve::default();
        for step in 1..=100_000_u64 {
            let k = step as f64;
            curve.push(k, if k < 20_000.0 { k } else { 20_000.0 * (k / 20_000.0).powi(2) });
        }
        assert!((curve.local_exponent(4.0).unwrap() - 2.0).abs() < 1e-3);
        let far = curve.local_exponent(1e9).unwrap();
        assert!(far > 1.0 && far < 1.5, "{far}");
    }

    #[test]
    fn values_without_a_logarithm_and_too_few_of_them() {
        let mut curve = LogCurve::default();
        for value in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            curve.push(1.0, value);
        }
        assert!(curve.points().is_empty() && curve.local_exponent(4.0).is_none());
        curve.push(5.0, 1.0);
        curve.push(9.0, 2.0);
        assert!(curve.local_exponent(4.0).is_none());
    }

    #[test]
    fn a_linear_curve_keeps_the_mean_while_its_bins_grow() {
        let mut curve = LinearCurve::default();
        for step in 1..=100_000_u64 {
            curve.push(step, if step == 7 { f64::NAN } else { 3.0 * step as f64 });
        }
        let points = curve.points();
        assert!(points.len() > LINEAR_BINS / 2 && points.len() <= LINEAR_BINS);
        // Step and value of a bin are means over the same rows.
        assert!(points.iter().all(|&(step, value)| (value / (3.0 * step) - 1.0).abs() < 1e-12));
        assert_eq!(curve.bins.iter().map(|bin| bin.count).sum::<f64>(), 99_999.0);
    }

    #[test]
    fn a_first_step_far_out_makes_no_more_bins() {
        let mut curve = LinearCurve::default();
        curve.push(u64::MAX, 1.0);
        curve.push(u64::MAX - 1, 3.0);
        assert_eq!(curve.points().len(), 1);
        assert_eq!(curve.points()[0].1, 2.0);
    }
}
