//! Linear regression of classes, one-hot, on pixels: L(W) = mean over images of |x W - y|^2 / 2. Its Hessian is
//! X^T X / n, once for each class, wherever W is.

use anyhow::Result;
use perrin::curvature::{Estimate, LossHessian, eigenvectors, gradient_noise, top_eigenpairs};
use perrin::log::eigenvectors::Eigenvectors;
use perrin::numeric::eigenpairs::Eigenpair;
use perrin::numeric::lanczos::LanczosOptions;
use perrin::numeric::tall::inner_product;
use perrin::theory::phase_space::minimum_offset;
use tch::nn::{Init, VarStore};
use tch::{Device, Kind, Tensor, no_grad};

use super::datasets::Images;

const CLASSES: i64 = 10;
/// Images whose gradients tell the noise, one by one.
const NOISE_IMAGES: usize = 10_000;

/// Top eigenpairs of the Hessian, and where the minimum of the loss is along each.
pub struct Directions {
    pub pairs: Vec<Eigenpair>,
    /// The same as perrin logs them.
    pub vectors: Eigenvectors,
    /// <mu - W, q>, W being where they were looked for.
    pub offsets: Vec<f64>,
}

/// The images, and the weights W, [pixels, classes].
pub struct Problem {
    pub variables: VarStore,
    pixels: Tensor,
    targets: Tensor,
    weights: Tensor,
    start: Tensor,
}

impl Problem {
    /// From a random start.
    pub fn new(images: &Images) -> Problem {
        let count = images.labels.size()[0];
        let pixels = images.images.reshape([count, -1]);
        let variables = VarStore::new(Device::Cpu);
        let dimension = pixels.size()[1];
        let reach = 1.0 / (dimension as f64).sqrt();
        let weights = variables.root().var("weight", &[dimension, CLASSES], Init::Uniform { lo: -reach, up: reach });
        let targets = images.labels.onehot(CLASSES);
        let start = no_grad(|| weights.copy());
        Problem { variables, pixels, targets, weights, start }
    }

    /// Images.
    pub fn count(&self) -> i64 {
        self.pixels.size()[0]
    }

    /// Parameters, pixels times classes.
    pub fn dimension(&self) -> usize {
        self.weights.numel()
    }

    /// Puts the weights back to where they were at first.
    pub fn restart(&mut self) {
        no_grad(|| self.weights.copy_(&self.start));
    }

    /// Mean loss of some images, or of all.
    pub fn loss(&self, chosen: Option<&Tensor>) -> Tensor {
        let of = |tensor: &Tensor| chosen.map_or_else(|| tensor.shallow_clone(), |rows| tensor.index_select(0, rows));
        mean_loss(&of(&self.pixels), &of(&self.targets), &self.weights)
    }

    /// The top eigenpairs of the Hessian, and along each the way to the minimum, -<g, q> / rho.
    ///
    /// Each eigenvalue is there ten times, once a class, and in its eigenspace any direction is an eigenvector. Of a
    /// Hessian with all images in one batch, perrin's search starts from the gradient. So it finds of each eigenspace first the
    /// direction along which W is off the minimum; along the others there is nothing but noise.
    pub fn directions(&self, count: usize) -> Result<Directions> {
        let mut hessian = LossHessian::new(&self.variables, &[self.count() as usize], |_| self.loss(None))?;
        let options = LanczosOptions { residual_tolerance: 1e-5, ..LanczosOptions::largest(count) };
        let pairs = top_eigenpairs(&mut hessian, &options)?.largest;
        let gradient = hessian.batch_gradient(0)?;
        let offset = |pair: &Eigenpair| minimum_offset(inner_product(&gradient, &pair.eigenvector), pair.eigenvalue);
        let offsets = pairs.iter().map(offset).collect::<perrin::Result<_>>()?;
        Ok(Directions { vectors: eigenvectors(&hessian, &pairs), pairs, offsets })
    }

    /// q_i^T Sigma q_i along the eigenvectors, and tr(Sigma) as the last, each with its standard error, here.
    pub fn noise(&self, pairs: &[Eigenpair]) -> Result<Vec<Estimate>> {
        let images = Tensor::randperm(self.count(), (Kind::Int64, Device::Cpu));
        let loss = |image: usize| self.loss(Some(&images.narrow(0, image as i64, 1)));
        let mut hessian = LossHessian::new(&self.variables, &[1; NOISE_IMAGES], loss)?;
        let noise = gradient_noise(&mut hessian, pairs)?;
        Ok(noise.modes.iter().map(|mode| mode.variance).chain([noise.trace]).collect())
    }

    /// All eigenvalues of X^T X / n, falling; each is the Hessian's once a class. By dense algebra in f64.
    pub fn spectrum(&self) -> Result<Vec<f64>> {
        let dimension = self.pixels.size()[1];
        let mut gram = Tensor::zeros([dimension, dimension], (Kind::Double, Device::Cpu));
        for part in self.pixels.split(4096, 0) {
            let part = part.to_kind(Kind::Double);
            gram += part.tr().matmul(&part);
        }
        let eigenvalues = (gram / self.count() as f64).linalg_eigvalsh("L");
        let mut eigenvalues = Vec::<f64>::try_from(eigenvalues)?;
        eigenvalues.reverse();
        Ok(eigenvalues)
    }
}

fn mean_loss(pixels: &Tensor, targets: &Tensor, weights: &Tensor) -> Tensor {
    let residuals = pixels.matmul(weights) - targets;
    residuals.square().sum(Kind::Float) / (2 * pixels.size()[0]) as f64
}
