//! Checksums, and a fence around decoders that may panic on bytes made to mislead them.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use serde_json::Value;

use crate::error::{Error, Result};

/// First four bytes of a [`seal`].
const SEAL_MAGIC: [u8; 4] = *b"prn1";

/// Length of a [`seal`].
pub(crate) const SEAL_LENGTH: usize = 8;

/// Eight bytes that say "written by perrin, and with this checksum": magic, then CRC-32 of `parts`
/// as one sequence.
pub(crate) fn seal(parts: &[&[u8]]) -> [u8; SEAL_LENGTH] {
    let mut hasher = crc32fast::Hasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    let mut seal = [0; SEAL_LENGTH];
    seal[..4].copy_from_slice(&SEAL_MAGIC);
    seal[4..].copy_from_slice(&hasher.finalize().to_le_bytes());
    seal
}

/// Key of a safetensors file's metadata that holds the [`metadata_seal`] of all others.
pub(crate) const SEAL_KEY: &str = "perrin.seal";

/// CRC-32 of a safetensors file's metadata: each key and its value, keys rising.
pub(crate) fn metadata_seal(metadata: &HashMap<String, String>) -> String {
    let sealed: BTreeMap<_, _> = metadata.iter().filter(|(key, _)| *key != SEAL_KEY).collect();
    let mut hasher = crc32fast::Hasher::new();
    for (key, value) in sealed {
        hasher.update(key.as_bytes());
        hasher.update(value.as_bytes());
    }
    hasher.finalize().to_string()
}

/// Decodes bytes that may be damaged: an error or a panic of the decoder becomes
/// [`Error::Damaged`].
///
/// Checksums keep accidents away from the decoders of arrow and parquet, so that only a file made
/// to mislead can bring one to panic; the program that reads it still must not fall.
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

/// What an error of reading `path` means: a file that ends before the place it points to is
/// damaged.
pub(crate) fn read_error(path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |error| match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged(path, "it is shorter than it says"),
        _ => Error::io("read", path)(error),
    }
}

/// CRC-32 of a JSON value's text with sorted keys and nothing between them, however it is spaced
/// and ordered in a file.
pub(crate) fn json_checksum(value: &Value) -> u32 {
    let mut text = String::new();
    add_sorted(value, &mut text);
    crc32fast::hash(text.as_bytes())
}

/// `serde_json`'s own text has the keys sorted only where no crate of the program asks it to keep
/// their order.
fn add_sorted(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
            fields.sort_unstable_by_key(|(key, _)| *key);
            text.push('{');
            for (index, (key, value)) in fields.into_iter().enumerate() {
                text.push_str(if index > 0 { "," } else { "" });
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                add_sorted(value, text);
            }
            text.push('}');
        }
        Value::Array(values) => {
            text.push('[');
            for (index, value) in values.iter().enumerate() {
                text.push_str(if index > 0 { "," } else { "" });
                add_sorted(value, text);
            }
            text.push(']');
        }
        plain => text.push_str(&plain.to_string()),
    }
}
