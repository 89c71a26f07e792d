//! What to look for, and how much to spend on it.

use crate::error::{Error, Result};
use crate::linalg::krylov::SYMMETRY_TOLERANCE;

/// What to look for, and how much to spend.
#[derive(Debug, Clone, PartialEq)]
pub struct LanczosOptions {
    /// How many of the algebraically largest eigenvalues. More than there are: all.
    pub largest: usize,
    /// How many of the algebraically smallest.
    pub smallest: usize,
    /// A pair has converged when its residual norm is at most this times the largest eigenvalue in
    /// magnitude. 1e-6 to 1.
    pub residual_tolerance: f64,
    /// Products at which to stop, converged or not.
    pub max_products: usize,
    /// Most vectors to hold, of 4 m bytes each: at least twice the number of pairs plus 8, unless
    /// the dimension is smaller. Fewer take less memory and more products;
    /// [`memory_bytes`](Self::memory_bytes) says how much.
    pub max_basis: usize,
    /// Products of a probe for missed eigenvectors after convergence; 0: only where it cannot be
    /// done without. See the module.
    pub probe_products: usize,
    /// Most start vectors to multiply at once.
    pub block_size: usize,
    /// Largest |<u, H v> - <v, H u>| of unit vectors allowed, relative to the longest product.
    pub symmetry_tolerance: f64,
    /// Seed of the random start and probe.
    pub seed: u64,
}

impl LanczosOptions {
    /// The `count` largest eigenpairs to a residual of 1e-4 of the largest, in at most 20 products
    /// for each and a basis of 5 vectors for each.
    ///
    /// 1e-4 because a residual bounds an eigenvalue's error by itself, relative to the *largest*:
    /// the 30th of a network's Hessian is some 30 times smaller. To 1e-3 the search of a
    /// 390,410-parameter network stopped after 107 products with the last eigenvalues 5% low.
    pub fn largest(count: usize) -> Self {
        LanczosOptions {
            largest: count,
            smallest: 0,
            residual_tolerance: 1e-4,
            max_products: 20 * count + 100,
            max_basis: 5 * count + 20,
            probe_products: 0,
            block_size: 8,
            symmetry_tolerance: SYMMETRY_TOLERANCE,
            seed: 0,
        }
    }

    /// The most memory that a search takes in `dimension` dimensions, in bytes, the operator's own
    /// not counted: the basis, 4 m `max_basis` bytes; where it begins with several vectors, two
    /// blocks more, of `block_size`; and a product in f64. A smaller `max_basis` (at least twice
    /// the number of pairs plus 8) takes less, and more products.
    pub fn memory_bytes(&self, dimension: usize) -> u64 {
        // The block that is multiplied, its products; a product in f64, the direction it leaves.
        let vectors = self.max_basis.min(dimension) + 2 * self.block_size + 3;
        vectors as u64 * dimension as u64 * size_of::<f32>() as u64
    }

    pub(super) fn check(&self, dimension: usize) -> Result<()> {
        let invalid =
            |name, value, requirement| Err(Error::InvalidValue { name, value, requirement });
        let pairs = self.largest + self.smallest;
        if pairs == 0 {
            return invalid("eigenpairs asked for", 0.0, "at least 1");
        }
        if !(1e-6..1.0).contains(&self.residual_tolerance) {
            return invalid(
                "residual_tolerance",
                self.residual_tolerance,
                "at least 1e-6 (vectors are f32) and below 1",
            );
        }
        if self.max_basis < dimension.min(2 * pairs + 8) {
            return invalid(
                "max_basis",
                self.max_basis as f64,
                "at least twice the number of pairs plus 8",
            );
        }
        for (name, value) in [("block_size", self.block_size), ("max_products", self.max_products)]
        {
            if value == 0 {
                return invalid(name, 0.0, "at least 1");
            }
        }
        if self.symmetry_tolerance.is_nan() || self.symmetry_tolerance <= 0.0 {
            return invalid("symmetry_tolerance", self.symmetry_tolerance, "above 0");
        }
        Ok(())
    }
}
