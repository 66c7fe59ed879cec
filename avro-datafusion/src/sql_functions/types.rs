//! Types of arguments.

use arrow_schema::{DataType, TimeUnit};
use datafusion::common::Result;

use super::function::wrong;

/// A wall clock.
pub(super) const MICROS: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

/// Whether values of this type are text, enums among them.
pub(super) fn is_text(data_type: &DataType) -> bool {
    crate::compat::is_text(data_type)
}

/// Whether values of this type are bytes.
pub(super) fn is_bytes(data_type: &DataType) -> bool {
    crate::compat::is_bytes(data_type)
}

/// Returns the types of a function whose arguments all are text. Other simple values are written as text.
pub(super) fn texts(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    let text = |data_type: &DataType| match data_type {
        text if is_text(text) || text.is_null() => Ok(DataType::Utf8View),
        other => Err(wrong(name, "text", other)),
    };
    types.iter().map(text).collect()
}

/// Returns the type of an argument whose literal decides the type of the result. Text keeps its type: a cast around
/// the literal would hide it from the planner.
pub(super) fn literal_text(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => data_type.clone(),
        _ => DataType::Utf8View,
    }
}
