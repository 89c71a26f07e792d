//! What files of version 1 have otherwise: their integers are unsigned.
//!
//! Read, they become signed; written, because a run keeps the version it was begun with, they
//! become unsigned again.

use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, UInt64Array};
use arrow_buffer::ScalarBuffer;
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use crate::error::{Error, Result};
use crate::run::integrity::damaged;

/// The columns of `schema` in files of a version.
pub(crate) fn file_schema(schema: &SchemaRef, version: u32) -> SchemaRef {
    if version != 1 {
        return schema.clone();
    }
    let field = |field: &Arc<Field>| match field.data_type() {
        DataType::Int64 => Arc::new(field.as_ref().clone().with_data_type(DataType::UInt64)),
        _ => field.clone(),
    };
    Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()))
}

/// The schema of a file that has the columns of `schema`, in whichever version; `None` if it has
/// others.
pub(crate) fn schema_of_file(found: &Schema, schema: &SchemaRef) -> Option<SchemaRef> {
    let versions = [schema.clone(), file_schema(schema, 1)];
    versions.into_iter().find(|version| version.fields() == found.fields())
}

/// Rows as a file with columns `file` holds them.
pub(crate) fn to_file(path: &Path, file: &SchemaRef, batch: &RecordBatch) -> Result<RecordBatch> {
    let column = |(field, column): (&Arc<Field>, &ArrayRef)| -> ArrayRef {
        if field.data_type() == column.data_type() {
            return column.clone();
        }
        let signed = column.as_primitive::<Int64Type>();
        let values = ScalarBuffer::new(signed.values().inner().clone(), 0, signed.len());
        Arc::new(UInt64Array::new(values, signed.nulls().cloned()))
    };
    let columns = file.fields().iter().zip(batch.columns()).map(column).collect();
    RecordBatch::try_new(file.clone(), columns)
        .map_err(|error| Error::io("encode", path)(std::io::Error::other(error)))
}

/// Rows as they were read, with signed integers, none of them negative.
///
/// # Errors
/// [`Error::Damaged`] for a negative integer, or one of version 1 above 2^63 - 1: no log has such.
pub(crate) fn from_file(path: &Path, batch: RecordBatch) -> Result<RecordBatch> {
    let batch = signed(path, batch)?;
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let Some(column) = column.as_primitive_opt::<Int64Type>() else { continue };
        // Null rows may hold anything.
        let negative = match column.nulls() {
            None => column.values().iter().fold(0, |all, value| all | value) < 0,
            Some(_) => column.iter().flatten().any(|value| value < 0),
        };
        if negative {
            return Err(damaged(
                path,
                format!("column {} has a number below 0 or above 2^63 - 1", field.name()),
            ));
        }
    }
    Ok(batch)
}

fn signed(path: &Path, batch: RecordBatch) -> Result<RecordBatch> {
    if !batch.columns().iter().any(|column| column.data_type() == &DataType::UInt64) {
        return Ok(batch);
    }
    let column = |column: &ArrayRef| -> ArrayRef {
        let Some(unsigned) = column.as_primitive_opt::<UInt64Type>() else { return column.clone() };
        let values = ScalarBuffer::new(unsigned.values().inner().clone(), 0, unsigned.len());
        Arc::new(Int64Array::new(values, unsigned.nulls().cloned()))
    };
    let columns: Vec<ArrayRef> = batch.columns().iter().map(column).collect();
    let field = |(field, column): (&Arc<Field>, &ArrayRef)| {
        field.as_ref().clone().with_data_type(column.data_type().clone())
    };
    let fields: Vec<Field> = batch.schema_ref().fields().iter().zip(&columns).map(field).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(|error| damaged(path, error))
}
