//! The subspace that Lanczos grows, and what is known of the operator on it.
//!
//! Columns v_1 .. v_N are orthonormal. The first n, the expanded ones, have been multiplied; what
//! their products point at outside the first n is spanned by the other N - n, the frontier. Then,
//! with G the N x n matrix of coefficients,
//!
//!   H V_n = V_N G + F,
//!
//! where F is only what rounding the columns to `f32` leaves out. The norm of each of its columns
//! is measured and kept (`defects`). Rounding errors of different columns are nearly orthogonal in
//! a long vector, so in a combination of columns they add in quadrature.
//!
//! From a single start vector the frontier is one column and G tridiagonal: Lanczos. From a block
//! the frontier has the block's width: block Lanczos, of which one direction at a time may be
//! expanded. All of G is kept, not the three diagonals, so
//! - nothing is assumed of the operator: G's asymmetry is the operator's, seen at no extra product;
//! - a residual of y in V_n follows exactly: H V_n y - theta V_n y = V_N (G y - theta y) + F y,
//!   from numbers at hand.

use nalgebra::{DMatrix, DVector, SymmetricEigen};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::operator::CountedOperator;
use super::tall::{
    inner_products, norm, normalize_against, recombine, reflect, subtract_combination,
};
use crate::error::{Error, Result};

/// A remainder shorter than this, relative to the longest product so far, is rounding of the
/// product and not a direction.
const BREAKDOWN: f64 = 1e-6;
/// Known coefficients smaller than this, relative to the product, are left to the pass over all
/// columns.
const NEGLIGIBLE: f64 = 1e-6;

/// |<u, H v> - <v, H u>| relative to the longest product, above which an operator does not pass for symmetric. Rounding
/// stays far below, TensorFloat-32 products too; dropout or other data at each product are far
/// above.
pub(super) const SYMMETRY_TOLERANCE: f64 = 1e-2;

/// See the module. Dimensions: m of the operator, n expanded of N columns.
pub(super) struct Krylov<'a> {
    pub(super) operator: CountedOperator<'a>,
    basis: Vec<Vec<f32>>,
    expanded: usize,
    /// G, within a larger matrix: rows up to N, columns up to n hold it.
    projected: DMatrix<f64>,
    defects: Vec<f64>,
    /// Of a unit vector, so far: a lower bound of ||H||.
    longest_product: f64,
    asymmetry: f64,
    random: ChaCha8Rng,
}

/// Eigenpairs of the operator projected on the expanded columns, by falling eigenvalue.
pub(super) struct Ritz {
    pub(super) values: Vec<f64>,
    /// Column i holds the coefficients of vector i in the expanded columns.
    vectors: DMatrix<f64>,
    /// ||H q - theta q||, exact up to what ||F|| adds.
    pub(super) residuals: Vec<f64>,
    /// Column i: the residual of vector i in the frontier.
    outward: DMatrix<f64>,
}

impl Ritz {
    /// Of each vector: its squared component along the first column of the basis.
    pub(super) fn weights_of_first_column(&self) -> Vec<f64> {
        self.vectors.row(0).iter().map(|component| component * component).collect()
    }
}

impl<'a> Krylov<'a> {
    pub(super) fn new(operator: CountedOperator<'a>, max_basis: usize, seed: u64) -> Self {
        Krylov {
            operator,
            basis: Vec::new(),
            expanded: 0,
            projected: DMatrix::zeros(max_basis, max_basis),
            defects: Vec::new(),
            longest_product: 0.0,
            asymmetry: 0.0,
            random: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// n.
    pub(super) fn expanded(&self) -> usize {
        self.expanded
    }

    /// N - n.
    pub(super) fn frontier(&self) -> usize {
        self.basis.len() - self.expanded
    }

    /// N.
    pub(super) fn columns(&self) -> usize {
        self.basis.len()
    }

    /// Largest |<u, H v> - <v, H u>| of two columns so far, relative to the longest product at the
    /// time.
    pub(super) fn asymmetry(&self) -> f64 {
        self.asymmetry
    }

    /// Adds a direction to the frontier, as its first. False if it is already spanned.
    pub(super) fn add(&mut self, mut direction: Vec<f32>) -> bool {
        let independent = normalize_against(&self.basis, &mut direction);
        if independent {
            self.push_column(direction);
            self.bring_forward(self.basis.len() - 1);
        }
        independent
    }

    /// Adds a random direction. False if the columns span everything.
    pub(super) fn add_random(&mut self) -> bool {
        let dimension = self.operator.dimension();
        // A second draw only because the first may be unlucky where almost nothing is left.
        (0..2).any(|_| {
            let direction =
                (0..dimension).map(|_| StandardNormal.sample(&mut self.random)).collect();
            self.basis.len() < dimension && self.add(direction)
        })
    }

    fn push_column(&mut self, column: Vec<f32>) {
        debug_assert!(self.basis.len() < self.projected.nrows(), "the caller restarts in time");
        // The row may hold what an earlier, longer basis left.
        self.projected.row_mut(self.basis.len()).fill(0.0);
        self.basis.push(column);
    }

    /// Makes column `index` of the frontier the next to be expanded.
    pub(super) fn bring_forward(&mut self, index: usize) {
        self.basis.swap(self.expanded, index);
        self.projected.swap_rows(self.expanded, index);
    }

    /// Multiplies the first `count` directions of the frontier, in one block, and takes their
    /// products into the relation.
    ///
    /// # Errors
    /// The operator's, and [`Error::NotSymmetric`].
    pub(super) fn expand(&mut self, count: usize, symmetry_tolerance: f64) -> Result<()> {
        let dimension = self.operator.dimension();
        let directions = &self.basis[self.expanded..self.expanded + count];
        let mut products = vec![0.0; count * dimension];
        match directions {
            [single] => self.operator.multiply(single, &mut products)?,
            several => self.operator.multiply(&several.concat(), &mut products)?,
        }
        for product in products.chunks_exact(dimension) {
            self.absorb(product);
            if self.asymmetry > symmetry_tolerance {
                return Err(Error::NotSymmetric {
                    asymmetry: self.asymmetry,
                    tolerance: symmetry_tolerance,
                });
            }
        }
        Ok(())
    }

    /// Takes the product of column n into the relation: a new column of G, and a new direction at
    /// the frontier's end.
    fn absorb(&mut self, product: &[f32]) {
        let (n, count) = (self.expanded, self.basis.len());
        let mut rest: Vec<f64> = product.iter().map(|&element| f64::from(element)).collect();
        let length = norm(&rest);
        self.longest_product = self.longest_product.max(length);
        // Twice is enough (Parlett, The Symmetric Eigenvalue Problem, 6.9). The first time,
        // symmetry gives the coefficients of the expanded columns, nearly all of them zero, so that
        // the whole basis is read once less.
        let columns: Vec<&[f32]> = self.basis.iter().map(Vec::as_slice).collect();
        let mut coefficients: Vec<f64> =
            self.projected.row(n).columns(0, n).iter().copied().collect();
        coefficients.resize(count, 0.0);
        inner_products(&columns[n..], &rest, &mut coefficients[n..]);
        let known: Vec<usize> =
            (0..count).filter(|&i| coefficients[i].abs() > NEGLIGIBLE * length).collect();
        let known_columns: Vec<&[f32]> = known.iter().map(|&i| columns[i]).collect();
        let known_coefficients: Vec<f64> = known.iter().map(|&i| coefficients[i]).collect();
        subtract_combination(&known_columns, &known_coefficients, &mut rest);
        let mut corrections = vec![0.0; count];
        inner_products(&columns, &rest, &mut corrections);
        subtract_combination(&columns, &corrections, &mut rest);

        let mut column = corrections;
        for (&i, known) in known.iter().zip(&known_coefficients) {
            column[i] += known;
        }
        let difference =
            (0..n).map(|i| (column[i] - self.projected[(n, i)]).abs()).fold(0.0, f64::max);
        if self.longest_product > 0.0 {
            self.asymmetry = self.asymmetry.max(difference / self.longest_product);
        }
        self.projected.column_mut(n).fill(0.0);
        for (i, coefficient) in column.iter().enumerate() {
            self.projected[(i, n)] = *coefficient;
        }
        self.expanded += 1;

        let remainder = norm(&rest);
        let room = count < self.operator.dimension();
        if !room || remainder <= BREAKDOWN * self.longest_product {
            self.defects.push(remainder);
            return;
        }
        let direction: Vec<f32> = rest.iter().map(|element| (element / remainder) as f32).collect();
        let lost = rest
            .iter()
            .zip(&direction)
            .map(|(exact, &stored)| (exact - remainder * f64::from(stored)).powi(2));
        self.defects.push(lost.sum::<f64>().sqrt());
        self.push_column(direction);
        self.projected[(count, n)] = remainder;
    }

    /// Rayleigh-Ritz on the expanded columns.
    pub(super) fn ritz(&self) -> Ritz {
        let (n, count) = (self.expanded, self.basis.len());
        let inner = self.projected.view((0, 0), (n, n));
        let outer = self.projected.view((n, 0), (count - n, n));
        let symmetric = (inner + inner.transpose()) * 0.5;
        let eigen = SymmetricEigen::new(symmetric.clone());
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
        let vectors = eigen.eigenvectors.select_columns(&order);
        let outward = outer * &vectors;
        let inward = (inner - symmetric) * &vectors;
        let residual = |i: usize| {
            let rounding = in_quadrature(vectors.column(i).iter(), &self.defects);
            outward.column(i).norm().hypot(inward.column(i).norm()) + rounding
        };
        Ritz {
            values: order.iter().map(|&i| eigen.eigenvalues[i]).collect(),
            residuals: (0..n).map(residual).collect(),
            vectors,
            outward,
        }
    }

    /// Turns the frontier so that its first direction is the one in which the residuals of the Ritz
    /// vectors `targets` are largest together (the leading left singular vector of their
    /// coefficients).
    pub(super) fn steer(&mut self, ritz: &Ritz, targets: &[usize]) {
        let width = self.frontier();
        if width < 2 || targets.is_empty() {
            return;
        }
        let outward = ritz.outward.select_columns(targets);
        let eigen = SymmetricEigen::new(&outward * outward.transpose());
        // A Householder reflection exchanges the direction and the first; the sign is free, and
        // this one does not cancel.
        let mut normal: DVector<f64> =
            eigen.eigenvectors.column(eigen.eigenvalues.imax()).into_owned();
        normal[0] += if normal[0] < 0.0 { -1.0 } else { 1.0 };
        normal.normalize_mut();
        let n = self.expanded;
        let rounding = reflect(&mut self.basis[n..], normal.as_slice());
        let mut rows = self.projected.view_mut((n, 0), (width, n));
        let along = rows.tr_mul(&normal);
        rows.ger(-2.0, &normal, &along, 1.0);
        for column in 0..n {
            // What rounding took from a direction is missing from each product that had a part in
            // it.
            let lost =
                in_quadrature(self.projected.column(column).rows(n, width).iter(), &rounding);
            self.defects[column] = self.defects[column].hypot(lost);
        }
    }

    /// Keeps the chosen Ritz vectors as the expanded columns, and the frontier: the relation goes
    /// on holding (thick restart, Wu & Simon 2000).
    pub(super) fn restart(&mut self, ritz: &Ritz, keep: &[usize]) {
        let (n, width, kept) = (self.expanded, self.frontier(), keep.len());
        let coefficients = ritz.vectors.select_columns(keep);
        let inner = coefficients.tr_mul(&self.projected.view((0, 0), (n, n))) * &coefficients;
        let outer = self.projected.view((n, 0), (width, n)) * &coefficients;
        let mut frontier = self.basis.split_off(n);
        let rounding = recombine(&mut self.basis, &coefficients);
        self.basis.append(&mut frontier);
        self.expanded = kept;
        self.projected.fill(0.0);
        self.projected.view_mut((0, 0), (kept, kept)).copy_from(&inner);
        self.projected.view_mut((kept, 0), (width, kept)).copy_from(&outer);
        // The relation is moved from V y to its rounded value: H and theta act on the difference.
        let moved = |(column, rounding): (usize, f64)| {
            in_quadrature(coefficients.column(column).iter(), &self.defects)
                .hypot(2.0 * self.longest_product * rounding)
        };
        self.defects = rounding.into_iter().enumerate().map(moved).collect();
    }

    /// Of each expanded column: its Rayleigh quotient, and its residual norm or a little more.
    pub(super) fn rayleigh_quotients(&self) -> Vec<(f64, f64)> {
        let quotient = |column: usize| {
            let mut rest = self.projected.column(column).rows(0, self.basis.len()).into_owned();
            let value = std::mem::take(&mut rest[column]);
            (value, rest.norm() + self.defects[column])
        };
        (0..self.expanded).map(quotient).collect()
    }

    /// The expanded columns.
    pub(super) fn into_expanded(mut self) -> Vec<Vec<f32>> {
        self.basis.truncate(self.expanded);
        self.basis
    }
}

/// Norm of the combination of orthogonal vectors of the given norms.
fn in_quadrature<'a>(coefficients: impl Iterator<Item = &'a f64>, norms: &[f64]) -> f64 {
    coefficients
        .zip(norms)
        .map(|(coefficient, norm)| (coefficient * norm).powi(2))
        .sum::<f64>()
        .sqrt()
}
