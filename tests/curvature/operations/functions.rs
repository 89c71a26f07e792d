//! Functions of numbers, vectors and matrices.

use tch::{Kind, Tensor};

use super::{NONE, Operation, constant, definite, integers, matrix, positive, share, signs};

fn points(x: &Tensor) -> Tensor {
    x.reshape([8, 3])
}

fn distances(x: &Tensor, p: f64, mode: Option<i64>) -> Tensor {
    Tensor::cdist(&points(x), &constant(x, &[5, 3]), p, mode)
}

fn index_reduced(x: &Tensor, reduce: &str) -> Tensor {
    constant(x, &[4]).index_reduce(
        0,
        &integers([0, 1, 1, 3, 2, 0]),
        &x.narrow(0, 0, 6),
        reduce,
        true,
    )
}

fn segments(x: &Tensor, reduce: &str) -> Tensor {
    Tensor::segment_reduce(x, reduce, Some(&integers([4, 8, 12])), None, None, 0, false, 1.)
}

pub const FUNCTIONS: &[Operation] = &[
    // Activations.
    ("relu", |x| x.sin().relu()),
    ("relu6", |x| (x * 8.).relu6()),
    ("hardtanh", |x| x.sin().hardtanh()),
    ("hardsigmoid", |x| (x * 4.).hardsigmoid()),
    ("hardswish", |x| (x * 4.).hardswish()),
    ("hardshrink", |x| x.sin().hardshrink()),
    ("softshrink", |x| x.sin().softshrink()),
    ("leaky_relu", |x| x.sin().leaky_relu()),
    ("elu", Tensor::elu),
    ("selu", Tensor::selu),
    ("celu", Tensor::celu),
    ("gelu", |x| x.gelu("none")),
    ("gelu (tanh)", |x| x.gelu("tanh")),
    ("silu", Tensor::silu),
    ("mish", Tensor::mish),
    ("softplus", Tensor::softplus),
    ("log_sigmoid", Tensor::log_sigmoid),
    ("prelu", |x| x.sin().prelu(&x.narrow(0, 0, 1))),
    ("rrelu (evaluation)", |x| x.sin().rrelu(false)),
    ("glu", |x| x.reshape([6, 4]).glu(1)),
    ("threshold", |x| x.sin().threshold(0.1, 0.2)),
    ("logit", |x| share(x).logit(None::<f64>)),
    ("softmax", |x| x.reshape([6, 4]).softmax(1, None::<Kind>)),
    ("log_softmax", |x| x.reshape([6, 4]).log_softmax(1, None::<Kind>)),
    // Distances.
    ("cdist", |x| distances(x, 2., None)),
    ("cdist (compute mode 1)", |x| distances(x, 2., Some(1))),
    ("cdist (compute mode 2)", |x| distances(x, 2., Some(2))),
    ("cdist (30 rows)", |x| Tensor::cdist(&points(x), &constant(x, &[30, 3]), 2., None::<i64>)),
    ("cdist (p = 1)", |x| distances(x, 1., None)),
    ("cdist (p = 3)", |x| distances(x, 3., None)),
    ("pdist", |x| points(x).pdist(2.)),
    ("differences, square, sum, sqrt", |x| {
        let differences = points(x).unsqueeze(1) - constant(x, &[5, 3]).unsqueeze(0);
        differences.square().sum_dim_intlist([2i64].as_slice(), false, x.kind()).sqrt()
    }),
    ("pairwise_distance", |x| {
        Tensor::pairwise_distance(&points(x), &constant(x, &[8, 3]), 2., 1e-6, false)
    }),
    ("cosine_similarity", |x| {
        Tensor::cosine_similarity(&points(x), &constant(x, &[8, 3]), 1, 1e-8)
    }),
    ("dist", |x| x.dist(&constant(x, &[24]))),
    // Linear algebra.
    ("linalg_inv", |x| Tensor::linalg_inv(&matrix(x))),
    ("linalg_det", |x| Tensor::linalg_det(&matrix(x))),
    ("linalg_slogdet", |x| Tensor::linalg_slogdet(&matrix(x)).1),
    ("logdet", |x| definite(x).logdet()),
    ("linalg_solve", |x| {
        Tensor::linalg_solve(&matrix(x), &x.narrow(0, 16, 8).reshape([4, 2]), true)
    }),
    ("linalg_cholesky", |x| definite(x).linalg_cholesky(false)),
    ("cholesky_solve", |x| {
        constant(x, &[4, 2]).cholesky_solve(&definite(x).linalg_cholesky(false), false)
    }),
    ("cholesky_inverse", |x| definite(x).linalg_cholesky(false).cholesky_inverse(false)),
    ("linalg_qr", |x| Tensor::linalg_qr(&matrix(x), "reduced").1),
    ("svd (singular values)", |x| (matrix(x) + definite(x)).svd(true, true).1),
    ("svd", |x| {
        let (u, s, v) = (matrix(x) + definite(x)).svd(true, true);
        (u * s.sqrt()).matmul(&v.tr())
    }),
    ("linalg_eigvalsh", |x| definite(x).linalg_eigvalsh("L")),
    ("linalg_eigh", |x| definite(x).linalg_eigh("L").1.square()),
    ("linalg_eigvals", |x| definite(x).linalg_eigvals().abs().square().sum(x.kind())),
    ("linalg_pinv", |x| points(x).linalg_pinv(1e-9, false)),
    ("linalg_lstsq", |x| points(x).linalg_lstsq(&constant(x, &[8, 2]), None::<f64>, "gels").0),
    ("matrix_exp", |x| (matrix(x) * 0.3).matrix_exp()),
    ("linalg_matrix_power", |x| matrix(x).linalg_matrix_power(3)),
    ("norm", |x| x.norm()),
    ("linalg_lu", |x| Tensor::linalg_lu(&matrix(x), true).2),
    ("linalg_lu_solve", |x| {
        let (factors, pivots) = Tensor::linalg_lu_factor(&matrix(x), true);
        Tensor::linalg_lu_solve(&factors, &pivots, &constant(x, &[4, 2]), true, false)
    }),
    ("linalg_solve_triangular", |x| {
        matrix(x).tril(0).linalg_solve_triangular(
            &x.narrow(0, 16, 8).reshape([4, 2]),
            false,
            true,
            false,
        )
    }),
    ("linalg_householder_product", |x| {
        points(x).linalg_householder_product(&(x.narrow(0, 0, 3) * 0.3))
    }),
    ("ormqr", |x| points(x).ormqr(&(x.narrow(0, 0, 3) * 0.3), &constant(x, &[8, 2]), true, false)),
    ("linalg_cross", |x| points(x).linalg_cross(&points(x).tanh(), 1)),
    ("kron", |x| x.reshape([6, 4]).kron(&constant(x, &[2, 2]))),
    ("einsum", |x| Tensor::einsum("ij,kj->ik", &[points(x), points(x).tanh()], None::<&[i64]>)),
    ("linalg_multi_dot", |x| Tensor::linalg_multi_dot(&[matrix(x), matrix(x).tanh(), matrix(x)])),
    ("tensordot", |x| x.reshape([6, 4]).tensordot(&x.reshape([4, 6]), 1, 0)),
    ("cov", |x| x.reshape([4, 6]).cov(1, NONE, NONE)),
    ("corrcoef", |x| x.reshape([4, 6]).corrcoef()),
    // Sums, orders, places.
    ("cumsum", |x| x.tanh().cumsum(0, None::<Kind>)),
    ("cumprod", |x| positive(x).reshape([6, 4]).cumprod(1, None::<Kind>)),
    ("cummax", |x| x.cummax(0).0),
    ("logcumsumexp", |x| x.logcumsumexp(0)),
    ("logsumexp", |x| x.reshape([6, 4]).logsumexp(1, false)),
    ("prod", |x| positive(x).prod(None::<Kind>).log()),
    ("std", |x| x.std(true)),
    ("var", |x| x.var(true)),
    ("median", Tensor::median),
    ("quantile", |x| {
        x.quantile(&Tensor::from_slice(&[0.3, 0.6]).to_kind(x.kind()), None::<i64>, false, "linear")
    }),
    ("kthvalue", |x| x.kthvalue(5, 0, false).0),
    ("sort", |x| x.sort(0, false).0.cumsum(0, None::<Kind>)),
    ("topk", |x| x.topk(5, 0, true, true).0),
    ("amax", |x| x.reshape([6, 4]).amax(1, false)),
    ("aminmax", |x| x.reshape([6, 4]).aminmax(1, false).1),
    ("gather", |x| x.gather(0, &integers([1, 1, 5, 7]), false)),
    ("gather (sparse)", |x| x.gather(0, &integers([1, 1, 5, 7]), true)),
    ("scatter", |x| constant(x, &[9]).scatter(0, &integers([1, 3, 5, 7]), &x.narrow(0, 0, 4))),
    ("scatter_add", |x| {
        constant(x, &[9]).scatter_add(0, &integers([1, 1, 5, 7]), &x.narrow(0, 0, 4))
    }),
    ("index_reduce (mean)", |x| index_reduced(x, "mean")),
    ("index_reduce (amax)", |x| index_reduced(x, "amax")),
    ("index_reduce (prod)", |x| index_reduced(x, "prod")),
    ("index_reduce (prod, two zeros)", |x| {
        index_reduced(&(x * integers([1, 0, 0, 1]).repeat(6)), "prod")
    }),
    ("segment_reduce (sum)", |x| segments(x, "sum")),
    ("segment_reduce (max)", |x| segments(x, "max")),
    ("index_select", |x| x.index_select(0, &integers([1, 1, 5, 7]))),
    ("index_add", |x| constant(x, &[9]).index_add(0, &integers([1, 1, 5, 7]), &x.narrow(0, 0, 4))),
    ("index_copy", |x| {
        constant(x, &[9]).index_copy(0, &integers([1, 3, 5, 7]), &x.narrow(0, 0, 4))
    }),
    ("take", |x| x.take(&integers([1, 1, 5, 7]))),
    ("take_along_dim", |x| x.take_along_dim(&integers([1, 1, 5, 7]), 0)),
    ("put", |x| constant(x, &[9]).put(&integers([1, 3, 5, 7]), &x.narrow(0, 0, 4), false)),
    ("masked_fill", |x| x.masked_fill(&signs(x), 0.3)),
    ("masked_select", |x| x.masked_select(&signs(x))),
    ("masked_scatter", |x| constant(x, &[24]).masked_scatter(&signs(x), x)),
    ("where_self", |x| x.where_self(&signs(x), &x.tanh())),
    ("unfold", |x| x.unfold(0, 4, 2)),
    ("trapezoid", |x| Tensor::trapezoid(&x.tanh(), 0)),
    // Fourier.
    ("fft_fft", |x| x.fft_fft(None::<i64>, 0, "ortho").abs()),
    ("fft_rfft", |x| x.fft_rfft(None::<i64>, 0, "ortho").abs()),
    ("fft_irfft", |x| x.fft_rfft(None::<i64>, 0, "ortho").fft_irfft(20, 0, "ortho")),
    ("stft", |x| x.stft(8, 4, 8, Some(&constant(x, &[8])), false, true, true, false).abs()),
    // Special functions.
    ("erf", Tensor::erf),
    ("erfinv", |x| (x * 0.5).erfinv()),
    ("lgamma", |x| positive(x).lgamma()),
    ("digamma", |x| positive(x).digamma()),
    ("polygamma", |x| positive(x).polygamma(1)),
    ("i0", Tensor::i0),
    ("special_i0e", Tensor::special_i0e),
    ("special_i1", Tensor::special_i1),
    ("special_i1e", Tensor::special_i1e),
    ("special_ndtri", |x| share(x).special_ndtri()),
    ("special_log_ndtr", Tensor::special_log_ndtr),
    ("special_erfcx", Tensor::special_erfcx),
    ("special_entr", |x| share(x).special_entr()),
    ("special_zeta (its second argument)", |x| {
        (constant(x, &[24]).abs() + 2.).special_zeta(&positive(x))
    }),
    ("igamma (its second argument)", |x| positive(&constant(x, &[24])).igamma(&positive(x))),
    ("sinc", Tensor::sinc),
    ("xlogy", |x| x.xlogy(&positive(x))),
    ("special_xlog1py", |x| x.special_xlog1py(&positive(x))),
    ("logaddexp", |x| x.logaddexp(&x.square())),
    ("hypot", |x| x.hypot(&positive(x))),
    ("atan2", |x| x.atan2(&positive(x))),
];
