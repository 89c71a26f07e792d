//! The networks that costs are measured on, each with one batch of made-up data.

use tch::nn::{self, ModuleT, VarStore};
use tch::{Device, Kind, Tensor};

/// Examples in a batch.
pub const BATCH: i64 = 128;

/// Which network.
#[derive(Clone, Copy)]
pub enum Shape {
    /// 784-10.
    Linear,
    /// 784-1024-1024-10.
    Mlp,
    /// 1-32-64-128 convolutions of 3 x 3, each with ReLU and 2 x 2 max-pool, then 1152-256-10.
    Cnn,
}

impl Shape {
    pub fn name(self) -> &'static str {
        match self {
            Shape::Linear => "linear",
            Shape::Mlp => "mlp",
            Shape::Cnn => "cnn",
        }
    }
}

/// A network with its batch.
pub struct Network {
    pub variables: VarStore,
    network: nn::SequentialT,
    inputs: Tensor,
    labels: Tensor,
}

impl Network {
    pub fn new(shape: Shape) -> Network {
        tch::manual_seed(1);
        let variables = VarStore::new(Device::Cpu);
        let root = variables.root();
        let network = match shape {
            Shape::Linear => nn::seq_t().add(nn::linear(&root / "0", 784, 10, Default::default())),
            Shape::Mlp => nn::seq_t()
                .add(nn::linear(&root / "0", 784, 1024, Default::default()))
                .add_fn(|x| x.relu())
                .add(nn::linear(&root / "1", 1024, 1024, Default::default()))
                .add_fn(|x| x.relu())
                .add(nn::linear(&root / "2", 1024, 10, Default::default())),
            Shape::Cnn => {
                let padded = nn::ConvConfig { padding: 1, ..Default::default() };
                let pool = |x: &Tensor| x.relu().max_pool2d_default(2);
                nn::seq_t()
                    .add_fn(|x| x.view([-1, 1, 28, 28]))
                    .add(nn::conv2d(&root / "0", 1, 32, 3, padded))
                    .add_fn(pool)
                    .add(nn::conv2d(&root / "1", 32, 64, 3, padded))
                    .add_fn(pool)
                    .add(nn::conv2d(&root / "2", 64, 128, 3, padded))
                    .add_fn(pool)
                    .add_fn(|x| x.flat_view())
                    .add(nn::linear(&root / "3", 1152, 256, Default::default()))
                    .add_fn(|x| x.relu())
                    .add(nn::linear(&root / "4", 256, 10, Default::default()))
            }
        };
        let inputs = Tensor::randn([BATCH, 784], (Kind::Float, Device::Cpu));
        let labels = Tensor::randint(10, [BATCH], (Kind::Int64, Device::Cpu));
        Network { variables, network, inputs, labels }
    }

    /// Cross-entropy of the batch.
    pub fn loss(&self) -> Tensor {
        self.network.forward_t(&self.inputs, true).cross_entropy_for_logits(&self.labels)
    }
}
