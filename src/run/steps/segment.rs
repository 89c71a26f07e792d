//! Writing a finished segment: a Parquet file that grows a row group at a time and is renamed when
//! complete.

use std::io;
use std::mem;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_schema::{DataType, SchemaRef};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, KeyValue};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::error::{Error, Result};
use crate::record::RunInfo;
use crate::run::schema::repeats;
use crate::run::steps::footer::sealed;
use crate::run::storage::{Storage, StorageFile};
use crate::run::version::{file_schema, from_file, to_file};

/// Keys of the metadata in a segment's footer.
pub(crate) mod key {
    pub(crate) const SCHEMA_VERSION: &str = "perrin.schema_version";
    pub(crate) const RUN: &str = "perrin.run";
    pub(crate) const FIRST_STEP: &str = "perrin.first_step";
    pub(crate) const LAST_STEP: &str = "perrin.last_step";
    /// CRC-32 of every column chunk, as a JSON list of row groups of lists of numbers.
    pub(crate) const CHECKSUMS: &str = "perrin.checksums";
    /// `portable` where [`Encoding`](crate::run::Encoding) is.
    pub(crate) const ENCODING: &str = "perrin.encoding";
    /// Of a merged segment: number and rows of each segment in it, as a JSON list of pairs.
    pub(crate) const MERGED: &str = "perrin.merged";
}

/// Unencoded bytes after which a row group is closed; with the pages it bounds the encoder's
/// memory.
const ROW_GROUP_BYTES: usize = 16 << 20;

/// How values are encoded in a Parquet file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// Small: BYTE_STREAM_SPLIT, DELTA_BINARY_PACKED, zstd.
    #[default]
    Small,
    /// PLAIN and gzip, which every reader of Parquet knows.
    Portable,
}

impl Encoding {
    /// What the metadata of a portable file says.
    pub(crate) const PORTABLE: &str = "portable";
}

/// How large a finished segment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentSize {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

/// A segment being written, in the version of its run.
///
/// The file is made when the first row group is full, or at the end. Until then all rows are in
/// memory: a file that could not be completed is written anew as often as asked for.
pub(crate) struct SegmentWriter {
    path: PathBuf,
    file: Option<Box<dyn StorageFile>>,
    /// Encodes into memory, which is moved to the file after each row group: that way each chunk's
    /// bytes are at hand for its checksum, and the file gets few large writes.
    encoder: ArrowWriter<Vec<u8>>,
    /// What is encoded and not in the file.
    encoded: Vec<u8>,
    /// Whether the footer is encoded.
    is_complete: bool,
    /// Bytes, and row groups, in the file.
    written: u64,
    row_groups_written: usize,
    /// As in the file.
    schema: SchemaRef,
    row_group_rows: usize,
    checksums: Vec<Vec<u32>>,
    first_and_last_step: Option<(u64, u64)>,
    merged: Vec<(u64, u64)>,
    rows: u64,
}

impl SegmentWriter {
    /// Begins a segment that is written to `path`, and renamed once it is complete.
    pub(crate) fn new(
        path: &Path,
        schema: &SchemaRef,
        info: &RunInfo,
        encoding: Encoding,
    ) -> Result<SegmentWriter> {
        let path = path.to_owned();
        let schema = file_schema(schema, info.schema_version);
        // The footer says the schema in Parquet's own terms; Arrow's copy of it would only make
        // each file larger.
        let options = ArrowWriterOptions::new()
            .with_properties(properties(&schema, info, encoding))
            .with_skip_arrow_metadata(true);
        let encoder = ArrowWriter::try_new_with_options(Vec::new(), schema.clone(), options)
            .map_err(|error| Error::io("encode", &path)(error.into()))?;
        let row_group_rows = (ROW_GROUP_BYTES / (8 * schema.fields().len())).max(1);
        Ok(SegmentWriter {
            path,
            file: None,
            encoder,
            encoded: Vec::new(),
            is_complete: false,
            written: 0,
            row_groups_written: 0,
            schema,
            row_group_rows,
            checksums: Vec::new(),
            first_and_last_step: None,
            merged: Vec::new(),
            rows: 0,
        })
    }

    /// Says of which segments, by number, how many rows are in this one.
    pub(crate) fn set_merged(&mut self, merged: Vec<(u64, u64)>) {
        self.merged = merged;
    }

    /// Encodes a block of rows; a full row group goes to the file.
    pub(crate) fn write(&mut self, storage: &dyn Storage, batch: &RecordBatch) -> Result<()> {
        let steps = batch.column(0).as_primitive::<Int64Type>().values();
        if let (Some(&first), Some(&last)) = (steps.first(), steps.last()) {
            let (first, _) = self.first_and_last_step.unwrap_or((first.cast_unsigned(), 0));
            self.first_and_last_step = Some((first, last.cast_unsigned()));
        }
        self.rows += batch.num_rows() as u64;
        let batch = to_file(&self.path, &self.schema, batch)?;
        self.encoder
            .write(&batch)
            .map_err(|error| Error::io("encode", &self.path)(error.into()))?;
        if self.encoder.in_progress_rows() < self.row_group_rows {
            return Ok(());
        }
        self.close_row_group()?;
        let mut file = match self.file.take() {
            Some(file) => file,
            None => storage.create(&self.path).map_err(Error::io("create", &self.path))?,
        };
        file.append(&self.encoded).map_err(Error::io("write", &self.path))?;
        self.file = Some(file);
        self.written += self.encoded.len() as u64;
        self.row_groups_written = self.checksums.len();
        self.encoded.clear();
        Ok(())
    }

    /// Whether [`finish`](Self::finish) can be tried: all is in memory, or what is not is in a file
    /// that is in its place.
    pub(crate) fn can_finish(&self) -> bool {
        let in_place = |file: &dyn StorageFile| {
            file.length_at(&self.path).is_ok_and(|length| length == Some(self.written))
        };
        self.written == 0 || self.file.as_deref().is_some_and(in_place)
    }

    /// Completes the file and makes it survive a power loss; it is still to be renamed. After an
    /// error it may be tried again if it [can](Self::can_finish).
    pub(crate) fn finish(&mut self, storage: &dyn Storage) -> Result<SegmentSize> {
        self.complete()?;
        // Not gone on with after an error: a sync that failed may have lost what was written
        // before.
        let mut file = match self.file.take() {
            Some(file) if self.written > 0 => file,
            _ if self.written == 0 => {
                storage.create(&self.path).map_err(Error::io("create", &self.path))?
            }
            _ => return Err(Error::io("write", &self.path)(io::ErrorKind::NotFound.into())),
        };
        file.append(&self.encoded).map_err(Error::io("write", &self.path))?;
        file.sync().map_err(Error::io("sync", &self.path))?;
        Ok(SegmentSize { rows: self.rows, bytes: self.written + self.encoded.len() as u64 })
    }

    /// The rows that are in memory: all of them, or those of the last row group.
    pub(crate) fn rows_in_memory(&mut self) -> Result<Vec<RecordBatch>> {
        self.complete()?;
        // The footer counts from the file's beginning.
        let mut bytes = vec![0; self.written as usize];
        bytes.extend_from_slice(&self.encoded);
        let encode = |error: ParquetError| Error::io("encode", &self.path)(error.into());
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let builder =
            ParquetRecordBatchReaderBuilder::try_new_with_options(Bytes::from(bytes), options)
                .map_err(encode)?;
        let row_groups = (self.row_groups_written..self.checksums.len()).collect();
        let batches = builder.with_row_groups(row_groups).build().map_err(encode)?;
        batches
            .map(|batch| from_file(&self.path, batch.map_err(|error| encode(error.into()))?))
            .collect()
    }

    /// Encodes the last row group and the footer, once.
    fn complete(&mut self) -> Result<()> {
        if self.is_complete {
            return Ok(());
        }
        self.close_row_group()?;
        let mut metadata = vec![(key::CHECKSUMS, serde_json::json!(self.checksums).to_string())];
        if let Some((first, last)) = self.first_and_last_step {
            metadata.push((key::FIRST_STEP, first.to_string()));
            metadata.push((key::LAST_STEP, last.to_string()));
        }
        if !self.merged.is_empty() {
            metadata.push((key::MERGED, serde_json::json!(self.merged).to_string()));
        }
        for (key, value) in metadata {
            self.encoder.append_key_value_metadata(KeyValue::new(key.to_owned(), value));
        }
        self.encoder.finish().map_err(|error| Error::io("encode", &self.path)(error.into()))?;
        let end = mem::take(self.encoder.inner_mut());
        self.encoded.extend(sealed(&end, self.schema.fields().len()));
        self.is_complete = true;
        Ok(())
    }

    fn close_row_group(&mut self) -> Result<()> {
        if self.encoder.in_progress_rows() == 0 {
            return Ok(());
        }
        self.encoder.flush().map_err(|error| Error::io("encode", &self.path)(error.into()))?;
        // The encoder buffers what it gives to the vector; after this the vector has all of the row
        // group.
        self.encoder.sync().map_err(Error::io("encode", &self.path))?;
        let bytes = mem::take(self.encoder.inner_mut());
        let row_group = self
            .encoder
            .flushed_row_groups()
            .last()
            .map(|group| group.columns())
            .unwrap_or_default();
        let before = self.written + self.encoded.len() as u64;
        let checksum = |chunk: &ColumnChunkMetaData| {
            let (start, length) = chunk.byte_range();
            let start = usize::try_from(start.checked_sub(before)?).ok()?;
            Some(crc32fast::hash(bytes.get(start..start.checked_add(length as usize)?)?))
        };
        let checksums: Option<Vec<u32>> = row_group.iter().map(checksum).collect();
        let elsewhere = || {
            Error::io("encode", &self.path)(io::Error::other(
                "a column chunk is not where it should be",
            ))
        };
        self.checksums.push(checksums.ok_or_else(elsewhere)?);
        self.encoded.extend(bytes);
        Ok(())
    }
}

fn properties(schema: &SchemaRef, info: &RunInfo, encoding: Encoding) -> WriterProperties {
    // The list of parameters can be long, is the same in every segment, and is in run.json.
    let run = RunInfo { parameters: Vec::new(), ..info.clone() };
    let mut metadata = vec![
        KeyValue::new(key::SCHEMA_VERSION.to_owned(), info.schema_version.to_string()),
        KeyValue::new(key::RUN.to_owned(), serde_json::json!(run).to_string()),
    ];
    let compression = match encoding {
        Encoding::Small => Compression::ZSTD(ZstdLevel::default()),
        Encoding::Portable => {
            metadata.push(KeyValue::new(key::ENCODING.to_owned(), Encoding::PORTABLE.to_owned()));
            Compression::GZIP(GzipLevel::default())
        }
    };
    let mut builder = WriterProperties::builder()
        .set_created_by(concat!("perrin version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata(Some(metadata))
        .set_compression(compression)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_max_row_group_row_count(None);
    for field in schema.fields() {
        let column = ColumnPath::from(field.name().as_str());
        let encoding = match (encoding, field.data_type()) {
            (Encoding::Small, DataType::Int64 | DataType::UInt64) => {
                parquet::basic::Encoding::DELTA_BINARY_PACKED
            }
            (Encoding::Small, DataType::Float64) => parquet::basic::Encoding::BYTE_STREAM_SPLIT,
            _ => parquet::basic::Encoding::PLAIN,
        };
        // With a dictionary a repeated value costs nearly nothing; the encoding is what it falls
        // back to.
        builder = builder
            .set_column_dictionary_enabled(column.clone(), repeats(field.name()))
            .set_column_encoding(column, encoding);
    }
    builder.build()
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;
    use crate::record::{Hyperparameters, Layout, RowBuffer, StepRecord};
    use crate::run::folder::RunFolder;
    use crate::run::schema::{batch_from_rows, steps_schema};
    use crate::run::storage::Disk;

    #[test]
    fn repeated_unknown_and_counted_values_cost_next_to_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let folder = RunFolder::new(directory.path());
        std::fs::create_dir(folder.open_folder()).unwrap();
        let info =
            RunInfo { layout: Layout { parameter_groups: 2, directions: 0 }, ..RunInfo::default() };
        let schema = steps_schema(info.layout).unwrap();
        let mut writer =
            SegmentWriter::new(&folder.unfinished_segment(0), &schema, &info, Encoding::Small)
                .unwrap();
        let hyperparameters =
            Hyperparameters { learning_rate: Some(1e-3), momentum: Some(0.9), weight_decay: None };
        for block in 0..200 {
            let records = (block * 250 + 1..block * 250 + 251).map(|step| StepRecord {
                step,
                epoch: Some(step / 469),
                hyperparameters,
                batch_size: Some(128),
                local_displacement_squared: Some((step as f64).sin().exp()),
                ..StepRecord::default()
            });
            let group_hyperparameters = vec![hyperparameters; 250];
            let rows = RowBuffer {
                records: records.collect(),
                group_hyperparameters,
                projections: Vec::new(),
            };
            writer.write(&Disk, &batch_from_rows(info.layout, &schema, &rows).unwrap()).unwrap();
        }
        let size = writer.finish(&Disk).unwrap();
        assert_eq!(size.rows, 50_000);

        let reader =
            SerializedFileReader::new(File::open(folder.unfinished_segment(0)).unwrap()).unwrap();
        let row_group = reader.metadata().row_group(0);
        assert_eq!(row_group.num_rows(), 50_000);
        for chunk in row_group.columns() {
            let (name, bytes) = (chunk.column_path().string(), chunk.compressed_size());
            match name.as_str() {
                // Noise: 8 bytes a row, of which the exponents compress.
                "local_displacement_squared" => {
                    assert!(bytes < 50_000 * 8, "{name}: {bytes} bytes")
                }
                // Runs of 469 equal values, and steps that grow by 1.
                "epoch" | "step" => assert!(bytes < 1_000, "{name}: {bytes} bytes"),
                _ => assert!(bytes < 200, "{name}: {bytes} bytes"),
            }
        }
    }
}
