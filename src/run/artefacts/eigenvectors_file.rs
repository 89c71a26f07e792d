//! Eigenvectors in a file: safetensors, so that other programs read them too.
//!
//! | tensor | kind, shape | holds |
//! |---|---|---|
//! | `eigenvectors` | f32 \[K, m\] | q_i, orthonormal rows; elements in the order of `parameters` |
//! | `eigenvalues` | f64 \[K\] | rho_i |
//! | `residuals` | f64 \[K\] | \|\|H q_i - rho_i q_i\|\| |
//! | `converged` | bool \[K\] | whether the residual is within the tolerance that was asked for |
//! | `overlaps` | f64 \[K\] | how much of q_i lies in the span of the vectors before these |
//!
//! The header's metadata has `perrin.schema_version`; as JSON, `perrin.parameters`: name, shape,
//! kind, device and group of each parameter, in order (each is row-major), and `perrin.checksums`:
//! CRC-32 of each tensor's bytes by name; `perrin.weight_decay`; where known, `perrin.products`;
//! and `perrin.seal`, CRC-32 of all these: each key and its value, keys rising, with nothing in
//! between.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::error::{Error, Result};
use crate::record::{ParameterInfo, SCHEMA_VERSION};
use crate::run::artefacts::eigenvectors::{Eigenvectors, dimension_of};
use crate::run::file;
use crate::run::integrity::{SEAL_KEY, damaged, metadata_seal};
use crate::run::safetensors_file::{Elements, Tensor, write_safetensors};
use crate::run::storage::{Disk, Storage};

const SCHEMA_KEY: &str = "perrin.schema_version";
const PARAMETERS_KEY: &str = "perrin.parameters";
const CHECKSUMS_KEY: &str = "perrin.checksums";
const WEIGHT_DECAY_KEY: &str = "perrin.weight_decay";
const PRODUCTS_KEY: &str = "perrin.products";

impl Eigenvectors {
    /// Writes them, without their summary, to `path`, beside it first and renamed when complete; a
    /// file that is there is replaced.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if lengths do not fit together, [`Error::Io`].
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        self.write_on(&Disk, path.as_ref())
    }

    pub(crate) fn write_on(&self, storage: &dyn Storage, path: &Path) -> Result<()> {
        let (count, dimension) = self.check()?;
        let tensor = |name, dtype, shape: &[usize], elements| Tensor {
            name,
            dtype,
            shape: shape.to_vec(),
            elements,
        };
        let numbers = |name, values: &[f64]| {
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            tensor(name, Dtype::F64, &[count], Elements::Bytes(bytes.into()))
        };
        let flags: Vec<u8> = self.converged.iter().map(|&flag| u8::from(flag)).collect();
        let tensors = vec![
            tensor(
                "eigenvectors",
                Dtype::F32,
                &[count, dimension],
                Elements::Rows(&self.eigenvectors),
            ),
            numbers("eigenvalues", &self.eigenvalues),
            numbers("residuals", &self.residuals),
            tensor("converged", Dtype::BOOL, &[count], Elements::Bytes(flags.into())),
            numbers("overlaps", &self.overlaps),
        ];
        let checksums: BTreeMap<&str, u32> =
            tensors.iter().map(|tensor| (tensor.name, tensor.elements.checksum())).collect();
        let json = |text: serde_json::Result<String>| {
            text.map_err(|error| Error::io("write", path)(std::io::Error::from(error)))
        };
        let mut metadata = HashMap::from([
            (SCHEMA_KEY.to_owned(), SCHEMA_VERSION.to_string()),
            (PARAMETERS_KEY.to_owned(), json(serde_json::to_string(&self.parameters))?),
            (CHECKSUMS_KEY.to_owned(), json(serde_json::to_string(&checksums))?),
            (WEIGHT_DECAY_KEY.to_owned(), self.weight_decay.to_string()),
        ]);
        metadata
            .extend(self.products.map(|products| (PRODUCTS_KEY.to_owned(), products.to_string())));
        metadata.insert(SEAL_KEY.to_owned(), metadata_seal(&metadata));
        write_safetensors(storage, path, tensors, metadata)
    }

    /// Reads what [`write`](Self::write) wrote.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Damaged`], [`Error::NewerSchema`].
    pub fn read(path: impl AsRef<Path>) -> Result<Eigenvectors> {
        let path = path.as_ref();
        let bytes = file::read(path)?;
        let (_, header) =
            SafeTensors::read_metadata(&bytes).map_err(|error| damaged(path, error))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|error| damaged(path, error))?;
        let metadata = |key: &str| {
            let value = header.metadata().as_ref().and_then(|metadata| metadata.get(key));
            value.ok_or_else(|| damaged(path, format!("its metadata has no {key}")))
        };
        let version: u32 = metadata(SCHEMA_KEY)?
            .parse()
            .map_err(|_| damaged(path, "its schema version is no number"))?;
        if version > SCHEMA_VERSION {
            return Err(Error::NewerSchema {
                path: path.to_owned(),
                found: version,
                supported: SCHEMA_VERSION,
            });
        }
        if metadata(SEAL_KEY)?
            != &metadata_seal(header.metadata().as_ref().unwrap_or(&HashMap::new()))
        {
            return Err(damaged(path, "its metadata does not have its checksum"));
        }
        let parameters: Vec<ParameterInfo> = serde_json::from_str(metadata(PARAMETERS_KEY)?)
            .map_err(|error| damaged(path, error))?;
        let checksums: BTreeMap<String, u32> =
            serde_json::from_str(metadata(CHECKSUMS_KEY)?).map_err(|error| damaged(path, error))?;
        let count =
            match file.tensor("eigenvalues").map(|tensor| tensor.shape().to_vec()).as_deref() {
                Ok(&[count]) => count,
                _ => return Err(damaged(path, "it has no list of eigenvalues")),
            };
        let dimension = match dimension_of(&parameters) {
            Some(dimension) if dimension > 0 => dimension,
            _ => return Err(damaged(path, "its parameters have impossible shapes")),
        };
        let tensor = |name: &str, dtype: Dtype, shape: &[usize]| -> Result<TensorView> {
            let tensor = file.tensor(name).map_err(|error| damaged(path, error))?;
            if tensor.dtype() != dtype || tensor.shape() != shape {
                return Err(damaged(
                    path,
                    format!("{name} is {:?} {:?}", tensor.dtype(), tensor.shape()),
                ));
            }
            if checksums.get(name) != Some(&crc32fast::hash(tensor.data())) {
                return Err(damaged(path, format!("{name} does not have its checksum")));
            }
            Ok(tensor)
        };
        let numbers = |name: &str| -> Result<Vec<f64>> {
            let (values, _) = tensor(name, Dtype::F64, &[count])?.data().as_chunks();
            Ok(values.iter().map(|&value| f64::from_le_bytes(value)).collect())
        };
        let number =
            |text: &str| text.parse().map_err(|_| damaged(path, format!("{text} is no number")));
        let vectors = tensor("eigenvectors", Dtype::F32, &[count, dimension])?;
        let (elements, _) = vectors.data().as_chunks();
        let vector = |elements: &[[u8; 4]]| {
            elements.iter().map(|&element| f32::from_le_bytes(element)).collect()
        };
        Ok(Eigenvectors {
            eigenvectors: Arc::new(elements.chunks_exact(dimension).map(vector).collect()),
            eigenvalues: numbers("eigenvalues")?,
            residuals: numbers("residuals")?,
            converged: tensor("converged", Dtype::BOOL, &[count])?
                .data()
                .iter()
                .map(|&flag| flag != 0)
                .collect(),
            overlaps: numbers("overlaps")?,
            weight_decay: number(metadata(WEIGHT_DECAY_KEY)?)?,
            products: metadata(PRODUCTS_KEY).ok().and_then(|products| products.parse().ok()),
            parameters,
            summary: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn parameter(name: &str, shape: &[i64]) -> ParameterInfo {
        let (kind, device) = ("f32".to_owned(), "cpu".to_owned());
        ParameterInfo { name: name.to_owned(), shape: shape.to_vec(), kind, device, group: Some(0) }
    }

    fn example() -> Eigenvectors {
        Eigenvectors {
            parameters: vec![parameter("weight", &[2, 3]), parameter("scale", &[])],
            eigenvectors: Arc::new(vec![vec![0.5; 7], vec![-0.25; 7]]),
            eigenvalues: vec![2.0, f64::MIN_POSITIVE],
            residuals: vec![1e-9, 0.5],
            converged: vec![true, false],
            overlaps: vec![1.0, 0.25],
            weight_decay: 1e-4,
            products: Some(107),
            summary: None,
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("eigenvectors.safetensors");
        fs::write(&path, b"an older one").unwrap();
        example().write(&path).unwrap();
        assert_eq!(Eigenvectors::read(&path).unwrap(), example());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn lengths_that_do_not_fit_are_refused() {
        let path = std::env::temp_dir().join("never-written.safetensors");
        let mut wrong = example();
        Arc::make_mut(&mut wrong.eigenvectors)[1].pop();
        assert!(matches!(wrong.write(&path), Err(Error::ShapeMismatch { .. })));
        let wrong = Eigenvectors { residuals: vec![0.0], ..example() };
        assert!(matches!(wrong.write(&path), Err(Error::ShapeMismatch { .. })));
        let wrong = Eigenvectors { parameters: vec![parameter("weight", &[-1, 7])], ..example() };
        assert!(matches!(wrong.write(&path), Err(Error::ShapeMismatch { .. })));
        assert!(!path.exists());
    }

    #[test]
    fn other_files_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("eigenvectors.safetensors");
        assert!(matches!(Eigenvectors::read(&path), Err(Error::Io { .. })));
        example().write(&path).unwrap();
        let whole = fs::read(&path).unwrap();
        for length in [0, 7, 100, whole.len() - 1] {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(
                matches!(Eigenvectors::read(&path), Err(Error::Damaged { .. })),
                "{length} bytes"
            );
        }
        let replaced = |from: &str, to: &str| {
            assert_eq!(from.len(), to.len(), "the header keeps its length");
            let at =
                whole.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
            [&whole[..at], to.as_bytes(), &whole[at + from.len()..]].concat()
        };
        fs::write(
            &path,
            replaced("perrin.schema_version\":\"2\"", "perrin.schema_version\":\"9\""),
        )
        .unwrap();
        assert!(matches!(Eigenvectors::read(&path), Err(Error::NewerSchema { found: 9, .. })));
        let mut flipped = whole.clone();
        *flipped.last_mut().unwrap() ^= 1;
        fs::write(&path, flipped).unwrap();
        assert!(Eigenvectors::read(&path).unwrap_err().to_string().contains("checksum"));
        for forged in
            [replaced("[2,3]", "[2,4]"), replaced("[2,3]", "[-1]\u{20}"), replaced("F64", "I64")]
        {
            fs::write(&path, forged).unwrap();
            assert!(matches!(Eigenvectors::read(&path), Err(Error::Damaged { .. })));
        }
    }
}
