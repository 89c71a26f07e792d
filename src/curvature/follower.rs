//! The largest eigenpairs, estimated again and again while the parameters move.

use std::sync::Arc;

use super::eigenpairs::{into_eigenvectors, top_eigenpairs};
use super::hessian::LossHessian;
use super::progress::ProgressLine;
use crate::error::{Error, Result};
use crate::linalg::eigenpairs::{align_signs, overlaps};
use crate::linalg::lanczos::{self, LanczosOptions};
use crate::linalg::operator::SymmetricOperator;
use crate::run::Eigenvectors;

/// The largest eigenpairs of a Hessian, followed: each estimate starts from the vectors of the last
/// one, which takes fewer products the less they have turned, and has their signs. The Hessian's
/// batches are the fixed sample.
///
/// ```no_run
/// # use perrin::curvature::{EigenpairFollower, LossHessian};
/// # use perrin::linalg::lanczos::LanczosOptions;
/// # use tch::{nn, Tensor};
/// # fn f(vs: nn::VarStore, hessian: LossHessian, batches: impl Iterator<Item = Tensor>) -> perrin::Result<()> {
/// let mut curvature = EigenpairFollower::new(hessian, LanczosOptions::largest(30), 1_000)?;
/// let mut opt = perrin::Options::new()
///     .project_onto(curvature.refresh()?)
///     .build(nn::sgd(0.9, 0., 1e-4, false), &vs, 1e-3, "runs/mnist")?;
/// for loss in batches {
///     opt.backward_step(&loss);
///     opt.follow(|step| curvature.refresh_if_due(step));
/// }
/// # Ok(()) }
/// ```
///
/// A refresh takes its products' time, on the training thread, between two steps. Where it fails,
/// because the loss is NaN for a while, [`Optimizer::follow`](crate::Optimizer::follow) says so and
/// training goes on with the last directions; the next refresh starts from those.
pub struct EigenpairFollower<'a> {
    hessian: LossHessian<'a>,
    options: LanczosOptions,
    every_steps: u64,
    /// Those of the last estimate, shared with whoever took it.
    vectors: Arc<Vec<Vec<f32>>>,
}

impl<'a> EigenpairFollower<'a> {
    /// Follows the `options.largest` largest eigenpairs, every `every_steps` steps of
    /// [`refresh_if_due`](Self::refresh_if_due).
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for 0 steps, and for options that ask for the smallest eigenvalues.
    pub fn new(
        hessian: LossHessian<'a>,
        options: LanczosOptions,
        every_steps: u64,
    ) -> Result<Self> {
        let invalid =
            |name, value, requirement| Err(Error::InvalidValue { name, value, requirement });
        if every_steps == 0 {
            return invalid("every_steps", 0.0, "at least 1");
        }
        if options.smallest > 0 {
            return invalid(
                "smallest eigenvalues to follow",
                options.smallest as f64,
                "0: ask for them by themselves",
            );
        }
        let follower = EigenpairFollower { hessian, options, every_steps, vectors: Arc::default() };
        tracing::info!(
            megabytes = follower.memory_bytes() >> 20,
            "the most that an estimate of eigenpairs takes"
        );
        Ok(follower)
    }

    /// Goes on from the vectors of an earlier time, as a run that is resumed does.
    #[must_use]
    pub fn starting_from(mut self, earlier: &Eigenvectors) -> Self {
        self.vectors = Arc::clone(&earlier.eigenvectors);
        self
    }

    /// [`refresh`](Self::refresh), if `step` is a multiple of the steps between two.
    ///
    /// # Errors
    /// As [`refresh`](Self::refresh).
    pub fn refresh_if_due(&mut self, step: u64) -> Result<Option<Eigenvectors>> {
        if step > 0 && step.is_multiple_of(self.every_steps) {
            self.refresh().map(Some)
        } else {
            Ok(None)
        }
    }

    /// The eigenpairs of now. Pairs that did not converge within the options' products are marked
    /// so.
    ///
    /// # Errors
    /// As [`top_eigenpairs`]. What was found last stays the next start. In a training loop
    /// [`Optimizer::follow`](crate::Optimizer::follow) takes it.
    pub fn refresh(&mut self) -> Result<Eigenvectors> {
        let mut found = if self.vectors.is_empty() {
            top_eigenpairs(&mut self.hessian, &self.options)?
        } else {
            let mut line = ProgressLine::new(self.options.max_products);
            lanczos::eigenpairs(&mut self.hessian, &self.options, &self.vectors, &mut |progress| {
                line.show(progress)
            })?
        };
        align_signs(&mut found.largest, &self.vectors)?;
        let mut estimate = into_eigenvectors(&self.hessian, found.largest);
        estimate.products = Some(found.products as u64);
        if !self.vectors.is_empty() {
            estimate.overlaps = overlaps(&estimate.eigenvectors, &self.vectors)?;
        }
        self.vectors = Arc::clone(&estimate.eigenvectors);
        Ok(estimate)
    }

    /// The most memory that an estimate takes, in bytes: the search's
    /// ([`LanczosOptions::memory_bytes`]), the Hessian's own ([`LossHessian::memory_bytes`]) and
    /// the vectors of the last estimate, 4 m K bytes, which are there between two estimates too.
    /// Not counted is the graph of one batch, several times what a training step of its size takes.
    pub fn memory_bytes(&self) -> u64 {
        let dimension = self.hessian.dimension();
        let last = (self.options.largest * dimension * size_of::<f32>()) as u64;
        self.options.memory_bytes(dimension)
            + self.hessian.memory_bytes(self.options.block_size)
            + last
    }

    /// The Hessian, for other questions about the same sample.
    pub fn hessian(&mut self) -> &mut LossHessian<'a> {
        &mut self.hessian
    }
}
