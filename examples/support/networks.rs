//! The networks of the examples that train images: three shapes, small enough for two cores.

#![allow(dead_code)] // Each example uses a part of it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use tch::Tensor;
use tch::nn::{self, BatchNormConfig, ConvConfig, Init, ModuleT, SequentialT};

use crate::arguments::Arguments;
use crate::datasets::{self, Standard};

/// Which network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// Three convolutions, 6,138 parameters, for Fashion-MNIST. Too small to fit its data exactly,
    /// so that it keeps its gradient noise and comes to a stationary state.
    Small,
    /// 390,410 parameters, for MNIST: the network of the Python package `digit-recognizer-py`. It
    /// fits its data.
    Mnist,
    /// A ResNet of three blocks with batch normalisation, 77,754 parameters, for Fashion-MNIST.
    Resnet,
}

impl Architecture {
    /// Reads a program's arguments: a network's name first, if at all (else the small one), the
    /// rest as [`Arguments::read`] does.
    pub fn read_arguments(
        options: &[&str],
        switches: &[&str],
    ) -> Result<(Architecture, Arguments)> {
        let mut said = std::env::args_os().skip(1).peekable();
        let all = [Architecture::Small, Architecture::Mnist, Architecture::Resnet];
        let named =
            |word: &OsString| all.into_iter().find(|architecture| word == architecture.name());
        let architecture = said.peek().and_then(named);
        if architecture.is_some() {
            said.next();
        }
        Ok((architecture.unwrap_or(Architecture::Small), Arguments::of(said, options, switches)?))
    }

    pub fn name(self) -> &'static str {
        match self {
            Architecture::Small => "small",
            Architecture::Mnist => "mnist",
            Architecture::Resnet => "resnet",
        }
    }

    /// What it learns.
    pub fn standard_data(self) -> Standard {
        match self {
            Architecture::Small | Architecture::Resnet => Standard::FashionMnist,
            Architecture::Mnist => Standard::Mnist,
        }
    }

    /// Mean and standard deviation of the training images' pixels, that inputs are normalised by.
    pub fn pixel_moments(self) -> (f64, f64) {
        match self {
            Architecture::Small | Architecture::Resnet => (0.2860, 0.3530),
            Architecture::Mnist => (0.1307, 0.3081),
        }
    }

    /// Whether its loss of a batch depends on the batch as a whole.
    pub fn has_batch_normalisation(self) -> bool {
        self == Architecture::Resnet
    }

    /// Trained weights: `said`, or else the file that comes with the examples or, of MNIST, that
    /// `make data` makes.
    pub fn weights(self, said: Option<&Path>, data: Option<&Path>) -> Result<PathBuf> {
        let path = match (said, self) {
            (Some(said), _) => said.to_path_buf(),
            (None, Architecture::Mnist) => {
                datasets::beside_mnist(data, "handwriting_model.safetensors")?
            }
            (None, _) => Path::new(env!("CARGO_MANIFEST_DIR"))
                .join(format!("examples/data/{}.safetensors", self.name())),
        };
        ensure!(
            path.exists(),
            "there are no weights in {}; the example `pretrain` makes them",
            path.display()
        );
        Ok(path)
    }

    /// The network, with untrained weights, from `[n, 1, 28, 28]` to `[n, 10]`.
    pub fn build(self, root: &nn::Path) -> SequentialT {
        match self {
            Architecture::Small => small(root),
            Architecture::Mnist => mnist(root),
            Architecture::Resnet => resnet(root),
        }
    }
}

fn small(root: &nn::Path) -> SequentialT {
    let halved = ConvConfig { stride: 2, padding: 1, ..Default::default() };
    nn::seq_t()
        .add(nn::conv2d(root / "convolution_1", 1, 8, 3, halved))
        .add_fn(Tensor::relu)
        .add(nn::conv2d(root / "convolution_2", 8, 16, 3, halved))
        .add_fn(Tensor::relu)
        .add(nn::conv2d(root / "convolution_3", 16, 16, 3, halved))
        .add_fn(|x| x.relu().flat_view())
        .add(nn::linear(root / "output", 256, 10, Default::default()))
}

/// Variables are named as in the file.
fn mnist(root: &nn::Path) -> SequentialT {
    let (convolutions, linears) = (root / "conv_layers", root / "fc_layers");
    let padded = ConvConfig { padding: 1, ..Default::default() };
    let pool = |x: &Tensor| x.relu().max_pool2d_default(2);
    nn::seq_t()
        .add(nn::conv2d(&convolutions / "0", 1, 32, 3, padded))
        .add_fn(pool)
        .add(nn::conv2d(&convolutions / "3", 32, 64, 3, padded))
        .add_fn(pool)
        .add(nn::conv2d(&convolutions / "6", 64, 128, 3, padded))
        .add_fn(pool)
        .add_fn(Tensor::flat_view)
        .add(nn::linear(&linears / "0", 1152, 256, Default::default()))
        .add_fn(Tensor::relu)
        .add(nn::linear(&linears / "2", 256, 10, Default::default()))
}

fn resnet(root: &nn::Path) -> SequentialT {
    nn::seq_t()
        .add(convolution(&(root / "stem"), 1, 16, 3, 2))
        .add_fn(Tensor::relu)
        .add(block(&(root / "block_1"), 16, 16, 1))
        .add(block(&(root / "block_2"), 16, 32, 2))
        .add(block(&(root / "block_3"), 32, 64, 2))
        .add_fn(|x| x.mean_dim([2, 3].as_slice(), false, None))
        .add(nn::linear(root / "output", 64, 10, Default::default()))
}

/// A convolution and its batch normalisation.
fn convolution(path: &nn::Path, from: i64, to: i64, size: i64, stride: i64) -> SequentialT {
    let convolution = ConvConfig { stride, padding: size / 2, bias: false, ..Default::default() };
    let normalisation = BatchNormConfig { ws_init: Init::Const(1.0), ..Default::default() };
    nn::seq_t()
        .add(nn::conv2d(path / "convolution", from, to, size, convolution))
        .add(nn::batch_norm2d(path / "normalisation", to, normalisation))
}

/// He et al. 2016, with a convolution of 1 x 1 on the short cut where shapes differ.
fn block(path: &nn::Path, from: i64, to: i64, stride: i64) -> impl ModuleT + use<> {
    let first = convolution(&(path / "first"), from, to, 3, stride);
    let second = convolution(&(path / "second"), to, to, 3, 1);
    let shortcut = if from == to && stride == 1 {
        nn::seq_t()
    } else {
        convolution(&(path / "shortcut"), from, to, 1, stride)
    };
    nn::func_t(move |x, train| {
        let through = first.forward_t(x, train).relu().apply_t(&second, train);
        (through + x.apply_t(&shortcut, train)).relu()
    })
}
