//! libtorch's operations, each on 24 numbers x, for `second_derivatives`. Names are tch's; what is
//! in brackets says how.

mod functions;
mod layers;
mod losses;

use tch::{Kind, Tensor};

use crate::support::irregular;

/// An operation's name, and its result for x: any shape.
pub type Operation = (&'static str, fn(&Tensor) -> Tensor);

/// All of them, with the shape of x.
pub fn all() -> impl Iterator<Item = (&'static [i64], Operation)> {
    let flat = [layers::ATTENTION, layers::LAYERS, losses::LOSSES, functions::FUNCTIONS]
        .into_iter()
        .flatten();
    let flat = flat.map(|operation| (&[24][..], *operation));
    flat.chain(layers::EMBEDDINGS.iter().map(|operation| (&[6, 4][..], *operation)))
}

/// Constants of x's kind.
fn constant(x: &Tensor, shape: &[i64]) -> Tensor {
    irregular(shape, 5., 1.).to_kind(x.kind())
}

fn integers<const N: usize>(values: [i64; N]) -> Tensor {
    Tensor::from_slice(&values)
}

/// Between 0 and 1.
fn share(x: &Tensor) -> Tensor {
    x.sigmoid() * 0.9 + 0.05
}

/// Away from 0.
fn positive(x: &Tensor) -> Tensor {
    x.square() + 0.5
}

/// A matrix of full rank, [4, 4].
fn matrix(x: &Tensor) -> Tensor {
    x.narrow(0, 0, 16).reshape([4, 4]) * 0.3 + Tensor::eye(4, (x.kind(), x.device())) * 2.
}

/// A symmetric, positive definite one with distinct eigenvalues.
fn definite(x: &Tensor) -> Tensor {
    let matrix = matrix(x);
    matrix.matmul(&matrix.tr()) + Tensor::from_slice(&[0f64, 1., 3., 6.]).to_kind(x.kind()).diag(0)
}

const NONE: Option<&Tensor> = None;
const MEAN: tch::Reduction = tch::Reduction::Mean;

/// The numbers as an integer mask.
fn signs(x: &Tensor) -> Tensor {
    constant(x, &x.size()).gt(0.)
}

fn int(x: &Tensor) -> Tensor {
    x.to_kind(Kind::Int64)
}
