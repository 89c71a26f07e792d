//! Linear regression of classes, one-hot, on pixels: L(W) = mean over images of |x W - y|^2 / 2.
//! Its Hessian is X^T X / n, once for each class, wherever W is.

use anyhow::Result;
use perrin::curvature::{GradientNoise, LossHessian, eigenvectors, gradient_noise, top_eigenpairs};
use perrin::linalg::eigenpairs::Eigenpair;
use perrin::linalg::lanczos::LanczosOptions;
use perrin::linalg::operator::SymmetricOperator;
use perrin::run::Eigenvectors;
use perrin::theory::phase_space::minimum_offset;
use tch::nn::{Init, VarStore};
use tch::{Device, Kind, Tensor, no_grad};

use super::datasets::Images;

const CLASSES: i64 = super::CLASSES as i64;
/// Images of whose gradients perrin measures the noise.
const NOISE_IMAGES: usize = 2000;

/// Top eigenpairs of the Hessian, and where the minimum of the loss is along each.
pub struct Directions {
    pub pairs: Vec<Eigenpair>,
    /// The same as perrin logs them.
    pub vectors: Eigenvectors,
    /// <mu - W, q>, W being where they were looked for.
    pub offsets: Vec<f64>,
}

/// Gradient noise.
pub struct Noise {
    /// q_i^T Sigma q_i.
    pub along: Vec<f64>,
    /// tr(Sigma).
    pub trace: f64,
}

/// The images, and the weights W, [pixels, classes].
pub struct Problem {
    pub variables: VarStore,
    pixels: Tensor,
    targets: Tensor,
    weights: Tensor,
    start: Tensor,
    /// X^T X / n in f64, and it and X^T Y / n in f32: all that the loss of all images needs.
    gram: Tensor,
    curvature: Tensor,
    correlation: Tensor,
}

impl Problem {
    /// From a random start.
    pub fn new(images: &Images) -> Problem {
        let count = images.labels.size()[0];
        let pixels = images.images.reshape([count, -1]);
        let targets = images.labels.onehot(CLASSES);
        let dimension = pixels.size()[1];
        let zeros = |columns| Tensor::zeros([dimension, columns], (Kind::Double, Device::Cpu));
        let (mut gram, mut correlation) = (zeros(dimension), zeros(CLASSES));
        for (pixels, targets) in pixels.split(4096, 0).iter().zip(targets.split(4096, 0)) {
            let pixels = pixels.to_kind(Kind::Double);
            gram += pixels.tr().matmul(&pixels) / count as f64;
            correlation += pixels.tr().matmul(&targets.to_kind(Kind::Double)) / count as f64;
        }
        let variables = VarStore::new(Device::Cpu);
        let reach = 1.0 / (dimension as f64).sqrt();
        let weights = variables.root().var(
            "weight",
            &[dimension, CLASSES],
            Init::Uniform { lo: -reach, up: reach },
        );
        let start = no_grad(|| weights.copy());
        let (curvature, correlation) =
            (gram.to_kind(Kind::Float), correlation.to_kind(Kind::Float));
        Problem { variables, pixels, targets, weights, start, gram, curvature, correlation }
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

    /// Mean loss of some images.
    pub fn loss(&self, chosen: &Tensor) -> Tensor {
        let [pixels, targets] =
            [&self.pixels, &self.targets].map(|tensor| tensor.index_select(0, chosen));
        let residuals = pixels.matmul(&self.weights) - targets;
        residuals.square().sum(Kind::Float) / (2 * chosen.numel()) as f64
    }

    /// Mean loss of all images, the squares multiplied out: tr(W^T C W) / 2 - tr(W^T B) + 1/2.
    pub fn loss_of_all(&self) -> Tensor {
        let bent = self.curvature.matmul(&self.weights) / 2. - &self.correlation;
        (&self.weights * bent).sum(Kind::Float) + 0.5
    }

    /// The `count` sharpest directions along which W is off the minimum, and how far, -<g, q> /
    /// rho.
    ///
    /// Each eigenvalue is there ten times, once a class, and in its eigenspace any direction is an
    /// eigenvector. So the search is for the weights of one class, with an eigenvector u of each
    /// eigenvalue; of the eigenspace, all u c^T, the direction is taken that the gradient has a
    /// part in. Along the others there is nothing but noise.
    pub fn directions(&self, count: usize) -> Result<Directions> {
        let of_one_class = VarStore::new(Device::Cpu);
        let weights = of_one_class.root().zeros("weight", &self.curvature.size()[..1]);
        let loss =
            |_| (self.curvature.mv(&weights) / 2. - self.correlation.select(1, 0)).dot(&weights);
        let mut block = LossHessian::new(&of_one_class, &[self.count() as usize], loss)?;
        let options = LanczosOptions { residual_tolerance: 1e-5, ..LanczosOptions::largest(count) };
        let mut pairs = top_eigenpairs(&mut block, &options)?.largest;

        let mut hessian =
            LossHessian::new(&self.variables, &[self.count() as usize], |_| self.loss_of_all())?;
        let gradient = hessian.batch_gradient(0)?;
        let mut offsets = Vec::with_capacity(count);
        for pair in &mut pairs {
            let mut slopes = [0.0; CLASSES as usize];
            for (row, element) in gradient.chunks(slopes.len()).zip(&pair.eigenvector) {
                slopes
                    .iter_mut()
                    .zip(row)
                    .for_each(|(slope, g)| *slope += f64::from(*g) * f64::from(*element));
            }
            let slope = slopes.iter().map(|slope| slope * slope).sum::<f64>().sqrt();
            let across = |element: &f32| {
                slopes.map(|of_class| (f64::from(*element) * of_class / slope) as f32)
            };
            pair.eigenvector = pair.eigenvector.iter().flat_map(across).collect();
            offsets.push(minimum_offset(slope, pair.eigenvalue)?);
            // What the whole Hessian says of it.
            let mut product = vec![0.0; pair.eigenvector.len()];
            hessian.multiply(&pair.eigenvector, &mut product)?;
            let left = product
                .iter()
                .zip(&pair.eigenvector)
                .map(|(p, q)| f64::from(*p) - pair.eigenvalue * f64::from(*q));
            pair.residual = left.map(|element| element * element).sum::<f64>().sqrt();
        }
        Ok(Directions { vectors: eigenvectors(&hessian, &pairs), pairs, offsets })
    }

    /// The covariance Sigma of the gradients of single images, here: no estimate, for all images
    /// are in it.
    pub fn noise(&self, pairs: &[Eigenpair]) -> Noise {
        let _guard = tch::no_grad_guard();
        let residuals = self.pixels.matmul(&self.weights) - &self.targets;
        let along = pairs.iter().map(|pair| {
            let direction = Tensor::from_slice(&pair.eigenvector).view_as(&self.weights);
            let slopes = (self.pixels.matmul(&direction) * &residuals).sum_dim_intlist(
                1,
                false,
                Kind::Double,
            );
            slopes.var(false).double_value(&[])
        });
        let along = along.collect();
        let squares = |tensor: &Tensor| tensor.square().sum_dim_intlist(1, false, Kind::Double);
        let lengths = (squares(&self.pixels) * squares(&residuals)).mean(Kind::Double);
        let mean = self.curvature.matmul(&self.weights) - &self.correlation;
        let trace = (lengths - mean.square().sum(Kind::Double)).double_value(&[]);
        Noise { along, trace }
    }

    /// The same as perrin measures it, from the gradients of some images one by one.
    pub fn measured_noise(&self, pairs: &[Eigenpair]) -> Result<GradientNoise> {
        let images = Tensor::randperm(self.count(), (Kind::Int64, Device::Cpu));
        let loss = |image: usize| self.loss(&images.narrow(0, image as i64, 1));
        let mut hessian = LossHessian::new(&self.variables, &[1; NOISE_IMAGES], loss)?;
        Ok(gradient_noise(&mut hessian, pairs)?)
    }

    /// All eigenvalues of X^T X / n, falling; each is the Hessian's once a class. By dense algebra
    /// in f64.
    pub fn spectrum(&self) -> Result<Vec<f64>> {
        let mut eigenvalues = Vec::<f64>::try_from(self.gram.linalg_eigvalsh("L"))?;
        eigenvalues.reverse();
        Ok(eigenvalues)
    }
}
