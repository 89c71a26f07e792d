//! The Hessian of a problem's loss, and what is measured of it besides its eigenvectors.

use anyhow::Result;
use perrin::curvature::{LossHessian, SummaryOptions};
use perrin::linalg::density::DensityOptions;
use perrin::linalg::trace::TraceOptions;
use perrin::run::CurvatureSummary;
use perrin::run::Eigenvectors;
use tch::{Device, Kind, Tensor};

use crate::datasets::Images;
use crate::problem::Problem;

/// Products with random vectors that are spent on the trace, and starts and steps of the density.
#[derive(Clone, Copy)]
pub struct Effort {
    pub trace_samples: usize,
    pub density_starts: usize,
    pub density_steps: usize,
}

/// The mean loss over the first examples of `images`, in so many batches of one size. They come in
/// no order.
pub fn loss_over<'a>(
    problem: &'a Problem,
    images: &'a Images,
    batches: usize,
    batch_size: usize,
    train_mode: bool,
) -> Result<LossHessian<'a>> {
    Ok(LossHessian::new(&problem.variables, &vec![batch_size; batches], move |batch| {
        let start = (batch * batch_size) as i64;
        let numbers =
            Tensor::arange_start(start, start + batch_size as i64, (Kind::Int64, Device::Cpu));
        problem.loss(images, &numbers, train_mode)
    })?)
}

/// Trace and density besides the eigenvectors by `hessian`, and the noise of gradients by
/// `gradients`, whose batches are smaller: batches of one example tell it best.
pub fn summary(
    hessian: &mut LossHessian,
    gradients: &mut LossHessian,
    eigenvectors: &Eigenvectors,
    effort: Effort,
) -> Result<CurvatureSummary> {
    let noise_alone = SummaryOptions { trace: None, density: None, gradient_noise: true };
    let without_noise = SummaryOptions {
        trace: Some(TraceOptions {
            sketch: 0,
            samples: effort.trace_samples,
            ..TraceOptions::default()
        }),
        density: Some(DensityOptions {
            starts: effort.density_starts,
            steps: effort.density_steps,
            seed: 0,
        }),
        gradient_noise: false,
    };
    Ok(CurvatureSummary {
        gradient_noise: gradients.summary(eigenvectors, &noise_alone)?.gradient_noise,
        ..hessian.summary(eigenvectors, &without_noise)?
    })
}
