//! Variables that are not trained, such as the running statistics of batch normalisation: a forward
//! pass in training mode writes to them, so they are put back.

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
        let trainable: Vec<_> =
            trainable.filter(|tensor| is_dense(tensor)).map(Tensor::data_ptr).collect();
        // Running statistics are dense; a sparse constant has no address to compare, and nothing
        // writes to it.
        let dense = variables.named_variables.values().filter(|tensor| is_dense(tensor));
        let others = dense.filter(|tensor| !trainable.contains(&tensor.data_ptr()));
        Buffers { tensors: others.map(Tensor::shallow_clone).collect() }
    }

    /// What they hold, to be put back.
    pub fn snapshot(&mut self) -> TorchResult<Snapshot<'_>> {
        let copy = |tensor: &Tensor| tensor.f_to_dtype(tensor.kind(), false, true);
        let values = no_grad(|| self.tensors.iter().map(copy).collect::<TorchResult<_>>())?;
        Ok(Snapshot { tensors: &mut self.tensors, values })
    }
}

/// Puts back what has changed since: at the latest when it is dropped, so that a forward pass that
/// panics leaves nothing changed either.
pub(super) struct Snapshot<'a> {
    tensors: &'a mut Vec<Tensor>,
    values: Vec<Tensor>,
}

impl Snapshot<'_> {
    /// Values are compared, since batch normalisation leaves the version counters alone; what has
    /// not changed is not touched, because a graph of the caller's may hold on to it.
    pub fn restore(mut self) -> TorchResult<()> {
        self.put_back()
    }

    fn put_back(&mut self) -> TorchResult<()> {
        no_grad(|| {
            for (tensor, value) in self.tensors.iter_mut().zip(self.values.drain(..)) {
                if !tensor.f_equal(&value)? {
                    tensor.f_copy_(&value)?;
                }
            }
            Ok(())
        })
    }
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        let _ = self.put_back();
    }
}
