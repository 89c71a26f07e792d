//! What networks are made of.

use tch::{Kind, Tensor};

use super::{NONE, Operation, constant, integers, matrix};

fn heads(x: &Tensor) -> Tensor {
    x.reshape([1, 2, 3, 4])
}

fn attention(query: &Tensor, mask: Option<&Tensor>, causal: bool) -> Tensor {
    let key = query.tanh();
    Tensor::scaled_dot_product_attention(query, &key, query, mask, 0., causal, None::<f64>, false)
}

pub const ATTENTION: &[Operation] = &[
    ("scaled_dot_product_attention", |x| attention(&heads(x), None, false)),
    ("scaled_dot_product_attention (causal)", |x| attention(&heads(x), None, true)),
    ("scaled_dot_product_attention (masked)", |x| {
        attention(&heads(x), Some(&constant(x, &[3, 3])), false)
    }),
    ("internal_scaled_dot_product_attention_math", |x| {
        let q = heads(x);
        Tensor::internal_scaled_dot_product_attention_math(
            &q,
            &q.tanh(),
            &q,
            NONE,
            0.,
            true,
            NONE,
            None::<f64>,
            false,
        )
        .0
    }),
    ("matmul, softmax, matmul", |x| {
        let q = heads(x);
        (q.matmul(&q.tanh().transpose(-2, -1)) * 0.5).softmax(-1, None::<Kind>).matmul(&q)
    }),
    ("internal_masked_softmax", |x| {
        let mask = constant(x, &[2, 3, 4]).gt(0.5);
        x.reshape([2, 3, 4]).internal_masked_softmax(&mask, 2, 2)
    }),
];

fn bag(x: &Tensor, mode: i64, sparse: bool, weights: Option<&Tensor>) -> Tensor {
    let (ids, offsets) = (integers([0, 2, 5, 2, 3]), integers([0, 3]));
    Tensor::embedding_bag(x, &ids, &offsets, false, mode, sparse, weights, false).0
}

/// Of a matrix [6, 4]: a sparse gradient cannot be given another shape.
pub const EMBEDDINGS: &[Operation] = &[
    ("embedding", |x| Tensor::embedding(x, &integers([0, 2, 2, 5]), -1, false, false)),
    ("embedding (sparse)", |x| Tensor::embedding(x, &integers([0, 2, 2, 5]), -1, false, true)),
    ("embedding (scale_grad_by_freq)", |x| {
        Tensor::embedding(x, &integers([0, 2, 1, 5]), 1, true, false)
    }),
    ("embedding_bag (sum)", |x| bag(x, 0, false, None)),
    ("embedding_bag (mean)", |x| bag(x, 1, false, None)),
    ("embedding_bag (max)", |x| bag(x, 2, false, None)),
    ("embedding_bag (sum, sparse)", |x| bag(x, 0, true, None)),
    ("embedding_bag (weighted)", |x| bag(x, 0, false, Some(&constant(x, &[5])))),
];

fn images(x: &Tensor) -> Tensor {
    x.reshape([1, 2, 3, 4])
}

fn volumes(x: &Tensor) -> Tensor {
    x.reshape([1, 1, 2, 3, 4])
}

fn conv2d(x: &Tensor, stride: i64, padding: i64, groups: i64) -> Tensor {
    constant(x, &[2, 2, 5, 4]).conv2d(&x.reshape([2, 2, 3, 2]), NONE, stride, padding, 1, groups)
}

/// Weights and states of a recurrent network of 2 inputs and 2 outputs with `gates` gates, from x;
/// one layer.
fn recurrent(x: &Tensor, gates: i64) -> ([Tensor; 4], Tensor, Tensor) {
    let all = Tensor::cat(&[x, &(x * 0.7), &x.tanh()], 0);
    let part =
        |start: i64, shape: &[i64]| all.narrow(0, start, shape.iter().product()).reshape(shape);
    let rows = 2 * gates;
    let weights =
        [part(0, &[rows, 2]), part(16, &[rows, 2]), part(32, &[rows]), part(40, &[rows]) * 0.5];
    (weights, constant(x, &[3, 2, 2]), Tensor::zeros([1, 2, 2], (x.kind(), x.device())))
}

fn lstm(x: &Tensor, train: bool) -> Tensor {
    let (weights, inputs, zero) = recurrent(x, 4);
    let states = [zero.shallow_clone(), zero];
    let (output, hidden, cell) = inputs.lstm(&states, &weights, true, 1, 0., train, false, false);
    Tensor::cat(&[output, hidden, cell], 0)
}

pub const LAYERS: &[Operation] = &[
    ("linear", |x| constant(x, &[3, 4]).linear(&x.reshape([6, 4]), NONE).tanh()),
    ("bilinear", |x| {
        let weight = x.reshape([2, 3, 4]);
        Tensor::bilinear(&constant(x, &[5, 3]), &constant(x, &[5, 4]), &weight, NONE)
    }),
    ("conv1d", |x| constant(x, &[1, 2, 9]).conv1d(&x.reshape([4, 2, 3]), NONE, 1, 1, 2, 1)),
    ("conv2d", |x| conv2d(x, 1, 0, 1)),
    ("conv2d (strided, padded)", |x| conv2d(x, 2, 1, 1)),
    ("conv2d (grouped)", |x| {
        constant(x, &[1, 4, 5, 5]).conv2d(&x.reshape([4, 1, 3, 2]), NONE, 1, 0, 1, 4)
    }),
    ("conv3d", |x| constant(x, &[1, 1, 4, 5, 6]).conv3d(&volumes(x), NONE, 1, 0, 1, 1)),
    ("conv_transpose2d", |x| {
        constant(x, &[1, 2, 3, 3]).conv_transpose2d(&x.reshape([2, 2, 3, 2]), NONE, 2, 1, 1, 1, 1)
    }),
    ("conv_tbc", |x| {
        Tensor::conv_tbc(&constant(x, &[6, 1, 2]), &x.reshape([3, 2, 4]), &constant(x, &[4]), 1)
    }),
    ("im2col", |x| images(x).im2col([2, 2], [1, 1], [0, 0], [1, 1])),
    ("col2im", |x| x.reshape([1, 4, 6]).col2im([3, 4], [2, 2], [1, 1], [0, 0], [1, 1])),
    ("max_pool1d", |x| x.reshape([1, 4, 6]).max_pool1d(2, 2, 0, 1, false)),
    ("max_pool2d", |x| images(x).max_pool2d(2, 1, 0, 1, false)),
    ("max_pool3d", |x| volumes(x).max_pool3d(2, 1, 0, 1, false)),
    ("avg_pool1d", |x| x.reshape([1, 4, 6]).avg_pool1d(2, 2, 0, false, true)),
    ("avg_pool2d", |x| images(x).avg_pool2d(2, 1, 0, false, true, None::<i64>)),
    ("avg_pool3d", |x| volumes(x).avg_pool3d(2, 1, 0, false, true, None::<i64>)),
    ("adaptive_max_pool1d", |x| x.reshape([1, 4, 6]).adaptive_max_pool1d(3).0),
    ("adaptive_max_pool2d", |x| images(x).adaptive_max_pool2d([2, 2]).0),
    ("adaptive_max_pool3d", |x| volumes(x).adaptive_max_pool3d([1, 2, 2]).0),
    ("adaptive_avg_pool1d", |x| x.reshape([1, 4, 6]).adaptive_avg_pool1d(3)),
    ("adaptive_avg_pool2d", |x| images(x).adaptive_avg_pool2d([2, 2])),
    ("adaptive_avg_pool2d (to 1)", |x| images(x).adaptive_avg_pool2d([1, 1])),
    ("adaptive_avg_pool3d", |x| volumes(x).adaptive_avg_pool3d([1, 2, 2])),
    ("fractional_max_pool2d", |x| {
        images(x).fractional_max_pool2d([2, 2], [2, 2], &super::share(&constant(x, &[1, 2, 2]))).0
    }),
    ("fractional_max_pool3d", |x| {
        volumes(x)
            .fractional_max_pool3d([1, 2, 2], [1, 1, 2], &super::share(&constant(x, &[1, 1, 3])))
            .0
    }),
    ("max_unpool2d", |x| {
        let (pooled, indices) = images(x).max_pool2d_with_indices(2, 2, 0, 1, false);
        pooled.max_unpool2d(&indices, [3, 4])
    }),
    ("upsample_nearest1d", |x| x.reshape([1, 4, 6]).upsample_nearest1d(9, None::<f64>)),
    ("upsample_nearest2d", |x| images(x).upsample_nearest2d([5, 7], None::<f64>, None::<f64>)),
    ("upsample_nearest3d", |x| {
        volumes(x).upsample_nearest3d([3, 5, 7], None::<f64>, None::<f64>, None::<f64>)
    }),
    ("internal_upsample_nearest_exact2d", |x| {
        images(x).internal_upsample_nearest_exact2d([5, 7], None::<f64>, None::<f64>)
    }),
    ("upsample_linear1d", |x| x.reshape([1, 4, 6]).upsample_linear1d(9, false, None::<f64>)),
    ("upsample_bilinear2d", |x| {
        images(x).upsample_bilinear2d([5, 7], false, None::<f64>, None::<f64>)
    }),
    ("upsample_bicubic2d", |x| {
        images(x).upsample_bicubic2d([5, 7], false, None::<f64>, None::<f64>)
    }),
    ("upsample_trilinear3d", |x| {
        volumes(x).upsample_trilinear3d([3, 5, 7], false, None::<f64>, None::<f64>, None::<f64>)
    }),
    ("internal_upsample_bilinear2d_aa", |x| {
        images(x).internal_upsample_bilinear2d_aa([2, 3], false, None::<f64>, None::<f64>)
    }),
    ("internal_upsample_bicubic2d_aa", |x| {
        images(x).internal_upsample_bicubic2d_aa([2, 3], false, None::<f64>, None::<f64>)
    }),
    ("grid_sampler_2d (its image)", |x| {
        images(x).grid_sampler_2d(&(constant(x, &[1, 3, 3, 2]) * 0.8), 0, 0, false)
    }),
    ("grid_sampler_2d (its grid)", |x| {
        constant(x, &[1, 2, 5, 5]).grid_sampler_2d(
            &(x.reshape([1, 3, 4, 2]).tanh() * 0.8),
            0,
            0,
            false,
        )
    }),
    ("grid_sampler_2d (bicubic, its grid)", |x| {
        constant(x, &[1, 2, 5, 5]).grid_sampler_2d(
            &(x.reshape([1, 3, 4, 2]).tanh() * 0.8),
            2,
            0,
            false,
        )
    }),
    ("grid_sampler_3d (its volume)", |x| {
        volumes(x).grid_sampler_3d(&(constant(x, &[1, 2, 2, 2, 3]) * 0.8), 0, 0, false)
    }),
    ("grid_sampler_3d (its grid)", |x| {
        constant(x, &[1, 1, 4, 4, 4]).grid_sampler_3d(
            &(x.reshape([1, 2, 2, 2, 3]).tanh() * 0.8),
            0,
            0,
            false,
        )
    }),
    ("grid_sampler_3d (nearest)", |x| {
        volumes(x).grid_sampler_3d(&(constant(x, &[1, 2, 2, 2, 3]) * 0.8), 1, 0, false)
    }),
    ("affine_grid_generator", |x| {
        Tensor::affine_grid_generator(&x.reshape([4, 2, 3]), [4, 1, 3, 3], false)
    }),
    ("pixel_shuffle", |x| x.reshape([1, 4, 2, 3]).pixel_shuffle(2)),
    ("channel_shuffle", |x| x.reshape([1, 4, 2, 3]).channel_shuffle(2)),
    ("pad (reflect)", |x| images(x).pad([1, 2, 1, 1], "reflect", None::<f64>)),
    ("pad (replicate)", |x| images(x).pad([1, 2, 1, 1], "replicate", None::<f64>)),
    ("pad (circular)", |x| images(x).pad([1, 2, 1, 1], "circular", None::<f64>)),
    ("pad (constant)", |x| images(x).pad([1, 2, 1, 1], "constant", None::<f64>)),
    ("replication_pad3d", |x| volumes(x).replication_pad3d([1, 1, 1, 1, 1, 0])),
    ("batch_norm (training)", |x| {
        x.reshape([6, 4]).batch_norm(
            Some(&constant(x, &[4])),
            Some(&constant(x, &[4])),
            NONE,
            NONE,
            true,
            0.1,
            1e-5,
            false,
        )
    }),
    ("batch_norm (evaluation)", |x| {
        let (mean, variance) = (constant(x, &[4]), constant(x, &[4]).square() + 1.);
        x.reshape([6, 4]).batch_norm(
            NONE,
            NONE,
            Some(&mean),
            Some(&variance),
            false,
            0.1,
            1e-5,
            false,
        )
    }),
    ("instance_norm", |x| images(x).instance_norm(NONE, NONE, NONE, NONE, true, 0.1, 1e-5, false)),
    ("layer_norm", |x| {
        x.reshape([6, 4]).layer_norm([4], Some(&x.narrow(0, 0, 4)), NONE, 1e-5, false)
    }),
    ("group_norm", |x| {
        x.reshape([2, 4, 3]).group_norm(2, Some(&x.narrow(0, 0, 4)), NONE, 1e-5, false)
    }),
    ("rms_norm", |x| x.reshape([6, 4]).rms_norm([4], Some(&x.narrow(0, 0, 4)), 1e-5)),
    ("internal_weight_norm", |x| {
        Tensor::internal_weight_norm(
            &x.narrow(0, 0, 20).reshape([4, 5]),
            &x.narrow(0, 20, 4).reshape([4, 1]),
            0,
        )
    }),
    ("norm_except_dim, division", |x| {
        let (v, g) = (x.narrow(0, 0, 20).reshape([4, 5]), x.narrow(0, 20, 4).reshape([4, 1]));
        &v * (g / Tensor::norm_except_dim(&v, 2, 0))
    }),
    ("renorm", |x| x.reshape([6, 4]).renorm(2., 0, 0.5)),
    ("lstm", |x| lstm(x, true)),
    ("lstm (evaluation)", |x| lstm(x, false)),
    ("lstm (frozen)", |x| {
        let ([w, u, b, c], _, zero) = recurrent(&constant(x, &[24]), 4);
        let states = [zero.shallow_clone(), zero];
        x.reshape([6, 2, 2]).lstm(&states, &[w, u, b, c], true, 1, 0., false, false, false).0
    }),
    ("gru", |x| {
        let (weights, inputs, zero) = recurrent(x, 3);
        inputs.gru(&zero, &weights, true, 1, 0., true, false, false).0
    }),
    ("rnn_tanh", |x| {
        let (weights, inputs, zero) = recurrent(x, 1);
        inputs.rnn_tanh(&zero, &weights, true, 1, 0., true, false, false).0
    }),
    ("lstm_cell", |x| {
        let ([w, u, b, c], inputs, zero) = recurrent(x, 4);
        let states = [zero.get(0), zero.get(0)];
        inputs.get(0).lstm_cell(&states, &w, &u, Some(b), Some(c)).1
    }),
    ("gru_cell", |x| {
        let ([w, u, b, c], inputs, zero) = recurrent(x, 3);
        inputs.get(0).gru_cell(&zero.get(0), &w, &u, Some(&b), Some(&c))
    }),
    ("internal_fake_quantize_learnable_per_tensor_affine", |x| {
        // In f64 it has not even the first.
        let x = x.to_kind(Kind::Float);
        let (scale, zero) = (x.narrow(0, 0, 1).square() + 0.1, x.narrow(0, 0, 1) * 0.);
        x.internal_fake_quantize_learnable_per_tensor_affine(&scale, &zero, -8, 7, 1.)
    }),
    ("matrix product with a sparse matrix", |x| {
        let sparse = matrix(&constant(x, &[24])).to_sparse(None, None::<&[i64]>, None);
        sparse.matmul(&x.reshape([4, 6]))
    }),
];
