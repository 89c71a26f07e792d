//! How far an estimated curvature may be from the truth, in standard errors, where the window holds
//! few relaxation times of the mode.
//!
//! The positions of a slow mode wander, and the least-squares curvature is then biased upwards, as
//! the root of an autoregression is downwards (Dickey and Fuller 1979): its error over its standard
//! error is not normal. The quantiles depend on two numbers, how often the mode relaxes in the
//! window and its damping ratio; they were simulated (`tests/data/generate_slow_mode_quantiles.py`,
//! 160,000 runs an entry). An interval is what is not rejected (Hansen 1999).

use super::dynamics::Dynamics;
use super::estimate::standard_normal_quantile;

/// Slow decay over the window, of each row of the table.
const DECAYS: [f64; 13] = [0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 35.0, 60.0, 120.0, 250.0];

/// Inverse damping ratio of each column, rising.
const INVERSE_DAMPING_RATIOS: [f64; 8] =
    [0.0, 0.4, 1.0 / 1.5, 1.0, 1.0 / 0.7, 2.0, 1.0 / 0.35, 5.0];

/// 2.5% and 97.5% quantile; columns run the other way, by damping ratio 0.2, 0.35, 0.5, 0.7, 1,
/// 1.5, 2.5, infinite.
#[rustfmt::skip]
const QUANTILES: [[[f64; 2]; 8]; 13] = [
    [[-0.244, 3.138], [-0.244, 3.138], [-0.244, 3.138], [-0.244, 3.138], [-0.244, 3.138], [-0.244, 3.138], [-0.244, 3.138], [-0.244, 3.138]],
    [[-1.172, 2.650], [-1.064, 2.737], [-1.029, 2.755], [-0.987, 2.778], [-0.991, 2.795], [-0.615, 2.955], [-0.466, 3.014], [-0.381, 3.049]],
    [[-1.239, 2.494], [-0.980, 2.724], [-0.902, 2.815], [-0.818, 2.867], [-0.775, 2.890], [-0.574, 2.935], [-0.532, 2.975], [-0.496, 2.982]],
    [[-1.474, 2.377], [-1.097, 2.588], [-0.909, 2.719], [-0.775, 2.822], [-0.669, 2.902], [-0.650, 2.884], [-0.656, 2.881], [-0.666, 2.875]],
    [[-1.571, 2.321], [-1.249, 2.506], [-1.013, 2.645], [-0.830, 2.766], [-0.696, 2.873], [-0.753, 2.829], [-0.773, 2.812], [-0.797, 2.800]],
    [[-1.668, 2.240], [-1.439, 2.405], [-1.207, 2.555], [-0.957, 2.682], [-0.746, 2.814], [-0.922, 2.716], [-0.955, 2.717], [-0.991, 2.690]],
    [[-1.735, 2.186], [-1.567, 2.317], [-1.380, 2.446], [-1.152, 2.592], [-0.876, 2.734], [-1.105, 2.616], [-1.165, 2.601], [-1.171, 2.583]],
    [[-1.784, 2.141], [-1.637, 2.275], [-1.493, 2.392], [-1.308, 2.497], [-1.026, 2.661], [-1.262, 2.533], [-1.297, 2.510], [-1.316, 2.499]],
    [[-1.816, 2.088], [-1.726, 2.192], [-1.612, 2.300], [-1.463, 2.400], [-1.239, 2.548], [-1.433, 2.431], [-1.450, 2.400], [-1.459, 2.392]],
    [[-1.859, 2.057], [-1.777, 2.139], [-1.690, 2.214], [-1.588, 2.309], [-1.420, 2.436], [-1.574, 2.330], [-1.591, 2.292], [-1.587, 2.298]],
    [[-1.878, 2.043], [-1.832, 2.094], [-1.757, 2.141], [-1.683, 2.225], [-1.553, 2.338], [-1.670, 2.240], [-1.682, 2.228], [-1.683, 2.227]],
    [[-1.904, 2.022], [-1.876, 2.060], [-1.823, 2.093], [-1.775, 2.150], [-1.675, 2.228], [-1.743, 2.165], [-1.754, 2.151], [-1.757, 2.135]],
    [[-1.916, 2.004], [-1.901, 2.016], [-1.869, 2.062], [-1.836, 2.094], [-1.774, 2.146], [-1.816, 2.112], [-1.836, 2.104], [-1.830, 2.107]],
];

/// The 2.5% and 97.5% quantile of (estimate - curvature) / standard error, for a window of `steps`.
/// Without `dynamics` the curvature is zero.
pub(super) fn quantiles(dynamics: Option<Dynamics>, steps: f64) -> [f64; 2] {
    let normal = standard_normal_quantile(0.975);
    let Some(dynamics) = dynamics else {
        return QUANTILES[0][0];
    };
    let decay = dynamics.decay_per_step() * steps;
    let inverse_ratio = 1.0 / dynamics.damping_ratio_of_roots();
    // Linear in sqrt(decay), in which the quantiles bend least.
    let (row, share) = place(&DECAYS.map(f64::sqrt), decay.sqrt());
    let (column, across) = place(&INVERSE_DAMPING_RATIOS, inverse_ratio);
    let last = INVERSE_DAMPING_RATIOS.len() - 1;
    let entry = |row: usize, end: usize| {
        let [here, there] =
            [column, (column + 1).min(last)].map(|column| QUANTILES[row][last - column][end]);
        here + across * (there - here)
    };
    let limit = [-normal, normal];
    std::array::from_fn(|end| {
        let [here, there] = [row, (row + 1).min(DECAYS.len() - 1)].map(|row| entry(row, end));
        let deviation = here + share * (there - here) - limit[end];
        // Beyond the table the deviations from normal fall as they do near its end.
        let slower = (DECAYS[DECAYS.len() - 1] / decay).sqrt().min(1.0);
        let swinging = (INVERSE_DAMPING_RATIOS[last] / inverse_ratio).min(1.0);
        limit[end] + deviation * slower * swinging
    })
}

/// The interval of rising `points` that `value` is in, and how far along, 0 to 1.
fn place(points: &[f64], value: f64) -> (usize, f64) {
    let index = points.partition_point(|point| *point <= value).saturating_sub(1);
    match points.get(index + 1) {
        Some(next) => (index, ((value - points[index]) / (next - points[index])).clamp(0.0, 1.0)),
        None => (index, 0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tends_to_the_normal_quantiles() {
        let normal = standard_normal_quantile(0.975);
        for pull in [1e-3, 0.05, 0.5] {
            let [low, high] = quantiles(Dynamics::new(0.9, pull), 1e9);
            assert!(
                (low + normal).abs() < 0.01 && (high - normal).abs() < 0.01,
                "{pull}: {low} {high}"
            );
        }
    }

    #[test]
    fn a_mode_that_does_not_relax_is_dickeys_and_fullers() {
        // Fuller (1976), table 8.5.2, with a mean: 2.5% and 97.5% points of tau_mu, -3.12 and 0.23;
        // signs reversed.
        let [low, high] = quantiles(None, 1000.0);
        assert!((high - 3.12).abs() < 0.03 && (low + 0.23).abs() < 0.03, "{low} {high}");
        let [near, _] = quantiles(Dynamics::new(0.0, 1e-9), 1000.0);
        assert!((near - low).abs() < 0.01);
    }

    #[test]
    fn is_continuous_in_both_numbers() {
        let at = |pull: f64| quantiles(Dynamics::new(0.98, pull), 3000.0);
        let pulls: Vec<f64> = (0..4000).map(|k| 1e-6 * 1.003_f64.powi(k)).collect();
        for pair in pulls.windows(2) {
            for end in 0..2 {
                assert!((at(pair[0])[end] - at(pair[1])[end]).abs() < 0.05, "{pair:?}");
            }
        }
    }
}
