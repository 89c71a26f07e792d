//! Standard image data, in the formats they are published in: MNIST, Fashion-MNIST, CIFAR-10's
//! binary version.
//!
//! Each is looked for in the folder the user names (`--data DIR`), otherwise in the places where it
//! is installed. Nothing is downloaded here: `make data` does that.

#![allow(dead_code)] // Each example uses a part of it.

mod idx;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use tch::{Kind, Tensor};

/// Images `[n, channels, rows, columns]`, f32 from 0 to 1, and their classes `[n]`, i64.
pub struct Images {
    pub images: Tensor,
    pub labels: Tensor,
}

/// Images to train with and images to test with.
pub struct Dataset {
    /// To print: what and how many.
    pub name: &'static str,
    pub train: Images,
    pub test: Images,
}

/// Data sets with a place of their own.
#[derive(Clone, Copy, Debug)]
pub enum Standard {
    Mnist,
    FashionMnist,
}

impl Standard {
    fn name(self) -> &'static str {
        match self {
            Standard::Mnist => "MNIST",
            Standard::FashionMnist => "Fashion-MNIST",
        }
    }

    /// Where it may be, in the order they are looked at.
    fn places(self) -> Vec<PathBuf> {
        match self {
            Standard::Mnist => cached("mnist").into_iter().collect(),
            Standard::FashionMnist => cached("fashion-mnist")
                .into_iter()
                .chain(["/usr/share/datasets/fashion-mnist".into()])
                .collect(),
        }
    }
}

/// The data set in `folder`, whichever it is, or else the standard one from where it is installed.
pub fn load(folder: Option<&Path>, otherwise: Standard) -> Result<Dataset> {
    match folder {
        Some(folder) if folder.join(CIFAR_TEST).exists() => cifar10(folder),
        _ => load_gray(folder, otherwise),
    }
}

/// MNIST or Fashion-MNIST, or anything in their format, from `folder` or else from where the
/// standard one is installed.
pub fn load_gray(folder: Option<&Path>, standard: Standard) -> Result<Dataset> {
    // What is in a folder of the user's own cannot be told from the format.
    let name = if folder.is_some() { "the data of --data" } else { standard.name() };
    let places = folder.map_or_else(|| standard.places(), |folder| vec![folder.to_path_buf()]);
    let Some(folder) = places.iter().find(|place| holds(place, TRAINING_IMAGES)) else {
        let looked: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
        bail!(
            "no {} in {}: get it with `make data`, or say `--data DIR` for a folder with {TRAINING_IMAGES}[.gz] and the like",
            standard.name(),
            looked.join(" or ")
        );
    };
    let part = |images: &str, labels: &str| gray(&folder.join(images), &folder.join(labels));
    Ok(Dataset {
        name,
        train: part(TRAINING_IMAGES, "train-labels-idx1-ubyte")?,
        test: part("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")?,
    })
}

/// CIFAR-10, binary version: `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`.
pub fn cifar10(folder: &Path) -> Result<Dataset> {
    let batches = (1..=5).map(|number| cifar(&folder.join(format!("data_batch_{number}.bin"))));
    let batches: Vec<Images> = batches.collect::<Result<_>>()?;
    let join = |part: fn(&Images) -> &Tensor| {
        Tensor::cat(&batches.iter().map(part).collect::<Vec<_>>(), 0)
    };
    let train = Images { images: join(|batch| &batch.images), labels: join(|batch| &batch.labels) };
    Ok(Dataset { name: "CIFAR-10", train, test: cifar(&folder.join(CIFAR_TEST))? })
}

/// A file that `make data` makes beside MNIST, such as a trained network's weights.
pub fn beside_mnist(folder: Option<&Path>, file: &str) -> Result<PathBuf> {
    let places =
        folder.map_or_else(|| Standard::Mnist.places(), |folder| vec![folder.to_path_buf()]);
    let found = places.iter().map(|place| place.join(file)).find(|path| path.exists());
    found.with_context(|| format!("no {file} in {}: get it with `make data`", places[0].display()))
}

const TRAINING_IMAGES: &str = "train-images-idx3-ubyte";
const CIFAR_TEST: &str = "test_batch.bin";

fn holds(folder: &Path, file: &str) -> bool {
    let file = folder.join(file);
    file.exists() || file.with_added_extension("gz").exists()
}

/// A data set's folder where `make data` puts it; none on a machine without a home folder.
fn cached(name: &str) -> Option<PathBuf> {
    let set =
        |variable| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    Some(base?.join("perrin").join("data").join(name))
}

fn gray(images: &Path, labels: &Path) -> Result<Images> {
    let pixels = idx::read_idx(images, 3)?;
    let classes = idx::read_idx(labels, 1)?;
    let shape = [pixels.shape[0], 1, pixels.shape[1], pixels.shape[2]];
    tensors(&pixels.values, &shape, &classes.values)
        .with_context(|| format!("in {}", labels.display()))
}

fn cifar(file: &Path) -> Result<Images> {
    let (pixels, classes) = idx::read_cifar(file)?;
    tensors(&pixels.values, &pixels.shape, &classes.values)
}

fn tensors(pixels: &[u8], shape: &[usize], classes: &[u8]) -> Result<Images> {
    ensure!(classes.len() == shape[0], "{} labels for {} images", classes.len(), shape[0]);
    let highest = classes.iter().max().copied().unwrap_or(0);
    ensure!(highest < 10, "a label is {highest}, above 9");
    let shape: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
    let images = Tensor::from_slice(pixels).reshape(shape).to_kind(Kind::Float) / 255.;
    Ok(Images { images, labels: Tensor::from_slice(classes).to_kind(Kind::Int64) })
}
