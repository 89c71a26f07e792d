//! The eigenvalues that a run's folder holds: those of its newest file of eigenvectors.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, ensure};
use safetensors::tensor::Metadata;

/// A header longer than this is none of perrin's.
const LARGEST_HEADER: u64 = 64 << 20;

/// Eigenvalues as far as they are known.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Eigenvalues {
    /// The file they are from, and when it was written; to see whether there is a newer one.
    source: Option<(PathBuf, SystemTime)>,
    /// rho_i and the norm of its residual, as the file has them.
    pub values: Vec<(f64, f64)>,
    /// Why they could not be read.
    pub problem: Option<String>,
}

impl Eigenvalues {
    /// The file's name, once there is one.
    pub fn file(&self) -> Option<String> {
        self.source.as_ref().map(|(path, _)| path.file_name().unwrap_or_default().to_string_lossy().into_owned())
    }

    /// Looks for a newer file and reads it.
    pub fn refresh(&mut self, run: &Path) {
        let newest = newest(&run.join("eigenvectors"));
        if newest == self.source {
            return;
        }
        let values = newest.as_ref().map_or(Ok(Vec::new()), |(path, _)| read(path));
        let (values, problem) = match values {
            Ok(values) => (values, None),
            Err(error) => (Vec::new(), Some(format!("{error:#}"))),
        };
        *self = Eigenvalues { source: newest, values, problem };
    }
}

/// The last of the folder's files by name; they are numbered.
fn newest(folder: &Path) -> Option<(PathBuf, SystemTime)> {
    let files = folder.read_dir().ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let last = files.filter(|path| path.extension().is_some_and(|extension| extension == "safetensors")).max()?;
    let written = last.metadata().and_then(|metadata| metadata.modified()).ok()?;
    Some((last, written))
}

/// Reads the eigenvalues and residuals alone: the eigenvectors beside them may take gigabytes.
fn read(path: &Path) -> anyhow::Result<Vec<(f64, f64)>> {
    let context = || format!("cannot read {}", path.display());
    let mut file = File::open(path).with_context(context)?;
    let mut length = [0; 8];
    file.read_exact(&mut length).with_context(context)?;
    ensure!(u64::from_le_bytes(length) <= LARGEST_HEADER, "{} is no file of eigenvectors", path.display());
    let mut header = vec![0; u64::from_le_bytes(length) as usize];
    file.read_exact(&mut header).with_context(context)?;
    let metadata: Metadata = serde_json::from_slice(&header).with_context(context)?;
    let mut numbers = |name: &str| -> anyhow::Result<Vec<f64>> {
        let tensor = metadata.info(name).with_context(|| format!("{} has no {name}", path.display()))?;
        let (start, end) = tensor.data_offsets;
        ensure!(end.saturating_sub(start) as u64 <= LARGEST_HEADER, "{} has too many {name}", path.display());
        let mut bytes = vec![0; end.saturating_sub(start)];
        read_at(&mut file, (8 + header.len() + start) as u64, &mut bytes).with_context(context)?;
        Ok(bytes.as_chunks().0.iter().map(|&value| f64::from_le_bytes(value)).collect())
    };
    let (values, residuals) = (numbers("eigenvalues")?, numbers("residuals")?);
    Ok(values.into_iter().zip(residuals).collect())
}

fn read_at(file: &mut File, position: u64, bytes: &mut [u8]) -> std::io::Result<()> {
    use std::io::{Seek, SeekFrom};
    file.seek(SeekFrom::Start(position))?;
    file.read_exact(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use perrin::log::eigenvectors::Eigenvectors;
    use perrin::record::ParameterInfo;

    use super::*;

    fn write(path: &Path, eigenvalues: Vec<f64>) {
        let parameter = ParameterInfo {
            name: "weight".to_owned(),
            shape: vec![2],
            kind: "f32".to_owned(),
            device: "cpu".to_owned(),
            group: None,
        };
        let count = eigenvalues.len();
        let file = Eigenvectors {
            parameters: vec![parameter],
            eigenvectors: vec![vec![1.0, 0.0]; count],
            residuals: vec![0.25; count],
            converged: vec![true; count],
            eigenvalues,
        };
        file.write(path).unwrap();
    }

    #[test]
    fn the_newest_file_is_read_and_a_damaged_one_told() {
        let run = tempfile::tempdir().unwrap();
        let mut found = Eigenvalues::default();
        found.refresh(run.path());
        assert_eq!(found, Eigenvalues::default());
        let folder = run.path().join("eigenvectors");
        fs::create_dir(&folder).unwrap();
        write(&folder.join("000000.safetensors"), vec![7.0]);
        write(&folder.join("000001.safetensors"), vec![3.0, 1.5]);
        found.refresh(run.path());
        assert_eq!((found.values.as_slice(), found.problem.as_ref()), ([(3.0, 0.25), (1.5, 0.25)].as_slice(), None));
        assert_eq!(found.file().as_deref(), Some("000001.safetensors"));
        for bytes in [&b""[..], b"\xff\xff\xff\xff\xff\xff\xff\xff", b"\x02\0\0\0\0\0\0\0{}"] {
            fs::write(folder.join("000002.safetensors"), bytes).unwrap();
            found.refresh(run.path());
            assert!(found.values.is_empty() && found.problem.is_some());
            fs::remove_file(folder.join("000002.safetensors")).unwrap();
            found.refresh(run.path());
            assert_eq!(found.values.len(), 2);
        }
    }
}
