//! `reference.safetensors`: the parameters the global displacements are measured from.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::path::Path;

use safetensors::{Dtype, View, serialize_to_file};

use super::storage::Storage;
use super::{RunFolder, partial};
use crate::error::{Error, Result};

/// A parameter of the reference point.
#[derive(Debug, Clone)]
pub struct ReferenceTensor<'a> {
    /// Its name, as in [`ParameterInfo`](crate::record::ParameterInfo).
    pub name: &'a str,
    /// Its element kind: `f32`, `f64`, `bf16`, `f16`.
    pub kind: &'a str,
    /// Its shape; empty for a scalar.
    pub shape: Vec<usize>,
    /// Its elements, row-major, little-endian.
    pub bytes: Cow<'a, [u8]>,
}

struct Checked<'a> {
    tensor: ReferenceTensor<'a>,
    dtype: Dtype,
}

impl View for Checked<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.tensor.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.tensor.bytes)
    }

    fn data_len(&self) -> usize {
        self.tensor.bytes.len()
    }
}

/// Writes the reference point beside its final place, syncs and renames it.
pub(crate) fn write_reference(storage: &dyn Storage, folder: &RunFolder, tensors: Vec<ReferenceTensor>) -> Result<()> {
    let tensors = tensors.into_iter().map(|tensor| Ok((tensor.name, check(tensor)?))).collect::<Result<Vec<_>>>()?;
    let mut names: Vec<&str> = tensors.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Error::Parameters { reason: format!("two tensors of the reference point are called {}", pair[0]) });
    }
    write_safetensors(storage, &folder.reference(), tensors, None)
}

/// Writes tensors beside their final place, syncs and renames.
pub(super) fn write_safetensors<V: View>(
    storage: &dyn Storage,
    complete: &Path,
    tensors: Vec<(&str, V)>,
    metadata: Option<HashMap<String, String>>,
) -> Result<()> {
    let path = partial(complete);
    // safetensors makes files for their owner alone; these are to be as readable as any other the user makes.
    let permissions = File::create(&path).and_then(|file| file.metadata()).map_err(Error::io("create", &path))?;
    serialize_to_file(tensors, metadata, &path)
        .map_err(|error| Error::io("write", &path)(std::io::Error::other(error)))?;
    fs::set_permissions(&path, permissions.permissions()).map_err(Error::io("open", &path))?;
    let file = OpenOptions::new().write(true).open(&path).map_err(Error::io("open", &path))?;
    file.sync_all().map_err(Error::io("sync", &path))?;
    storage.rename(&path, complete).map_err(Error::io("rename", &path))?;
    let folder = match complete.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    storage.sync_dir(folder).map_err(Error::io("sync", folder))
}

fn check(tensor: ReferenceTensor<'_>) -> Result<Checked<'_>> {
    let (dtype, size) = match tensor.kind {
        "f32" => (Dtype::F32, 4),
        "f64" => (Dtype::F64, 8),
        "bf16" => (Dtype::BF16, 2),
        "f16" => (Dtype::F16, 2),
        other => {
            let reason = format!("{}: a reference point cannot hold elements of kind {other}", tensor.name);
            return Err(Error::Parameters { reason });
        }
    };
    let expected = tensor.shape.iter().product::<usize>() * size;
    if tensor.bytes.len() != expected {
        return Err(Error::ShapeMismatch {
            name: "bytes of a reference tensor",
            found: format!("[{}]", tensor.bytes.len()),
            expected: format!("[{expected}]: {:?} of {}", tensor.shape, tensor.kind),
        });
    }
    Ok(Checked { tensor, dtype })
}
