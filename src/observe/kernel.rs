//! The fused pass: one reading of contiguous f32 memory for both displacements.
//!
//! A training step has just filled the caches with something else, so the pass runs at the speed of
//! memory: it reads each of theta, previous and reference once, and writes previous once.
//! Differences are taken in f32, where they are exact or correctly rounded; squares and sums are
//! f64, so that no displacement under- or overflows and the number of elements costs no digits.

/// Squared displacements of a piece of the parameters.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Displacement {
    /// sum (theta - previous)^2
    pub local_squared: f64,
    /// sum (theta - reference)^2
    pub global_squared: f64,
}

impl std::ops::AddAssign for Displacement {
    fn add_assign(&mut self, other: Self) {
        self.local_squared += other.local_squared;
        self.global_squared += other.global_squared;
    }
}

/// Independent sums, so that additions overlap and map onto vector registers.
const LANES: usize = 16;

/// Measures `theta` against `previous` and `reference`, leaves `theta` in `previous`, and writes
/// theta - previous into `moved` where it is wanted. Equal lengths.
pub(super) fn measure(
    theta: &[f32],
    previous: &mut [f32],
    reference: &[f32],
    moved: Option<&mut [f32]>,
) -> Displacement {
    match moved {
        None => dispatch::<false>(theta, previous, reference, &mut []),
        Some(moved) => dispatch::<true>(theta, previous, reference, moved),
    }
}

/// Chooses the build of the kernel that this processor runs fastest.
fn dispatch<const KEEP: bool>(
    theta: &[f32],
    previous: &mut [f32],
    reference: &[f32],
    moved: &mut [f32],
) -> Displacement {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
        #[target_feature(enable = "avx2,fma")]
        fn with_avx2<const KEEP: bool>(
            theta: &[f32],
            previous: &mut [f32],
            reference: &[f32],
            moved: &mut [f32],
        ) -> Displacement {
            measure_lanes::<KEEP>(theta, previous, reference, moved, f64::mul_add)
        }
        // SAFETY: the processor has the two features, checked above.
        #[allow(unsafe_code)]
        return unsafe { with_avx2::<KEEP>(theta, previous, reference, moved) };
    }
    measure_lanes::<KEEP>(theta, previous, reference, moved, |a, b, sum| a * b + sum)
}

/// `moved` is as long as the others if `KEEP`, else empty.
#[inline(always)]
fn measure_lanes<const KEEP: bool>(
    theta: &[f32],
    previous: &mut [f32],
    reference: &[f32],
    moved: &mut [f32],
    multiply_add: impl Fn(f64, f64, f64) -> f64 + Copy,
) -> Displacement {
    debug_assert!(theta.len() == previous.len() && theta.len() == reference.len());
    debug_assert!(moved.len() == if KEEP { theta.len() } else { 0 });
    let (theta_blocks, theta_rest) = theta.as_chunks::<LANES>();
    let (previous_blocks, previous_rest) = previous.as_chunks_mut::<LANES>();
    let (reference_blocks, reference_rest) = reference.as_chunks::<LANES>();
    let (moved_blocks, moved_rest) = moved.as_chunks_mut::<LANES>();
    let mut moved_blocks = moved_blocks.iter_mut();
    let mut local = [0.0f64; LANES];
    let mut global = [0.0f64; LANES];
    for ((now, before), origin) in theta_blocks.iter().zip(previous_blocks).zip(reference_blocks) {
        let delta: [f32; LANES] = std::array::from_fn(|lane| now[lane] - before[lane]);
        for lane in 0..LANES {
            let moved = f64::from(delta[lane]);
            let distance = f64::from(now[lane] - origin[lane]);
            local[lane] = multiply_add(moved, moved, local[lane]);
            global[lane] = multiply_add(distance, distance, global[lane]);
        }
        if KEEP && let Some(kept) = moved_blocks.next() {
            *kept = delta;
        }
        *before = *now;
    }
    let mut total =
        Displacement { local_squared: local.iter().sum(), global_squared: global.iter().sum() };
    let mut moved_rest = moved_rest.iter_mut();
    for ((now, before), origin) in theta_rest.iter().zip(previous_rest).zip(reference_rest) {
        let delta = now - *before;
        let (moved, distance) = (f64::from(delta), f64::from(now - origin));
        total += Displacement { local_squared: moved * moved, global_squared: distance * distance };
        if KEEP && let Some(kept) = moved_rest.next() {
            *kept = delta;
        }
        *before = *now;
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(theta: &[f32], other: &[f32]) -> f64 {
        theta.iter().zip(other).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum()
    }

    #[test]
    fn agrees_with_f64_for_every_remainder_and_scale() {
        for length in [0, 1, 7, 15, 16, 17, 31, 33, 1000] {
            for scale in [1e-30f32, 1e-8, 1.0, 1e15, 1e25] {
                let theta: Vec<f32> =
                    (0..length).map(|i| (i as f32 * 0.37).sin() * scale).collect();
                let reference: Vec<f32> =
                    (0..length).map(|i| (i as f32 * 0.91).cos() * scale).collect();
                let before: Vec<f32> = theta.iter().map(|x| x * (1.0 + 3e-7)).collect();
                let mut previous = before.clone();
                let found = measure(&theta, &mut previous, &reference, None);
                let (local, global) = (exact(&theta, &before), exact(&theta, &reference));
                assert!((found.local_squared - local).abs() <= 1e-6 * local, "{length} {scale}");
                assert!((found.global_squared - global).abs() <= 1e-6 * global, "{length} {scale}");
                assert_eq!(previous, theta);
                let (mut previous, mut moved) = (before.clone(), vec![f32::NAN; length]);
                assert_eq!(measure(&theta, &mut previous, &reference, Some(&mut moved)), found);
                assert_eq!(previous, theta);
                assert!(
                    moved
                        .iter()
                        .zip(theta.iter().zip(&before))
                        .all(|(moved, (now, then))| *moved == now - then)
                );
            }
        }
    }

    #[test]
    fn nan_and_infinity_show() {
        let mut previous = vec![0.0; 20];
        let mut theta = vec![0.0; 20];
        theta[3] = f32::NAN;
        assert!(measure(&theta, &mut previous, &[0.0; 20], None).local_squared.is_nan());
        theta[3] = f32::INFINITY;
        assert!(measure(&theta, &mut [0.0; 20], &[0.0; 20], None).global_squared.is_infinite());
    }
}
