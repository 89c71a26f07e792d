//! SGD run on a quadratic loss, for tests and examples: libtorch's update on gradients with
//! Gaussian noise ([`QuadraticSampler`]) or from a finite data set, with and without replacement
//! ([`RegressionSampler`]).
//!
//! Everything is driven by the random number generator that is passed in, so a seed fixes a run.

use nalgebra::{DMatrix, DVector};
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

use super::discrete::DiscreteMode;
use super::matrix::{require_finite_entries, require_vector, symmetrize};
use super::parameters::{SgdParameters, require, require_not_negative};
use super::update_rule::UpdateRule;
use crate::error::{Error, Result};

/// A point, and libtorch's momentum buffer behind it.
#[derive(Debug, Clone, PartialEq)]
struct SgdState {
    position: Vec<f64>,
    /// None before the first step.
    buffer: Option<Vec<f64>>,
    velocity: Vec<f64>,
}

impl SgdState {
    fn new(position: Vec<f64>) -> SgdState {
        SgdState { velocity: vec![0.0; position.len()], buffer: None, position }
    }

    /// One step of libtorch's SGD on the loss's gradient; weight decay is added here.
    fn step(
        &mut self,
        parameters: &SgdParameters,
        rule: UpdateRule,
        gradient: impl Iterator<Item = f64>,
    ) {
        let SgdParameters { learning_rate, momentum, weight_decay, .. } = *parameters;
        let first = self.buffer.is_none();
        let buffer = self.buffer.get_or_insert_with(|| vec![0.0; self.position.len()]);
        for (index, gradient) in gradient.enumerate() {
            let gradient = gradient + weight_decay * self.position[index];
            let share = if first { 1.0 } else { 1.0 - rule.dampening };
            buffer[index] = momentum * buffer[index] + share * gradient;
            let update = if momentum == 0.0 {
                gradient
            } else if rule.nesterov {
                gradient + momentum * buffer[index]
            } else {
                buffer[index]
            };
            self.velocity[index] = -update;
            self.position[index] -= learning_rate * update;
        }
    }
}

/// SGD in the eigenbasis of a Hessian, positions from the minimum, with the Gaussian noise of
/// assumption 5: in mode i the batch gradient is rho_i x_i plus noise of variance sigma^2 rho_i /
/// S.
#[derive(Debug, Clone)]
pub struct QuadraticSampler {
    parameters: SgdParameters,
    rule: UpdateRule,
    eigenvalues: Vec<f64>,
    state: SgdState,
}

impl QuadraticSampler {
    /// A fresh optimizer at `start`, one position a mode.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for parameters or a rule out of range, a negative eigenvalue or a
    /// start that is not finite; [`Error::ShapeMismatch`] unless there is a start for every
    /// eigenvalue. An unstable step is allowed.
    pub fn new(
        parameters: &SgdParameters,
        rule: UpdateRule,
        eigenvalues: &[f64],
        start: &[f64],
    ) -> Result<QuadraticSampler> {
        rule.validate(parameters)?;
        for &eigenvalue in eigenvalues {
            require_not_negative("eigenvalue", eigenvalue)?;
        }
        if start.len() != eigenvalues.len() {
            let (found, expected) =
                (format!("[{}]", start.len()), format!("[{}]", eigenvalues.len()));
            return Err(Error::ShapeMismatch { name: "start", found, expected });
        }
        require_finite_entries("start", start.iter())?;
        let state = SgdState::new(start.to_vec());
        Ok(QuadraticSampler {
            parameters: *parameters,
            rule,
            eigenvalues: eigenvalues.to_vec(),
            state,
        })
    }

    /// Plain SGD that has run for ever: position and velocity are drawn from the exact stationary
    /// distribution.
    ///
    /// # Errors
    /// As above, and for a mode without a stationary state.
    pub fn stationary(
        parameters: &SgdParameters,
        eigenvalues: &[f64],
        random: &mut impl Rng,
    ) -> Result<QuadraticSampler> {
        let mut sampler = QuadraticSampler::new(
            parameters,
            UpdateRule::default(),
            eigenvalues,
            &vec![0.0; eigenvalues.len()],
        )?;
        let mut buffer = Vec::with_capacity(eigenvalues.len());
        for (index, &eigenvalue) in eigenvalues.iter().enumerate() {
            let [[xx, xv], [_, vv]] =
                DiscreteMode::new(parameters, eigenvalue)?.stationary_covariance();
            let (first, second): (f64, f64) =
                (StandardNormal.sample(random), StandardNormal.sample(random));
            let position = xx.sqrt() * first;
            // The velocity given the position; without noise both are 0.
            let velocity = if xx > 0.0 {
                xv / xx * position + (vv - xv * xv / xx).max(0.0).sqrt() * second
            } else {
                0.0
            };
            sampler.state.position[index] = position;
            sampler.state.velocity[index] = velocity;
            buffer.push(-velocity);
        }
        sampler.state.buffer = Some(buffer);
        Ok(sampler)
    }

    /// Takes a step.
    pub fn step(&mut self, random: &mut impl Rng) {
        let scale = self.parameters.noise_scale / self.parameters.batch_size;
        let pulls: Vec<f64> = self
            .eigenvalues
            .iter()
            .zip(&self.state.position)
            .map(|(eigenvalue, x)| eigenvalue * x)
            .collect();
        let gradient = self.eigenvalues.iter().zip(pulls).map(|(eigenvalue, pull)| {
            let noise: f64 = StandardNormal.sample(random);
            pull + (scale * eigenvalue).sqrt() * noise
        });
        self.state.step(&self.parameters, self.rule, gradient);
    }

    /// Positions from the minimum, one a mode.
    pub fn positions(&self) -> &[f64] {
        &self.state.position
    }

    /// Velocities, the last step over the learning rate, one a mode.
    pub fn velocities(&self) -> &[f64] {
        &self.state.velocity
    }
}

/// How mini-batches are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batches {
    /// Every batch afresh from all examples: the noise is independent from step to step (assumption
    /// 1).
    WithReplacement,
    /// Epoch by epoch in a new random order: the noise of successive steps is anti-correlated,
    /// which lowers the variance of modes slower than an epoch. What does not fill a batch at the
    /// end of an epoch is left out.
    WithoutReplacement,
}

/// SGD on linear regression, loss `1/(2N) sum_n (x_n . theta - y_n)^2` plus weight decay.
#[derive(Debug, Clone)]
pub struct RegressionSampler {
    parameters: SgdParameters,
    rule: UpdateRule,
    batches: Batches,
    batch_size: usize,
    features: DMatrix<f64>,
    targets: DVector<f64>,
    state: SgdState,
    order: Vec<usize>,
    used: usize,
}

impl RegressionSampler {
    /// A fresh optimizer at `start`. `features` is N x n, a row an example; `targets` of length N,
    /// `start` of length n. `noise_scale` of the parameters is not used.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for lengths that do not fit; [`Error::InvalidValue`] for parameters
    /// out of range, a batch size that is no whole number or exceeds N, and entries that are not
    /// finite.
    pub fn new(
        parameters: &SgdParameters,
        rule: UpdateRule,
        batches: Batches,
        features: DMatrix<f64>,
        targets: DVector<f64>,
        start: &DVector<f64>,
    ) -> Result<RegressionSampler> {
        rule.validate(parameters)?;
        let examples = features.nrows();
        require_vector("targets", &targets, examples)?;
        require_vector("start", start, features.ncols())?;
        require_finite_entries("features", features.iter())?;
        let size = parameters.batch_size;
        let fits = size.fract() == 0.0 && size <= examples as f64;
        require("batch_size", size, fits, "a whole number, at most the number of examples")?;
        Ok(RegressionSampler {
            parameters: *parameters,
            rule,
            batches,
            batch_size: size as usize,
            targets,
            state: SgdState::new(start.iter().copied().collect()),
            order: (0..examples).collect(),
            used: examples,
            features,
        })
    }

    /// Takes a step.
    pub fn step(&mut self, random: &mut impl Rng) {
        let mut gradient = vec![0.0; self.features.ncols()];
        for _ in 0..self.batch_size {
            let example = self.next_example(random);
            let row = self.features.row(example);
            let predicted: f64 =
                row.iter().zip(&self.state.position).map(|(x, theta)| x * theta).sum();
            let residual = (predicted - self.targets[example]) / self.batch_size as f64;
            for (sum, x) in gradient.iter_mut().zip(row.iter()) {
                *sum += residual * x;
            }
        }
        self.state.step(&self.parameters, self.rule, gradient.into_iter());
        if self.order.len() - self.used < self.batch_size {
            self.used = self.order.len();
        }
    }

    /// The parameters theta.
    pub fn position(&self) -> &[f64] {
        &self.state.position
    }

    /// The last step over the learning rate.
    pub fn velocity(&self) -> &[f64] {
        &self.state.velocity
    }

    /// H = X^T X / N.
    pub fn hessian(&self) -> DMatrix<f64> {
        self.features.tr_mul(&self.features) / self.features.nrows() as f64
    }

    /// The minimum mu of loss and weight decay together, (H + lambda I) mu = X^T y / N; none if H +
    /// lambda I is singular.
    pub fn minimum(&self) -> Option<DVector<f64>> {
        let n = self.features.ncols();
        let curvature = self.hessian() + DMatrix::identity(n, n) * self.parameters.weight_decay;
        let force = self.features.tr_mul(&self.targets) / self.features.nrows() as f64;
        curvature.cholesky().map(|factor| factor.solve(&force))
    }

    /// Sigma, the covariance of one example's gradient at `point`, over the data set.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] or [`Error::InvalidValue`] for a point of another size or not
    /// finite.
    pub fn noise_covariance(&self, point: &DVector<f64>) -> Result<DMatrix<f64>> {
        require_vector("point", point, self.features.ncols())?;
        let residuals = &self.features * point - &self.targets;
        let examples = self.features.nrows() as f64;
        let mut gradients = self.features.clone();
        for (mut row, residual) in gradients.row_iter_mut().zip(residuals.iter()) {
            row *= *residual;
        }
        let mean = gradients.row_mean();
        let mut covariance = gradients.tr_mul(&gradients) / examples - mean.tr_mul(&mean);
        symmetrize(&mut covariance);
        Ok(covariance)
    }

    fn next_example(&mut self, random: &mut impl Rng) -> usize {
        match self.batches {
            Batches::WithReplacement => random.random_range(0..self.order.len()),
            Batches::WithoutReplacement => {
                if self.used == self.order.len() {
                    self.order.shuffle(random);
                    self.used = 0;
                }
                self.used += 1;
                self.order[self.used - 1]
            }
        }
    }
}
