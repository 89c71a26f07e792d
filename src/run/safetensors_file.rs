//! Tensors into a safetensors file, piece by piece: together they may take most of the memory there
//! is.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use crate::error::{Error, Result};
use crate::run::storage::{Storage, StorageFile};
use crate::run::whole_file::write_beside;

/// Elements that are turned into bytes at once.
const PIECE: usize = 1 << 16;
/// Headers are filled up to a multiple of so many bytes, as the `safetensors` crate does.
const ALIGNMENT: usize = 8;

/// A tensor to be written.
pub(crate) struct Tensor<'a> {
    pub name: &'a str,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub elements: Elements<'a>,
}

/// A tensor's elements, row-major.
pub(crate) enum Elements<'a> {
    /// Little-endian.
    Bytes(Cow<'a, [u8]>),
    /// Of a matrix of `f32`.
    Rows(&'a [Vec<f32>]),
}

impl Elements<'_> {
    fn byte_count(&self) -> usize {
        match self {
            Elements::Bytes(bytes) => bytes.len(),
            Elements::Rows(rows) => rows.iter().map(|row| size_of_val(&row[..])).sum(),
        }
    }

    /// Hands over all bytes, in order.
    fn for_each_piece<E>(
        &self,
        mut take: impl FnMut(&[u8]) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        match self {
            Elements::Bytes(bytes) => take(bytes),
            Elements::Rows(rows) => {
                let mut bytes = Vec::new();
                for piece in rows.iter().flat_map(|row| row.chunks(PIECE)) {
                    bytes.clear();
                    bytes.extend(piece.iter().flat_map(|element| element.to_le_bytes()));
                    take(&bytes)?;
                }
                Ok(())
            }
        }
    }

    /// CRC-32 of the bytes.
    pub fn checksum(&self) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        let hashed: std::result::Result<(), std::convert::Infallible> =
            self.for_each_piece(|bytes| {
                hasher.update(bytes);
                Ok(())
            });
        let Ok(()) = hashed;
        hasher.finalize()
    }
}

/// Writes tensors beside their final place, syncs, renames, and syncs the folder.
pub(crate) fn write_safetensors(
    storage: &dyn Storage,
    complete: &Path,
    mut tensors: Vec<Tensor>,
    metadata: HashMap<String, String>,
) -> Result<()> {
    // The order of the `safetensors` crate: what needs the widest alignment comes first.
    tensors.sort_by(|one, other| other.dtype.cmp(&one.dtype).then(one.name.cmp(other.name)));
    let header = header(&tensors, metadata).map_err(Error::io("encode", complete))?;
    write_beside(storage, complete, |file: &mut dyn StorageFile| {
        file.append(&header)?;
        tensors
            .iter()
            .try_for_each(|tensor| tensor.elements.for_each_piece(|bytes| file.append(bytes)))
    })?;
    let folder = match complete.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    storage.sync_dir(folder).map_err(Error::io("sync", folder))
}

/// The header's length, and the header.
fn header(tensors: &[Tensor], metadata: HashMap<String, String>) -> io::Result<Vec<u8>> {
    let mut end = 0;
    let infos = tensors.iter().map(|tensor| {
        let start = end;
        end += tensor.elements.byte_count();
        let (dtype, shape) = (tensor.dtype, tensor.shape.clone());
        (tensor.name.to_owned(), TensorInfo { dtype, shape, data_offsets: (start, end) })
    });
    let described = Metadata::new(Some(metadata), infos.collect()).map_err(io::Error::other)?;
    let mut text = serde_json::to_vec(&described)?;
    text.resize(text.len().next_multiple_of(ALIGNMENT), b' ');
    Ok([&(text.len() as u64).to_le_bytes()[..], &text].concat())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use safetensors::SafeTensors;
    use safetensors::tensor::TensorView;

    use super::*;
    use crate::run::storage::Disk;

    #[test]
    fn a_file_is_that_of_the_safetensors_crate() {
        let rows: Vec<Vec<f32>> =
            (0..3).map(|row| (0..PIECE + 5).map(|i| (i * row) as f32 * 0.1).collect()).collect();
        let bytes: Vec<u8> =
            rows.iter().flatten().flat_map(|element| element.to_le_bytes()).collect();
        let (flags, numbers) = (vec![1u8, 0, 1], 7.5f64.to_le_bytes());
        let whole = |name, dtype, shape: &[usize], bytes: &'static [u8]| Tensor {
            name,
            dtype,
            shape: shape.to_vec(),
            elements: Elements::Bytes(Cow::Borrowed(bytes)),
        };
        let shape = vec![3, PIECE + 5];
        let tensors = vec![
            whole("flags", Dtype::BOOL, &[3], &[1, 0, 1]),
            Tensor {
                name: "rows",
                dtype: Dtype::F32,
                shape: shape.clone(),
                elements: Elements::Rows(&rows),
            },
            whole("number", Dtype::F64, &[1], Box::leak(Box::new(numbers))),
        ];
        assert_eq!(tensors[1].elements.checksum(), crc32fast::hash(&bytes));
        let mut pieces = 0;
        let counted: std::result::Result<(), Infallible> =
            tensors[1].elements.for_each_piece(|_| {
                pieces += 1;
                Ok(())
            });
        assert!(counted.is_ok() && pieces == 6);
        let metadata = HashMap::from([("key".to_owned(), "value".to_owned())]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.safetensors");
        write_safetensors(&Disk, &path, tensors, metadata.clone()).unwrap();
        let views = [
            ("flags", TensorView::new(Dtype::BOOL, vec![3], &flags).unwrap()),
            ("rows", TensorView::new(Dtype::F32, shape, &bytes).unwrap()),
            ("number", TensorView::new(Dtype::F64, vec![1], &numbers).unwrap()),
        ];
        let expected = safetensors::serialize(views, Some(metadata)).unwrap();
        let written = std::fs::read(&path).unwrap();
        assert!(written == expected, "{} and {} bytes", written.len(), expected.len());
        assert_eq!(SafeTensors::deserialize(&written).unwrap().len(), 3);
    }
}
