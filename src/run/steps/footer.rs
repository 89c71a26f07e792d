//! The end of a Parquet file: what the encoder makes of it, and what perrin's files have.

use crate::run::integrity::seal;

/// Parquet's file tail after the footer: its length and the magic.
pub(crate) const TAIL_LENGTH: usize = 8;

/// The end of a file with the order of its columns in terms that older readers know, and the seal
/// of the footer in front of it. Readers find the footer from the file's end, so that to them the
/// seal is unused bytes between data and footer.
pub(crate) fn sealed(end: &[u8], columns: usize) -> Vec<u8> {
    let (before_length, tail) = end.split_at(end.len() - TAIL_LENGTH);
    let footer_length = u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]) as usize;
    let (before, footer) = before_length.split_at(before_length.len() - footer_length);
    let mut footer = footer.to_vec();
    say_older_orders(&mut footer, columns);
    [before, &seal(&[&footer]), &footer, tail].concat()
}

/// Names the order by which statistics compare floats as files before 2026 do.
///
/// The encoder names Parquet's new total order of floats. A reader that does not know it should
/// pass over statistics; Polars before 2.0 refuses the file ("Invalid thrift"). Where NaN is left
/// out, as here, the order named before says the same. The list of orders is the footer's last
/// field: each a union of one empty structure, `1c` the older one, `2c` the newer.
fn say_older_orders(footer: &mut [u8], columns: usize) {
    let mut list = vec![0x19];
    match u8::try_from(columns) {
        Ok(few @ ..15) => list.push(few << 4 | 0x0c),
        _ => {
            list.push(0xfc);
            let mut rest = columns;
            while rest >= 0x80 {
                list.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            list.push(rest as u8);
        }
    }
    // What has another form is left as it is.
    let Some(start) = footer.len().checked_sub(1 + 3 * columns + list.len()) else { return };
    let Some(orders) =
        footer[start..].strip_prefix(list.as_slice()).and_then(|rest| rest.strip_suffix(&[0]))
    else {
        return;
    };
    if orders.chunks(3).all(|order| matches!(order, [0x1c | 0x2c, 0, 0])) {
        footer[start + list.len()..].chunks_exact_mut(3).for_each(|order| order[0] = 0x1c);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Float64Array, RecordBatch};
    use arrow_schema::{DataType, Field, Schema};
    use parquet::arrow::ArrowWriter;
    use parquet::basic::{ColumnOrder, SortOrder};
    use parquet::file::metadata::ParquetMetaDataReader;

    use super::*;

    /// Lists of orders have another form from 15 columns on, and from 128.
    #[test]
    fn every_order_is_the_older_one_however_many_columns_there_are() {
        for columns in [1, 14, 15, 127, 128, 300] {
            let fields: Vec<Field> = (0..columns)
                .map(|index| Field::new(index.to_string(), DataType::Float64, true))
                .collect();
            let schema = Arc::new(Schema::new(fields));
            let values = vec![Arc::new(Float64Array::from(vec![1.0, f64::NAN])) as _; columns];
            let mut writer = ArrowWriter::try_new(Vec::new(), schema.clone(), None).unwrap();
            writer.write(&RecordBatch::try_new(schema, values).unwrap()).unwrap();
            let plain = writer.into_inner().unwrap();
            let orders = |file: &[u8]| {
                let length =
                    u32::from_le_bytes(file[file.len() - 8..file.len() - 4].try_into().unwrap())
                        as usize;
                let footer = &file[file.len() - 8 - length..file.len() - 8];
                let metadata = ParquetMetaDataReader::decode_metadata(footer).unwrap();
                metadata.file_metadata().column_orders().unwrap().clone()
            };
            assert_eq!(
                orders(&plain),
                vec![ColumnOrder::IEEE_754_TOTAL_ORDER; columns],
                "else this is not needed"
            );
            let older = orders(&sealed(&plain, columns));
            let is_older = |order: &ColumnOrder| {
                matches!(order, ColumnOrder::TYPE_DEFINED_ORDER(SortOrder::SIGNED))
            };
            assert!(
                older.len() == columns && older.iter().all(is_older),
                "{columns} columns: {older:?}"
            );
        }
    }
}
