//! Operators with known spectra, shared by the tests of `linalg`.
#![allow(dead_code)] // Each test program uses its part.

use perrin::Result;
use perrin::linalg::operator::{DiagonalOperator, SymmetricOperator};

/// Eigenvalues that had converged at the upper end.
pub const TOP: [f64; 62] = [
    4.46529, 1.33186, 0.72370, 0.37690, 0.30774, 0.27970, 0.25964, 0.24697, 0.23338, 0.21662,
    0.21023, 0.20103, 0.18524, 0.17821, 0.17223, 0.17041, 0.16238, 0.15797, 0.15545, 0.15059,
    0.14885, 0.14476, 0.14324, 0.14013, 0.13763, 0.13646, 0.13599, 0.13277, 0.13218, 0.13017,
    0.12959, 0.12838, 0.12804, 0.12768, 0.12699, 0.12675, 0.12385, 0.11856, 0.11796, 0.11756,
    0.11730, 0.11646, 0.11356, 0.11077, 0.10948, 0.10569, 0.10214, 0.10121, 0.10054, 0.09860,
    0.09694, 0.09210, 0.09086, 0.08937, 0.08720, 0.08540, 0.08329, 0.08295, 0.08198, 0.07962,
    0.07771, 0.07536,
];

/// Eigenvalues that had converged at the lower end.
pub const BOTTOM: [f64; 50] = [
    -0.07401, -0.07733, -0.08117, -0.08303, -0.08496, -0.08548, -0.08748, -0.09067, -0.09227,
    -0.09443, -0.09650, -0.09839, -0.10279, -0.10379, -0.10623, -0.10933, -0.11003, -0.11610,
    -0.11663, -0.12406, -0.12615, -0.12636, -0.12702, -0.12744, -0.12821, -0.12900, -0.12923,
    -0.13013, -0.13033, -0.13222, -0.13342, -0.13458, -0.13624, -0.13965, -0.14202, -0.14494,
    -0.14615, -0.14855, -0.15563, -0.16414, -0.16518, -0.17613, -0.17792, -0.18438, -0.19922,
    -0.21857, -0.23413, -0.24905, -0.28070, -0.37603,
];

/// A spectrum like that of the Hessian of the 390,410-parameter MNIST network (mean cross-entropy
/// of the first 300 training images), as 220 Lanczos steps saw it: both ends to five digits,
/// between them a bulk that falls off exponentially to both sides, and zeros. To Lanczos from a
/// random start a diagonal matrix is as hard as any other with its spectrum.
pub fn network_spectrum(dimension: usize) -> DiagonalOperator {
    const BULK: usize = 1500;
    let mut diagonal = [TOP.as_slice(), BOTTOM.as_slice()].concat();
    for i in 0..BULK {
        // Quantiles of an exponential distribution of mean 0.013, cut off where the listed
        // eigenvalues begin.
        let share = (i as f64 + 0.5) / BULK as f64 * (1.0 - (-0.075 / 0.013_f64).exp());
        let magnitude = -0.013 * (-share).ln_1p();
        diagonal.extend([magnitude, -magnitude]);
    }
    assert!(diagonal.len() <= dimension);
    diagonal.resize(dimension, 0.0);
    DiagonalOperator { diagonal }
}

/// H' = R H R^T: another operator, whose eigenvectors are turned by R, a product of Householder
/// reflections I - 2 u u^T taken in pairs, so that R is near the identity when the two of a pair
/// are near each other.
pub struct Rotated {
    pub inner: DiagonalOperator,
    /// Unit vectors u, in pairs.
    pub normals: Vec<Vec<f64>>,
}

impl Rotated {
    /// Turns each of the `count` leading eigenvectors by `angle` (radians) towards a direction of
    /// its own within `rest`, the space of the other coordinates.
    pub fn leading(
        inner: DiagonalOperator,
        count: usize,
        angle: f64,
        mut direction: impl FnMut() -> f64,
    ) -> Self {
        let dimension = inner.diagonal.len();
        let mut normals = Vec::new();
        for i in 0..count {
            let mut towards: Vec<f64> =
                (0..dimension).map(|j| if j < count { 0.0 } else { direction() }).collect();
            let norm = towards.iter().map(|x| x * x).sum::<f64>().sqrt();
            // Reflecting in two normals half an angle apart turns their plane by the angle.
            for half in [0.0, angle / 2.0] {
                let mut normal: Vec<f64> = towards.iter().map(|x| x / norm * half.sin()).collect();
                normal[i] = half.cos();
                normals.push(normal);
            }
            towards.clear();
        }
        Rotated { inner, normals }
    }

    fn reflect(normal: &[f64], vector: &mut [f64]) {
        let twice: f64 = 2.0 * normal.iter().zip(&*vector).map(|(u, x)| u * x).sum::<f64>();
        for (x, u) in vector.iter_mut().zip(normal) {
            *x -= twice * u;
        }
    }
}

impl SymmetricOperator for Rotated {
    fn dimension(&self) -> usize {
        self.inner.diagonal.len()
    }

    fn multiply(&mut self, vectors: &[f32], products: &mut [f32]) -> Result<()> {
        let dimension = self.dimension();
        for (vector, product) in
            vectors.chunks_exact(dimension).zip(products.chunks_exact_mut(dimension))
        {
            let mut exact: Vec<f64> = vector.iter().map(|&x| f64::from(x)).collect();
            self.normals.iter().rev().for_each(|normal| Self::reflect(normal, &mut exact));
            exact.iter_mut().zip(&self.inner.diagonal).for_each(|(x, eigenvalue)| *x *= eigenvalue);
            self.normals.iter().for_each(|normal| Self::reflect(normal, &mut exact));
            for (product, exact) in product.iter_mut().zip(&exact) {
                *product = *exact as f32;
            }
        }
        Ok(())
    }
}
