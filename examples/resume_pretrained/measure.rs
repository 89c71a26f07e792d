//! The curvature of the network's loss, its gradient noise, and its landscape.

use std::path::Path;

use anyhow::Result;
use perrin::analysis::RunFit;
use perrin::curvature::{EigenpairFollower, LandscapePlane, LossHessian, SummaryOptions, loss_landscape};
use perrin::log::eigenvectors::Eigenvectors;
use perrin::log::{CurvatureSummary, Run};
use perrin::numeric::density::DensityOptions;
use perrin::numeric::trace::TraceOptions;
use tch::{Device, Kind, Tensor};

use crate::datasets::Images;
use crate::plan::Plan;
use crate::problem::Problem;

/// Half the width of the landscape, in standard deviations of the run's positions.
const REACH: f64 = 4.0;

/// The Hessian of the mean loss over the first `examples` training examples. They come in no order.
pub fn hessian(problem: &Problem, examples: usize, batch: usize, train_mode: bool) -> Result<LossHessian<'_>> {
    loss_over(problem, &problem.train, examples, batch, train_mode)
}

fn loss_over<'a>(
    problem: &'a Problem,
    images: &'a Images,
    examples: usize,
    batch: usize,
    train_mode: bool,
) -> Result<LossHessian<'a>> {
    let size = batch as i64;
    Ok(LossHessian::new(&problem.variables, &vec![batch; examples / batch], move |index| {
        let start = index as i64 * size;
        let numbers = Tensor::arange_start(start, start + size, (Kind::Int64, Device::Cpu));
        problem.loss(images, &numbers, train_mode)
    })?)
}

/// Trace, density and gradient noise besides the eigenvectors, where the network is now.
pub fn summary(
    curvature: &mut EigenpairFollower,
    eigenvectors: &Eigenvectors,
    problem: &Problem,
    plan: &Plan,
    train_mode: bool,
) -> Result<CurvatureSummary> {
    // Gradient noise is told best by other batches than the Hessian's.
    let without_noise = SummaryOptions {
        trace: Some(TraceOptions { sketch: 0, samples: plan.trace_samples, ..TraceOptions::default() }),
        density: Some(DensityOptions { starts: plan.density.0, steps: plan.density.1, seed: 0 }),
        gradient_noise: false,
    };
    let noise_alone = SummaryOptions { trace: None, density: None, gradient_noise: true };
    let examples = plan.noise_batches * plan.noise_batch;
    let mut gradients = hessian(problem, examples, plan.noise_batch, train_mode)?;
    Ok(CurvatureSummary {
        gradient_noise: gradients.summary(eigenvectors, &noise_alone)?.gradient_noise,
        ..curvature.hessian().summary(eigenvectors, &without_noise)?
    })
}

pub fn tell(eigenvectors: &Eigenvectors, summary: &CurvatureSummary) {
    let rho = &eigenvectors.eigenvalues;
    println!("  rho_1 {:.3}, rho_{} {:.3}", rho[0], rho.len(), rho[rho.len() - 1]);
    if let Some(trace) = summary.trace {
        println!("  tr(H) {:.2} +- {:.2}", trace.value, trace.standard_error);
    }
    if let Some(noise) = &summary.gradient_noise {
        let ratios = noise.variances.iter().zip(rho).map(|(variance, rho)| variance.value / rho);
        let (low, high) = ratios.fold((f64::INFINITY, 0_f64), |(low, high), ratio| (low.min(ratio), high.max(ratio)));
        println!(
            "  gradient noise: q_i^T Sigma q_i / rho_i from {low:.3} to {high:.3}, tr(Sigma) {:.2}",
            noise.trace.value
        );
    }
}

/// Measures training and test loss in the plane of the first and the last direction of the rows fitted, around the mean of
/// these rows' positions, and leaves them in the run's folder.
pub fn landscape(folder: &Path, fit: &RunFit, problem: &Problem, plan: &Plan, train_mode: bool) -> Result<()> {
    let Some((window, basis)) = fit.modes.window.known().and_then(|window| Some((window, window.basis?))) else {
        println!("no landscape: there is no stretch of rows to centre it on");
        return Ok(());
    };
    println!("the loss in the plane of two directions, around steps {} to {}", window.first_step, window.last_step);
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
    let mut train = loss_over(problem, &problem.train, plan.landscape_examples, plan.hessian_batch, train_mode)?;
    let mut test = loss_over(problem, &problem.test, plan.landscape_examples, plan.hessian_batch, train_mode)?;
    loss_landscape(&mut train, Some(&mut test), &plane)?.write(folder)?;
    Ok(())
}
