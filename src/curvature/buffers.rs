//! Variables that are not trained, such as the running statistics of batch normalisation: a forward pass in training
//! mode writes to them, so they are put back.

use std::sync::PoisonError;

use tch::nn::VarStore;
use tch::{Tensor, no_grad};

use super::parameters::TorchResult;
use crate::variables::is_dense;

/// The variables of a store that are not trainable.
#[derive(Debug)]
pub(super) struct Buffers {
    tensors: Vec<Tensor>,
}

impl Buffers {
    pub fn of(store: &VarStore) -> Buffers {
        let variables = store.variables_.lock().unwrap_or_else(PoisonError::into_inner);
        let trainable = variables.trainable_variables.iter().map(|variable| &variable.tensor);
        let trainable: Vec<_> = trainable.filter(|tensor| is_dense(tensor)).map(Tensor::data_ptr).collect();
        // Running statistics are dense; a sparse constant has no address to compare, and nothing writes to it.
        let dense = variables.named_variables.values().filter(|tensor| is_dense(tensor));
        let others = dense.filter(|tensor| !trainable.contains(&tensor.data_ptr()));
        Buffers { tensors: others.map(Tensor::shallow_clone).collect() }
    }

    /// A copy of what they hold.
    pub fn snapshot(&self) -> TorchResult<Vec<Tensor>> {
        no_grad(|| self.tensors.iter().map(|tensor| tensor.f_to_dtype(tensor.kind(), false, true)).collect())
    }

    /// Puts back what has changed since. Values are compared, since batch normalisation leaves the version counters
    /// alone; what has not changed is not touched, because a graph of the caller's may hold on to it.
    pub fn restore(&mut self, snapshot: &[Tensor]) -> TorchResult<()> {
        no_grad(|| {
            for (tensor, value) in self.tensors.iter_mut().zip(snapshot) {
                if !tensor.f_equal(value)? {
                    tensor.f_copy_(value)?;
                }
            }
            Ok(())
        })
    }
}
