//! Files of the MNIST family (idx: big-endian sizes, then bytes), plain or gzipped, and CIFAR-10's
//! binary batches. No libtorch.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// Channels, rows and columns of CIFAR-10's images.
pub const CIFAR_SHAPE: [usize; 3] = [3, 32, 32];

/// Images as bytes, row by row, one after another, and how many bytes along each dimension:
/// `[n, ...]`.
#[derive(Debug, PartialEq)]
pub struct Bytes {
    pub shape: Vec<usize>,
    pub values: Vec<u8>,
}

/// Reads an idx file with `dimensions` dimensions (3: gray images, 1: labels). `file.gz` is read
/// where `file` is not there.
pub fn read_idx(file: &Path, dimensions: usize) -> Result<Bytes> {
    let gzipped = file.with_added_extension("gz");
    let path = if file.exists() { file } else { &gzipped };
    let content = read(path)?;
    parse_idx(&content, dimensions)
        .with_context(|| format!("{} is not what it should be", path.display()))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let mut file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut content = Vec::new();
    let read = if path.extension().is_some_and(|extension| extension == "gz") {
        flate2::read::MultiGzDecoder::new(file).read_to_end(&mut content)
    } else {
        file.read_to_end(&mut content)
    };
    read.with_context(|| format!("cannot read {}", path.display()))?;
    Ok(content)
}

/// The header is 0, 0, 8 (unsigned bytes), the number of dimensions, and each size as 4 big-endian
/// bytes.
pub fn parse_idx(content: &[u8], dimensions: usize) -> Result<Bytes> {
    let header = 4 + 4 * dimensions;
    ensure!(
        content.len() >= header,
        "it ends after {} bytes, within its header of {header}",
        content.len()
    );
    let expected = [0, 0, 8, dimensions as u8];
    ensure!(
        content[..4] == expected,
        "it begins with {:?}, an idx file of this kind with {expected:?}",
        &content[..4]
    );
    let size = |bytes: &[u8]| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize;
    let shape: Vec<usize> = content[4..header].chunks(4).map(size).collect();
    ensure!(!shape.contains(&0), "its header tells the empty shape {shape:?}");
    let count = shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
    let values = content[header..].to_vec();
    ensure!(
        count == Some(values.len()),
        "its header tells the shape {shape:?}, which is not the {} bytes that follow: it is cut or damaged",
        values.len()
    );
    Ok(Bytes { shape, values })
}

/// Reads one of CIFAR-10's binary batches: images `[n, 3, 32, 32]` and labels `[n]`.
pub fn read_cifar(file: &Path) -> Result<(Bytes, Bytes)> {
    parse_cifar(&read(file)?)
        .with_context(|| format!("{} is not a batch of CIFAR-10", file.display()))
}

/// Records of a label and 3072 bytes, without a header.
pub fn parse_cifar(content: &[u8]) -> Result<(Bytes, Bytes)> {
    let pixels: usize = CIFAR_SHAPE.iter().product();
    let (records, rest) = (content.chunks_exact(1 + pixels), content.len() % (1 + pixels));
    let count = records.len();
    ensure!(
        count > 0 && rest == 0,
        "its {} bytes are not records of {}",
        content.len(),
        1 + pixels
    );
    let (mut images, mut labels) = (Vec::with_capacity(count * pixels), Vec::with_capacity(count));
    for (number, record) in records.enumerate() {
        if record[0] > 9 {
            bail!("record {number} has the label {}, above 9", record[0]);
        }
        labels.push(record[0]);
        images.extend_from_slice(&record[1..]);
    }
    let shape = [&[count], &CIFAR_SHAPE[..]].concat();
    Ok((Bytes { shape, values: images }, Bytes { shape: vec![count], values: labels }))
}
