//! Reading a finished segment: only the columns asked for, a row group's checksums before its rows.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader};

use crate::error::{Error, Result};
use crate::run::file;
use crate::run::info::check_version;
use crate::run::integrity::{SEAL_LENGTH, damaged, decode, read_error, seal};
use crate::run::steps::footer::TAIL_LENGTH;
use crate::run::steps::segment::{Encoding, key};
use crate::run::version::{from_file, schema_of_file};

/// Rows decoded at a time.
const BATCH_ROWS: usize = 4096;

/// The rows of a segment, a batch at a time, in file order.
pub(crate) struct SegmentReader {
    path: PathBuf,
    file: File,
    metadata: ArrowReaderMetadata,
    checksums: Vec<Vec<u32>>,
    /// Columns to read, ascending.
    columns: Vec<usize>,
    next_row_group: usize,
    batches: Option<ParquetRecordBatchReader>,
    first_and_last_step: Option<(u64, u64)>,
    merged: Vec<(u64, u64)>,
}

impl SegmentReader {
    /// Opens a segment whose columns are those of `schema`, to read the `columns` with these
    /// indices.
    pub(crate) fn open(
        path: &Path,
        schema: &SchemaRef,
        columns: &[usize],
    ) -> Result<SegmentReader> {
        let (file, metadata) = read_metadata(path)?;
        let version =
            entry(&metadata, key::SCHEMA_VERSION).and_then(|version| version.parse().ok());
        check_version(path, version.ok_or_else(|| damaged(path, "it has no schema version"))?)?;
        let checksums: Vec<Vec<u32>> = entry(&metadata, key::CHECKSUMS)
            .and_then(|checksums| serde_json::from_str(checksums).ok())
            .ok_or_else(|| damaged(path, "it has no checksums"))?;
        let step = |key| entry(&metadata, key).and_then(|step| step.parse().ok());
        let first_and_last_step = step(key::FIRST_STEP).zip(step(key::LAST_STEP));
        let merged = match entry(&metadata, key::MERGED) {
            Some(merged) => serde_json::from_str(merged).map_err(|error| damaged(path, error))?,
            None => Vec::new(),
        };

        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let metadata = decode(path, || ArrowReaderMetadata::try_new(Arc::new(metadata), options))?;
        if schema_of_file(metadata.schema(), schema).is_none() {
            return Err(damaged(path, "its columns are not those of run.json"));
        }
        let columns = columns.to_vec();
        Ok(SegmentReader {
            path: path.to_owned(),
            file,
            metadata,
            checksums,
            columns,
            next_row_group: 0,
            batches: None,
            first_and_last_step,
            merged,
        })
    }

    /// Rows in the file.
    pub(crate) fn rows(&self) -> u64 {
        self.metadata.metadata().file_metadata().num_rows().try_into().unwrap_or(0)
    }

    /// First and last step, unless there are no rows.
    pub(crate) fn first_and_last_step(&self) -> Option<(u64, u64)> {
        self.first_and_last_step
    }

    /// How its values are encoded.
    pub(crate) fn encoding(&self) -> Encoding {
        match entry(self.metadata.metadata(), key::ENCODING) {
            Some(Encoding::PORTABLE) => Encoding::Portable,
            _ => Encoding::Small,
        }
    }

    /// Number and rows of the segments merged into this one; empty where it is as it was written.
    pub(crate) fn merged(&self) -> &[(u64, u64)] {
        &self.merged
    }

    /// Whether it is the segment of these numbers, by its name the first and the last of those
    /// merged into it.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it is another one.
    pub(crate) fn check_numbers(&self, named: (u64, u64)) -> Result<()> {
        match self.merged.first().zip(self.merged.last()) {
            Some((first, last)) if (first.0, last.0) != named => {
                let reason = format!(
                    "it holds segments {:06} to {:06}, and is not named for them",
                    first.0, last.0
                );
                Err(damaged(&self.path, reason))
            }
            None if named.0 != named.1 => {
                Err(damaged(&self.path, "it does not say which of its rows are of which segment"))
            }
            _ => Ok(()),
        }
    }

    /// The last row, read alone; the reader is then at its end.
    pub(crate) fn last_row(&mut self) -> Result<Option<RecordBatch>> {
        self.batches = None;
        self.next_row_group = self.metadata.metadata().num_row_groups().saturating_sub(1);
        let mut last = None;
        while let Some(batch) = self.next_batch()? {
            last = batch.num_rows().checked_sub(1).map(|row| batch.slice(row, 1)).or(last);
        }
        Ok(last)
    }

    /// Passes over the row groups before the one with which the last `rows` rows begin.
    pub(crate) fn skip_to_last(&mut self, rows: u64) {
        let groups = self.metadata.metadata().row_groups();
        let mut found = 0;
        let needed = groups.iter().rev().take_while(|group| {
            let wanted = found < rows;
            found += u64::try_from(group.num_rows()).unwrap_or(0);
            wanted
        });
        self.next_row_group = groups.len() - needed.count();
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batches) = &mut self.batches
                && let Some(batch) = decode(&self.path, || batches.next().transpose())?
            {
                return from_file(&self.path, batch).map(Some);
            }
            if self.next_row_group == self.metadata.metadata().num_row_groups() {
                return Ok(None);
            }
            self.open_row_group()?;
        }
    }

    fn open_row_group(&mut self) -> Result<()> {
        for column in self.columns.clone() {
            self.check_column_chunk(column)?;
        }
        let file = self.file.try_clone().map_err(Error::io("open", &self.path))?;
        let metadata = self.metadata.clone();
        let batches = decode(&self.path, || {
            let mask =
                ProjectionMask::leaves(metadata.parquet_schema(), self.columns.iter().copied());
            ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone())
                .with_projection(mask)
                .with_row_groups(vec![self.next_row_group])
                .with_batch_size(BATCH_ROWS)
                .build()
        })?;
        self.batches = Some(batches);
        self.next_row_group += 1;
        Ok(())
    }

    fn check_column_chunk(&mut self, column: usize) -> Result<()> {
        let chunk = self.metadata.metadata().row_group(self.next_row_group).column(column);
        let file_length = self.file.metadata().map_err(read_error(&self.path))?.len();
        let (start, length) = chunk_range(chunk, file_length)
            .ok_or_else(|| damaged(&self.path, "it has a column chunk outside of the file"))?;
        let expected = self.checksums.get(self.next_row_group).and_then(|group| group.get(column));
        let found = checksum(&mut self.file, start, length).map_err(read_error(&self.path))?;
        if expected == Some(&found) {
            return Ok(());
        }
        let name = chunk.column_path().string();
        let reason = format!(
            "column {name} of row group {} does not have its checksum",
            self.next_row_group
        );
        Err(damaged(&self.path, reason))
    }
}

impl Iterator for SegmentReader {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_batch().transpose()
    }
}

/// What a segment says of its run: `run.json` without the parameters, as it was when the segment
/// was written.
pub(crate) fn run_of(path: &Path) -> Result<Option<String>> {
    let (_, metadata) = read_metadata(path)?;
    Ok(entry(&metadata, key::RUN).map(str::to_owned))
}

fn read_metadata(path: &Path) -> Result<(File, ParquetMetaData)> {
    let mut file = file::open(path)?;
    let footer = read_footer(path, &mut file)?;
    let metadata = decode(path, || ParquetMetaDataReader::decode_metadata(&footer))?;
    Ok((file, metadata))
}

/// The bytes of the footer, once they are known to be what was written.
fn read_footer(path: &Path, file: &mut File) -> Result<Vec<u8>> {
    let length = file.metadata().map_err(read_error(path))?.len();
    let read = |file: &mut File, start: u64, bytes: u64| -> Result<Vec<u8>> {
        let mut buffer = vec![0; bytes as usize];
        file.seek(SeekFrom::Start(start)).map_err(read_error(path))?;
        file.read_exact(&mut buffer).map_err(read_error(path))?;
        Ok(buffer)
    };
    let truncated = || damaged(path, "it does not end as a Parquet file does");
    let end = length.checked_sub(TAIL_LENGTH as u64).ok_or_else(truncated)?;
    let tail = read(file, end, TAIL_LENGTH as u64)?;
    if tail[4..] != *b"PAR1" {
        return Err(truncated());
    }
    let footer_length = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    let start = end.checked_sub(footer_length + SEAL_LENGTH as u64).ok_or_else(truncated)?;
    let mut sealed = read(file, start, SEAL_LENGTH as u64 + footer_length)?;
    let footer = sealed.split_off(SEAL_LENGTH);
    if seal(&[&footer]) != *sealed {
        return Err(damaged(path, "its footer does not have perrin's checksum"));
    }
    Ok(footer)
}

/// Where a column chunk begins and how long it is, unless that is not inside the file.
fn chunk_range(chunk: &ColumnChunkMetaData, file_length: u64) -> Option<(u64, u64)> {
    let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
    let (start, length) =
        (u64::try_from(start).ok()?, u64::try_from(chunk.compressed_size()).ok()?);
    start.checked_add(length).filter(|&end| end <= file_length).map(|_| (start, length))
}

fn checksum(file: &mut File, start: u64, length: u64) -> std::io::Result<u32> {
    file.seek(SeekFrom::Start(start))?;
    let mut hasher = crc32fast::Hasher::new();
    let mut buffer = vec![0; 64 << 10];
    let mut remaining = length;
    while remaining > 0 {
        let wanted = remaining.min(buffer.len() as u64) as usize;
        file.read_exact(&mut buffer[..wanted])?;
        hasher.update(&buffer[..wanted]);
        remaining -= wanted as u64;
    }
    Ok(hasher.finalize())
}

fn entry<'a>(metadata: &'a ParquetMetaData, key: &str) -> Option<&'a str> {
    let entries = metadata.file_metadata().key_value_metadata()?;
    entries.iter().find(|entry| entry.key == key)?.value.as_deref()
}
