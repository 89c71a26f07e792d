//! Lion (Chen et al., 2023) in plain tensor code: every element of a step has the same size, the
//! learning rate.

use anyhow::Result;
use tch::nn::VarStore;
use tch::{Tensor, no_grad};

pub struct Lion {
    pub learning_rate: f64,
    /// beta_1: how much of the momentum is in a step.
    pub momentum: f64,
    /// beta_2: how slowly the momentum follows the gradient.
    pub momentum_decay: f64,
    variables: Vec<Tensor>,
    momenta: Vec<Tensor>,
}

impl Lion {
    pub fn new(store: &VarStore, learning_rate: f64) -> Lion {
        let variables = store.trainable_variables();
        let momenta = variables.iter().map(Tensor::zeros_like).collect();
        Lion { learning_rate, momentum: 0.9, momentum_decay: 0.99, variables, momenta }
    }

    /// Gradients of `loss`, scaled down together where they are longer than `longest`; returns
    /// their length before that.
    pub fn backward(&mut self, loss: &Tensor, longest: f64) -> Result<f64> {
        self.variables.iter_mut().for_each(Tensor::zero_grad);
        loss.backward();
        let squares: Vec<Tensor> =
            self.variables.iter().map(|variable| variable.grad().square().sum(None)).collect();
        let length = Tensor::stack(&squares, 0).sum(None).sqrt().double_value(&[]);
        if length > longest {
            for variable in &self.variables {
                let _ = no_grad(|| variable.grad().f_mul_scalar_(longest / length))?;
            }
        }
        Ok(length)
    }

    pub fn step(&mut self) -> Result<()> {
        no_grad(|| {
            for (variable, momentum) in self.variables.iter_mut().zip(&mut self.momenta) {
                let gradient = variable.grad();
                let step = (&*momentum * self.momentum + &gradient * (1.0 - self.momentum)).sign();
                let _ = variable.f_sub_(&(step * self.learning_rate))?;
                let _ = momentum
                    .f_mul_scalar_(self.momentum_decay)?
                    .f_add_(&(gradient * (1.0 - self.momentum_decay)))?;
            }
            Ok(())
        })
    }
}
