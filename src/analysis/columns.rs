//! Columns of a batch as slices of numbers.

use std::borrow::Cow;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

/// A column as numbers; null is NaN.
pub(crate) fn floats(column: &ArrayRef) -> Cow<'_, [f64]> {
    if column.data_type() == &DataType::Int64 {
        let column = column.as_primitive::<Int64Type>();
        return column.iter().map(|value| value.map_or(f64::NAN, |value| value as f64)).collect();
    }
    let column = column.as_primitive::<Float64Type>();
    if column.null_count() == 0 {
        return Cow::Borrowed(column.values());
    }
    column.iter().map(|value| value.unwrap_or(f64::NAN)).collect()
}

/// The same; null is `None`.
pub(crate) fn options(column: &ArrayRef) -> Vec<Option<f64>> {
    match column.data_type() {
        DataType::Int64 => column
            .as_primitive::<Int64Type>()
            .iter()
            .map(|value| value.map(|value| value as f64))
            .collect(),
        _ => column.as_primitive::<Float64Type>().iter().collect(),
    }
}

/// The column of steps, which are never null nor negative.
pub(crate) fn steps(column: &ArrayRef) -> Vec<u64> {
    column.as_primitive::<Int64Type>().values().iter().map(|step| step.cast_unsigned()).collect()
}
