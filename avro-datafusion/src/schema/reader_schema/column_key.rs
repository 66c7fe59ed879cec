//! What identifies the values of a column of a file, for its columnar copy.

use super::ReaderSchema;
use crate::options::read::AvroOptions;
use crate::projection::DecodeColumns;
use crate::schema::header_cache::{ByText, ColumnKey, FileSchema};
use crate::schema::type_text::type_text;
use arrow_schema::{FieldRef, Schema};
use avro_arrow::schema::Fingerprint;
use std::sync::Arc;

/// Rows of a batch of the programs that are only compared.
const BATCH_SIZE: usize = 8192;
/// What the text of a program does not tell in full: JSON of values, mapped symbols, factors, and texts of defaults.
const INCOMPLETE: [&str; 4] = [" as json", "symbol", "rescaled", "text of"];

impl ReaderSchema {
    /// Returns the key of a table's column in a file; `None` if the file lacks the column, or it cannot be read alone.
    ///
    /// Equal keys mean equal values: the key covers the options, and either the file's schema and the column's name, or
    /// the program that resolves the column.
    pub(crate) fn column_key(
        &self,
        file: &FileSchema,
        field: &FieldRef,
        options: &AvroOptions,
    ) -> Option<Arc<ColumnKey>> {
        file.key(self.schema.as_ref(), field.name(), || self.new_column_key(file, field, options))
    }

    fn new_column_key(&self, file: &FileSchema, field: &FieldRef, options: &AvroOptions) -> Option<ColumnKey> {
        let own = ReaderSchema { schema: None, casts: false, by: self.by };
        let program = |reader: &ReaderSchema| {
            let schema = Arc::new(Schema::new(vec![Arc::clone(field)]));
            let columns = DecodeColumns { paths: vec![field.name().clone()].into(), schema };
            reader.programs(file, &columns, None, BATCH_SIZE, options).ok().map(|(program, _)| program)
        };
        let found = program(self)?;
        let mut fields = found.arrow_schema().fields().iter();
        let (Some(column), None) = (fields.next(), fields.next()) else { return None };
        let text = found.to_string();
        let is_complete = !INCOMPLETE.iter().any(|words| text.contains(words));
        let is_own = match &self.schema {
            None => true,
            Some(ByText(reader)) if reader.json() == file.avro().json() => true,
            Some(_) if is_complete => program(&own).is_some_and(|own| {
                own.arrow_schema().fields() == found.arrow_schema().fields() && own.to_string() == text
            }),
            Some(_) => false,
        };
        // A file that does not resolve is read with its own schema, all columns or none.
        if !is_own && self.casts {
            return None;
        }
        let settings = format!("{} {:?} {:?}", env!("CARGO_PKG_VERSION"), options.decoder(None, 1), self.by);
        let mut parts = vec![settings, type_text(column.data_type()), column.name().clone()];
        parts.push(file.avro().json().to_owned());
        if let (false, Some(ByText(reader))) = (is_own, &self.schema) {
            parts.push(text);
            parts.extend((!is_complete).then(|| reader.json().to_owned()));
        }
        let parts = parts.iter().flat_map(|part| [part.as_bytes(), b"\0".as_slice()]);
        let hash = Fingerprint::Sha256(Fingerprint::sha256_of(parts)).to_string();
        Some(ColumnKey { field: Arc::clone(column), hash, is_own })
    }
}
