//! The curvature of the network's loss, its gradient noise, and its landscape.

use std::path::Path;

use anyhow::Result;
use perrin::analysis::RunFit;
use perrin::curvature::{EigenpairFollower, LandscapePlane, LossHessian, loss_landscape};
use perrin::run::Eigenvectors;
use perrin::run::{CurvatureSummary, Run};
use tch::Tensor;

use crate::curvature::{self, loss_over};
use crate::plan::Plan;
use crate::problem::Problem;

/// Half the width of the landscape, in standard deviations of the run's positions.
const REACH: f64 = 4.0;

/// The Hessian of the mean loss over the training examples that the plan says.
pub fn hessian<'a>(problem: &'a Problem, plan: &Plan, train_mode: bool) -> Result<LossHessian<'a>> {
    let batches = plan.hessian_examples / plan.hessian_batch;
    loss_over(problem, &problem.train, batches, plan.hessian_batch, train_mode)
}

/// Trace, density and gradient noise besides the eigenvectors, where the network is now.
pub fn summary(
    curvature: &mut EigenpairFollower,
    eigenvectors: &Eigenvectors,
    problem: &Problem,
    plan: &Plan,
    train_mode: bool,
) -> Result<CurvatureSummary> {
    let mut gradients =
        loss_over(problem, &problem.train, plan.noise_batches, plan.noise_batch, train_mode)?;
    curvature::summary(curvature.hessian(), &mut gradients, eigenvectors, plan.effort)
}

pub fn tell(eigenvectors: &Eigenvectors, summary: &CurvatureSummary) {
    let rho = &eigenvectors.eigenvalues;
    println!("  rho_1 {:.3}, rho_{} {:.3}", rho[0], rho.len(), rho[rho.len() - 1]);
    if let Some(trace) = summary.trace {
        println!("  tr(H) {:.2} +- {:.2}", trace.value, trace.standard_error);
    }
    if let Some(noise) = &summary.gradient_noise {
        let ratios = noise.variances.iter().zip(rho).map(|(variance, rho)| variance.value / rho);
        let (low, high) = ratios
            .fold((f64::INFINITY, 0_f64), |(low, high), ratio| (low.min(ratio), high.max(ratio)));
        println!(
            "  gradient noise: q_i^T Sigma q_i / rho_i from {low:.3} to {high:.3}, tr(Sigma) {:.2}",
            noise.trace.value
        );
    }
}

/// Measures training and test loss in the plane of the first and the last direction of the rows
/// fitted, around the mean of these rows' positions, and leaves them in the run's folder.
pub fn landscape(
    folder: &Path,
    fit: &RunFit,
    problem: &Problem,
    plan: &Plan,
    train_mode: bool,
) -> Result<()> {
    let Some((window, basis)) =
        fit.modes.window.known().and_then(|window| Some((window, window.basis?)))
    else {
        println!("no landscape: there is no stretch of rows to centre it on");
        return Ok(());
    };
    println!(
        "the loss in the plane of two directions, around steps {} to {}",
        window.first_step, window.last_step
    );
    let modes = [1, fit.modes.modes.len()];
    let moments = modes.map(|mode| fit.modes.modes[mode - 1].moments.known());
    let [Some(first), Some(last)] = moments else {
        println!("no landscape: a direction has no variance");
        return Ok(());
    };
    let pair = [first, last];
    let plane = LandscapePlane::new(
        &Run::open(folder)?.eigenvectors(basis)?,
        modes,
        pair.map(|moments| REACH * moments.position_variance.sqrt()),
    )?
    .around(Tensor::read_safetensors(folder.join("reference.safetensors"))?)
    .centre(pair.map(|moments| moments.position_mean))
    .points([plan.landscape_points; 2])
    .basis(basis);
    let batches = plan.landscape_examples / plan.hessian_batch;
    let mut train = loss_over(problem, &problem.train, batches, plan.hessian_batch, train_mode)?;
    let mut test = loss_over(problem, &problem.test, batches, plan.hessian_batch, train_mode)?;
    loss_landscape(&mut train, Some(&mut test), &plane)?.write(folder)?;
    Ok(())
}
