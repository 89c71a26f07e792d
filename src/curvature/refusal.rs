//! What libtorch says when it cannot differentiate twice, and what to do about it.

use tch::TchError;

use crate::error::Error;

/// An operation as it is called, what its backward pass is called in libtorch's messages, and what
/// has the same values and a second derivative.
const REMEDIES: &[(&str, &[&str], &str)] = &[
    (
        "scaled_dot_product_attention",
        &["scaled_dot_product", "flash_attention", "efficient_attention", "cudnn_attention"],
        "use Tensor::internal_scaled_dot_product_attention_math, or write attention out (matmul, softmax, matmul)",
    ),
    (
        "lstm, gru or rnn by cuDNN",
        &["cudnn_rnn", "CuDNN RNN", "miopen_rnn"],
        "switch cuDNN off around the loss (tch::Cuda::set_user_enabled_cudnn(false))",
    ),
    (
        "cdist",
        &["cdist"],
        "for p = 2 pass compute mode 1, else write the distances out (differences, norm)",
    ),
    ("pdist", &["pdist"], "write the distances out (differences, norm)"),
    ("embedding_bag", &["embedding_bag"], "use embedding, then sum, mean or max over each bag"),
    (
        "ctc_loss",
        &["ctc_loss"],
        "libtorch has no other; take the Hessian of another loss of the same network",
    ),
    ("hardsigmoid", &["hardsigmoid"], "write it out: (x / 6 + 0.5).clamp(0, 1)"),
    ("multi_margin_loss", &["multi_margin"], "write it out (gather, clamp_min, mean)"),
    ("multilabel_margin_loss", &["multilabel_margin"], "write it out (gather, clamp_min, mean)"),
    (
        "a product by scatter_reduce or index_reduce",
        &["scatter_reduce", "index_reduce"],
        "no two factors of a product may be zero",
    ),
    ("segment_reduce", &["segment_reduce"], "use scatter_add or index_add"),
    ("rms_norm", &["fused_rms_norm"], "write it out (square, mean, rsqrt)"),
    ("masked softmax", &["masked_softmax"], "use masked_fill with -infinity, then softmax"),
    ("fake_quantize", &["fake_quantize"], "take the Hessian of the network without quantisation"),
];

const OTHERWISE: &str =
    "write it out in operations that have one; docs/curvature.md lists those that have not";

/// perrin's error for libtorch's refusal to differentiate twice.
pub(super) fn twice(source: TchError) -> Error {
    let text = source.to_string();
    let first_line = text.lines().next().unwrap_or_default();
    let Some(function) = without_derivative(first_line) else {
        return Error::Torch { action: "differentiate twice", source };
    };
    let known =
        REMEDIES.iter().find(|(_, parts, _)| parts.iter().any(|part| function.contains(part)));
    match known {
        Some((name, _, remedy)) => {
            Error::NoSecondDerivative { operation: format!("{name} ({function})"), remedy }
        }
        None => Error::NoSecondDerivative { operation: function.to_owned(), remedy: OTHERWISE },
    }
}

/// The function that has no derivative, if that is what a message of libtorch's says.
fn without_derivative(message: &str) -> Option<&str> {
    let after = |start: &str| message.split_once(start).map(|(_, rest)| rest);
    if let Some(rest) = after("derivative for ").filter(|rest| rest.contains("is not implemented"))
    {
        let end = rest.find(" is not implemented").unwrap_or(rest.len());
        return Some(rest[..end].trim_matches('\'').trim_start_matches("aten::"));
    }
    if !message.contains("ouble backward") {
        return None;
    }
    let known = ["CuDNN RNN", "cudnn_rnn", "grid_sampler_3d", "scatter_reduce", "index_reduce"];
    known.into_iter().find(|name| message.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As libtorch 2.13 words it; what the CPU says is in tests/curvature/second_derivatives.rs.
    #[test]
    fn the_function_is_found_in_the_message() {
        for (message, function) in [
            (
                "derivative for aten::_scaled_dot_product_cudnn_attention_backward is not implemented",
                "cudnn_attention",
            ),
            ("the derivative for '_cdist_backward' is not implemented.", "_cdist_backward"),
            (
                "grid_sampler_3d double backward not implemented for interpolation_mode=1",
                "grid_sampler_3d",
            ),
            (
                "scatter_reduce(): Double backward is unsupported for src when >1 zeros in src",
                "scatter_reduce",
            ),
            (
                "Double backwards is not supported for CuDNN RNNs due to limitations in the CuDNN API.",
                "CuDNN RNN",
            ),
        ] {
            let found = without_derivative(message).unwrap();
            assert!(found.contains(function), "{found}");
        }
        assert_eq!(without_derivative("element 0 of tensors does not require grad"), None);
    }
}
