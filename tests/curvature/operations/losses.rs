//! Losses.

use tch::{Kind, Tensor};

use super::{MEAN, NONE, Operation, constant, int, integers, share, signs};

fn logits(x: &Tensor) -> Tensor {
    x.reshape([6, 4])
}

fn labels() -> Tensor {
    integers([0, 1, 2, 3, 3, 1])
}

fn plus_or_minus_one(x: &Tensor) -> Tensor {
    signs(x).to_kind(x.kind()) * 2. - 1.
}

pub const LOSSES: &[Operation] = &[
    ("mse_loss", |x| x.mse_loss(&constant(x, &[24]), MEAN)),
    ("l1_loss", |x| x.tanh().l1_loss(&constant(x, &[24]), MEAN)),
    ("smooth_l1_loss", |x| x.smooth_l1_loss(&constant(x, &[24]), MEAN, 0.7)),
    ("huber_loss", |x| x.huber_loss(&constant(x, &[24]), MEAN, 0.7)),
    ("cross_entropy_loss", |x| logits(x).cross_entropy_loss(&labels(), NONE, MEAN, -100, 0.)),
    ("cross_entropy_loss (smoothed)", |x| {
        logits(x).cross_entropy_loss(&labels(), NONE, MEAN, 3, 0.1)
    }),
    ("cross_entropy_loss (probabilities)", |x| {
        let targets = logits(&constant(x, &[24])).softmax(1, None::<Kind>);
        logits(x).cross_entropy_loss(&targets, NONE, MEAN, -100, 0.)
    }),
    ("nll_loss_nd", |x| {
        logits(x).log_softmax(1, None::<Kind>).nll_loss_nd(&labels(), NONE, MEAN, -100)
    }),
    ("nll_loss2d", |x| {
        let targets = integers([0, 1, 2, 1, 0, 2]).reshape([1, 2, 3]);
        x.reshape([1, 4, 2, 3]).log_softmax(1, None::<Kind>).nll_loss2d(&targets, NONE, MEAN, -100)
    }),
    ("binary_cross_entropy", |x| {
        share(x).binary_cross_entropy(&share(&constant(x, &[24])), NONE, MEAN)
    }),
    ("binary_cross_entropy_with_logits", |x| {
        x.binary_cross_entropy_with_logits(&share(&constant(x, &[24])), NONE, NONE, MEAN)
    }),
    ("kl_div", |x| {
        logits(x).log_softmax(1, None::<Kind>).kl_div(&share(&constant(x, &[6, 4])), MEAN, false)
    }),
    ("poisson_nll_loss", |x| {
        x.poisson_nll_loss(&share(&constant(x, &[24])), true, false, 1e-8, MEAN)
    }),
    ("soft_margin_loss", |x| x.soft_margin_loss(&plus_or_minus_one(x), MEAN)),
    ("multilabel_margin_loss", |x| {
        let targets = integers([3, 0, -1, 1]).expand([6, 4], false).contiguous();
        logits(x).multilabel_margin_loss(&targets, MEAN)
    }),
    ("hinge_embedding_loss", |x| x.hinge_embedding_loss(&plus_or_minus_one(x), 1., MEAN)),
    ("margin_ranking_loss", |x| {
        Tensor::margin_ranking_loss(x, &x.square(), &plus_or_minus_one(x), 0.1, MEAN)
    }),
    ("triplet_margin_loss", |x| {
        let (anchor, other) = (logits(x), logits(x).tanh() + 0.5);
        Tensor::triplet_margin_loss(
            &anchor,
            &other,
            &constant(x, &[6, 4]),
            1.,
            2.,
            1e-6,
            false,
            MEAN,
        )
    }),
    ("cosine_embedding_loss", |x| {
        let targets = int(&plus_or_minus_one(&x.narrow(0, 0, 6)));
        Tensor::cosine_embedding_loss(&logits(x), &constant(x, &[6, 4]), &targets, 0.1, MEAN)
    }),
    ("ctc_loss", |x| {
        let probabilities = x.reshape([6, 1, 4]).log_softmax(2, None::<Kind>);
        Tensor::ctc_loss(
            &probabilities,
            &integers([1, 2]).reshape([1, 2]),
            [6],
            [2],
            0,
            MEAN,
            false,
        )
    }),
];
