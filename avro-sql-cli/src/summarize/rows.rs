//! The rows of a summary: one for each field.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{Result, ScalarValue};

use super::field::FieldSummary;
use super::fields::Summary;
use super::numbers::Numbers;
use crate::output;

/// Frequent values that are shown.
const TOP: usize = 4;

/// Characters of a frequent value that are shown.
const VALUE_CHARS: usize = 24;

/// Frequent values whose share is below this many percent are not shown.
const SHARE_MIN: f64 = 0.5;

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    Arc::new(Schema::new(vec![
        Field::new("column_name", DataType::Utf8, false),
        Field::new("column_type", DataType::Utf8, false),
        Field::new("null_percentage", DataType::Float64, true),
        Field::new("approx_unique", DataType::Int64, true),
        text("min"),
        text("max"),
        text("avg"),
        text("q25"),
        text("q50"),
        text("q75"),
        text("distribution"),
        text("top_values"),
        text("std"),
        Field::new("count", DataType::Int64, false),
    ]))
});

/// Returns the columns of a summary.
pub(super) fn schema() -> SchemaRef {
    Arc::clone(&SCHEMA)
}

/// Returns the rows of a summary.
pub(super) fn batch(summary: &mut Summary) -> Result<RecordBatch> {
    let mut texts: [Vec<Option<String>>; 9] = Default::default();
    let mut distinct = Vec::with_capacity(summary.fields.len());
    for field in &mut summary.fields {
        distinct.push(field.distinct()?.map(number));
        for (column, text) in texts.iter_mut().zip(measures(field)?) {
            column.push(text);
        }
    }
    let fields = &summary.fields;
    let mut texts = texts.into_iter().map(|texts| Arc::new(StringArray::from(texts)) as ArrayRef);
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(fields.iter().map(|field| Some(field.name.as_str())).collect::<StringArray>()),
        Arc::new(fields.iter().map(|field| Some(field.type_name.as_str())).collect::<StringArray>()),
        Arc::new(fields.iter().map(|field| percentage(field.nulls, field.rows)).collect::<Float64Array>()),
        Arc::new(Int64Array::from(distinct)),
    ];
    columns.extend(texts.by_ref());
    columns.push(Arc::new(fields.iter().map(|field| Some(number(field.rows))).collect::<Int64Array>()));
    Ok(RecordBatch::try_new(schema(), columns)?)
}

/// Returns the columns from `min` to `std`.
fn measures(field: &mut FieldSummary) -> Result<[Option<String>; 9]> {
    let (min, max) = match field.range()? {
        Some((min, max)) => (text(&field.field, &min)?, text(&field.field, &max)?),
        None => (None, None),
    };
    let numbers = field.values.as_ref().and_then(|values| values.numbers.as_ref());
    let at = |q: f64| match numbers {
        Some(numbers) => numbers.quantile(q).map(|x| value(&field.field, numbers, x, true)).transpose(),
        None => Ok(None),
    };
    let mean = match numbers {
        Some(numbers) => numbers.mean().map(|x| value(&field.field, numbers, x, false)).transpose()?,
        None => None,
    };
    let deviation = numbers.filter(|numbers| !numbers.is_time()).and_then(Numbers::deviation).map(short);
    let distribution = numbers.and_then(Numbers::distribution);
    Ok([
        min,
        max,
        mean.flatten(),
        at(0.25)?.flatten(),
        at(0.5)?.flatten(),
        at(0.75)?.flatten(),
        distribution,
        top(field)?,
        deviation,
    ])
}

/// Returns a mean or a quantile as text.
fn value(field: &Field, numbers: &Numbers, x: f64, is_quantile: bool) -> Result<Option<String>> {
    if numbers.is_time() {
        let whole: ArrayRef = Arc::new(Int64Array::from(vec![x.round() as i64]));
        let whole = match field.data_type() {
            DataType::Date32 | DataType::Time32(_) => cast(&whole, &DataType::Int32)?,
            _ => whole,
        };
        return text(field, &ScalarValue::try_from_array(&cast(&whole, field.data_type())?, 0)?);
    }
    Ok(Some(match field.data_type().is_integer() && is_quantile {
        true => format!("{:.0}", x.round()),
        false => short(x),
    }))
}

/// Returns the most frequent values with their shares, `BUY 40%, VIEW 33%`.
fn top(field: &FieldSummary) -> Result<Option<String>> {
    let Some(values) = &field.values else { return Ok(None) };
    let mut parts = Vec::new();
    for (value, count) in values.frequent.top(TOP) {
        let share = percentage(count, field.present()).unwrap_or(0.0);
        if share < SHARE_MIN {
            break;
        }
        let text = text(&field.field, value)?.unwrap_or_default();
        let mut shown: String = text.chars().take(VALUE_CHARS).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        parts.push(format!("{shown} {share:.0}%"));
    }
    Ok((!parts.is_empty()).then(|| parts.join(", ")))
}

/// Returns a value as the output formats write it; `None` for null.
fn text(field: &Field, value: &ScalarValue) -> Result<Option<String>> {
    if value.is_null() {
        return Ok(None);
    }
    Ok(Some(output::text(field, value.to_array()?.as_ref())?))
}

/// Returns a number with six significant digits, and up to two after the point.
fn short(x: f64) -> String {
    let size = x.abs();
    if x == 0.0 || !x.is_finite() {
        return x.to_string();
    }
    if !(1e-4..1e15).contains(&size) {
        return format!("{x:.5e}");
    }
    let decimals = (5 - size.log10().floor() as i32).max(2) as usize;
    let text = format!("{x:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// Returns a share in percent, with two decimals.
fn percentage(part: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| (part as f64 / of as f64 * 10_000.0).round() / 100.0)
}

fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::short;
    use avro_testing::check_all;

    #[test]
    fn short_keeps_six_significant_digits() {
        let cases = [
            (0.0, "0"),
            (1.0, "1"),
            (-2.5, "-2.5"),
            (1234.56789, "1234.57"),
            (1_234_567.8, "1234567.8"),
            (100_000.5, "100000.5"),
            (0.000_123_456_789, "0.000123457"),
            (1e-9, "1.00000e-9"),
            (f64::NAN, "NaN"),
        ];
        check_all(cases, |(x, expected)| {
            assert_eq!(short(x), expected);
        });
    }
}
