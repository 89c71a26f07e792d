//! The columns of `steps`, and rows to and from Arrow record batches.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, PrimitiveArray, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use crate::error::{Error, Result};
use crate::record::{Hyperparameters, Layout, RowBuffer, StepRecord};

/// More columns than this are taken for a damaged layout.
const MAXIMUM_COLUMNS: usize = 100_000;

/// Columns before those of the further parameter groups and the projections.
const BASE_COLUMNS: [(&str, DataType); 12] = [
    ("step", DataType::Int64),
    ("epoch", DataType::Int64),
    ("elapsed_seconds", DataType::Float64),
    ("learning_rate", DataType::Float64),
    ("momentum", DataType::Float64),
    ("weight_decay", DataType::Float64),
    ("batch_size", DataType::Int64),
    ("loss", DataType::Float64),
    ("gradient_norm_squared", DataType::Float64),
    ("local_displacement_squared", DataType::Float64),
    ("global_displacement_squared", DataType::Float64),
    ("basis", DataType::Int64),
];

/// Columns whose value nearly always repeats from row to row; the others change with every row.
pub(crate) fn repeats(column: &str) -> bool {
    ["epoch", "batch_size", "basis", "learning_rate", "momentum", "weight_decay"].contains(&column)
        || column.contains("_group_")
}

/// The Arrow schema of `steps` for a layout, columns in the order of the file.
///
/// `step` and `elapsed_seconds` are never null; everything else may be, and null means not known.
///
/// # Errors
/// [`Error::InvalidValue`] when the layout has no parameter group or more columns than a log can
/// have.
pub fn steps_schema(layout: Layout) -> Result<SchemaRef> {
    let columns = layout
        .directions
        .saturating_mul(2)
        .saturating_add(layout.parameter_groups.saturating_mul(3));
    if layout.parameter_groups == 0 || columns > MAXIMUM_COLUMNS {
        return Err(Error::InvalidValue {
            name: "columns of parameter groups and directions",
            value: columns as f64,
            requirement: "those of at least one parameter group, and at most 100,000",
        });
    }
    let mut fields: Vec<Field> = BASE_COLUMNS
        .iter()
        .map(|(name, kind)| {
            Field::new(*name, kind.clone(), !["step", "elapsed_seconds"].contains(name))
        })
        .collect();
    let mut float = |name: String| fields.push(Field::new(name, DataType::Float64, true));
    for group in 1..layout.parameter_groups {
        float(format!("learning_rate_group_{group}"));
        float(format!("momentum_group_{group}"));
        float(format!("weight_decay_group_{group}"));
    }
    (1..=layout.directions).for_each(|direction| float(format!("position_{direction}")));
    (1..=layout.directions).for_each(|direction| float(format!("velocity_{direction}")));
    Ok(Arc::new(Schema::new(fields)))
}

/// Rows as a record batch of `schema`, which is [`steps_schema`] of `layout`.
///
/// # Errors
/// [`Error::ShapeMismatch`] when the buffer's group hyperparameters or projections do not fit its
/// rows and the layout.
pub fn batch_from_rows(
    layout: Layout,
    schema: &SchemaRef,
    rows: &RowBuffer,
) -> Result<RecordBatch> {
    let further_groups = layout.parameter_groups.saturating_sub(1);
    let values = 2 * layout.directions;
    check_length(
        "group_hyperparameters",
        rows.group_hyperparameters.len(),
        rows.len(),
        further_groups,
    )?;
    check_length("projections", rows.projections.len(), rows.len(), values)?;

    let records = &rows.records;
    let integers = |value: fn(&StepRecord) -> Option<u64>| -> ArrayRef {
        Arc::new(records.iter().map(|record| value(record).map(integer)).collect::<Int64Array>())
    };
    let floats = |value: fn(&StepRecord) -> Option<f64>| -> ArrayRef {
        Arc::new(records.iter().map(value).collect::<Float64Array>())
    };
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(records.iter().map(|row| integer(row.step)))),
        integers(|row| row.epoch),
        Arc::new(Float64Array::from_iter_values(records.iter().map(|row| row.elapsed_seconds))),
        floats(|row| row.hyperparameters.learning_rate),
        floats(|row| row.hyperparameters.momentum),
        floats(|row| row.hyperparameters.weight_decay),
        integers(|row| row.batch_size),
        floats(|row| row.loss),
        floats(|row| row.gradient_norm_squared),
        floats(|row| row.local_displacement_squared),
        floats(|row| row.global_displacement_squared),
        integers(|row| row.basis),
    ];
    for group in 0..further_groups {
        let of_group = || rows.group_hyperparameters.iter().skip(group).step_by(further_groups);
        columns
            .push(Arc::new(of_group().map(|group| group.learning_rate).collect::<Float64Array>()));
        columns.push(Arc::new(of_group().map(|group| group.momentum).collect::<Float64Array>()));
        columns
            .push(Arc::new(of_group().map(|group| group.weight_decay).collect::<Float64Array>()));
    }
    for value in 0..values {
        let column = rows.projections.iter().skip(value).step_by(values).copied();
        columns.push(Arc::new(column.collect::<Float64Array>()));
    }
    RecordBatch::try_new(schema.clone(), columns).map_err(|error| Error::ShapeMismatch {
        name: "record batch",
        found: error.to_string(),
        expected: "the columns of the layout".to_owned(),
    })
}

/// The rows of a record batch that has all columns of `layout`: [`batch_from_rows`] undone, bit by
/// bit.
///
/// # Errors
/// [`Error::ShapeMismatch`] when the batch does not have exactly the layout's columns, or null
/// where none can be.
pub fn rows_from_batch(layout: Layout, batch: &RecordBatch) -> Result<RowBuffer> {
    let schema = steps_schema(layout)?;
    if schema.fields() != batch.schema().fields() {
        return Err(Error::ShapeMismatch {
            name: "record batch",
            found: format!("{} columns", batch.num_columns()),
            expected: format!("the {} columns of the layout", schema.fields().len()),
        });
    }
    let integers = |index: usize| batch.column(index).as_primitive::<Int64Type>();
    let floats = |index: usize| batch.column(index).as_primitive::<Float64Type>();
    let first_projection = BASE_COLUMNS.len() + 3 * (layout.parameter_groups - 1);
    let mut rows = RowBuffer::default();
    for row in 0..batch.num_rows() {
        rows.records.push(StepRecord {
            step: integers(0).value(row).cast_unsigned(),
            epoch: value(integers(1), row).map(i64::cast_unsigned),
            elapsed_seconds: floats(2).value(row),
            hyperparameters: hyperparameters(batch, 3, row),
            batch_size: value(integers(6), row).map(i64::cast_unsigned),
            loss: value(floats(7), row),
            gradient_norm_squared: value(floats(8), row),
            local_displacement_squared: value(floats(9), row),
            global_displacement_squared: value(floats(10), row),
            basis: value(integers(11), row).map(i64::cast_unsigned),
        });
        for group in (BASE_COLUMNS.len()..first_projection).step_by(3) {
            rows.group_hyperparameters.push(hyperparameters(batch, group, row));
        }
        for index in first_projection..batch.num_columns() {
            rows.projections.push(value(floats(index), row));
        }
    }
    Ok(rows)
}

/// A number as the log holds it: many programs have no unsigned integers. 2^63 and above become
/// 2^63 - 1.
pub(crate) fn integer(value: u64) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

/// The value at `row`, or none where it is null.
pub(crate) fn value<T: ArrowPrimitiveType>(
    column: &PrimitiveArray<T>,
    row: usize,
) -> Option<T::Native> {
    column.is_valid(row).then(|| column.value(row))
}

fn hyperparameters(batch: &RecordBatch, first: usize, row: usize) -> Hyperparameters {
    let float = |index: usize| value(batch.column(index).as_primitive::<Float64Type>(), row);
    Hyperparameters {
        learning_rate: float(first),
        momentum: float(first + 1),
        weight_decay: float(first + 2),
    }
}

fn check_length(name: &'static str, found: usize, rows: usize, per_row: usize) -> Result<()> {
    if found == rows * per_row {
        return Ok(());
    }
    Err(Error::ShapeMismatch {
        name,
        found: format!("[{found}]"),
        expected: format!("[{}]: {per_row} for each of {rows} rows", rows * per_row),
    })
}
