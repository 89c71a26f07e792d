//! A network for the digits, too small to fit them exactly, so that its gradient noise stays.

#![allow(dead_code)] // Each example uses a part of it.

use anyhow::Result;
use perrin::curvature::{LossHessian, eigenvectors, top_eigenpairs};
use perrin::linalg::eigenpairs::Eigenpair;
use perrin::linalg::lanczos::LanczosOptions;
use perrin::run::Eigenvectors;
use tch::nn::{self, Module, OptimizerConfig, VarStore};
use tch::{Device, Kind, Tensor, no_grad};

use crate::digits::{self, Digits};

pub const BATCH: i64 = 64;
const WARM_UP_EPOCHS: u64 = 600;

pub struct Classifier {
    pub variables: VarStore,
    pub digits: Digits,
    network: nn::Sequential,
}

impl Classifier {
    pub fn new() -> Result<Classifier> {
        let variables = VarStore::new(Device::Cpu);
        let root = variables.root();
        let network = nn::seq()
            .add(nn::linear(&root / "hidden", 64, 4, Default::default()))
            .add_fn(Tensor::tanh)
            .add(nn::linear(&root / "output", 4, 10, Default::default()));
        Ok(Classifier { variables, digits: digits::load()?, network })
    }

    pub fn parameters(&self) -> usize {
        self.variables.trainable_variables().iter().map(Tensor::numel).sum()
    }

    pub fn loss(&self, images: &Tensor, labels: &Tensor) -> Tensor {
        self.network.forward(images).cross_entropy_for_logits(labels)
    }

    /// SGD with a large learning rate, then with that of the observed part.
    pub fn warm_up(&self, learning_rate: f64) -> Result<()> {
        let mut optimizer = nn::sgd(0.9, 0., 1e-3, false).build(&self.variables, 0.1)?;
        for epoch in 1..=WARM_UP_EPOCHS {
            if epoch == WARM_UP_EPOCHS * 2 / 3 {
                optimizer.set_lr(learning_rate);
            }
            for (images, labels) in self.batches() {
                optimizer.backward_step(&self.loss(&images, &labels));
            }
            if epoch % 200 == 0 {
                self.print_loss(epoch);
            }
        }
        Ok(())
    }

    /// Steps in an epoch.
    pub fn steps_per_epoch(&self) -> u64 {
        (self.digits.labels.size()[0] / BATCH) as u64
    }

    /// An epoch's batches, each digit drawn from all. Theory takes batches to be independent; in an
    /// order without repetition the noise cancels over an epoch, and directions that take longer
    /// than one scatter less than they should.
    pub fn batches(&self) -> impl Iterator<Item = (Tensor, Tensor)> + use<> {
        let (count, steps) = (self.digits.labels.size()[0], self.steps_per_epoch() as i64);
        let drawn = Tensor::randint(count, [steps * BATCH], (Kind::Int64, Device::Cpu));
        let images = self.digits.images.index_select(0, &drawn);
        let labels = self.digits.labels.index_select(0, &drawn);
        (0..steps).map(move |number| {
            (images.narrow(0, number * BATCH, BATCH), labels.narrow(0, number * BATCH, BATCH))
        })
    }

    /// The loss of each digit by itself, as the Hessian and the gradient noise take it.
    pub fn losses(&self) -> perrin::Result<LossHessian<'_>> {
        let digit = |index: usize| {
            let part = |tensor: &Tensor| tensor.narrow(0, index as i64, 1);
            self.loss(&part(&self.digits.images), &part(&self.digits.labels))
        };
        LossHessian::new(&self.variables, &vec![1; self.digits.labels.numel()], digit)
    }

    /// The sharpest directions of the loss over all digits.
    pub fn sharpest(&self, count: usize) -> Result<(Vec<Eigenpair>, Eigenvectors)> {
        let all = |_| self.loss(&self.digits.images, &self.digits.labels);
        let mut hessian = LossHessian::new(&self.variables, &[self.digits.labels.numel()], all)?;
        let found = top_eigenpairs(&mut hessian, &LanczosOptions::largest(count))?;
        let vectors = eigenvectors(&hessian, &found.largest);
        Ok((found.largest, vectors))
    }

    /// Copies of the parameters.
    pub fn values(&self) -> Vec<Tensor> {
        self.variables.trainable_variables().iter().map(Tensor::copy).collect()
    }

    /// Puts them back.
    pub fn go_back(&self, values: &[Tensor]) {
        for (mut variable, value) in self.variables.trainable_variables().into_iter().zip(values) {
            no_grad(|| variable.copy_(value));
        }
    }

    pub fn print_loss(&self, epoch: u64) {
        let logits = no_grad(|| self.network.forward(&self.digits.images));
        let loss = logits.cross_entropy_for_logits(&self.digits.labels).double_value(&[]);
        let accuracy = logits.accuracy_for_logits(&self.digits.labels).double_value(&[]);
        println!("epoch {epoch:4}: training loss {loss:.4}, accuracy {:.1}%", 100. * accuracy);
    }
}
