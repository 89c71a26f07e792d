//! The open segment's journal: an Arrow IPC stream whose blocks carry checksums.
//!
//! A block is one IPC message: prefix, metadata, padding, body. The format leaves the padding's
//! content open, so the last eight bytes of it hold a seal: "perrin's, and with this CRC-32 of
//! metadata and body". Any IPC stream reader passes over it; perrin knows by it a block that was
//! written whole from one that was not.

use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_ipc::MetadataVersion;
use arrow_ipc::writer::{
    DictionaryTracker, EncodedData, IpcDataGenerator, IpcWriteContext, IpcWriteOptions,
};
use arrow_schema::SchemaRef;

use crate::error::{Error, Result};
use crate::run::integrity::{SEAL_LENGTH, seal};
use crate::run::storage::{Storage, StorageFile};
use crate::run::version::{file_schema, to_file};

/// What a message begins with: this, then the length of metadata and padding as u32.
pub(crate) const CONTINUATION: [u8; 4] = [0xff; 4];
pub(crate) const PREFIX_LENGTH: usize = 8;

/// A journal being written.
pub(crate) struct Journal {
    path: PathBuf,
    file: Box<dyn StorageFile>,
    /// As in the file.
    schema: SchemaRef,
    length: u64,
    context: IpcWriteContext,
}

impl Journal {
    /// Creates the journal of a run of this version, for rows of `schema`.
    pub(crate) fn create(
        storage: &dyn Storage,
        path: &Path,
        schema: &SchemaRef,
        version: u32,
    ) -> Result<Journal> {
        let file = storage.create(path).map_err(Error::io("create", path))?;
        let (path, schema) = (path.to_owned(), file_schema(schema, version));
        let message = IpcDataGenerator {}.schema_to_bytes_with_dictionary_tracker(
            &schema,
            &mut dictionaries(),
            &options(&path)?,
        );
        let mut journal =
            Journal { path, file, schema, length: 0, context: IpcWriteContext::default() };
        journal.write(&frame(&message))?;
        Ok(journal)
    }

    /// The bytes of a block of rows.
    pub(crate) fn block(&mut self, batch: &RecordBatch) -> Result<Vec<u8>> {
        let options = options(&self.path)?;
        let (_, message) = IpcDataGenerator {}
            .encode(
                &to_file(&self.path, &self.schema, batch)?,
                &mut dictionaries(),
                &options,
                &mut self.context,
            )
            .map_err(|error| Error::io("encode", &self.path)(std::io::Error::other(error)))?;
        Ok(frame(&message))
    }

    /// Whether the journal still is under its name, with all that was written to it.
    pub(crate) fn is_in_place(&self) -> Result<bool> {
        let length = self.file.length_at(&self.path).map_err(Error::io("find", &self.path))?;
        Ok(length.is_some_and(|length| length >= self.length))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the whole blocks written.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Appends a block with a single write. After an error a part of it may be there, behind the
    /// [length](Self::length), and the journal takes no more.
    pub(crate) fn write(&mut self, block: &[u8]) -> Result<()> {
        self.file.append(block).map_err(Error::io("write", &self.path))?;
        self.length += block.len() as u64;
        Ok(())
    }
}

/// Cuts off what a write that failed has left behind the whole blocks of a journal. Returns whether
/// these are there.
pub(crate) fn cut(storage: &dyn Storage, path: &Path, length: u64) -> Result<bool> {
    match storage.length(path).map_err(Error::io("find", path))? {
        Some(found) if found > length => {
            // By a handle of its own: the journal's may have gone stale.
            let cut = storage.append_to(path).and_then(|mut file| file.truncate(length));
            cut.map(|()| true).map_err(Error::io("truncate", path))
        }
        found => Ok(found == Some(length)),
    }
}

/// The bytes of a message, its seal at the end of the padding.
fn frame(message: &EncodedData) -> Vec<u8> {
    let metadata = &message.ipc_message;
    let padding = metadata.len().next_multiple_of(8) - metadata.len();
    let metadata_length = metadata.len() + padding + SEAL_LENGTH;
    let mut bytes = Vec::with_capacity(PREFIX_LENGTH + metadata_length + message.arrow_data.len());
    bytes.extend(CONTINUATION);
    bytes.extend((metadata_length as u32).to_le_bytes());
    bytes.extend(metadata);
    bytes.resize(bytes.len() + padding, 0);
    bytes.extend(seal(&[&bytes[PREFIX_LENGTH..], &message.arrow_data]));
    bytes.extend(&message.arrow_data);
    bytes
}

/// No column is dictionary encoded.
fn dictionaries() -> DictionaryTracker {
    DictionaryTracker::new(true)
}

fn options(path: &Path) -> Result<IpcWriteOptions> {
    IpcWriteOptions::try_new(8, false, MetadataVersion::V5)
        .map_err(|error| Error::io("encode", path)(std::io::Error::other(error)))
}
