//! The one line: `cargo run --example attach`, then `perrin fit runs/line`.

use tch::nn::{self, Module, OptimizerConfig};
use tch::{Device, Kind, Tensor};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    tch::manual_seed(0);
    let variables = nn::VarStore::new(Device::Cpu);
    let line = nn::linear(variables.root(), 1, 1, Default::default());
    let inputs = Tensor::linspace(-1, 1, 256, (Kind::Float, Device::Cpu)).unsqueeze(1);
    let targets = &inputs * 2.0 + inputs.randn_like();

    let optimizer = nn::sgd(0.9, 0., 0., false).build(&variables, 1e-2)?;
    let mut optimizer = perrin::attach(optimizer, "runs/line")?; // the one added line

    for _ in 0..2_000 {
        let examples = Tensor::randint(256, [16], (Kind::Int64, Device::Cpu));
        let batch = |of: &Tensor| of.index_select(0, &examples);
        let error = line.forward(&batch(&inputs)) - batch(&targets);
        optimizer.backward_step(&error.square().mean(Kind::Float));
    }
    println!("{:?}", optimizer.finish()?);
    Ok(())
}
