//! `reference.safetensors`: the parameters the global displacements are measured from.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use safetensors::{Dtype, SafeTensors};

use crate::error::{Error, Result};
use crate::record::{ParameterInfo, RunInfo};
use crate::run::file;
use crate::run::folder::RunFolder;
use crate::run::integrity::{SEAL_KEY, damaged, decode, metadata_seal};
use crate::run::reader::Run;
use crate::run::safetensors_file::{Elements, Tensor, write_safetensors};
use crate::run::storage::Storage;

/// Key of the file's metadata: a JSON object, the CRC-32 of each tensor's bytes by its name.
const CHECKSUMS_KEY: &str = "perrin.checksums";

/// The kinds of element a reference point may have, as perrin and safetensors call them, and bytes
/// an element.
const KINDS: [(&str, Dtype, usize); 4] = [
    ("f32", Dtype::F32, 4),
    ("f64", Dtype::F64, 8),
    ("bf16", Dtype::BF16, 2),
    ("f16", Dtype::F16, 2),
];

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

/// Writes the reference point beside its final place, syncs and renames it.
pub(crate) fn write_reference(
    storage: &dyn Storage,
    folder: &RunFolder,
    tensors: Vec<ReferenceTensor>,
) -> Result<()> {
    write_tensors(storage, &folder.reference(), tensors, HashMap::new())
}

/// Writes parameters with their checksums; the metadata, where there is any, is sealed.
pub(crate) fn write_tensors(
    storage: &dyn Storage,
    path: &Path,
    tensors: Vec<ReferenceTensor>,
    mut metadata: HashMap<String, String>,
) -> Result<()> {
    let tensors = tensors.into_iter().map(check).collect::<Result<Vec<Tensor>>>()?;
    let mut names: Vec<&str> = tensors.iter().map(|tensor| tensor.name).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Error::Parameters {
            reason: format!("two tensors of the reference point are called {}", pair[0]),
        });
    }
    let checksums: BTreeMap<&str, u32> =
        tensors.iter().map(|tensor| (tensor.name, tensor.elements.checksum())).collect();
    let is_sealed = !metadata.is_empty();
    metadata.insert(CHECKSUMS_KEY.to_owned(), serde_json::json!(checksums).to_string());
    if is_sealed {
        metadata.insert(SEAL_KEY.to_owned(), metadata_seal(&metadata));
    }
    write_safetensors(storage, path, tensors, metadata)
}

fn check(tensor: ReferenceTensor<'_>) -> Result<Tensor<'_>> {
    let Some(&(_, dtype, size)) = KINDS.iter().find(|(kind, ..)| *kind == tensor.kind) else {
        let reason = format!(
            "{}: a reference point cannot hold elements of kind {}",
            tensor.name, tensor.kind
        );
        return Err(Error::Parameters { reason });
    };
    let expected = tensor.shape.iter().product::<usize>() * size;
    if tensor.bytes.len() != expected {
        return Err(Error::ShapeMismatch {
            name: "bytes of a reference tensor",
            found: format!("[{}]", tensor.bytes.len()),
            expected: format!("[{expected}]: {:?} of {}", tensor.shape, tensor.kind),
        });
    }
    let ReferenceTensor { name, shape, bytes, .. } = tensor;
    Ok(Tensor { name, dtype, shape, elements: Elements::Bytes(bytes) })
}

/// The reference point of a run, as read back; see [`Run::reference`](crate::run::Run::reference).
#[derive(Debug, Clone, Default)]
pub struct Reference {
    /// Runs written before there were checksums have none.
    pub(crate) has_checksums: bool,
    tensors: Vec<(ParameterInfo, Bytes)>,
}

/// A tensor's part of a file.
#[derive(Debug, Clone)]
struct Bytes {
    file: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl Reference {
    /// Its tensors, in the order in which `run.json` lists the parameters; those that joined the
    /// run come after them.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = ReferenceTensor<'_>> {
        self.tensors.iter().map(|(parameter, bytes)| ReferenceTensor {
            name: &parameter.name,
            kind: &parameter.kind,
            shape: parameter.shape.iter().map(|&extent| extent as usize).collect(),
            bytes: Cow::Borrowed(&bytes.file[bytes.range.clone()]),
        })
    }

    /// Whether the run has none: it tracks no parameters.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// The parameters.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &ParameterInfo> {
        self.tensors.iter().map(|(parameter, _)| parameter)
    }

    /// Of one parameter, if it is among them.
    pub(crate) fn only(&self, name: &str) -> Option<Reference> {
        let found = self.tensors.iter().find(|(parameter, _)| parameter.name == name)?;
        Some(Reference { has_checksums: self.has_checksums, tensors: vec![found.clone()] })
    }

    pub(crate) fn append(&mut self, other: Reference) {
        self.tensors.extend(other.tensors);
    }
}

/// Reads the reference point: each parameter of `info` must be there, of its shape and kind, and
/// with its checksum.
pub(crate) fn read_reference(folder: &RunFolder, info: &RunInfo) -> Result<Reference> {
    let path = folder.reference();
    if info.parameters.is_empty() {
        return Ok(Reference::default());
    }
    let bytes =
        file::if_there(file::read(&path))?.ok_or_else(|| damaged(&path, "it is missing"))?;
    // Runs of version 1 may be from before there were checksums.
    read_tensors(&path, bytes, &info.parameters, info.schema_version > 1)
}

/// The metadata of such a file, which must be as it was sealed.
pub(crate) fn read_metadata(path: &Path, bytes: &[u8]) -> Result<HashMap<String, String>> {
    let (_, header) = decode(path, || SafeTensors::read_metadata(bytes))?;
    let metadata = header.metadata().clone().unwrap_or_default();
    if metadata.get(SEAL_KEY) != Some(&metadata_seal(&metadata)) {
        return Err(damaged(path, "its metadata does not have its checksum"));
    }
    Ok(metadata)
}

/// The parameters of such a file: these and no others must be there, of their shapes and kinds, and
/// with their checksums, where they must all have one.
pub(crate) fn read_tensors(
    path: &Path,
    bytes: Vec<u8>,
    parameters: &[ParameterInfo],
    all_have_checksums: bool,
) -> Result<Reference> {
    let bytes = Arc::new(bytes);
    let (_, header) = decode(path, || SafeTensors::read_metadata(&bytes))?;
    let file = decode(path, || SafeTensors::deserialize(&bytes))?;
    let checksums: BTreeMap<String, u32> =
        match header.metadata().as_ref().and_then(|map| map.get(CHECKSUMS_KEY)) {
            Some(checksums) => {
                serde_json::from_str(checksums).map_err(|error| damaged(path, error))?
            }
            None => BTreeMap::new(),
        };
    let start = bytes.as_ptr() as usize;
    let mut tensors = Vec::with_capacity(parameters.len());
    for parameter in parameters {
        let tensor = file.tensor(&parameter.name).map_err(|error| damaged(path, error))?;
        let kind =
            KINDS.iter().find(|(_, dtype, _)| *dtype == tensor.dtype()).map(|(kind, ..)| *kind);
        let same_shape =
            tensor.shape().iter().map(|&extent| extent as i64).eq(parameter.shape.iter().copied());
        if kind != Some(parameter.kind.as_str()) || !same_shape {
            let reason =
                format!("{} is not of the shape and kind that are said of it", parameter.name);
            return Err(damaged(path, reason));
        }
        let data = tensor.data();
        let fits = match checksums.get(&parameter.name) {
            Some(checksum) => *checksum == crc32fast::hash(data),
            None => !all_have_checksums,
        };
        if !fits {
            return Err(damaged(path, format!("{} does not have its checksum", parameter.name)));
        }
        let first = data.as_ptr() as usize - start;
        tensors.push((
            parameter.clone(),
            Bytes { file: Arc::clone(&bytes), range: first..first + data.len() },
        ));
    }
    if file.len() != tensors.len() {
        return Err(damaged(path, "it has tensors that nothing is said of"));
    }
    Ok(Reference { has_checksums: !checksums.is_empty(), tensors })
}

impl Run {
    /// The reference point, read whole into memory and checked against its checksums and
    /// `run.json`. Parameters that joined while the run was observed are in neither: see
    /// [`joined`](Self::joined).
    ///
    /// # Errors
    /// [`Error::Damaged`] naming the parameter that is not as it was written, [`Error::Io`].
    pub fn reference(&self) -> Result<Reference> {
        read_reference(&self.folder, self.info())
    }
}
