//! Variables that are not trained, such as the running statistics of batch normalisation: a forward pass in training
//! mode writes to them, so they are put back.

use std::sync::PoisonError;

use tch::nn::VarStore;
use tch::{Tensor, no_grad};

use super::parameters::TorchResult;

/// The variables of a store that are not trainable.
#[derive(Debug)]
pub(super) struct Buffers {
    tensors: Vec<Tensor>,
}

/// What they held.
pub(super) struct Snapshot {
    values: Vec<Tensor>,
    versions: Vec<i64>,
}

impl Buffers {
    pub fn of(store: &VarStore) -> Buffers {
        let variables = store.variables_.lock().unwrap_or_else(PoisonError::into_inner);
        let trainable: Vec<_> =
            variables.trainable_variables.iter().map(|variable| variable.tensor.data_ptr()).collect();
        let others = variables.named_variables.values().filter(|tensor| !trainable.contains(&tensor.data_ptr()));
        Buffers { tensors: others.map(Tensor::shallow_clone).collect() }
    }

    pub fn snapshot(&self) -> TorchResult<Snapshot> {
        no_grad(|| {
            let values = self
                .tensors
                .iter()
                .map(|tensor| tensor.f_to_dtype(tensor.kind(), false, true))
                .collect::<TorchResult<_>>()?;
            Ok(Snapshot { values, versions: self.versions()? })
        })
    }

    /// Puts back what was written to since.
    pub fn restore(&mut self, snapshot: &Snapshot) -> TorchResult<()> {
        let versions = self.versions()?;
        no_grad(|| {
            for (i, tensor) in self.tensors.iter_mut().enumerate().filter(|&(i, _)| versions[i] != snapshot.versions[i])
            {
                tensor.f_copy_(&snapshot.values[i])?;
            }
            Ok(())
        })
    }

    fn versions(&self) -> TorchResult<Vec<i64>> {
        self.tensors.iter().map(Tensor::f_internal_version).collect()
    }
}
