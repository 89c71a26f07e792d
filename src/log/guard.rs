//! Checksums, and a fence around decoders that may panic on bytes made to mislead them.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::error::{Error, Result};

/// First four bytes of a [`seal`].
const SEAL_MAGIC: [u8; 4] = *b"prn1";

/// Length of a [`seal`].
pub(crate) const SEAL_LENGTH: usize = 8;

/// Eight bytes that say "written by perrin, and with this checksum": magic, then CRC-32 of `parts` as one sequence.
pub(crate) fn seal(parts: &[&[u8]]) -> [u8; SEAL_LENGTH] {
    let mut hasher = crc32fast::Hasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    let mut seal = [0; SEAL_LENGTH];
    seal[..4].copy_from_slice(&SEAL_MAGIC);
    seal[4..].copy_from_slice(&hasher.finalize().to_le_bytes());
    seal
}

/// Decodes bytes that may be damaged: an error or a panic of the decoder becomes [`Error::Damaged`].
///
/// Checksums keep accidents away from the decoders of arrow and parquet, so that only a file made to mislead can bring
/// one to panic; the program that reads it still must not fall.
pub(crate) fn decode<T, E: std::fmt::Display>(
    path: &Path,
    decoder: impl FnOnce() -> std::result::Result<T, E>,
) -> Result<T> {
    // Whatever state a panic leaves behind is dropped with the decoder.
    match catch_unwind(AssertUnwindSafe(decoder)) {
        Ok(Ok(decoded)) => Ok(decoded),
        Ok(Err(error)) => Err(damaged(path, error)),
        Err(_) => Err(damaged(path, "its contents contradict each other")),
    }
}

/// [`Error::Damaged`] for a path and what does not fit.
pub(crate) fn damaged(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::Damaged { path: path.to_owned(), reason: reason.to_string() }
}

/// What an error of reading `path` means: a file that ends before the place it points to is damaged.
pub(crate) fn read_error(path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |error| match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged(path, "it is shorter than it says"),
        _ => Error::io("read", path)(error),
    }
}
