//! Batches for Polars, which panics on some of Arrow's types: they become text, or an error that names the column.

use arrow_array::cast::AsArray;
use arrow_array::types::IntervalMonthDayNanoType;
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, IntervalUnit, Schema};
use avro_sql_cli::embed::SqlFailure;
use datafusion::error::DataFusionError;
use std::sync::Arc;

const NANOS: i64 = 1_000_000_000;

/// Returns the batch with text in place of decimals of more than 38 digits and of intervals.
pub(crate) fn polars_batch(batch: &RecordBatch) -> Result<RecordBatch, SqlFailure> {
    let schema = batch.schema();
    if schema.fields().iter().all(|field| !lacks(field.data_type()) && !lacks_inside(field.data_type())) {
        return Ok(batch.clone());
    }
    let mut fields: Vec<Arc<Field>> = vec![];
    let mut columns: Vec<ArrayRef> = vec![];
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        let converted = match field.data_type() {
            DataType::Interval(IntervalUnit::MonthDayNano) => durations(column),
            DataType::FixedSizeBinary(0) => cast(column, &DataType::Binary).map_err(DataFusionError::from)?,
            kind if lacks_inside(kind) || matches!(kind, DataType::Union(..)) => return Err(refused(field)),
            kind if lacks(kind) => cast(column, &DataType::Utf8).map_err(DataFusionError::from)?,
            _ => Arc::clone(column),
        };
        fields.push(Arc::new(Field::new(field.name(), converted.data_type().clone(), field.is_nullable())));
        columns.push(converted);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options);
    Ok(batch.map_err(DataFusionError::from)?)
}

fn refused(field: &Field) -> SqlFailure {
    let reason = match field.data_type() {
        DataType::Union(..) => "Polars has no unions; read them with unions='struct'",
        _ => {
            "Polars cannot hold a type inside of it: a union, an interval, or a decimal of more than 38 digits; select \
             other columns, or fields of it"
        }
    };
    SqlFailure::request(format!("column `{}`: {reason}", field.name()))
}

/// Whether Polars lacks this type.
fn lacks(data_type: &DataType) -> bool {
    use DataType::*;
    matches!(data_type, Decimal256(..) | Interval(_) | Union(..) | FixedSizeBinary(0))
}

/// Whether Polars lacks a type inside this type.
fn lacks_inside(data_type: &DataType) -> bool {
    use DataType::*;
    let is_one = |data_type: &DataType| lacks(data_type) || lacks_inside(data_type);
    match data_type {
        List(item) | LargeList(item) | FixedSizeList(item, _) | Map(item, _) => is_one(item.data_type()),
        Struct(fields) => fields.iter().any(|field| is_one(field.data_type())),
        Dictionary(_, values) => is_one(values),
        _ => false,
    }
}

/// Returns intervals in the form of ISO 8601, such as `P1M2DT3.5S`.
fn durations(column: &ArrayRef) -> ArrayRef {
    let text = |value: arrow_buffer::IntervalMonthDayNano| {
        let (sign, nanos) = (if value.nanoseconds < 0 { "-" } else { "" }, value.nanoseconds.unsigned_abs());
        let (seconds, fraction) = (nanos / NANOS.unsigned_abs(), nanos % NANOS.unsigned_abs());
        let fraction = if fraction == 0 { String::new() } else { format!(".{fraction:09}") };
        let fraction = fraction.trim_end_matches('0');
        format!("P{}M{}DT{sign}{seconds}{fraction}S", value.months, value.days)
    };
    let values = column.as_primitive::<IntervalMonthDayNanoType>();
    Arc::new(values.iter().map(|value| value.map(text)).collect::<StringArray>())
}
