//! The UCI handwritten digits that come with the examples (see examples/data/README.md).

use std::io::Read;

use anyhow::{Context, Result, ensure};
use tch::Tensor;

/// 1,797 images of 8 x 8 as rows of 64 numbers in [-1, 1], and their digits.
pub struct Digits {
    pub images: Tensor,
    #[allow(dead_code)] // The gan example does without.
    pub labels: Tensor,
}

pub fn load() -> Result<Digits> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(&include_bytes!("../data/digits.csv.gz")[..])
        .read_to_string(&mut text)
        .context("examples/data/digits.csv.gz is damaged")?;
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let numbers: Vec<f32> = line.split(',').map(str::parse).collect::<Result<_, _>>()?;
        ensure!(numbers.len() == 65, "a line of the digits has {} numbers, not 65", numbers.len());
        pixels.extend(numbers[..64].iter().map(|gray| gray / 8. - 1.));
        labels.push(numbers[64] as i64);
    }
    Ok(Digits {
        images: Tensor::from_slice(&pixels).reshape([-1, 64]),
        labels: Tensor::from_slice(&labels),
    })
}
