//! The keys of the columns that a scan decodes.

use crate::options::read::AvroOptions;
use crate::projection::DecodeColumns;
use crate::schema::header_cache::{ColumnKey, FileSchema};
use crate::schema::reader_schema::ReaderSchema;
use arrow_schema::{FieldRef, Schema};
use std::collections::HashMap;
use std::sync::Arc;

/// Returns the decoded columns, which a program reads as `program`, each with the key of its whole column; `None` if
/// one has no key.
pub(super) fn keyed_columns(
    file: &FileSchema,
    reader: &ReaderSchema,
    options: &AvroOptions,
    decoded: &DecodeColumns,
    program: &Schema,
) -> Option<Vec<(FieldRef, Arc<ColumnKey>)>> {
    let key = |field: &FieldRef| reader.column_key(file, field, options);
    let keys: HashMap<_, _> =
        decoded.schema.fields().iter().filter_map(key).map(|key| (key.field.name().clone(), key)).collect();
    let keyed = |field: &FieldRef| Some((Arc::clone(field), Arc::clone(keys.get(field.name())?)));
    program.fields().iter().map(keyed).collect()
}
