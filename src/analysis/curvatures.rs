//! The eigenvalues of the Hessian as a file gives them: perrin's eigenvectors, or JSON.
//!
//! JSON: `{"eigenvalues": [10.0, 4.0], "density": {"nodes": [0.1, 0.5], "weights": [2.0, 1.0], "dimension": 50000}}`,
//! largest first; the density is of the directions beside the eigenvalues, and may be left out.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::theory::spectrum::Spectrum;

/// Measured eigenvalues, and the bulk where it is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Curvatures {
    /// Measured eigenvalues, those of the projections first and in their order. Some may be negative.
    pub eigenvalues: Vec<f64>,
    /// The other directions; none where nothing is known of them.
    pub density: Option<Density>,
}

/// A bulk of eigenvalues.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Density {
    /// Eigenvalues that stand for those around them.
    pub nodes: Vec<f64>,
    /// How many, relative to each other.
    pub weights: Vec<f64>,
    /// How many directions in all.
    pub dimension: f64,
}

impl Curvatures {
    /// Reads a `.safetensors` file of eigenvectors, or JSON.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Damaged`] for a damaged safetensors file; [`Error::InvalidInput`] for JSON without
    /// eigenvalues, or with numbers that are no spectrum.
    pub fn read(path: impl AsRef<Path>) -> Result<Curvatures> {
        let path = path.as_ref();
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            return Ok(Curvatures { eigenvalues: eigenvalues_of(path)?, density: None });
        }
        let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
        Curvatures::from_json(&text)
    }

    /// From JSON as above.
    ///
    /// # Errors
    /// [`Error::InvalidInput`].
    pub fn from_json(text: &str) -> Result<Curvatures> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Input {
            eigenvalues: Vec<f64>,
            density: Option<Density>,
        }
        let invalid = |reason: String| Error::InvalidInput { field: "eigenvalues".to_owned(), reason };
        let input: Input = serde_json::from_str(text).map_err(|error| invalid(error.to_string()))?;
        let curvatures = Curvatures { eigenvalues: input.eigenvalues, density: input.density };
        if curvatures.eigenvalues.is_empty() && curvatures.density.is_none() {
            return Err(invalid("there are none".to_owned()));
        }
        if !curvatures.eigenvalues.iter().all(|eigenvalue| eigenvalue.is_finite()) {
            return Err(invalid("one is not finite".to_owned()));
        }
        if let Some(density) = &curvatures.density {
            Spectrum::default().with_density(&density.nodes, &density.weights, density.dimension)?;
        }
        Ok(curvatures)
    }

    /// The spectrum the theory takes: it has no negative eigenvalues.
    ///
    /// # Errors
    /// The first negative eigenvalue, as a reason.
    pub fn spectrum(&self) -> std::result::Result<Spectrum, String> {
        if let Some(negative) = self.eigenvalues.iter().find(|eigenvalue| **eigenvalue < 0.0) {
            return Err(format!("eigenvalue {negative:.3e} is negative: the theory has no stationary state there"));
        }
        let measured = Spectrum::from_eigenvalues(&self.eigenvalues);
        let spectrum = match &self.density {
            Some(density) => {
                measured.and_then(|spectrum| spectrum.with_density(&density.nodes, &density.weights, density.dimension))
            }
            None => measured,
        };
        spectrum.map_err(|error| error.to_string())
    }

    /// The largest eigenvalue, measured or of the density.
    pub fn largest(&self) -> Option<f64> {
        let nodes = self.density.iter().flat_map(|density| &density.nodes);
        self.eigenvalues.iter().chain(nodes).copied().reduce(f64::max)
    }
}

/// The eigenvalues of a file of eigenvectors, and not the vectors: those may be larger than the memory.
fn eigenvalues_of(path: &Path) -> Result<Vec<f64>> {
    let damaged = |reason: &str| Error::Damaged { path: path.to_owned(), reason: reason.to_owned() };
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
    let header: serde_json::Value = serde_json::from_slice(&header).map_err(|_| damaged("its header is no JSON"))?;
    let tensor = &header["eigenvalues"];
    let offset = |index: usize| tensor["data_offsets"][index].as_u64();
    let bytes = match (tensor["dtype"].as_str(), offset(0), offset(1)) {
        (Some("F64"), Some(from), Some(to)) if from <= to && to <= length - 8 - header_length => from..to,
        _ => return Err(damaged("it has no eigenvalues")),
    };
    let mut values = vec![0; (bytes.end - bytes.start) as usize];
    file.seek(SeekFrom::Start(8 + header_length + bytes.start)).map_err(read)?;
    file.read_exact(&mut values).map_err(read)?;
    // Those of the file may be with weight decay; here they are the Hessian's own.
    let weight_decay = header["__metadata__"]["perrin.weight_decay"].as_str().and_then(|text| text.parse().ok());
    let less = weight_decay.unwrap_or(0.0);
    Ok(values.as_chunks().0.iter().map(|&value| f64::from_le_bytes(value) - less).collect())
}

#[cfg(test)]
mod tests {
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
        let eigenvectors = crate::log::eigenvectors::Eigenvectors {
            parameters: vec![parameter],
            eigenvectors: vec![vec![1.0, 0.0], vec![0.0, 1.0]],
            eigenvalues: vec![3.5, -0.25],
            residuals: vec![0.0; 2],
            converged: vec![true; 2],
            overlaps: vec![f64::NAN; 2],
            weight_decay: 0.25,
            ..Default::default()
        };
        eigenvectors.write(&path).unwrap();
        assert_eq!(Curvatures::read(&path).unwrap().eigenvalues, [3.25, -0.5]);
        let bytes = fs::read(&path).unwrap();
        for length in [0, 7, 20, bytes.len() / 2] {
            fs::write(&path, &bytes[..length]).unwrap();
            assert!(matches!(Curvatures::read(&path), Err(Error::Damaged { .. })), "{length}");
        }
    }

    #[test]
    fn json_is_read_and_what_is_no_spectrum_refused() {
        let text = r#"{"eigenvalues": [4, 2], "density": {"nodes": [0.1], "weights": [1], "dimension": 30}}"#;
        let curvatures = Curvatures::from_json(text).unwrap();
        assert_eq!((curvatures.largest(), curvatures.spectrum().unwrap().trace()), (Some(4.0), 9.0));
        let negative = Curvatures::from_json(r#"{"eigenvalues": [4, -2]}"#).unwrap();
        assert!(negative.spectrum().unwrap_err().contains("negative"));
        for text in [
            "",
            "[]",
            r#"{"eigenvalues": []}"#,
            r#"{"eigenvalues": [1e999]}"#,
            r#"{"eigenvalues": [1], "density": {"nodes": [-1], "weights": [1], "dimension": 30}}"#,
            r#"{"eigenvalue": [1]}"#,
        ] {
            assert!(Curvatures::from_json(text).is_err(), "{text}");
        }
        assert!(matches!(Curvatures::read("/nonexistent/curvatures.json"), Err(Error::Io { .. })));
    }
}
