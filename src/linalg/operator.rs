//! A symmetric matrix known only by its products with vectors.
//!
//! A Hessian of millions of parameters cannot be stored, but it can be multiplied with vectors:
//! implement [`SymmetricOperator`]. Then, by question:
//! - the largest (or smallest) eigenvalues and their vectors, with a certificate:
//!   [`super::lanczos`];
//! - how far two sets of eigenvectors agree, signs from one refresh to the next:
//!   [`super::eigenpairs`];
//! - the paper's own method, for comparison: [`super::subspace_iteration`];
//! - the trace, with a standard error: [`super::trace`];
//! - the whole spectrum as a density, and the trace from it: [`super::density`].
//!
//! Vectors are `f32`, as the framework's are and because a basis of them must fit into memory. Sums
//! over a vector's elements and everything of the size of the basis are `f64`: eigenvalues are good
//! to some 1e-7 of the largest, orthogonality to 1e-7. [`super::tall`] has the kernels.

use crate::error::{Error, Result};

/// A symmetric linear operator of dimension m.
///
/// A product is what costs: solvers count them, and hand over several vectors at once where they
/// can, because products of one block may share work (a Hessian builds the graph of a batch once
/// for all of them).
///
/// The same vector must give the same product up to rounding, and <u, H v> = <v, H u>. A loss with
/// dropout or random augmentation left on breaks both; [`crate::linalg::lanczos`] finds that out.
pub trait SymmetricOperator {
    /// Length m of the vectors.
    fn dimension(&self) -> usize;

    /// Writes H v for each v of a block. Vectors lie one after the other: `vectors` and `products`
    /// both hold b m elements, b >= 1.
    ///
    /// # Errors
    /// Whatever keeps the operator from computing the products; the solvers pass it on.
    fn multiply(&mut self, vectors: &[f32], products: &mut [f32]) -> Result<()>;
}

/// Counts the products an operator makes and lets none through that is not finite.
pub(crate) struct CountedOperator<'a> {
    operator: &'a mut dyn SymmetricOperator,
    products: usize,
}

impl<'a> CountedOperator<'a> {
    /// # Errors
    /// [`Error::InvalidValue`] for dimension 0.
    pub(crate) fn new(operator: &'a mut dyn SymmetricOperator) -> Result<Self> {
        match operator.dimension() {
            0 => Err(Error::InvalidValue {
                name: "operator dimension",
                value: 0.0,
                requirement: "at least 1",
            }),
            _ => Ok(CountedOperator { operator, products: 0 }),
        }
    }

    pub(crate) fn dimension(&self) -> usize {
        self.operator.dimension()
    }

    /// Products made so far: one for each vector.
    pub(crate) fn products(&self) -> usize {
        self.products
    }

    /// # Errors
    /// The operator's own, and [`Error::NonFiniteProduct`].
    pub(crate) fn multiply(&mut self, vectors: &[f32], products: &mut [f32]) -> Result<()> {
        self.operator.multiply(vectors, products)?;
        for product in products.chunks_exact(self.dimension()) {
            self.products += 1;
            // A sum is finite only if its terms are; it may overflow although they are, so ask them
            // before complaining.
            let sum: f32 = product.iter().sum();
            if !sum.is_finite() && product.iter().any(|element| !element.is_finite()) {
                return Err(Error::NonFiniteProduct { product: self.products });
            }
        }
        Ok(())
    }
}

/// A block of vectors, each of the operator's dimension, as solvers take them from the caller.
///
/// # Errors
/// [`Error::ShapeMismatch`] for another length and [`Error::InvalidValue`] for an element that is
/// not finite.
pub(crate) fn check_vectors(
    name: &'static str,
    vectors: &[Vec<f32>],
    dimension: usize,
) -> Result<()> {
    for vector in vectors {
        if vector.len() != dimension {
            let (found, expected) = (format!("[{}]", vector.len()), format!("[{dimension}]"));
            return Err(Error::ShapeMismatch { name, found, expected });
        }
        if let Some(&element) = vector.iter().find(|element| !element.is_finite()) {
            return Err(Error::InvalidValue { name, value: element.into(), requirement: "finite" });
        }
    }
    Ok(())
}

/// A matrix with the given diagonal: the plainest operator with a known spectrum. To Lanczos from a
/// random start it is no easier than any other matrix with that spectrum.
#[derive(Debug, Clone, PartialEq)]
pub struct DiagonalOperator {
    /// The eigenvalues.
    pub diagonal: Vec<f64>,
}

impl SymmetricOperator for DiagonalOperator {
    fn dimension(&self) -> usize {
        self.diagonal.len()
    }

    fn multiply(&mut self, vectors: &[f32], products: &mut [f32]) -> Result<()> {
        let dimension = self.dimension();
        for (vector, product) in
            vectors.chunks_exact(dimension).zip(products.chunks_exact_mut(dimension))
        {
            for ((product, &element), eigenvalue) in
                product.iter_mut().zip(vector).zip(&self.diagonal)
            {
                *product = (eigenvalue * f64::from(element)) as f32;
            }
        }
        Ok(())
    }
}

/// A symmetric matrix held in memory, for small problems and for tests.
impl SymmetricOperator for nalgebra::DMatrix<f64> {
    fn dimension(&self) -> usize {
        self.nrows()
    }

    fn multiply(&mut self, vectors: &[f32], products: &mut [f32]) -> Result<()> {
        let dimension = self.nrows();
        if !self.is_square() {
            let (found, expected) =
                (format!("{:?}", self.shape()), format!("({dimension}, {dimension})"));
            return Err(Error::ShapeMismatch { name: "symmetric matrix", found, expected });
        }
        for (vector, product) in
            vectors.chunks_exact(dimension).zip(products.chunks_exact_mut(dimension))
        {
            let vector = nalgebra::DVector::from_iterator(
                dimension,
                vector.iter().map(|&element| f64::from(element)),
            );
            for (product, element) in product.iter_mut().zip((&*self * vector).iter()) {
                *product = *element as f32;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_counted_by_vector_and_checked() {
        let mut diagonal = DiagonalOperator { diagonal: vec![1.0, f64::NAN, 3.0] };
        let mut counted = CountedOperator::new(&mut diagonal).unwrap();
        let mut products = [0.0; 6];
        let error = counted.multiply(&[1.0; 6], &mut products).unwrap_err();
        assert!(matches!(error, Error::NonFiniteProduct { product: 1 }), "{error}");

        let mut diagonal = DiagonalOperator { diagonal: vec![1.0, 2.0, 3.0] };
        let mut counted = CountedOperator::new(&mut diagonal).unwrap();
        counted
            .multiply(
                &[1.0, 1.0, 1.0, f32::MAX / 4.0, f32::MAX / 4.0, f32::MAX / 4.0],
                &mut products,
            )
            .unwrap();
        assert_eq!(counted.products(), 2, "a sum that overflows does not make a product infinite");
        assert_eq!(products[..3], [1.0, 2.0, 3.0]);
    }

    #[test]
    fn a_block_is_multiplied_vector_by_vector() {
        let mut matrix = nalgebra::DMatrix::from_row_slice(2, 2, &[2.0, 1.0, 1.0, 3.0]);
        let mut products = [0.0; 4];
        matrix.multiply(&[1.0, 0.0, 0.0, 1.0], &mut products).unwrap();
        assert_eq!(products, [2.0, 1.0, 1.0, 3.0]);
        let mut oblong = nalgebra::DMatrix::zeros(2, 3);
        let error = SymmetricOperator::multiply(&mut oblong, &[1.0, 0.0], &mut products[..2]);
        assert!(matches!(error, Err(Error::ShapeMismatch { .. })));
    }

    #[test]
    fn nothing_to_multiply_is_refused() {
        let mut nothing = DiagonalOperator { diagonal: vec![] };
        assert!(matches!(CountedOperator::new(&mut nothing), Err(Error::InvalidValue { .. })));
    }
}
