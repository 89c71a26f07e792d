//! Reading a journal, as far as its blocks are whole.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_schema_from_flatbuffer_bytes;
use arrow_ipc::reader::read_record_batch;
use arrow_ipc::root_as_message;
use arrow_schema::{ArrowError, SchemaRef};

use crate::error::Result;
use crate::run::file;
use crate::run::integrity::{SEAL_LENGTH, damaged, decode, read_error, seal};
use crate::run::steps::journal::{CONTINUATION, PREFIX_LENGTH};
use crate::run::version::{from_file, schema_of_file};

/// The whole blocks of a journal, in order, up to the length it had when opened.
///
/// Bytes that are no whole block are passed over and counted: a block that was being written when
/// its process died, or that a power loss left unwritten. Blocks after them count again.
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
    /// Opens a journal of rows of `schema`, to yield the columns of `projection` (ascending
    /// indices).
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be opened; [`Error::Damaged`] when it begins with something
    /// else than the schema.
    pub(crate) fn open(
        path: &Path,
        schema: &SchemaRef,
        projection: Vec<usize>,
    ) -> Result<JournalReader> {
        let file = file::open(path)?;
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
            // Nothing follows a schema that was not written whole, unless this is no journal at
            // all.
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
            return Err(damaged(
                &self.path,
                "it does not begin with an Arrow IPC schema of perrin's",
            ));
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
            let header = root_as_message(&message.metadata)
                .map_err(|error| ArrowError::IpcError(error.to_string()))?;
            let batch =
                header.header_as_record_batch().filter(|batch| batch.compression().is_none());
            let batch = batch.ok_or_else(|| {
                ArrowError::IpcError("it has a block that is not plain rows".to_owned())
            })?;
            // The decoder slices the body without looking.
            let end = message.body.len() as u64;
            let inside = |buffer: &arrow_ipc::Buffer| {
                let range =
                    u64::try_from(buffer.offset()).ok().zip(u64::try_from(buffer.length()).ok());
                range.is_some_and(|(offset, length)| {
                    offset.checked_add(length).is_some_and(|last| last <= end)
                })
            };
            if !batch.buffers().into_iter().flatten().all(inside) {
                return Err(ArrowError::IpcError(
                    "it has a block with values outside of it".to_owned(),
                ));
            }
            let projection = Some(self.projection.as_slice());
            let version = header.version();
            read_record_batch(
                &message.body,
                batch,
                self.schema.clone(),
                &HashMap::new(),
                projection,
                &version,
            )
        })?;
        from_file(&self.path, batch)
    }

    /// The whole message at a position, if there is one. Nothing is allocated beyond what the file
    /// can hold.
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
        let Ok(body_length) =
            decode(&self.path, || root_as_message(sealed).map(|message| message.bodyLength()))
        else {
            return Ok(None);
        };
        if !take(&mut remaining, u64::try_from(body_length).unwrap_or(u64::MAX))
            || body_length % 8 != 0
        {
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
