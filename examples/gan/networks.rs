//! Two small networks: one makes images of 8 x 8 of noise, the other tells them from digits.

use tch::nn::{self, Module, Path};
use tch::{Device, Kind, Tensor};

/// Numbers that an image is made of.
pub const LATENT: i64 = 16;

pub struct Generator(nn::Sequential);
pub struct Discriminator(nn::Sequential);

impl Generator {
    pub fn new(root: &Path) -> Generator {
        let network = nn::seq()
            .add(nn::linear(root / "first", LATENT, 64, Default::default()))
            .add_fn(Tensor::relu)
            .add(nn::linear(root / "second", 64, 128, Default::default()))
            .add_fn(Tensor::relu)
            .add(nn::linear(root / "image", 128, 64, Default::default()))
            .add_fn(Tensor::tanh);
        Generator(network)
    }

    /// So many images, as rows of 64 numbers in (-1, 1).
    pub fn make(&self, count: i64) -> Tensor {
        self.0.forward(&Tensor::randn([count, LATENT], (Kind::Float, Device::Cpu)))
    }
}

impl Discriminator {
    pub fn new(root: &Path) -> Discriminator {
        let network = nn::seq()
            .add(nn::linear(root / "first", 64, 128, Default::default()))
            .add_fn(Tensor::leaky_relu)
            .add(nn::linear(root / "second", 128, 64, Default::default()))
            .add_fn(Tensor::leaky_relu)
            .add(nn::linear(root / "logit", 64, 1, Default::default()));
        Discriminator(network)
    }

    /// A logit for each image: above 0 is "a digit".
    pub fn judge(&self, images: &Tensor) -> Tensor {
        self.0.forward(images)
    }
}

/// Images side by side, in characters.
pub fn drawn(images: &Tensor) -> String {
    let gray = |image: i64, row: i64, column: i64| images.double_value(&[image, 8 * row + column]);
    let ink = |gray: f64| [' ', '.', ':', '+', '#'][(((gray + 1.0) * 2.5) as usize).min(4)];
    let line = |row: i64| -> String {
        let image = |image: i64| {
            (0..8).flat_map(|column| [ink(gray(image, row, column)); 2]).collect::<String>()
        };
        (0..images.size()[0]).map(image).collect::<Vec<_>>().join("   ") + "\n"
    };
    (0..8).map(line).collect()
}
