//! The eigenvalues of a file of eigenvectors, and nothing else of it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::error::{Error, Result};

/// The eigenvalues of a file of eigenvectors, and not the vectors: those may be larger than the
/// memory.
pub(crate) fn eigenvalues_of(path: &Path) -> Result<Vec<f64>> {
    let damaged =
        |reason: &str| Error::Damaged { path: path.to_owned(), reason: reason.to_owned() };
    let read = |error| Error::io("read", path)(error);
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    let length = file.metadata().map_err(read)?.len();
    let mut header_length = [0; 8];
    file.read_exact(&mut header_length).map_err(|_| damaged("it is too short"))?;
    let header_length = u64::from_le_bytes(header_length);
    if header_length > length.saturating_sub(8) {
        return Err(damaged("its header is longer than the file"));
    }
    let mut header = vec![0; header_length as usize];
    file.read_exact(&mut header).map_err(read)?;
    let header: serde_json::Value =
        serde_json::from_slice(&header).map_err(|_| damaged("its header is no JSON"))?;
    let tensor = &header["eigenvalues"];
    let offset = |index: usize| tensor["data_offsets"][index].as_u64();
    let bytes = match (tensor["dtype"].as_str(), offset(0), offset(1)) {
        (Some("F64"), Some(from), Some(to)) if from <= to && to <= length - 8 - header_length => {
            from..to
        }
        _ => return Err(damaged("it has no eigenvalues")),
    };
    let mut values = vec![0; (bytes.end - bytes.start) as usize];
    file.seek(SeekFrom::Start(8 + header_length + bytes.start)).map_err(read)?;
    file.read_exact(&mut values).map_err(read)?;
    // Those of the file may be with weight decay; here they are the Hessian's own.
    let weight_decay =
        header["__metadata__"]["perrin.weight_decay"].as_str().and_then(|text| text.parse().ok());
    let less = weight_decay.unwrap_or(0.0);
    Ok(values.as_chunks().0.iter().map(|&value| f64::from_le_bytes(value) - less).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn eigenvalues_are_read_beside_their_vectors() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("000000.safetensors");
        let shape = vec![2];
        let parameter = crate::record::ParameterInfo {
            name: "weight".to_owned(),
            shape,
            kind: "f32".to_owned(),
            device: "cpu".to_owned(),
            group: None,
        };
        let eigenvectors = crate::run::Eigenvectors {
            parameters: vec![parameter],
            eigenvectors: vec![vec![1.0, 0.0], vec![0.0, 1.0]].into(),
            eigenvalues: vec![3.5, -0.25],
            residuals: vec![0.0; 2],
            converged: vec![true; 2],
            overlaps: vec![f64::NAN; 2],
            weight_decay: 0.25,
            ..Default::default()
        };
        eigenvectors.write(&path).unwrap();
        assert_eq!(eigenvalues_of(&path).unwrap(), [3.25, -0.5]);
        let bytes = fs::read(&path).unwrap();
        for length in [0, 7, 20, bytes.len() / 2] {
            fs::write(&path, &bytes[..length]).unwrap();
            assert!(matches!(eigenvalues_of(&path), Err(Error::Damaged { .. })), "{length}");
        }
    }
}
