//! Numbers of twice the precision of `f64`, as the unevaluated sum of two.
//!
//! Why: the displacement of a slow mode after one step is `1 - c` with `c` as near to 1 as
//! `1 - 1e-16`, and the phase of a barely damped mode is counted over 10^9 steps. 32 digits make
//! both a matter of plain algebra. Relative error of each operation: a few times 2^-104 (Dekker
//! 1971; Joldes, Muller and Popescu 2017).

use std::ops::{Add, Div, Mul, Neg, Sub};

/// `high + low`, with `|low|` at most half a unit in the last place of `high`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct DoubleDouble {
    high: f64,
    low: f64,
}

impl DoubleDouble {
    pub(crate) const ZERO: DoubleDouble = DoubleDouble { high: 0.0, low: 0.0 };
    pub(crate) const ONE: DoubleDouble = DoubleDouble { high: 1.0, low: 0.0 };

    /// The nearest `f64`.
    pub(crate) fn to_f64(self) -> f64 {
        self.high + self.low
    }

    /// The exact sum of two `f64`.
    pub(crate) fn sum(a: f64, b: f64) -> DoubleDouble {
        let high = a + b;
        let shadow = high - a;
        DoubleDouble { high, low: (a - (high - shadow)) + (b - shadow) }
    }

    /// The exact product of two `f64` (short of underflow).
    pub(crate) fn product(a: f64, b: f64) -> DoubleDouble {
        let high = a * b;
        DoubleDouble { high, low: a.mul_add(b, -high) }
    }

    /// Times a power of two, without rounding (short of underflow).
    pub(crate) fn scale(self, power_of_two: f64) -> DoubleDouble {
        DoubleDouble { high: self.high * power_of_two, low: self.low * power_of_two }
    }

    /// `sum`, where `|a| >= |b|` is known.
    fn ordered_sum(a: f64, b: f64) -> DoubleDouble {
        let high = a + b;
        DoubleDouble { high, low: b - (high - a) }
    }
}

impl From<f64> for DoubleDouble {
    fn from(value: f64) -> DoubleDouble {
        DoubleDouble { high: value, low: 0.0 }
    }
}

impl Neg for DoubleDouble {
    type Output = DoubleDouble;
    fn neg(self) -> DoubleDouble {
        DoubleDouble { high: -self.high, low: -self.low }
    }
}

impl Add for DoubleDouble {
    type Output = DoubleDouble;
    fn add(self, other: DoubleDouble) -> DoubleDouble {
        let high = DoubleDouble::sum(self.high, other.high);
        let low = DoubleDouble::sum(self.low, other.low);
        let carried = DoubleDouble::ordered_sum(high.high, high.low + low.high);
        DoubleDouble::ordered_sum(carried.high, carried.low + low.low)
    }
}

impl Sub for DoubleDouble {
    type Output = DoubleDouble;
    fn sub(self, other: DoubleDouble) -> DoubleDouble {
        self + -other
    }
}

impl Mul for DoubleDouble {
    type Output = DoubleDouble;
    fn mul(self, other: DoubleDouble) -> DoubleDouble {
        let product = DoubleDouble::product(self.high, other.high);
        let cross = self.high.mul_add(other.low, self.low * other.high);
        DoubleDouble::ordered_sum(product.high, product.low + cross)
    }
}

impl Div for DoubleDouble {
    type Output = DoubleDouble;
    fn div(self, other: DoubleDouble) -> DoubleDouble {
        let first = self.high / other.high;
        let remainder = self - other * first.into();
        let second = remainder.high / other.high;
        let remainder = remainder - other * second.into();
        DoubleDouble::ordered_sum(first, second) + (remainder.high / other.high).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_f64_drops() {
        let tiny = 1e-25;
        let sum = DoubleDouble::ONE + tiny.into();
        assert_eq!((sum - DoubleDouble::ONE).to_f64(), tiny);
        let product = DoubleDouble::sum(1.0, 1e-20) * DoubleDouble::sum(1.0, -1e-20);
        assert!(((product - DoubleDouble::ONE).to_f64()).abs() < 1e-31);
    }

    #[test]
    fn division_undoes_multiplication() {
        let third = DoubleDouble::ONE / 3.0.into();
        let error = (third * 3.0.into() - DoubleDouble::ONE).to_f64();
        assert!(error.abs() < 1e-31, "{error:e}");
        let ratio = DoubleDouble::product(0.1, 0.7) / DoubleDouble::sum(0.3, 1e-18);
        let error =
            (ratio * DoubleDouble::sum(0.3, 1e-18) - DoubleDouble::product(0.1, 0.7)).to_f64();
        assert!(error.abs() < 1e-32, "{error:e}");
    }
}
