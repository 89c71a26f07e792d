//! The open segment's journal: an Arrow IPC stream whose blocks carry checksums.
//!
//! A block is one IPC message: prefix, metadata, padding, body. The format leaves the padding's content open, so the
//! last eight bytes of it hold a seal: "perrin's, and with this CRC-32 of metadata and body". Any IPC stream
//! reader passes over it; perrin knows by it a block that was written whole from one that was not.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::MetadataVersion;
use arrow_ipc::convert::try_schema_from_flatbuffer_bytes;
use arrow_ipc::reader::read_record_batch;
use arrow_ipc::root_as_message;
use arrow_ipc::writer::{DictionaryTracker, EncodedData, IpcDataGenerator, IpcWriteContext, IpcWriteOptions};
use arrow_schema::ArrowError;
use arrow_schema::SchemaRef;

use super::guard::{SEAL_LENGTH, damaged, decode, read_error, seal};
use super::storage::{Storage, StorageFile};
use super::version::{file_schema, from_file, schema_of_file, to_file};
use crate::error::{Error, Result};

/// What a message begins with: this, then the length of metadata and padding as u32.
const CONTINUATION: [u8; 4] = [0xff; 4];
const PREFIX_LENGTH: usize = 8;

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
    pub(crate) fn create(storage: &dyn Storage, path: &Path, schema: &SchemaRef, version: u32) -> Result<Journal> {
        let file = storage.create(path).map_err(Error::io("create", path))?;
        let (path, schema) = (path.to_owned(), file_schema(schema, version));
        let message =
            IpcDataGenerator {}.schema_to_bytes_with_dictionary_tracker(&schema, &mut dictionaries(), &options(&path)?);
        let mut journal = Journal { path, file, schema, length: 0, context: IpcWriteContext::default() };
        journal.write(&frame(&message))?;
        Ok(journal)
    }

    /// The bytes of a block of rows.
    pub(crate) fn block(&mut self, batch: &RecordBatch) -> Result<Vec<u8>> {
        let options = options(&self.path)?;
        let (_, message) = IpcDataGenerator {}
            .encode(&to_file(&self.path, &self.schema, batch)?, &mut dictionaries(), &options, &mut self.context)
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

/// Cuts off what a write that failed has left behind the whole blocks of a journal. Returns whether these are there.
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

/// The whole blocks of a journal, in order, up to the length it had when opened.
///
/// Bytes that are no whole block are passed over and counted: a block that was being written when its process
/// died, or that a power loss left unwritten. Blocks after them count again.
pub(crate) struct JournalReader {
    path: PathBuf,
    file: BufReader<File>,
    /// As in the file.
    schema: SchemaRef,
    projection: Vec<usize>,
    /// Where `file` stands.
    cursor: u64,
    /// Where the next message is looked for.
    position: u64,
    length: u64,
    bytes_discarded: u64,
    /// Where the last whole block ended.
    end_of_blocks: u64,
}

/// A message as read: metadata with its padding, and body.
struct Message {
    metadata: Vec<u8>,
    body: Buffer,
}

impl JournalReader {
    /// Opens a journal of rows of `schema`, to yield the columns of `projection` (ascending indices).
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be opened; [`Error::Damaged`] when it begins with something else than the schema.
    pub(crate) fn open(path: &Path, schema: &SchemaRef, projection: Vec<usize>) -> Result<JournalReader> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let length = file.metadata().map_err(read_error(path))?.len();
        let file = BufReader::new(file);
        let schema = schema.clone();
        let path = path.to_owned();
        let mut reader = JournalReader {
            path,
            file,
            schema,
            projection,
            cursor: 0,
            position: 0,
            length,
            bytes_discarded: 0,
            end_of_blocks: 0,
        };
        reader.read_schema()?;
        Ok(reader)
    }

    /// Bytes passed over so far.
    pub(crate) fn bytes_discarded(&self) -> u64 {
        self.bytes_discarded
    }

    /// Where the last whole block read ended: what is behind it may yet become one.
    pub(crate) fn end_of_blocks(&self) -> u64 {
        self.end_of_blocks
    }

    /// Goes on at an earlier reader's [`end_of_blocks`](Self::end_of_blocks).
    pub(crate) fn skip_to(&mut self, end_of_blocks: u64) {
        self.position = self.position.max(end_of_blocks);
        self.end_of_blocks = self.position.min(self.length);
    }

    fn read_schema(&mut self) -> Result<()> {
        let Some(message) = self.message_at(0)? else {
            // Nothing follows a schema that was not written whole, unless this is no journal at all.
            let mut start = vec![0; self.length.min(PREFIX_LENGTH as u64) as usize];
            self.read_at(0, &mut start)?;
            let torn = self.length < PREFIX_LENGTH as u64
                || start.iter().all(|&byte| byte == 0)
                || (start.starts_with(&CONTINUATION)
                    && self.length - (PREFIX_LENGTH as u64) < metadata_length(&start).into());
            if torn {
                self.bytes_discarded = self.length;
                self.position = self.length;
                return Ok(());
            }
            return Err(damaged(&self.path, "it does not begin with an Arrow IPC schema of perrin's"));
        };
        let found = decode(&self.path, || try_schema_from_flatbuffer_bytes(&message.metadata))?;
        self.schema = schema_of_file(&found, &self.schema)
            .ok_or_else(|| damaged(&self.path, "its columns are not those of run.json"))?;
        self.position = message.length();
        Ok(())
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        while self.position < self.length {
            if let Some(message) = self.message_at(self.position)? {
                self.position += message.length();
                self.end_of_blocks = self.position;
                return self.batch(&message).map(Some);
            }
            // Every message is a multiple of eight bytes long, so the next whole one begins at one.
            let next = (self.position + 8).min(self.length);
            self.bytes_discarded += next - self.position;
            self.position = next;
        }
        Ok(None)
    }

    fn batch(&self, message: &Message) -> Result<RecordBatch> {
        let batch = decode(&self.path, || {
            let header = root_as_message(&message.metadata).map_err(|error| ArrowError::IpcError(error.to_string()))?;
            let batch = header.header_as_record_batch().filter(|batch| batch.compression().is_none());
            let batch =
                batch.ok_or_else(|| ArrowError::IpcError("it has a block that is not plain rows".to_owned()))?;
            // The decoder slices the body without looking.
            let end = message.body.len() as u64;
            let inside = |buffer: &arrow_ipc::Buffer| {
                let range = u64::try_from(buffer.offset()).ok().zip(u64::try_from(buffer.length()).ok());
                range.is_some_and(|(offset, length)| offset.checked_add(length).is_some_and(|last| last <= end))
            };
            if !batch.buffers().into_iter().flatten().all(inside) {
                return Err(ArrowError::IpcError("it has a block with values outside of it".to_owned()));
            }
            let projection = Some(self.projection.as_slice());
            let version = header.version();
            read_record_batch(&message.body, batch, self.schema.clone(), &HashMap::new(), projection, &version)
        })?;
        from_file(&self.path, batch)
    }

    /// The whole message at a position, if there is one. Nothing is allocated beyond what the file can hold.
    fn message_at(&mut self, position: u64) -> Result<Option<Message>> {
        let mut remaining = self.length - position;
        let mut prefix = [0; PREFIX_LENGTH];
        if !take(&mut remaining, PREFIX_LENGTH as u64) {
            return Ok(None);
        }
        self.read_at(position, &mut prefix)?;
        let metadata_length = metadata_length(&prefix);
        let fits = prefix.starts_with(&CONTINUATION)
            && metadata_length as usize > SEAL_LENGTH
            && metadata_length.is_multiple_of(8)
            && take(&mut remaining, u64::from(metadata_length));
        if !fits {
            return Ok(None);
        }
        let mut metadata = vec![0; metadata_length as usize];
        self.read_next(&mut metadata)?;
        let (sealed, seal_found) = metadata.split_at(metadata.len() - SEAL_LENGTH);
        // The seal is checked before anything but the length of the body is believed.
        let Ok(body_length) = decode(&self.path, || root_as_message(sealed).map(|message| message.bodyLength())) else {
            return Ok(None);
        };
        if !take(&mut remaining, u64::try_from(body_length).unwrap_or(u64::MAX)) || body_length % 8 != 0 {
            return Ok(None);
        }
        let mut body = vec![0; body_length as usize];
        self.read_next(&mut body)?;
        if seal(&[sealed, &body]) != *seal_found {
            return Ok(None);
        }
        Ok(Some(Message { body: Buffer::from_vec(body), metadata }))
    }

    fn read_at(&mut self, position: u64, bytes: &mut [u8]) -> Result<()> {
        // Relative, so that the buffer is kept where it already covers the position.
        let distance = position as i64 - self.cursor as i64;
        self.file.seek_relative(distance).map_err(read_error(&self.path))?;
        self.cursor = position;
        self.read_next(bytes)
    }

    fn read_next(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.file.read_exact(bytes).map_err(read_error(&self.path))?;
        self.cursor += bytes.len() as u64;
        Ok(())
    }
}

impl Iterator for JournalReader {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_batch().transpose()
    }
}

impl Message {
    fn length(&self) -> u64 {
        (PREFIX_LENGTH + self.metadata.len() + self.body.len()) as u64
    }
}

fn metadata_length(prefix: &[u8]) -> u32 {
    u32::from_le_bytes([prefix[4], prefix[5], prefix[6], prefix[7]])
}

/// Takes `length` from `remaining`, if that much is there.
fn take(remaining: &mut u64, length: u64) -> bool {
    remaining.checked_sub(length).map(|rest| *remaining = rest).is_some()
}
