//! `length` of lists, maps and bytes, and text functions that also apply to bytes.
//!
//! DataFusion 55 counts the characters of a list's text, so that `length(['a', 'b'])` is 6. `octet_length`,
//! `bit_length`, `substr`, `strpos`, `reverse` and the digests refuse bytes, or fixed-size bytes.
//!
//! Delete when: these functions take bytes, and `length` takes lists, as in PostgreSQL and DuckDB.

use std::sync::Arc;

use super::operand::{is_bytes, is_text};
use super::widened::{More, Widened};
use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, BinaryArray, Int64Array};
use arrow_schema::DataType;
use datafusion::arrow::compute::cast;
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF};

/// Returns the functions, which wrap DataFusion's; `function` finds those by name.
pub(super) fn all(function: impl Fn(&str) -> Option<Arc<ScalarUDF>>) -> Vec<ScalarUDF> {
    let widened = |of: &str, name: &'static str, aliases: &[&str], more: &'static dyn More| {
        function(of).map(|inner| Widened::new(inner, name, aliases, more).into())
    };
    let mut all: Vec<Option<ScalarUDF>> = vec![
        widened("character_length", "character_length", &["length", "char_length", "len"], &Bytes::Length),
        widened("octet_length", "octet_length", &[], &Bytes::OctetLength),
        widened("bit_length", "bit_length", &[], &Bytes::BitLength),
        widened("substr", "substr", &["substring"], &Bytes::Substr),
        widened("strpos", "strpos", &["instr", "position"], &Bytes::Position),
        widened("reverse", "reverse", &[], &Bytes::Reverse),
    ];
    for name in ["md5", "sha224", "sha256", "sha384", "sha512"] {
        all.push(widened(name, name, &[], &Bytes::AnySize));
    }
    all.into_iter().flatten().collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bytes {
    Length,
    OctetLength,
    BitLength,
    Substr,
    Position,
    Reverse,
    /// A function of DataFusion's that takes bytes, but not fixed-size bytes.
    AnySize,
}

fn is_list(data_type: &DataType) -> bool {
    use DataType::*;
    matches!(data_type, List(_) | LargeList(_) | FixedSizeList(..) | ListView(_) | LargeListView(_) | Map(..))
}

fn is_record(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Struct(_))
}

impl More for Bytes {
    fn coerce(&self, types: &[DataType]) -> Result<Option<Vec<DataType>>> {
        use DataType::{Binary, FixedSizeBinary, Int64};
        Ok(match (self, types) {
            (Bytes::Length, [list]) if is_list(list) => Some(vec![list.clone()]),
            (Bytes::Length, [record]) if is_record(record) => Some(vec![record.clone()]),
            (Bytes::AnySize, [FixedSizeBinary(_)]) => Some(vec![Binary]),
            (Bytes::AnySize, _) => None,
            (Bytes::Substr, [bytes, _]) if is_bytes(bytes) => Some(vec![Binary, Int64]),
            (Bytes::Substr, [bytes, _, _]) if is_bytes(bytes) => Some(vec![Binary, Int64, Int64]),
            (Bytes::Position, [bytes, part]) if is_bytes(bytes) && (is_bytes(part) || is_text(part)) => {
                Some(vec![Binary, Binary])
            }
            (Bytes::Length | Bytes::OctetLength | Bytes::BitLength | Bytes::Reverse, [bytes]) if is_bytes(bytes) => {
                Some(vec![Binary])
            }
            _ => None,
        })
    }

    fn is_own(&self, types: &[DataType]) -> bool {
        let is_first =
            types.first().is_some_and(|first| is_list(first) || is_record(first) || *first == DataType::Binary);
        *self != Bytes::AnySize && is_first
    }

    fn returns(&self, types: &[DataType]) -> Result<DataType> {
        if types.first().is_some_and(is_record) {
            return plan_err!("length needs text, bytes, a list or a map, not a record");
        }
        Ok(match self {
            Bytes::Substr | Bytes::Reverse | Bytes::AnySize => DataType::Binary,
            Bytes::Length | Bytes::OctetLength | Bytes::BitLength | Bytes::Position => DataType::Int64,
        })
    }

    fn call(&self, args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if is_scalar { 1 } else { args.number_rows };
        let arrays = args.args.iter().map(|arg| arg.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let result: ArrayRef = match (self, arrays.as_slice()) {
            (Bytes::Length, [list]) if is_list(list.data_type()) => Arc::new(items(list)?),
            (Bytes::Length | Bytes::OctetLength, [bytes]) => Arc::new(lengths(bytes, 1)),
            (Bytes::BitLength, [bytes]) => Arc::new(lengths(bytes, 8)),
            (Bytes::Reverse, [bytes]) => {
                let reversed = |bytes: &[u8]| bytes.iter().rev().copied().collect::<Vec<u8>>();
                Arc::new(bytes.as_binary::<i32>().iter().map(|bytes| bytes.map(reversed)).collect::<BinaryArray>())
            }
            (Bytes::Position, [bytes, part]) => {
                let pairs = bytes.as_binary::<i32>().iter().zip(part.as_binary::<i32>());
                Arc::new(pairs.map(|(bytes, part)| Some(position(bytes?, part?))).collect::<Int64Array>())
            }
            (Bytes::Substr, [bytes, start, rest @ ..]) => Arc::new(substr(bytes, start, rest.first())?),
            _ => return exec_err!("arguments differ from the planned ones"),
        };
        if is_scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

/// The numbers of items of lists or maps.
fn items(list: &ArrayRef) -> Result<Int64Array> {
    fn of<T: Into<i64> + Copy>(offsets: &[T], list: &ArrayRef) -> Int64Array {
        let lengths = offsets.windows(2).map(|pair| match pair {
            [from, to] => (*to).into() - (*from).into(),
            _ => 0,
        });
        Int64Array::new(lengths.collect(), list.nulls().cloned())
    }
    Ok(match list.data_type() {
        DataType::List(_) => of(list.as_list::<i32>().value_offsets(), list),
        DataType::LargeList(_) => of(list.as_list::<i64>().value_offsets(), list),
        DataType::Map(..) => of(list.as_map().value_offsets(), list),
        DataType::ListView(_) => Int64Array::new(
            list.as_list_view::<i32>().sizes().iter().map(|n| i64::from(*n)).collect(),
            list.nulls().cloned(),
        ),
        DataType::LargeListView(_) => {
            Int64Array::new(list.as_list_view::<i64>().sizes().clone(), list.nulls().cloned())
        }
        DataType::FixedSizeList(_, n) => Int64Array::new(vec![i64::from(*n); list.len()].into(), list.nulls().cloned()),
        other => return exec_err!("length of {other}"),
    })
}

fn lengths(bytes: &ArrayRef, times: i64) -> Int64Array {
    let length = |bytes: &[u8]| i64::try_from(bytes.len()).unwrap_or(i64::MAX).saturating_mul(times);
    bytes.as_binary::<i32>().iter().map(|bytes| bytes.map(length)).collect()
}

/// Returns the position of a part, from 1; 0 if it does not occur.
fn position(bytes: &[u8], part: &[u8]) -> i64 {
    if part.is_empty() {
        return 1;
    }
    let at = bytes.windows(part.len()).position(|window| window == part);
    at.and_then(|at| i64::try_from(at + 1).ok()).unwrap_or(0)
}

/// Returns `n` bytes from a position on, from 1. Positions before the first count, as for text.
fn substr(bytes: &ArrayRef, start: &ArrayRef, n: Option<&ArrayRef>) -> Result<BinaryArray> {
    let start = cast(start, &DataType::Int64)?;
    let n = n.map(|n| cast(n, &DataType::Int64)).transpose()?;
    let bytes = bytes.as_binary::<i32>();
    let mut parts = BinaryBuilder::with_capacity(bytes.len(), 0);
    for (row, value) in bytes.iter().enumerate() {
        let at = |array: &ArrayRef| (!array.is_null(row)).then(|| array.as_primitive::<Int64Type>().value(row));
        let n = match &n {
            None => Some(i64::MAX),
            Some(n) => at(n),
        };
        let (Some(value), Some(start), Some(n)) = (value, at(&start), n) else {
            parts.append_null();
            continue;
        };
        if n < 0 {
            return exec_err!("substr: the length {n} is negative");
        }
        let place = |at: i64| usize::try_from(at.max(1) - 1).unwrap_or(0).min(value.len());
        let (from, to) = (place(start), place(start.saturating_add(n)));
        parts.append_value(value.get(from..to).unwrap_or_default());
    }
    Ok(parts.finish())
}

#[cfg(test)]
mod tests {
    use super::position;
    use avro_testing::check_all;

    #[test]
    fn position_of_bytes_counts_from_1() {
        let cases: [(&[u8], &[u8], i64); 4] = [(b"abc", b"c", 3), (b"abc", b"", 1), (b"abc", b"d", 0), (b"", b"d", 0)];
        check_all(cases, |(bytes, part, at)| {
            assert_eq!(position(bytes, part), at);
        });
    }
}
